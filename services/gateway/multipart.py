"""Multipart bodies (RFC 7578) as events, while they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from kit.errors import AppError, Code

__all__ = ["Event", "PartBegin", "PartData", "PartEnd", "bad_form", "multipart_events"]


@dataclass(frozen=True)
class PartBegin:
    """A part's headers. ``filename`` is None for a plain field, and may be empty for a file."""

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
    """The refusal of a body that does not fit."""
    return AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", message)


async def multipart_events(content_type: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The parts of a multipart body, as they arrive.

    Raises:
        AppError: ``BAD_REQUEST`` for a body that is not what its header says, or that ends too early.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise HTTPException(415, "Send the file as multipart/form-data, in a field named file.")
    reader = _Reader(boundary)
    async for piece in pieces:
        for event in reader.feed(piece):
            yield event
    if not reader.complete:
        raise bad_form("The form ends before its last boundary.")


class _Reader:
    """Turns the parser's callbacks into events."""

    def __init__(self, boundary: bytes) -> None:
        self.complete = False
        self._events: list[Event] = []
        self._field = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_begin": self._header_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": lambda: self._events.append(PartEnd()),
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise bad_form("The form's boundary is not valid.") from error

    def feed(self, piece: bytes) -> list[Event]:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise bad_form("The body is not valid multipart/form-data.") from error
        events, self._events = self._events, []
        return events

    def _header_begin(self) -> None:
        self._field.clear()
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise FormParserError("a part has no name")
        filename = options.get(b"filename")
        self._events.append(
            PartBegin(
                options[b"name"].decode(errors="replace"),
                None if filename is None else filename.decode(errors="replace"),
            )
        )

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _end(self) -> None:
        self.complete = True
