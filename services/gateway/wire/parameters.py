"""Reads request parameters: path IDs, the idempotency key, and bodies in JSON or form encoding merged with the query."""

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ValidationError

from soundwright.kit import errors
from soundwright.kit.errors import ErrorType
from soundwright.services.gateway.wire import limits
from soundwright.services.gateway.wire.decoding import form_pairs, json_value
from soundwright.services.gateway.wire.multipart import multipart_fields
from soundwright.services.gateway.wire.problems import details_of
from soundwright.services.gateway.wire.schemas import REFERENCE, PlainSchema

_KEY_LIMIT = 255
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
M = TypeVar("M", bound=BaseModel)

PageNumber = Annotated[int, Query(ge=1, le=1_000_000, description="from 1")]
PageSize = Annotated[int, Query(ge=1, le=100, description="entries on a page")]
Cursor = Annotated[
    str, Query(max_length=8192, description="From a link in the header `Link`; decides what the page has.")
]

LICENSE_KEY = r"^[!-~]{8,200}$"
"""The format of an API key of lalal.ai, which is sent in a header."""


def license_key(field: str, value: str) -> str:
    """Return an API key of lalal.ai, which a caller has sent in ``field``. Raises ``VALIDATION_ERROR``."""
    if not re.fullmatch(LICENSE_KEY, value):
        raise errors.invalid(field, "must be 8 to 200 printable ASCII characters without spaces")
    return value


def _id_of(what: str) -> Any:
    example = "0f8fad5b-d9cb-469f-a165-70867728950e"
    return Path(description=f"The ID of the {what}.", json_schema_extra={"format": "uuid"}, examples=[example])


def _uuid(error: ErrorType) -> AfterValidator:
    """Return the validator that turns an ID into its canonical form, and a malformed one into ``error``."""
    return AfterValidator(lambda value: require_uuid(value, error))


AccountId = Annotated[str, _id_of("account"), _uuid(errors.ACCOUNT_NOT_FOUND)]
ConversationId = Annotated[str, _id_of("conversation"), _uuid(errors.CONVERSATION_NOT_FOUND)]
DeliveryId = Annotated[str, _id_of("delivery"), _uuid(errors.DELIVERY_NOT_FOUND)]
JobId = Annotated[str, _id_of("job"), _uuid(errors.JOB_NOT_FOUND)]
SessionId = Annotated[str, _id_of("session"), _uuid(errors.SESSION_NOT_FOUND)]
SetlistId = Annotated[str, _id_of("setlist"), _uuid(errors.SETLIST_NOT_FOUND)]
StemId = Annotated[str, _id_of("stem"), _uuid(errors.STEM_NOT_FOUND)]
TokenId = Annotated[str, _id_of("token"), _uuid(errors.TOKEN_NOT_FOUND)]
TrackLinkId = Annotated[str, _id_of("link"), _uuid(errors.TRACK_LINK_NOT_FOUND)]
TrackId = Annotated[str, _id_of("track"), _uuid(errors.TRACK_NOT_FOUND)]
UploadId = Annotated[str, _id_of("upload"), _uuid(errors.UPLOAD_NOT_FOUND)]
UncheckedJobId = Annotated[str, _id_of("job")]
"""For the dialect whose contract has its own message for a malformed ID."""
WebhookId = Annotated[str, _id_of("webhook"), _uuid(errors.WEBHOOK_NOT_FOUND)]


def body_of(model: type[M], *, secret: bool = False) -> Callable[[Request], Awaitable[M]]:
    """Return a FastAPI dependency that validates a request's parameters as ``model``.

    Args:
        secret: whether they contain a secret, so that the query is ignored: proxies log it.

    Raises:
        AppError: ``VALIDATION_ERROR`` with ``details`` by field; see also :func:`json_object` and :func:`limited_body`.
        AppError: ``UNSUPPORTED_MEDIA_TYPE``.
    """

    async def read(request: Request) -> M:
        parameters = await _parameters(request, {} if secret else _from_pairs(request.query_params.multi_items()))
        try:
            return model.model_validate(parameters)
        except ValidationError as error:
            raise errors.VALIDATION_ERROR(details=details_of(error)) from None

    return read


def body_schema(model: type[BaseModel], *, forms: bool = True, required: bool = True) -> dict[str, Any]:
    """Return the OpenAPI request body of ``model``. ``forms`` says whether the body may also be a form."""
    schema = model.model_json_schema(ref_template=REFERENCE + "{model}", schema_generator=PlainSchema)
    kinds = ("application/json", *(("application/x-www-form-urlencoded",) if forms else ()))
    return {"requestBody": {"required": required, "content": {kind: {"schema": schema} for kind in kinds}}}


async def _parameters(request: Request, query: dict[str, Any]) -> dict[str, Any]:
    body = await limited_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return query
    if kind == "application/x-www-form-urlencoded":
        return query | _from_pairs(form_fields(body))
    if kind == "application/json" or kind.endswith("+json"):
        return query | json_object(body)
    if kind == "multipart/form-data":
        return query | _from_pairs(multipart_fields(request.headers["content-type"], _short(body)))
    raise errors.UNSUPPORTED_MEDIA_TYPE("Send the body as application/json or as a form.")


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a URL-encoded form.

    Raises ``TOO_LARGE`` if it exceeds 64 KB; ``BAD_REQUEST`` if it is malformed or has more than 200 fields.
    """
    try:
        return form_pairs(_short(body))
    except ValueError:
        raise errors.BAD_REQUEST("The body is not a valid form.") from None


def _short(form: bytes) -> bytes:
    if len(form) > limits.FORM_BYTES:
        raise errors.TOO_LARGE("The form is larger than 64 KB. Shorten its fields.")
    return form


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises ``BAD_REQUEST`` if the body is not JSON, has more than 2,000 values, or is not an object.
    """
    try:
        values = json_value(body)
    except ValueError:
        raise errors.BAD_REQUEST(f"The body is not valid JSON, or has more than {limits.JSON_VALUES} values.") from None
    if not isinstance(values, dict):
        raise errors.BAD_REQUEST("The body must be a JSON object.")
    return values


async def limited_body(request: Request) -> bytes:
    """Return the body of a request. Raises ``TOO_LARGE`` if it exceeds 1 MB."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.BODY_BYTES:
            raise errors.TOO_LARGE()
    return bytes(body)


def _from_pairs(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return form fields by name. Fields named ``name[]`` become a list."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name.endswith("[]"):
            values.setdefault(name[:-2], []).append(value)
        else:
            values[name] = value
    return values


def require_uuid(value: str, error: ErrorType) -> str:
    """Return a UUID in its canonical form. Raises ``error`` if ``value`` is not a UUID."""
    lowered = value.lower()
    if not _UUID.fullmatch(lowered):
        raise error()
    return str(uuid.UUID(lowered))


def _idempotency_key(
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            description="Identifies a request across retries. Requests with the same key are processed once.",
            json_schema_extra={"maxLength": _KEY_LIMIT},
            examples=["5f2b8c1e"],
        ),
    ] = "",
) -> str:
    key = idempotency_key.strip()
    if len(key) > _KEY_LIMIT or not (key.isascii() and key.isprintable()):
        raise errors.IDEMPOTENCY_KEY_INVALID()
    return key or str(uuid.uuid4())


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
"""The value of the header ``Idempotency-Key``, or a new one, so that calls between components can be repeated."""
