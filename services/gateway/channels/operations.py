"""The WebSocket handshakes in the OpenAPI document. OpenAPI cannot describe the messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.gateway.channels.transport import Endpoint
from services.gateway.openapi.responses import JSON
from services.gateway.openapi.security import security_of

_REFUSALS = {
    403: "The credential is missing or invalid, or the protocol version or list is unknown.",
    429: "Too many handshakes, or too many open sockets of this caller.",
    503: "Too many open sockets, or a component is not available.",
}


def _parameter(name: str, description: str, example: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", **schema},
        "example": example,
    }


def _operation(
    name: str, tag: str, text: str, not_found: dict[str, Any], *parameters: dict[str, Any]
) -> dict[str, Any]:
    """``not_found`` is the body for a request that is no handshake, which is answered as any unknown path of its dialect."""
    retry = {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}
    return {
        "operationId": name,
        "summary": text.partition(".")[0],
        "description": text,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": {
            "101": {"description": "The connection switches to the WebSocket protocol (RFC 6455)."},
            **{
                str(status): {"description": why, **(retry if status in (429, 503) else {})}
                for status, why in _REFUSALS.items()
            },
            "404": {"description": "The request is not a WebSocket handshake.", "content": not_found},
        },
    }


_NOT_FOUND = {
    JSON: {
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "example": {"error": "Not found", "code": "NOT_FOUND", "message": "Not Found"},
    }
}
_PAGE_NOT_FOUND = {
    "text/html": {"schema": {"type": "string", "contentMediaType": "text/html"}, "example": "<!DOCTYPE html> ..."}
}
_OPERATIONS: dict[str, dict[str, Any]] = {
    "/socket/websocket": _operation(
        "open_channels",
        "forge channels",
        "Open a Phoenix channels connection. Join the topic `jobs:<id>` to receive the events `job:progress`, "
        "`job:completed` and `job:failed` of your job. Use any client of the Phoenix protocol, such as the npm package "
        "`phoenix`. Send the API token in the `Authorization` header, as a query parameter, or in a subprotocol, as the "
        "`phoenix` client does. Session cookies are accepted only from pages of this server.",
        _NOT_FOUND,
        _parameter("vsn", "Version of the protocol. Default: 1.0.0.", "2.0.0", enum=["1.0.0", "2.0.0"]),
        _parameter("token", "An API token.", "qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"),
    ),
}


def socket_operations(endpoints: Mapping[str, Endpoint]) -> dict[str, dict[str, Any]]:
    """Return the OpenAPI operations of the handshakes at ``endpoints``, by path."""
    return {
        path: {**_OPERATIONS[path], "security": security_of(endpoint.access.access, "GET")}
        for path, endpoint in endpoints.items()
    }
