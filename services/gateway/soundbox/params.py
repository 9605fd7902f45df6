"""Parameters as Sound Box clients send them: lenient in the query, refused with a plain sentence in the body."""

from __future__ import annotations

import contextlib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard, TypeVar

from fastapi import Path, Query, Request
from pydantic import (
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
from starlette.exceptions import HTTPException

from kit.errors import AppError, Code
from services.gateway.params import body_schema, json_object, limited_body, require_uuid
from services.gateway.problem import details_of

__all__ = [
    "MODELS",
    "AudioName",
    "Clamped",
    "ClipId",
    "FamilyFilter",
    "HistoryLength",
    "Ids",
    "IdsBody",
    "Integer",
    "ModelFilter",
    "Number",
    "OptionalText",
    "PageNumber",
    "PageSize",
    "PictureName",
    "PlaylistId",
    "SearchWords",
    "Text",
    "UserBody",
    "UserId",
    "Word",
    "body",
    "clean",
    "fitted",
    "is_one_of",
    "json_values",
    "known_ids",
    "name_of",
    "refusal",
    "user_of",
]

MODELS = ("music", "audio", "magnet-music", "magnet-audio")
_ID_COUNT_LIMIT = 100
_USER_ID_LIMIT = 100
_SEARCH_LIMIT = 200
_INVISIBLE = "\n\t\u200c\u200d"  # joiners are part of how some scripts and signs are spelled
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
M = TypeVar("M", bound=BaseModel)


def refusal(sentence: str) -> AppError:
    """What the client sent cannot be; ``sentence`` says how it could."""
    return AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", sentence)


def clean(text: str, limit: int | None = None) -> str:
    """``text`` without what is no text (controls, reversals, halves of surrogate pairs), trimmed and cut."""
    kept = "".join(c for c in text if c in _INVISIBLE or unicodedata.category(c)[0] != "C")
    return kept.strip()[:limit]


def name_of(text: str) -> str:
    """``text`` as the name of a listener, on one line."""
    return clean(" ".join(text.split()), _USER_ID_LIMIT)


# ---------------------------------------------------------------------------------------------------------------- query


@dataclass(frozen=True)
class Clamped:
    """An integer of the query: what is no number is the default, what is out of range its nearest end."""

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


def _word(value: object) -> str:
    return str(value) if _WORD.fullmatch(str(value)) else ""


PageNumber = Annotated[int, Clamped(1, 1, 10_000), Query(description="from 1")]
PageSize = Annotated[int, Clamped(20, 1, 100), Query(description="entries on a page")]
ModelFilter = Annotated[str, BeforeValidator(_known_model), Query(description=f"{', '.join(MODELS)}; else all")]
FamilyFilter = Annotated[str, BeforeValidator(_known_family), Query(description="music, audio; else both")]
Word = Annotated[str, BeforeValidator(_word), Query(description="letters, digits, - and _; else nothing")]
SearchWords = Annotated[
    str, BeforeValidator(lambda value: clean(str(value), _SEARCH_LIMIT)), Query(description="any of these words")
]
HistoryLength = Annotated[int, Clamped(100, 1, 500), Query(description="how many at most")]
UserId = Annotated[str, BeforeValidator(lambda value: name_of(str(value))), Query(description="who asks, or whose")]

ClipId = Annotated[str, Path(description="Which clip: 32 hex digits.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714"])]
PlaylistId = Annotated[str, Path(description="Which playlist.", examples=["pl_0123456789ab"])]
AudioName = Annotated[
    str, Path(description="A file as clips name it.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.wav"])
]
PictureName = Annotated[
    str, Path(description="A picture as clips name it.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.png"])
]

# ----------------------------------------------------------------------------------------------------------------- body


_USER_ID = {
    "name": "user_id",
    "in": "query",
    "description": "The same as in the body, where it is not there.",
    "schema": {"type": "string"},
}


def body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """What ``/openapi.json`` says about a body that :func:`json_values` reads, and about who it says that calls."""
    said = body_schema(model, forms=False, required=required)
    return {**said, "parameters": [_USER_ID]} if issubclass(model, UserBody) else said


async def json_values(request: Request) -> dict[str, Any]:
    """The fields of a JSON body; no body has none.

    Raises:
        AppError, HTTPException: 400 for what is no JSON object, 413, 415.
    """
    body = await limited_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return {}
    if kind != "application/json" and not kind.endswith("+json"):
        raise HTTPException(415, "Content-Type must be application/json")
    return json_object(body)


def user_of(request: Request, values: Mapping[str, Any]) -> str:
    """The ``user_id`` of a body, else of the query; empty if there is none."""
    value = values.get("user_id")
    if value is None:
        value = request.query_params.get("user_id", "")
    if not isinstance(value, str):
        raise refusal("user_id must be a string")
    return name_of(value)


def fitted(model: type[M], values: Mapping[str, Any]) -> M:
    """The fields of a body as ``model`` wants them, the first that does not fit refused."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        field, texts = next(iter(details_of(error).items()))
        raise refusal(f"{field} {texts[0]}") from None


def _wrong(info: ValidationInfo, what: str) -> AppError:
    return refusal(f"{info.field_name} {what}")


def _read_text(value: object, info: ValidationInfo) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(info, "must be a string")
    return clean(value)


def _read_number(value: object, info: ValidationInfo) -> float:
    number = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number):
        raise _wrong(info, "must be a number")
    return number


def _read_integer(value: object, info: ValidationInfo) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(info, "must be an integer")
    return value


def _read_ids(value: object, info: ValidationInfo) -> list[str]:
    if not isinstance(value, list) or len(value) > _ID_COUNT_LIMIT:
        raise _wrong(info, f"must be a list with max {_ID_COUNT_LIMIT} items")
    if not all(isinstance(item, str) for item in value):
        raise _wrong(info, "must be a list of strings")
    return [clean(item, 64) for item in value]


def is_one_of(value: object, numbers: tuple[int, ...]) -> TypeGuard[float]:
    """Whether ``value`` is one of some numbers. Truth is no number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value in numbers


def known_ids(names: Iterable[str]) -> dict[str, str]:
    """What clients call clips, to the clips' ids; without names that no clip can have."""
    ids = {}
    for name in names:
        with contextlib.suppress(AppError):
            ids[name] = require_uuid(name, "generation")
    return ids


Text = Annotated[str, BeforeValidator(_read_text)]
OptionalText = Annotated[
    str | None, BeforeValidator(lambda value, info: None if value is None else _read_text(value, info))
]
Number = Annotated[float, BeforeValidator(_read_number)]
Integer = Annotated[int, BeforeValidator(_read_integer)]
Ids = Annotated[list[str], BeforeValidator(_read_ids)]


class UserBody(BaseModel):
    """Who calls."""

    model_config = ConfigDict(validate_default=True)  # what is left out may be refused, too

    user_id: Annotated[str | None, BeforeValidator(lambda _value: None)] = Field(
        None, description="under open access, who calls", examples=["user_abc123"]
    )
    """For the documentation: :func:`user_of` reads it."""


class IdsBody(UserBody):
    """Which clips are asked about."""

    generation_ids: Ids = Field(
        [],
        description="which clips",
        json_schema_extra={"maxItems": _ID_COUNT_LIMIT},
        examples=[["7f0c2a9e41d84b6fb1a35d90c2e8f714"]],
    )
