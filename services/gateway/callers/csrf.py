"""Reads the form fields that middleware needs before the route runs: the CSRF token and the overridden method."""

from collections import deque

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from soundwright.kit.errors import AppError
from soundwright.services.gateway.wire import limits
from soundwright.services.gateway.wire.decoding import form_pairs
from soundwright.services.gateway.wire.multipart import MultipartReader, PartBegin, PartData, PartEnd

FIELD = "_csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "x-csrf-token"
_FORM = "application/x-www-form-urlencoded"
_FORM_METHODS = frozenset({"PUT", "PATCH", "DELETE"})
_PIECE_BYTES = 1 << 12
_PART_LIMIT = 50


async def request_csrf_token(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """Return the CSRF token in the header ``x-csrf-token`` or the form field ``_csrf_token``, empty if there is none, and a
    ``receive`` that delivers the whole body."""
    headers = Headers(scope=scope)
    if HEADER in headers:
        return headers[HEADER], receive
    content_type = headers.get("content-type", "")
    media_type = _media_type(headers)
    if media_type == _FORM:
        body, receive = await _read_ahead(receive, limits.FORM_BYTES)
        return _form_field(body, FIELD), receive
    if media_type == "multipart/form-data":
        body, receive = await _read_ahead(receive, limits.TOKEN_SEARCH_BYTES)
        # The result must not depend on how the body was split into messages, so ignore bytes beyond the limit.
        return _multipart_field(content_type, body[: limits.TOKEN_SEARCH_BYTES], FIELD), receive
    return "", receive


async def form_method(scope: Scope, receive: Receive, *, multipart: bool = False) -> tuple[str, Receive]:
    """Return the method of a request, which a form can override, and a ``receive`` that delivers the whole body.

    HTML forms support GET and POST only. A posted form can select ``put``, ``patch`` or ``delete`` in its field ``_method``.

    Args:
        multipart: also read a multipart form.
    """
    method: str = scope["method"]
    headers = Headers(scope=scope)
    kind = _media_type(headers)
    if method != "POST" or kind not in (_FORM, *(("multipart/form-data",) if multipart else ())):
        return method, receive
    body, receive = await _read_ahead(receive, limits.FORM_BYTES)
    if kind == _FORM:
        named = _form_field(body, "_method").upper()
    else:
        named = _multipart_field(headers["content-type"], body[: limits.FORM_BYTES], "_method").upper()
    return named if named in _FORM_METHODS else method, receive


async def _read_ahead(receive: Receive, limit_bytes: int) -> tuple[bytes, Receive]:
    """Return more than the first ``limit_bytes`` of a body, or all of a shorter one, and a ``receive`` that repeats them."""
    messages: deque[Message] = deque()
    body = bytearray()
    while True:
        message = await receive()
        messages.append(message)
        body += message.get("body", b"")
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        if complete or len(body) > limit_bytes:
            break

    async def repeat() -> Message:
        return messages.popleft() if messages else await receive()

    return bytes(body), repeat


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _form_field(body: bytes, name: str) -> str:
    try:
        return dict(form_pairs(body)).get(name, "")
    except ValueError:
        return ""


def _multipart_field(content_type: str, body: bytes, name: str) -> str:
    """Return the value of the first field ``name``; empty if it is not complete within ``body`` and the first parts."""
    value: bytearray | None = None
    parts = 0
    try:
        reader = MultipartReader(content_type)
        for start in range(0, len(body), _PIECE_BYTES):
            for event in reader.feed(body[start : start + _PIECE_BYTES]):
                match event:
                    case PartBegin(found, filename):
                        parts += 1
                        if parts > _PART_LIMIT:
                            return ""
                        value = bytearray() if found == name and filename is None else None
                    case PartData(data) if value is not None:
                        value += data
                    case PartEnd() if value is not None:
                        return value.decode(errors="replace")
    except AppError:
        pass
    return ""
