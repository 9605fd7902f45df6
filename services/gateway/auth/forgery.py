"""What a form says about itself, out of a request whose body is still to be read by somebody else: the token against forged
requests, and the method that is meant."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

__all__ = ["FIELD", "HEADER", "SAFE_METHODS", "meant_method", "offered_token"]

FIELD = "_csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "x-csrf-token"
_FORM = "application/x-www-form-urlencoded"
_FORM_METHODS = frozenset({"PUT", "PATCH", "DELETE"})
_FORM_LIMIT_BYTES = 1 << 20
_FIELD_LIMIT = 200
# In a form with files the token must come before them: they may be of any size.
_MULTIPART_LIMIT_BYTES = 1 << 16
_PART = re.compile(rb'name="_csrf_token"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n([A-Za-z0-9_-]{1,200})\r\n')


async def offered_token(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The token that a request brings in its header ``x-csrf-token`` or form field ``_csrf_token``; empty: none.

    Also what to receive from instead: whoever reads the body sees all of it.
    """
    headers = Headers(scope=scope)
    if HEADER in headers:
        return headers[HEADER], receive
    kind = _kind(headers)
    if kind == _FORM:
        find, limit_bytes = _in_form, _FORM_LIMIT_BYTES
    elif kind == "multipart/form-data":
        find, limit_bytes = _in_multipart, _MULTIPART_LIMIT_BYTES
    else:
        return "", receive
    body, receive = await _peeked(receive, limit_bytes)
    # Not what a larger piece happened to bring along: whether a form is taken must not depend on how it was cut up.
    token = find(body[:limit_bytes]) if len(body) <= limit_bytes or kind == "multipart/form-data" else ""
    return token, receive


async def meant_method(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The method that a request stands for. HTML forms can only GET and POST, so one that is posted names another one,
    ``put``, ``patch`` or ``delete``, in its field ``_method``; other words there mean nothing.

    Also what to receive from instead, as :func:`offered_token` does.
    """
    method: str = scope["method"]
    if method != "POST" or _kind(Headers(scope=scope)) != _FORM:
        return method, receive
    body, receive = await _peeked(receive, _FORM_LIMIT_BYTES)
    meant = _field(body, "_method").upper() if len(body) <= _FORM_LIMIT_BYTES else ""
    return meant if meant in _FORM_METHODS else method, receive


async def _peeked(receive: Receive, limit_bytes: int) -> tuple[bytes, Receive]:
    """The beginning of a body, at least ``limit_bytes`` unless it is shorter; and what to receive the whole of it from."""
    seen: list[Message] = []
    body = bytearray()
    while True:
        message = await receive()
        seen.append(message)
        body += message.get("body", b"")
        over = message["type"] != "http.request" or not message.get("more_body", False)
        if over or len(body) >= limit_bytes:
            break

    async def again() -> Message:
        return seen.pop(0) if seen else await receive()

    return bytes(body), again


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _field(body: bytes, name: str) -> str:
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELD_LIMIT))
    except ValueError:
        return ""
    return fields.get(name, "")


def _in_form(body: bytes) -> str:
    return _field(body, FIELD)


def _in_multipart(body: bytes) -> str:
    match = _PART.search(body)
    return match.group(1).decode() if match else ""
