"""What the library's RPC modules share: messages to values and back.

A domain value and its message have the same field names, so one mapping serves them all: enums are lower-case words,
times are seconds since 1970, and what is absent is None or the value's default.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import TypeAdapter

__all__ = [
    "bounded",
    "from_wire",
    "page_bounds",
    "time_from_wire",
    "time_to_wire",
    "to_wire",
    "word_from_wire",
]

_DEFAULT_SIZE = 20
M = TypeVar("M", bound=Message)
T = TypeVar("T")


def to_wire(value: Any, kind: type[M]) -> M:
    """A message with the fields of a dataclass that it knows. What the dataclass does not have stays absent."""
    given = [(field, getattr(value, field.name, None)) for field in kind.DESCRIPTOR.fields]
    return kind(**{field.name: _put(field, item) for field, item in given if item is not None})


def from_wire(message: Message, kind: type[T]) -> T:
    """A dataclass with the fields of a message that it knows."""
    value: T = _adapters(kind).validate_python(_taken(message))
    return value


def word_from_wire(enum: EnumDescriptor, number: int) -> str | None:
    """The lower-case word of an enum's value; None for the unspecified one, and for one that this release lacks."""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(_prefix(enum)).lower() if value is not None and number else None


_adapters: Callable[[Any], TypeAdapter[Any]] = functools.cache(TypeAdapter)


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values[0].name.removesuffix("UNSPECIFIED")


def _put(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return [_put_one(field, item) for item in value]
    return _put_one(field, value)


def _put_one(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        return _prefix(field.enum_type) + value.upper()
    if field.message_type is None:
        return value
    if field.message_type is Timestamp.DESCRIPTOR:
        return time_to_wire(value)
    return to_wire(value, GetMessageClass(field.message_type))


def _taken(message: Message) -> Mapping[str, Any]:
    taken: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        value = [_take_one(field, item) for item in value] if field.is_repeated else _take_one(field, value)
        if value is not None:
            taken[field.name] = value
    return taken


def _take_one(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        return word_from_wire(field.enum_type, value)
    if field.message_type is None:
        return value
    if field.message_type is Timestamp.DESCRIPTOR:
        return value.ToMicroseconds() / 1e6
    return _taken(value)


def time_to_wire(seconds: float | None) -> Timestamp | None:
    """Seconds since 1970 as a message; nothing for nothing."""
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def time_from_wire(message: Any, name: str) -> float | None:
    """The time in the field ``name``, in seconds since 1970; None where it is absent."""
    return getattr(message, name).ToMicroseconds() / 1e6 if message.HasField(name) else None


def bounded(size: int, limit: int) -> int:
    """A length that was asked for, 20 where none was, ``limit`` at most."""
    return min(limit, size) if size > 0 else _DEFAULT_SIZE


def page_bounds(page: int, page_size: int, limit: int) -> tuple[int, int]:
    """Offset and length of a page that is numbered from 1."""
    size = bounded(page_size, limit)
    return (max(1, page) - 1) * size, size
