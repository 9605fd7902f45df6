"""Documentation of a route's responses, declared beside the route and included in the OpenAPI document by :mod:`soundwright.services.gateway.openapi.document`.

FastAPI's ``response_model`` is not used: ADR 0016 has the reasons. Nothing in this module runs when a request is served.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field

from soundwright.kit import errors
from soundwright.kit.errors import ErrorType

JSON = "application/json"
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"}, examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-04T18:30:00Z"])]
"""ISO 8601 in UTC, whole seconds."""
Seconds = Annotated[float, Field(ge=0, description="seconds", examples=[200.04])]
Percent = Annotated[int, Field(ge=0, le=100, description="percent", examples=[45])]
Bytes = Annotated[int, Field(ge=0, description="bytes", examples=[8820044])]
EXTRA_FIELDS = ConfigDict(json_schema_extra={"additionalProperties": True})
"""For ``with_config``: objects may have more fields than the type declares. Nested types do not inherit it."""
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ResponseDoc:
    """One response of a route.

    Attributes:
        model: the type of the body, for pydantic, or a JSON Schema; None: there is no body.
        media_type: of the body; several are separated by commas.
        example: of the body; None: the document composes one from the examples of the fields.
        headers: names of entries of ``HEADERS`` in the document.
    """

    description: str = ""
    model: Any = None
    media_type: str = JSON
    example: Any = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class RouteDoc:
    """The documentation of a route.

    Attributes:
        errors: errors of this route. Those that every route can have are added by the document.
        parameters: OpenAPI parameters that the route reads without declaring them in its signature.
    """

    responses: Mapping[int, ResponseDoc]
    errors: tuple[ErrorType, ...] = ()
    parameters: tuple[dict[str, Any], ...] = field(default=())


_ATTRIBUTE = "soundwright_route_doc"


def route_doc(endpoint: Any) -> RouteDoc | None:
    found: RouteDoc | None = getattr(endpoint, _ATTRIBUTE, None)
    return found


def document(doc: RouteDoc) -> Callable[[F], F]:
    def mark(endpoint: F) -> F:
        setattr(endpoint, _ATTRIBUTE, doc)
        return endpoint

    return mark


def documented(
    model: Any,
    *found: ErrorType,
    status: int = 200,
    idempotent: bool = False,
    example: Any = None,
    media_type: str = JSON,
    headers: tuple[str, ...] = (),
    responses: Mapping[int, ResponseDoc] | None = None,
) -> Callable[[F], F]:
    """Document the response of a route and its errors.

    Args:
        model: of the body, see :class:`ResponseDoc`.
        idempotent: whether a request with a used ``Idempotency-Key`` gets 200 and the earlier result.
        responses: further ones, by status.
    """
    response = ResponseDoc("", model, media_type, example, headers)
    by_status = {status: response, **(responses or {})}
    if idempotent:
        text = "The result of an earlier request with the same key."
        by_status[200] = ResponseDoc(text, model, media_type, example, headers)
    return document(RouteDoc(by_status, found))


def multipart_body(required: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI request body of a multipart form, of which the field ``required`` cannot be omitted."""
    schema = {"type": "object", "required": [required], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def generated_file_responses(media_type: str, *found: ErrorType) -> Callable[[F], F]:
    """Document a route that returns a file that is made for each response. It supports ``If-None-Match``, but no ranges."""
    headers = ("ETag", "Cache-Control")
    by_status = {
        200: ResponseDoc("The file.", BINARY, media_type, headers=(*headers, "Accept-Ranges")),
        304: ResponseDoc("The client's copy is current.", headers=headers),
    }
    parameters = tuple(_condition(*each) for each in _CONDITIONS if each[0] == "If-None-Match")
    return document(RouteDoc(by_status, (*found, errors.PRECONDITION_FAILED), parameters))


def _condition(name: str, text: str, example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string"}, "example": example}


_FILE_HEADERS = ("Accept-Ranges", "ETag", "Last-Modified", "Cache-Control", "Content-Disposition")
_CONDITIONS = (
    (
        "Range",
        "The requested part of the file (RFC 9110). Only one range is supported; several return the whole file.",
        "bytes=0-1023",
    ),
    ("If-Range", "Return a part only if the file still has this `ETag`.", '"5d41402abc4b2a76"'),
    ("If-None-Match", "Return the file only if its `ETag` differs.", '"5d41402abc4b2a76"'),
    (
        "If-Modified-Since",
        "Return the file only if it is newer. `If-None-Match` takes precedence.",
        "Wed, 25 Nov 2026 12:00:00 GMT",
    ),
    ("If-Match", "Refuse with 412 if the file has another `ETag`.", '"5d41402abc4b2a76"'),
    (
        "If-Unmodified-Since",
        "Refuse with 412 if the file is newer. `If-Match` takes precedence.",
        "Wed, 25 Nov 2026 12:00:00 GMT",
    ),
)

_REDIRECT = ResponseDoc(
    "The file store has a public address. Follow the redirect, with the same `Range`. The URL is valid for 15 minutes.",
    headers=("Location", "Cache-Control"),
)


def file_responses(
    media_type: str,
    *found: ErrorType,
    ranges: bool = True,
    redirects: bool = True,
    headers: tuple[str, ...] = (),
    responses: Mapping[int, ResponseDoc] | None = None,
) -> Callable[[F], F]:
    """Document a route that returns a file.

    Args:
        ranges: whether clients can request parts of it, as players do.
        redirects: whether the route redirects to the file store if the store has a public address.
        headers: in addition to those of every file.
        responses: further ones, by status.
    """
    if not ranges:
        whole = ResponseDoc("The file.", BINARY, media_type, headers=("Content-Disposition", *headers))
        return document(RouteDoc({200: whole, **(responses or {})}, found))
    by_status = {
        200: ResponseDoc("The whole file.", BINARY, media_type, headers=(*_FILE_HEADERS, *headers)),
        206: ResponseDoc(
            "The requested part.", BINARY, media_type, headers=(*_FILE_HEADERS, "Content-Range", *headers)
        ),
        **({307: _REDIRECT} if redirects else {}),
        304: ResponseDoc("The client's copy is current.", headers=("ETag", "Last-Modified", "Cache-Control")),
        416: ResponseDoc("The file has no such part.", headers=("Accept-Ranges", "ETag", "Content-Range")),
        **(responses or {}),
    }
    return document(
        RouteDoc(by_status, (*found, errors.PRECONDITION_FAILED), tuple(_condition(*each) for each in _CONDITIONS))
    )
