"""Streams the parts of multipart bodies (RFC 7578)."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.services.gateway.wire import limits
from soundwright.services.gateway.wire.decoding import parameter_count_is_valid

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_PIECE_BYTES = 1 << 12
_QUOTED = re.compile(rb'(?<!\*=)"(?:[^"\\]|\\.)*+"')
_EXTENDED_FILENAME = re.compile(rb"""; *filename\* *= *"?(?:([^';"]*)'[^';"]*')?([^;\s"]*)""", re.IGNORECASE)
_CHARSETS = (b"utf-8", b"iso-8859-1")


@dataclass(frozen=True)
class PartBegin:
    """The headers of a part. ``filename`` is None for a plain field and can be empty for a file."""

    name: str
    filename: str | None


@dataclass(frozen=True)
class PartData:
    data: bytes


@dataclass(frozen=True)
class PartEnd:
    pass


Event = PartBegin | PartData | PartEnd


def bad_form(message: str) -> AppError:
    """Return the error for a malformed body."""
    return errors.BAD_REQUEST(message)


async def multipart_events(content_type: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the parts of a multipart body as they arrive.

    Raises:
        AppError: ``BAD_REQUEST`` for a malformed or incomplete body.
        AppError: ``UNSUPPORTED_MEDIA_TYPE`` for another content type.
    """
    reader = MultipartReader(content_type)
    async for piece in pieces:
        for event in reader.feed(piece):
            yield event
        if reader.complete:
            return  # what follows does not count, and may have no end
    raise bad_form("The form ends before its last boundary.")


def multipart_fields(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a multipart form without files.

    Raises ``BAD_REQUEST`` if it is malformed, contains a file or has more than 200 fields.
    """
    reader = MultipartReader(content_type)
    fields: list[tuple[str, bytearray]] = []
    for start in range(0, len(body), _PIECE_BYTES):
        for event in reader.feed(body[start : start + _PIECE_BYTES]):
            if isinstance(event, PartData):
                fields[-1][1].extend(event.data)
            elif isinstance(event, PartBegin):
                if event.filename is not None or len(fields) == limits.FORM_FIELDS:
                    raise bad_form(f"The form must consist of at most {limits.FORM_FIELDS} fields, without files.")
                fields.append((event.name, bytearray()))
    if not reader.complete:
        raise bad_form("The form ends before its last boundary.")
    return [(name, value.decode(errors="replace")) for name, value in fields]


class MultipartReader:
    """Converts the callbacks of python-multipart's streaming parser into events. Nothing is stored beyond one header line.

    What comes before the first boundary is ignored (RFC 2046). The parser would refuse it.

    Attributes:
        complete: whether the last boundary was read.

    Raises:
        AppError: ``BAD_REQUEST`` for a malformed boundary.
        AppError: ``UNSUPPORTED_MEDIA_TYPE`` for another content type.
    """

    def __init__(self, content_type: str) -> None:
        self.complete = False
        self._events: list[Event] = []
        self._field = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._preamble: bytes | None = b"\n"  # the end of what was read so far; None after the first boundary
        if len(content_type) > limits.CONTENT_TYPE_CHARS or not parameter_count_is_valid(content_type):
            raise bad_form("The form's boundary is not valid.")
        media_type, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if media_type != b"multipart/form-data" or not boundary:
            raise errors.FORM_NEEDED()
        self._first_boundary = b"\n--" + boundary
        self._preamble_bytes_left = limits.PREAMBLE_BYTES
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._headers.clear,
            "on_header_begin": self._header_begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": lambda data, start, end: self._events.append(PartData(data[start:end])),
            "on_part_end": lambda: self._events.append(PartEnd()),
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(
                boundary, callbacks, max_header_count=limits.PART_HEADERS, max_header_size=limits.PART_HEADER_BYTES
            )
        except FormParserError as error:
            raise bad_form("The form's boundary is not valid.") from error

    def feed(self, piece: bytes) -> list[Event]:
        """Parse the next piece of the body and return its events. Raises ``BAD_REQUEST`` for a malformed body."""
        try:
            self._parser.write(self._after_preamble(piece) if self._preamble is not None else piece)
        except FormParserError as error:
            raise bad_form("The body is not valid multipart/form-data.") from error
        events, self._events = self._events, []
        return events

    def _after_preamble(self, piece: bytes) -> bytes:
        """Return what follows the preamble, from the first boundary."""
        window = (self._preamble or b"") + piece
        found = window.find(self._first_boundary)
        self._preamble_bytes_left -= len(piece) if found < 0 else found
        if self._preamble_bytes_left < 0:
            raise bad_form("The form does not begin with its boundary.")
        self._preamble = None if found >= 0 else window[1 - len(self._first_boundary) :]
        return window[found + 1 :] if found >= 0 else b""

    def _header_begin(self) -> None:
        self._field.clear()
        self._value.clear()

    def _header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)

    def _headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        if not parameter_count_is_valid(disposition):
            raise FormParserError("a part has too many parameters")
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise FormParserError("a part has no name")
        self._events.append(PartBegin(options[b"name"].decode(errors="replace"), _filename(disposition, options)))

    def _end(self) -> None:
        self.complete = True


def _filename(disposition: bytes, options: Mapping[bytes, bytes]) -> str | None:
    """Return the name of a file, also if it is only in ``filename*`` (RFC 8187); None for a field.

    Some clients quote that parameter. If its character set is unknown, ``filename`` is the better one of the two.
    """
    plain = options.get(b"filename")
    found = _EXTENDED_FILENAME.search(_QUOTED.sub(b'""', disposition))
    charset = (found[1] or b"").lower() if found else b""
    if found and (plain is None or charset in _CHARSETS):
        known = charset.decode() if charset in _CHARSETS else "utf-8"
        return unquote(found[2].decode("ascii", "replace"), known, "replace")
    return None if plain is None else plain.decode(errors="replace")
