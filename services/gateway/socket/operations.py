"""WebSockets as the published document has them: it knows of their handshakes, not of what is said after."""

from __future__ import annotations

from typing import Any

__all__ = ["OPERATIONS"]

_REFUSALS = {
    403: "Nobody who may, or nothing that is spoken here.",
    404: "No handshake, but a plain request.",
    429: "Too many handshakes, or too many sockets of this caller.",
    503: "Too many sockets, or a component is away.",
}


def _parameter(name: str, description: str, example: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", **schema},
        "example": example,
    }


def _operation(name: str, tag: str, text: str, security: list[Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    retry = {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}
    return {
        "operationId": name,
        "summary": text.partition(".")[0],
        "description": text,
        "tags": [tag],
        "security": security,
        "parameters": list(parameters),
        "responses": {
            "101": {"description": "The connection is a WebSocket (RFC 6455) from now on."},
            **{
                str(status): {"description": why, **(retry if status in (429, 503) else {})}
                for status, why in _REFUSALS.items()
            },
        },
    }


OPERATIONS: dict[str, dict[str, Any]] = {
    "/socket/websocket": _operation(
        "open_channels",
        "forge channels",
        "Phoenix channels. Join `jobs:<id>` to be told `job:progress`, `job:completed` and `job:failed` of a job of yours. "
        "The protocol is that of the `phoenix` client. A token may come in the header, as a parameter or, as stock clients "
        "do it, in a subprotocol; a session counts on our own pages alone.",
        [{"bearer": []}, {"session": []}, {}],
        _parameter("vsn", "version of the protocol; none is 1.0.0", "2.0.0", enum=["1.0.0", "2.0.0"]),
        _parameter("token", "an API token", "qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"),
    ),
    "/live/websocket": _operation(
        "keep_list_live",
        "pages music",
        "Keeps a list on a page of ours as it is. Pushes the elements that change as JSON with HTML in it. "
        "For our own pages alone.",
        [{"session": []}, {}],
        _parameter("list", "which list", "jobs", enum=["jobs", "tracks"]),
        _parameter("page", "which page of it, from 1", "1"),
        _parameter("q", "what tracks are searched for", "blind"),
    ),
}
