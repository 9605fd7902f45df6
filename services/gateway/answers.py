"""What a route says of itself in the published document: what it answers, and what it refuses.

Declared beside the route and published by :mod:`services.gateway.document`; nothing here runs when a request comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field

from services.gateway.problem import Problem

__all__ = [
    "BINARY",
    "JSON",
    "OPEN",
    "Answer",
    "Bytes",
    "Described",
    "Percent",
    "Seconds",
    "Time",
    "Uuid",
    "answers",
    "described",
    "says",
    "sends",
]

JSON = "application/json"
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"}, examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-04T18:30:00Z"])]
"""ISO 8601 in UTC, whole seconds."""
Seconds = Annotated[float, Field(ge=0, description="seconds", examples=[200.04])]
Percent = Annotated[int, Field(ge=0, le=100, description="percent", examples=[45])]
Bytes = Annotated[int, Field(ge=0, description="bytes", examples=[8820044])]
OPEN = ConfigDict(json_schema_extra={"additionalProperties": True})
"""For ``with_config``: a type whose values may have more than it says."""
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Answer:
    """One way in which a route answers a request that it grants.

    Attributes:
        shape: a type that pydantic can describe, or a schema; None: there is no body.
        example: of the body; None: one is composed of the examples of its parts.
        headers: names of those in ``HEADERS`` of the document that come with it.
    """

    description: str = ""
    shape: Any = None
    media_type: str = JSON
    example: Any = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """What a route says of itself.

    Attributes:
        answers: by status.
        refusals: those of its own; what any call of its kind may meet is known without being said.
        parameters: those that it reads without declaring them, as the document has them.
    """

    answers: Mapping[int, Answer]
    refusals: tuple[Problem, ...] = ()
    parameters: tuple[dict[str, Any], ...] = field(default=())


_SAID = "soundwright_described"


def described(endpoint: Any) -> Described | None:
    """What ``endpoint`` says of itself; None: nothing."""
    found: Described | None = getattr(endpoint, _SAID, None)
    return found


def says(what: Described) -> Callable[[F], F]:
    """Have a route say ``what`` of itself."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _SAID, what)
        return endpoint

    return mark


def answers(
    shape: Any,
    *refusals: Problem,
    status: int = 200,
    repeatable: bool = False,
    example: Any = None,
    media_type: str = JSON,
    headers: tuple[str, ...] = (),
    also: Mapping[int, Answer] | None = None,
) -> Callable[[F], F]:
    """What a route answers, and which refusals are its own.

    Args:
        shape: of the body, see :class:`Answer`.
        repeatable: a request that repeats an earlier one is answered with 200 and the same.
        also: further answers, by status.
    """
    answer = Answer("", shape, media_type, example, headers)
    by_status = {status: answer, **(also or {})}
    if repeatable:
        by_status[200] = Answer("What an earlier request with the same key made.", shape, media_type, example, headers)
    return says(Described(by_status, refusals))


_FILE_HEADERS = ("Accept-Ranges", "ETag", "Last-Modified", "Cache-Control", "Content-Disposition")
_CONDITIONS = (
    (
        "Range",
        "The part that is asked for, RFC 9110: one range; several are answered with the whole file.",
        "bytes=0-1023",
    ),
    ("If-Range", "The part is wanted only of the file with this `ETag`.", '"5d41402abc4b2a76"'),
    ("If-None-Match", "The file is wanted only if its `ETag` is another one.", '"5d41402abc4b2a76"'),
)


def sends(
    media_type: str,
    *refusals: Problem,
    ranges: bool = True,
    headers: tuple[str, ...] = (),
    also: Mapping[int, Answer] | None = None,
) -> Callable[[F], F]:
    """A route that answers with a file.

    Args:
        ranges: parts of it can be had, as players want them.
        headers: beside those of every file.
        also: further answers, by status.
    """
    if not ranges:
        whole = Answer("The file.", BINARY, media_type, headers=("Content-Disposition", *headers))
        return says(Described({200: whole, **(also or {})}, refusals))
    by_status = {
        200: Answer("The whole file.", BINARY, media_type, headers=(*_FILE_HEADERS, *headers)),
        206: Answer(
            "The part that was asked for.", BINARY, media_type, headers=(*_FILE_HEADERS, "Content-Range", *headers)
        ),
        304: Answer("The client has it already.", headers=("ETag", "Last-Modified", "Cache-Control")),
        416: Answer("The file has no such part.", headers=("Accept-Ranges", "ETag", "Content-Range")),
        **(also or {}),
    }
    parameters = tuple(
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}, "example": example}
        for name, text, example in _CONDITIONS
    )
    return says(Described(by_status, refusals, parameters))
