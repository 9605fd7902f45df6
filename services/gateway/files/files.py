"""Streams stored files, with range and conditional requests (RFC 9110) and filenames (RFC 6266)."""

import re
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from soundwright.kit import errors
from soundwright.kit.ports import Blobs
from soundwright.services.gateway.wire import limits
from soundwright.services.gateway.wire.decoding import is_head

_RANGE = re.compile(
    r"bytes *= *([0-9]{0,18}) *- *([0-9]{0,18})", re.IGNORECASE
)  # longer numbers exceed any file's size


@dataclass(frozen=True)
class Span:
    """A range of ``length`` bytes from offset ``start``."""

    start: int
    length: int


class Unsatisfiable(Exception):
    """The range starts after the end of the file."""


def parse_range(value: str, size: int) -> Span | None:
    """Return the part of a file of ``size`` bytes that a ``Range`` header requests.

    Return None if the header must be ignored: it has another unit, several ranges, or is malformed.

    Raises ``Unsatisfiable``: the range starts after the end of the file.
    """
    match = _RANGE.fullmatch(value.strip()) if len(value) <= limits.RANGE_CHARS else None
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        length = min(int(last), size)
        if length == 0:
            raise Unsatisfiable
        return Span(size - length, length)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    end = min(int(last), size - 1) if last else size - 1
    return Span(start, end - start + 1)


async def blob_response(
    request: Request,
    blobs: Blobs,
    key: str,
    *,
    content_type: str,
    filename: str,
    inline: bool = False,
    redirect: bool = True,
) -> Response:
    """Return a stored file, or the part of it that the request selects.

    If clients can reach the store, redirect to it. The URL is valid for a short time, so no cache keeps the redirect.
    HEAD is answered here, because a signature covers the method, and so is ``If-Range``, which not all stores support. So are
    scripts of the studio, which may connect to no other origin.

    Args:
        redirect: whether the clients of the route follow redirects.

    Raises ``FILE_NOT_FOUND`` if the store does not contain the file.
    """
    info = await blobs.stat(key)
    if info is None:
        raise errors.FILE_NOT_FOUND()
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{info.etag}"',
        "Last-Modified": formatdate(info.modify_time, usegmt=True),
        "Cache-Control": "private, max-age=86400",
        "Content-Disposition": attachment(filename, inline=inline),
    }
    conditions = request.headers
    if (unchanged := not_modified(request, headers)) is not None:
        return unchanged
    is_script = conditions.get("sec-fetch-site") == "same-origin" and conditions.get("sec-fetch-dest") == "empty"
    stays = not redirect or is_script or is_head(request.scope) or "if-range" in conditions
    if blobs.public is not None and not stays:
        location = blobs.public.download_url(key, content_type, headers["Content-Disposition"])
        return Response(status_code=307, headers={"Location": location, "Cache-Control": "no-store"})
    part = requested_part(request, headers, info.size_bytes)
    if isinstance(part, Response):
        return part
    status, span = part
    headers["Content-Type"] = content_type
    if is_head(request.scope):
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_read_span(blobs, key, span), status_code=status, headers=headers)


def streamed_response(
    request: Request,
    content: Iterable[bytes] | AsyncIterable[bytes],
    headers: Mapping[str, str],
    media_type: str | None,
) -> Response:
    """Return content that is made while it is sent. Nothing of it is made for HEAD, so that answer has no length of its own."""
    return StreamingResponse(() if is_head(request.scope) else content, headers=headers, media_type=media_type)


async def made_response(
    request: Request,
    headers: Mapping[str, str],
    media_type: str | None,
    make: Callable[[], Awaitable[Response | bytes]],
) -> Response:
    """Return content that ``make`` makes for this request: its bytes, or a response that has the headers too.

    HEAD makes nothing, so its answer has no length. Its status is that of GET if all refusals come before this call.
    """
    if is_head(request.scope):
        return streamed_response(request, (), headers, media_type)
    made = await make()
    return made if isinstance(made, Response) else Response(made, headers=headers, media_type=media_type)


