"""Parses the parameters of Sound Box requests. Invalid query parameters get defaults; invalid bodies are errors."""

import contextlib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard, TypeVar

from fastapi import Path, Query, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import core_schema

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.services.gateway.dialects.soundbox.model_names import MODELS
from soundwright.services.gateway.files.playback import PIXEL_FRAMES
from soundwright.services.gateway.wire.parameters import body_schema, json_object, limited_body, require_uuid
from soundwright.services.gateway.wire.problems import details_of

_ID_COUNT_LIMIT = 100
_USER_ID_LIMIT = 100
_SEARCH_LIMIT = 200
_CLEANED_LIMIT = 20_000
_PIXEL_FRAMES_LIMIT = 1 << 24
_INVISIBLE = "\n\t\u200c\u200d"  # some scripts and emoji need the zero-width joiners
_KEYWORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
M = TypeVar("M", bound=BaseModel)


def clean(text: str, limit: int | None = None) -> str:
    """Return ``text`` trimmed, at most ``limit`` characters long, and without control, format and surrogate characters.

    The text is first cut to much more than the limit, or than every field allows, so that it takes no more than some milliseconds.
    """
    kept = "".join(
        c
        for c in text[: 10 * limit if limit else _CLEANED_LIMIT]
        if c in _INVISIBLE or unicodedata.category(c)[0] != "C"
    )
    return kept.strip()[:limit]


def normalize_user_id(text: str) -> str:
    """Return ``text`` as a user ID on one line."""
    return clean(" ".join(text[: 10 * _USER_ID_LIMIT].split()), _USER_ID_LIMIT)


# ---------------------------------------------------------------------------------------------------------------- query


@dataclass(frozen=True)
class Clamped:
    """An integer query parameter. Values that are not integers become the default; others are clamped to the range."""

    default: int
    low: int
    high: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.low, "maximum": self.high}

    def _read(self, value: object) -> int:
        try:
            return min(self.high, max(self.low, int(str(value))))
        except ValueError:
            return self.default


def _known_model(value: object) -> str:
    return str(value) if value in MODELS else ""


def _known_family(value: object) -> str:
    family = str(value).removeprefix("magnet-")
    return family if value in MODELS else ""


def _read_keyword(value: object) -> str:
    return str(value) if _KEYWORD.fullmatch(str(value)) else ""


def _read_pixel_frames(value: object) -> int:
    text = str(value)
    frames = int(text) if re.fullmatch("[0-9]{1,8}", text) else 0
    valid = PIXEL_FRAMES <= frames <= _PIXEL_FRAMES_LIMIT and frames & (frames - 1) == 0
    return frames if valid else PIXEL_FRAMES


PageNumber = Annotated[int, Clamped(1, 1, 10_000), Query(description="The page, from 1.")]
PageSize = Annotated[int, Clamped(20, 1, 100), Query(description="The number of items per page.")]
ModelFilter = Annotated[
    str,
    BeforeValidator(_known_model),
    Query(description=f"Filters by model: {', '.join(MODELS)}. Other values: all models."),
]
FamilyFilter = Annotated[
    str, BeforeValidator(_known_family), Query(description="Filters by model: music, audio. Other values: both.")
]
Keyword = Annotated[
    str, BeforeValidator(_read_keyword), Query(description="Letters, digits, `-` and `_`. Other values are ignored.")
]
SearchText = Annotated[
    str,
    BeforeValidator(lambda value: clean(str(value), _SEARCH_LIMIT)),
    Query(description="Filters by words; clips that contain any of them match."),
]
PixelFrames = Annotated[
    int,
    BeforeValidator(_read_pixel_frames),
    Query(
        description=f"Frames per pixel: a power of two from {PIXEL_FRAMES} to {_PIXEL_FRAMES_LIMIT}. "
        f"Other values: {PIXEL_FRAMES}, which alone supports range requests."
    ),
]
Flag = Annotated[bool, BeforeValidator(lambda value: str(value).lower() in ("1", "true", "yes", "on"))]
Prefix = Annotated[Flag, Query(description="Whether the last word of `search` also finds words that begin with it.")]
MinDuration = Annotated[int, Clamped(0, 0, 3600), Query(description="The minimum duration in seconds.")]
MaxDuration = Annotated[int, Clamped(0, 0, 3600), Query(description="The maximum duration in seconds. 0: no maximum.")]
HistoryLength = Annotated[int, Clamped(100, 1, 500), Query(description="The maximum number of clips.")]
UserId = Annotated[
    str, BeforeValidator(lambda value: normalize_user_id(str(value))), Query(description="The ID of the user.")
]

ClipId = Annotated[
    str, Path(description="The ID of the clip, 32 hex digits.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714"])
]
PlaylistId = Annotated[str, Path(description="The ID of the playlist.", examples=["pl_0123456789ab"])]
AudioName = Annotated[
    str, Path(description="The `filename` of a clip.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.wav"])
]
ImageName = Annotated[
    str, Path(description="The `spectrogram` of a clip.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.png"])
]

