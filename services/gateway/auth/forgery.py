"""The token against forged requests, out of a request whose body is still to be read by somebody else."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

__all__ = ["FIELD", "SAFE_METHODS", "offered_token"]

FIELD = "_csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADER = "x-csrf-token"
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
    if _HEADER in headers:
        return headers[_HEADER], receive
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        find, limit_bytes = _in_form, _FORM_LIMIT_BYTES
    elif kind == "multipart/form-data":
        find, limit_bytes = _in_multipart, _MULTIPART_LIMIT_BYTES
    else:
        return "", receive
    seen: list[Message] = []
    body = bytearray()
    while True:
        message = await receive()
        seen.append(message)
        body += message.get("body", b"")
        over = message["type"] != "http.request" or not message.get("more_body", False)
        if over or len(body) >= limit_bytes:
            break
    # Not what a larger piece happened to bring along: whether a form is taken must not depend on how it was cut up.
    token = find(bytes(body[:limit_bytes])) if len(body) <= limit_bytes or kind == "multipart/form-data" else ""

    async def again() -> Message:
        return seen.pop(0) if seen else await receive()

    return token, again


def _in_form(body: bytes) -> str:
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELD_LIMIT))
    except ValueError:
        return ""
    return fields.get(FIELD, "")


def _in_multipart(body: bytes) -> str:
    match = _PART.search(body)
    return match.group(1).decode() if match else ""