def requested_part(request: Request, headers: dict[str, str], size_bytes: int) -> tuple[int, Span] | Response:
    """Return the status of the response and the part of a file that the request selects, or the response 416.

    Only GET has ranges (RFC 9110, section 14.2).

    Args:
        headers: those of the file. Its length, and the place of the part, are added.
    """
    conditions, status, span = request.headers, 200, None
    if "range" in conditions and not is_head(request.scope) and _range_applies(conditions, headers):
        try:
            span = parse_range(conditions["range"], size_bytes)
        except Unsatisfiable:
            place = {"Content-Range": f"bytes */{size_bytes}", "Accept-Ranges": "bytes", "ETag": headers["ETag"]}
            return Response(status_code=416, headers=place)
    if span is None:
        span = Span(0, size_bytes)
    else:
        status = 206
        headers["Content-Range"] = f"bytes {span.start}-{span.start + span.length - 1}/{size_bytes}"
    headers["Content-Length"] = str(span.length)
    return status, span


async def _read_span(blobs: Blobs, key: str, span: Span) -> AsyncIterator[bytes]:
    if span.length:
        async for chunk in blobs.read(key, span.start, span.length):
            yield chunk


def not_modified(request: Request, headers: Mapping[str, str]) -> Response | None:
    """Return the response to a client that has the current file, or None if the client needs the file (RFC 9110, section 13.2.2).

    Args:
        headers: those of the file: its ``ETag``, and ``Last-Modified`` if it is known.

    Raises ``PRECONDITION_FAILED`` if the file is not the one that ``If-Match`` or ``If-Unmodified-Since`` names.
    """
    conditions, etag, modify_time = request.headers, headers["ETag"], _seconds(headers.get("Last-Modified", ""))
    if wanted := ",".join(conditions.getlist("if-match")):
        is_wanted = _names(wanted, etag)
    else:
        limit = _seconds(conditions.get("if-unmodified-since", ""))
        is_wanted = limit is None or modify_time is None or modify_time <= limit
    if not is_wanted:
        raise errors.PRECONDITION_FAILED()
    if known := ",".join(conditions.getlist("if-none-match")):
        is_known = _names(known.replace("W/", ""), etag)  # a weak comparison
    else:
        since = _seconds(conditions.get("if-modified-since", ""))
        is_known = since is not None and modify_time is not None and modify_time <= since
    if not is_known:
        return None
    kept = ("ETag", "Last-Modified", "Cache-Control")
    return Response(status_code=304, headers={name: headers[name] for name in kept if name in headers})


def _names(condition: str, etag: str) -> bool:
    """Return whether a list of entity tags contains ``etag``, or is ``*``."""
    return condition.strip() == "*" or etag in map(str.strip, condition.split(","))


def _seconds(date: str) -> int | None:
    """Return the time of a date in a header, in seconds since 1970. None if it is not a date."""
    if not date or len(date) > limits.RANGE_CHARS:
        return None
    try:
        parsed = parsedate_to_datetime(date)
        return int(parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def _range_applies(conditions: Headers, headers: Mapping[str, str]) -> bool:
    """Return whether ``If-Range`` matches the file. Otherwise the whole file is returned."""
    condition = conditions.get("if-range", "").strip()
    if not condition:
        return True
    if condition.startswith(('"', "W/")):
        return condition == headers["ETag"]
    seconds = _seconds(condition)
    return seconds is not None and seconds == _seconds(headers.get("Last-Modified", ""))


def attachment(filename: str, *, inline: bool = False) -> str:
    """Return a ``Content-Disposition`` header: an ASCII filename for old clients and the full filename (RFC 8187)."""
    disposition = "inline" if inline else "attachment"
    name = "".join(c for c in filename if unicodedata.category(c)[0] != "C" and c not in '/\\"').strip() or "download"
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    ascii_name = f"{_ascii(stem) or 'download'}{dot}{_ascii(suffix)}"
    value = f'{disposition}; filename="{ascii_name}"'
    return value if ascii_name == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().strip()
