"""Conversion between dataclasses and protobuf messages.

A dataclass and its message have the same field names. Enum values become lower-case words, timestamps become seconds
since 1970, ``Any`` becomes its type URL and Base64, and absent fields become None or the default of the dataclass.
"""

import base64
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import TypeAdapter, ValidationError

from soundwright.kit import errors

M = TypeVar("M", bound=Message)
T = TypeVar("T")


def to_wire(value: Any, kind: type[M], /, **given: Any) -> M:
    """Return a message with the fields that the dataclass instance also has. None leaves a field unset.

    Args:
        given: the fields that the instance does not have, or not with these values.
    """
    fields = ((name, convert, getattr(value, name, None)) for name, convert in _plan(kind) if name not in given)
    found = {name: convert(item) if convert else item for name, convert, item in fields if item is not None}
    return kind(**found, **given)


def from_wire(message: Message, kind: type[T], /, **given: Any) -> T:
    """Return an instance of a dataclass with the fields that the message also has.

    Args:
        given: the fields that the message does not have, or not with these values.

    Raises ``FIELD_INVALID``: a field is missing, or its value is not one of the dataclass.
    """
    try:
        value: T = _adapters(kind).validate_python({**_to_dict(message), **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise errors.FIELD_INVALID(f"{name} is invalid: {first['msg']}.") from None
    return value


def word_from_wire(enum: EnumDescriptor, number: int) -> str | None:
    """Return the lower-case word of an enum value; None if it is unspecified or unknown to this release."""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(_prefix(enum)).lower() if value is not None and number else None


_adapters: Callable[[Any], TypeAdapter[Any]] = functools.cache(TypeAdapter)


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values[0].name.removesuffix("UNSPECIFIED")


def _planned(kind: type[Message]) -> Sequence[tuple[str, Callable[[Any], Any] | None]]:
    """Return the fields of a class of messages, each with the conversion of its values, or None if they stay as they are."""
    return [(field.name, _conversion(field)) for field in kind.DESCRIPTOR.fields]


_plan: Callable[[Any], Sequence[tuple[str, Callable[[Any], Any] | None]]] = functools.cache(_planned)


def _conversion(field: Any) -> Callable[[Any], Any] | None:
    one: Callable[[Any], Any]
    if field.enum_type is not None:
        prefix = _prefix(field.enum_type)
        one = lambda word: prefix + word.upper()  # noqa: E731
    elif field.message_type is None or field.message_type.GetOptions().map_entry:
        return None
    elif field.message_type is Timestamp.DESCRIPTOR:
        one = time_to_wire
    elif field.message_type is AnyMessage.DESCRIPTOR:
        one = _unpacked
    else:
        nested = GetMessageClass(field.message_type)
        one = lambda value: to_wire(value, nested)  # noqa: E731
    return (lambda items: [one(item) for item in items]) if field.is_repeated else one


def _unpacked(packed: Any) -> AnyMessage:
    return AnyMessage(type_url=packed.type_url, value=base64.b64decode(packed.value))


def _to_dict(message: Message) -> Mapping[str, Any]:
    if isinstance(message, AnyMessage):
        return {"type_url": message.type_url, "value": base64.b64encode(message.value).decode()}
    values: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        value = [_item_from_wire(field, item) for item in value] if field.is_repeated else _item_from_wire(field, value)
        if value is not None:
            values[field.name] = value
    return values


def _item_from_wire(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        return word_from_wire(field.enum_type, value)
    if field.message_type is None:
        return value
    if field.message_type is Timestamp.DESCRIPTOR:
        return _seconds(value, field.name)
    return _to_dict(value)


def time_to_wire(seconds: float | None) -> Timestamp | None:
    """Return seconds since 1970 as a ``Timestamp``, or None for None."""
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def time_from_wire(message: Any, name: str) -> float | None:
    """Return the ``Timestamp`` in the field ``name`` as seconds since 1970, or None if it is absent.

    Raises ``FIELD_INVALID``: the field holds no valid ``Timestamp``.
    """
    return _seconds(getattr(message, name), name) if message.HasField(name) else None


def _seconds(stamp: Timestamp, name: str) -> float:
    try:
        return stamp.ToMicroseconds() / 1e6
    except ValueError:
        raise errors.FIELD_INVALID(
            f"{name} must be a time between the years 1 and 9999, with 0 to 999999999 nanoseconds."
        ) from None
