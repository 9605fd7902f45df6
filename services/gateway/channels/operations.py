"""The WebSocket handshake in the OpenAPI document. OpenAPI cannot describe the messages."""

from typing import Any

from soundwright.services.gateway.callers.access import Access
from soundwright.services.gateway.channels.transport import PATH
from soundwright.services.gateway.openapi.responses import JSON
from soundwright.services.gateway.openapi.security import security_of

_RETRY = {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}
# A request that is no handshake is answered as any unknown path.
_NOT_FOUND = {
    JSON: {
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "example": {"error": "Not found", "code": "NOT_FOUND", "message": "Not Found"},
    }
}
_OPERATION: dict[str, Any] = {
    "operationId": "open_channels",
    "summary": "Open a Phoenix channels connection",
    "description": "Open a Phoenix channels connection. Join the topic `jobs:<id>` to receive the events `job:progress`, "
    "`job:completed` and `job:failed` of your job. Use any client of the Phoenix protocol, such as the npm package "
    "`phoenix`. Send the API token in the `Authorization` header, as a query parameter, or in a subprotocol, as the "
    "`phoenix` client does. Session cookies are accepted only from pages of this server.",
    "tags": ["forge channels"],
    "parameters": [
        {
            "name": "vsn",
            "in": "query",
            "description": "Version of the protocol. Default: 1.0.0.",
            "schema": {"type": "string", "enum": ["1.0.0", "2.0.0"]},
            "example": "2.0.0",
        },
        {
            "name": "token",
            "in": "query",
            "description": "An API token.",
            "schema": {"type": "string"},
            "example": "qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A",
        },
    ],
    "responses": {
        "101": {"description": "The connection switches to the WebSocket protocol (RFC 6455)."},
        "403": {"description": "The credential is missing or invalid, or the protocol version is unknown."},
        "404": {"description": "The request is not a WebSocket handshake.", "content": _NOT_FOUND},
        "429": {"description": "Too many handshakes, or too many open sockets of this caller.", **_RETRY},
        "503": {"description": "Too many open sockets, or a component is not available.", **_RETRY},
    },
    "security": security_of(Access.OPEN, "GET"),
}
SOCKET_OPERATIONS = {PATH: _OPERATION}
"""The OpenAPI operation of the handshake, by its path."""
