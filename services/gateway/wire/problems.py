"""Error responses before a dialect renders them, and their construction from exceptions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code

_SUBJECT = re.compile(r"(?:Value error, |(?:Input|String|List|Value|Tuple|Dictionary|Bytes) (?=should))")
_RETRY_SECONDS = 30  # if nobody knows better
_REASONS = {error.code.value.http_status: error.reason for error in (errors.NOT_FOUND, errors.METHOD_NOT_ALLOWED)}


@dataclass(frozen=True)
class Problem:
    """An error response, independent of the dialect.

    Attributes:
        details: messages by field, or other values by name.
        framework_errors: ``details`` in the format of FastAPI, for the dialect whose contract prescribes it.
    """

    status: int
    reason: str
    message: str
    details: Mapping[str, Any] | None = None
    framework_errors: list[dict[str, Any]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: Exception) -> Problem:
    """Return the problem for an exception. Exceptions that are neither ours nor the framework's become ``INTERNAL``."""
    if isinstance(error, AppError):
        details, seconds = error.meta.get("details"), error.meta.get("retry_after")
        if error.code is Code.RATE_LIMITED:  # of which the contract says that the body has the time to wait
            seconds = seconds or (details or {}).get("retry_after", _RETRY_SECONDS)
            details = {**(details or {}), "retry_after": seconds}
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        return Problem(error.http_status, error.reason, error.message, details=details, headers=headers)
    if isinstance(error, RequestValidationError):
        problems = [{key: e[key] for key in ("type", "loc", "msg", "input") if key in e} for e in error.errors()]
        return Problem(
            422, "VALIDATION_ERROR", "Some fields are invalid.", details_of(error.errors()), framework_errors=problems
        )
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        reason = _REASONS.get(error.status_code, phrase.upper().replace(" ", "_"))
        return Problem(error.status_code, reason, str(error.detail or phrase), headers=dict(error.headers or {}))
    return problem_of(errors.INTERNAL())


def details_of(errors: Any) -> dict[str, list[str]]:
    """Return the messages of pydantic's errors by field name. They read after it: "should have at most 80 characters"."""
    if isinstance(errors, ValidationError):
        errors = errors.errors()
    details: dict[str, list[str]] = {}
    for error in errors:
        location = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
        empty = error["type"] == "missing" or error.get("input") in (None, "")
        message = "can't be blank" if empty else _SUBJECT.sub("", error["msg"], count=1)
        details.setdefault(location[0] if location else "body", []).append(message[:1].lower() + message[1:])
    return details