# ----------------------------------------------------------------------------------------------------------------- body


_USER_ID = {
    "name": "user_id",
    "in": "query",
    "description": "The ID of the user, if the body does not contain it.",
    "schema": {"type": "string"},
}


def json_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Return the OpenAPI request body of ``model`` and, for a :class:`UserBody`, the query parameter ``user_id``."""
    documentation = body_schema(model, forms=False, required=required)
    return {**documentation, "parameters": [_USER_ID]} if issubclass(model, UserBody) else documentation


async def read_json(request: Request) -> dict[str, Any]:
    """Return the fields of a JSON body; none if the body is empty.

    Raises:
        AppError: ``BAD_REQUEST`` if the body is not a JSON object; ``TOO_LARGE``.
        AppError: ``UNSUPPORTED_MEDIA_TYPE``.
    """
    body = await limited_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return {}
    if kind != "application/json" and not kind.endswith("+json"):
        raise errors.UNSUPPORTED_MEDIA_TYPE("Content-Type must be application/json")
    return json_object(body)


def user_id_of(request: Request, values: Mapping[str, Any]) -> str:
    """Return the ``user_id`` of the body or, without one, of the query; empty if there is none.

    Raises ``AppError``: 400 if it is not a string.
    """
    value = values.get("user_id")
    if value is None:
        value = request.query_params.get("user_id", "")
    if not isinstance(value, str):
        raise errors.BAD_REQUEST("user_id must be a string")
    return normalize_user_id(value)


def validate_body(model: type[M], values: Mapping[str, Any]) -> M:
    """Validate the fields of a body.

    Raises ``AppError``: 400 with the message of the first invalid field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        field, texts = next(iter(details_of(error).items()))
        raise errors.BAD_REQUEST(f"{field} {texts[0]}") from None


def _invalid(info: ValidationInfo, what: str) -> AppError:
    return errors.BAD_REQUEST(f"{info.field_name} {what}")


def _read_text(value: object, info: ValidationInfo) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _invalid(info, "must be a string")
    return clean(value)


def _read_number(value: object, info: ValidationInfo) -> float:
    number = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number):
        raise _invalid(info, "must be a number")
    return number


def _read_integer(value: object, info: ValidationInfo) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(info, "must be an integer")
    return value


def strings(limit: int) -> BeforeValidator:
    """Return a validator for a list of at most ``limit`` strings."""

    def read(value: object, info: ValidationInfo) -> list[str]:
        if not isinstance(value, list) or len(value) > limit:
            raise _invalid(info, f"must be a list with max {limit} items")
        if not all(isinstance(item, str) for item in value):
            raise _invalid(info, "must be a list of strings")
        return value

    return BeforeValidator(read)


def must(holds: Callable[[Any], bool], problem: str) -> AfterValidator:
    """Return a validator that refuses values with ``problem`` unless they are None or ``holds`` returns true."""

    def check(value: Any) -> Any:
        if value is not None and not holds(value):
            raise errors.BAD_REQUEST(problem)
        return value

    return AfterValidator(check)


def is_one_of(value: object, numbers: tuple[int, ...]) -> TypeGuard[float]:
    """Return whether ``value`` is one of ``numbers``. Booleans are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value in numbers


def valid_ids(names: Iterable[str]) -> dict[str, str]:
    """Return the valid IDs among ``names``, in canonical form, by name."""
    ids = {}
    for name in names:
        with contextlib.suppress(AppError):
            ids[name] = require_uuid(name, errors.GENERATION_NOT_FOUND)
    return ids


Text = Annotated[str, BeforeValidator(_read_text)]
OptionalText = Annotated[
    str | None, BeforeValidator(lambda value, info: None if value is None else _read_text(value, info))
]
Number = Annotated[float, BeforeValidator(_read_number)]
Integer = Annotated[int, BeforeValidator(_read_integer)]
Ids = Annotated[list[str], AfterValidator(lambda names: [clean(name, 64) for name in names]), strings(_ID_COUNT_LIMIT)]


class UserBody(BaseModel):
    """A body with the ID of the user."""

    model_config = ConfigDict(validate_default=True)  # so that validators can reject missing fields

    user_id: Annotated[str | None, BeforeValidator(lambda _value: None)] = Field(
        None, description="The ID of the user, for callers without an account.", examples=["user_abc123"]
    )
    """Declared for the OpenAPI document only: :func:`user_id_of` reads it."""


class IdsBody(UserBody):
    """A list of clips."""

    generation_ids: Ids = Field(
        [],
        description="The IDs of the clips.",
        json_schema_extra={"maxItems": _ID_COUNT_LIMIT},
        examples=[["7f0c2a9e41d84b6fb1a35d90c2e8f714"]],
    )
