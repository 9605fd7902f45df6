"""Downloads: ranges, conditions and names (RFC 9110, RFC 6266) over files that are never held in memory."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from kit.errors import AppError, Code
from kit.ports import BlobInfo, Blobs
from services.gateway.edge import is_head

__all__ = ["Span", "Unsatisfiable", "attachment", "blob_response", "parse_range", "safe_title"]

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_DIGIT_LIMIT = 18  # larger than any file, and no work for a parser of numbers


@dataclass(frozen=True)
class Span:
    """``length`` bytes from ``start`` on."""

    start: int
    length: int


class Unsatisfiable(Exception):
    """No byte of the file lies in the range."""


def parse_range(value: str, size: int) -> Span | None:
    """What a ``Range`` header asks of a file of ``size`` bytes.

    None where the header is to be ignored: another unit, several ranges, or not a range at all.

    Raises:
        Unsatisfiable: for a range that begins behind the end.
    """
    match = _RANGE.fullmatch(value)
    if match is None or max(map(len, match.groups())) > _DIGIT_LIMIT:
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
) -> Response:
    """A stored file, or the part of it that the request asks for.

    Raises:
        AppError: ``FILE_NOT_FOUND`` when the store does not have it.
    """
    info = await blobs.stat(key)
    if info is None:
        raise AppError(Code.NOT_FOUND, "FILE_NOT_FOUND", "The file is not there any more.")
    etag = f'"{info.etag}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": formatdate(info.modify_time, usegmt=True),
        "Cache-Control": "private, max-age=86400",
        "Content-Disposition": attachment(filename, inline=inline),
    }
    asked = request.headers
    if _matches(asked.get("if-none-match", ""), etag):
        return Response(status_code=304, headers={k: headers[k] for k in ("ETag", "Last-Modified", "Cache-Control")})
    span = None
    if "range" in asked and _range_applies(asked, etag, info):
        try:
            span = parse_range(asked["range"], info.size_bytes)
        except Unsatisfiable:
            refused = {"Content-Range": f"bytes */{info.size_bytes}", "Accept-Ranges": "bytes", "ETag": etag}
            return Response(status_code=416, headers=refused)
    status = 200
    if span is None:
        span = Span(0, info.size_bytes)
    else:
        status = 206
        headers["Content-Range"] = f"bytes {span.start}-{span.start + span.length - 1}/{info.size_bytes}"
    headers["Content-Length"] = str(span.length)
    headers["Content-Type"] = content_type
    if is_head(request.scope):
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_exactly(blobs, key, span), status_code=status, headers=headers)


async def _exactly(blobs: Blobs, key: str, span: Span) -> AsyncIterator[bytes]:
    if span.length:
        async for piece in blobs.read(key, span.start, span.length):
            yield piece


def _matches(condition: str, etag: str) -> bool:
    """Weak comparison, as ``If-None-Match`` wants it."""
    return condition.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in condition.split(","))


def _range_applies(asked: Headers, etag: str, info: BlobInfo) -> bool:
    """``If-Range``: the part is only good to somebody whose other parts are of this very file."""
    condition = asked.get("if-range", "").strip()
    if not condition:
        return True
    if condition.startswith(('"', "W/")):
        return condition == etag
    try:
        return int(parsedate_to_datetime(condition).timestamp()) == int(info.modify_time)
    except (ValueError, OverflowError):
        return False


def attachment(filename: str, *, inline: bool = False) -> str:
    """A ``Content-Disposition``: the name in ASCII for old clients, and in full (RFC 8187) for the others."""
    disposition = "inline" if inline else "attachment"
    name = "".join(c for c in filename if unicodedata.category(c)[0] != "C" and c not in '/\\"').strip() or "download"
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    ascii_name = f"{_ascii(stem) or 'download'}{dot}{_ascii(suffix)}"
    value = f'{disposition}; filename="{ascii_name}"'
    return value if ascii_name == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().strip()


def safe_title(title: str) -> str:
    """A title as part of a file name: word characters, spaces, ``-`` and ``.``, at most 100 of them."""
    kept = "".join(c for c in title if c.isalnum() or c in " _-.").strip()[:100].strip(" .")
    return kept or "track"
