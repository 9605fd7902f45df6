"""Parameters of a request: a body in JSON or form encoding, with the query string's beneath it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Header, Path, Request
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from kit.errors import AppError, Code
from services.gateway.problem import details_of
from services.gateway.schemas import PlainSchema

__all__ = [
    "LICENSE_KEY",
    "AccountId",
    "ConversationId",
    "DeliveryId",
    "IdempotencyKey",
    "JobId",
    "StemId",
    "TokenId",
    "TrackId",
    "WebhookId",
    "body_of",
    "body_schema",
    "json_object",
    "limited_body",
    "require_uuid",
]

_BODY_LIMIT_BYTES = 1 << 20
_FIELD_LIMIT = 200
_KEY_LIMIT = 255
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
M = TypeVar("M", bound=BaseModel)

LICENSE_KEY = r"^[!-~]{8,200}$"
"""What somebody's key at an outside service may look like; it becomes a header there."""


def _id_of(what: str) -> Any:
    """A part of a path; :func:`require_uuid` reads it, so that one that cannot be an id is a 404."""
    example = "0f8fad5b-d9cb-469f-a165-70867728950e"
    return Path(description=f"Which {what}.", json_schema_extra={"format": "uuid"}, examples=[example])


AccountId = Annotated[str, _id_of("account")]
ConversationId = Annotated[str, _id_of("conversation")]
DeliveryId = Annotated[str, _id_of("delivery")]
JobId = Annotated[str, _id_of("job")]
StemId = Annotated[str, _id_of("stem")]
TokenId = Annotated[str, _id_of("token")]
TrackId = Annotated[str, _id_of("track")]
WebhookId = Annotated[str, _id_of("webhook")]


def body_of(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads a request's parameters into ``model``; what does not fit is a 422 naming the fields."""

    async def read(request: Request) -> M:
        parameters = await _parameters(request)
        try:
            return model.model_validate(parameters)
        except ValidationError as error:
            raise AppError(
                Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": details_of(error)}
            ) from None

    return read


def body_schema(model: type[BaseModel], *, forms: bool = True, required: bool = True) -> dict[str, Any]:
    """What ``/openapi.json`` says about a body.

    Args:
        forms: it may be a form, too, as :func:`body_of` reads it.
    """
    schema = model.model_json_schema(schema_generator=PlainSchema)
    kinds = ("application/json", *(("application/x-www-form-urlencoded",) if forms else ()))
    return {"requestBody": {"required": required, "content": {kind: {"schema": schema} for kind in kinds}}}


async def _parameters(request: Request) -> dict[str, Any]:
    query = _from_pairs(request.query_params.multi_items())
    body = await limited_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return query
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELD_LIMIT)
        except ValueError:
            raise AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", "The body is not a valid form.") from None
        return query | _from_pairs(pairs)
    if kind == "application/json" or kind.endswith("+json"):
        return query | json_object(body)
    raise HTTPException(415, "Send the body as application/json or application/x-www-form-urlencoded.")


def json_object(body: bytes) -> dict[str, Any]:
    """
    Raises:
        AppError: ``BAD_REQUEST`` for what is no JSON, or no object.
    """
    try:
        values = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", "The body is not valid JSON.") from None
    if not isinstance(values, dict):
        raise AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", "The body must be a JSON object.")
    return values


async def limited_body(request: Request) -> bytes:
    """
    Raises:
        AppError: ``TOO_LARGE`` above 1 MB.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_LIMIT_BYTES:
            raise AppError(Code.TOO_LARGE, "TOO_LARGE", "The body is larger than 1 MB. Upload files to /api/tracks.")
    return bytes(body)


def _from_pairs(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Form fields; ``name[]``, repeated or not, is a list."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name.endswith("[]"):
            values.setdefault(name[:-2], []).append(value)
        else:
            values[name] = value
    return values


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON


def require_uuid(value: str, what: str) -> str:
    """The id in its canonical form, with dashes; one that cannot be an id names nothing, so it is a 404."""
    lowered = value.lower()
    if not _UUID.fullmatch(lowered):
        raise AppError(Code.NOT_FOUND, f"{what.upper()}_NOT_FOUND", f"There is no such {what}. Check the id.")
    return str(uuid.UUID(lowered))


def _idempotency_key(
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            description="Repeat a request with the same key, and it is done once.",
            json_schema_extra={"maxLength": _KEY_LIMIT},
            examples=["5f2b8c1e"],
        ),
    ] = "",
) -> str:
    key = idempotency_key.strip()
    if len(key) > _KEY_LIMIT or not (key.isascii() and key.isprintable()):
        raise AppError(
            Code.INVALID_ARGUMENT,
            "IDEMPOTENCY_KEY_INVALID",
            "An Idempotency-Key has at most 255 printable ASCII characters.",
        )
    return key


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
"""The header of this name, empty if there is none."""
