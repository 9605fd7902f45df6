"""The application's error type, and the table that maps error codes to statuses.

Raise ``AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "No track has the id ...")`` anywhere. The table of codes defines the
gRPC status, the HTTP status, whether a job may be retried, and the log level.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATA_DAMAGED_STATUS = 65
"""The exit status of a component whose stored data is damaged or lost: a restart does not help (``EX_DATAERR`` of sysexits.h)."""


@dataclass(frozen=True)
class Disposition:
    """How each edge treats one code."""

    grpc_status: str
    http_status: int
    retryable: bool
    ours: bool  # the platform is at fault: logged as an error


class Code(enum.Enum):
    """Kinds of errors. The values are the table. Each code has a gRPC status of its own, which identifies it."""

    INVALID_ARGUMENT = Disposition("INVALID_ARGUMENT", 400, retryable=False, ours=False)
    UNPROCESSABLE = Disposition("OUT_OF_RANGE", 422, retryable=False, ours=False)
    UNAUTHENTICATED = Disposition("UNAUTHENTICATED", 401, retryable=False, ours=False)
    PERMISSION_DENIED = Disposition("PERMISSION_DENIED", 403, retryable=False, ours=False)
    NOT_FOUND = Disposition("NOT_FOUND", 404, retryable=False, ours=False)
    CONFLICT = Disposition("ALREADY_EXISTS", 409, retryable=False, ours=False)
    STALE = Disposition("ABORTED", 409, retryable=False, ours=False)
    TOO_LARGE = Disposition("FAILED_PRECONDITION", 413, retryable=False, ours=False)
    RATE_LIMITED = Disposition("RESOURCE_EXHAUSTED", 429, retryable=True, ours=False)
    CANCELLED = Disposition("CANCELLED", 499, retryable=False, ours=False)
    # Something is not installed on this machine. A retry does not help until it is.
    NOT_PROVISIONED = Disposition("UNIMPLEMENTED", 503, retryable=False, ours=False)
    UNAVAILABLE = Disposition("UNAVAILABLE", 503, retryable=True, ours=True)
    TIMEOUT = Disposition("DEADLINE_EXCEEDED", 504, retryable=True, ours=True)
    STORAGE_FULL = Disposition("DATA_LOSS", 507, retryable=True, ours=True)
    INTERNAL = Disposition("INTERNAL", 500, retryable=True, ours=True)

    @staticmethod
    def from_grpc_status(status: str) -> Code:
        """Return the code whose gRPC status is ``status``, or ``INTERNAL`` if no code has it."""
        return _BY_GRPC_STATUS.get(status, Code.INTERNAL)


_BY_GRPC_STATUS = {code.value.grpc_status: code for code in Code}


class AppError(Exception):
    """A refusal or a failure with a code, a stable reason and a sentence that says what to do.

    Args:
        code: the kind of error; decides statuses and retries.
        reason: stable identifier for programs, in UPPER_SNAKE_CASE.
        message: one or two sentences for people, without secrets, server paths or stack traces.
        meta: JSON values for programs, e.g. ``{"details": {"model": ["is not known"]}}``.
    """

    def __init__(self, code: Code, reason: str, message: str, meta: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.meta = dict(meta or {})

    @property
    def retryable(self) -> bool:
        """Whether a job that failed with this error may be retried."""
        return self.code.value.retryable

    @property
    def http_status(self) -> int:
        """The HTTP status of this error."""
        return self.code.value.http_status

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    def __reduce__(self) -> tuple[type[AppError], tuple[Code, str, str, dict[str, Any]]]:
        """Support pickling between processes. The default passes the message alone to ``__init__``."""
        return type(self), (self.code, self.reason, self.message, self.meta)


def idempotency_key_reused() -> AppError:
    return AppError(
        Code.CONFLICT,
        "IDEMPOTENCY_KEY_REUSED",
        "This Idempotency-Key was used for another request. Use a new key for a new request.",
    )


def registration_needed() -> AppError:
    """Return the error for what only registered accounts may do."""
    return AppError(
        Code.PERMISSION_DENIED,
        "REGISTRATION_NEEDED",
        "Guests cannot do this. Register first. Your tracks and jobs stay yours.",
    )
