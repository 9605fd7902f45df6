"""What went wrong with a request, before a dialect gives it its own shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from kit.errors import AppError

__all__ = ["INTERNAL", "STOPPING", "Problem", "details_of", "problem_of"]

_REASONS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "UNSUPPORTED_MEDIA_TYPE"}


@dataclass(frozen=True)
class Problem:
    """A status, a reason for programs, a sentence for people, and what belongs to it."""

    status: int
    reason: str
    message: str
    details: Mapping[str, Any] | None = None
    """Field name to a list of messages."""
    framework_errors: list[dict[str, Any]] | None = None
    """The same in FastAPI's own terms, for the contract that shows them."""
    headers: Mapping[str, str] = field(default_factory=dict)


INTERNAL = Problem(500, "INTERNAL", "Something went wrong on our side. Please try again.")
STOPPING = Problem(
    503, "STOPPING", "The server is being restarted. Please try again in a moment.", headers={"Retry-After": "5"}
)


def problem_of(error: Exception) -> Problem:
    """The problem that an exception stands for; one of ours, of the framework's, or an accident."""
    if isinstance(error, AppError):
        headers = {}
        if "retry_after" in error.meta:
            headers["Retry-After"] = str(error.meta["retry_after"])
        return Problem(
            error.http_status, error.reason, error.message, details=error.meta.get("details"), headers=headers
        )
    if isinstance(error, RequestValidationError):
        problems = [{key: e[key] for key in ("type", "loc", "msg", "input") if key in e} for e in error.errors()]
        return Problem(
            422, "VALIDATION_ERROR", "Some fields do not fit.", details_of(error.errors()), framework_errors=problems
        )
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        reason = _REASONS.get(error.status_code, phrase.upper().replace(" ", "_"))
        return Problem(error.status_code, reason, str(error.detail or phrase), headers=dict(error.headers or {}))
    return INTERNAL


def details_of(errors: Any) -> dict[str, list[str]]:
    """Pydantic's list of errors as field name to messages."""
    if isinstance(errors, ValidationError):
        errors = errors.errors()
    details: dict[str, list[str]] = {}
    for error in errors:
        location = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
        empty = error["type"] == "missing" or error.get("input") in (None, "")
        message = "can't be blank" if empty else error["msg"].removeprefix("Value error, ")
        details.setdefault(location[0] if location else "body", []).append(message[:1].lower() + message[1:])
    return details
