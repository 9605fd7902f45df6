"""The one error type and the one table that decides what becomes of it.

``raise AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "No track has the id ...")`` anywhere; the table gives the gRPC
status, the HTTP status, whether a job may try again, and whether the log should call it an error of ours.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["AppError", "Code", "Disposition"]


@dataclass(frozen=True)
class Disposition:
    """What one kind of error means at every edge."""

    grpc_status: str
    http_status: int
    retryable: bool
    ours: bool  # logged as an error: somebody should look


class Code(enum.Enum):
    """Kinds of errors. The values are the table."""

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
    # What was asked for is not installed here: trying again does not help before somebody installs it.
    NOT_PROVISIONED = Disposition("UNIMPLEMENTED", 503, retryable=False, ours=False)
    UNAVAILABLE = Disposition("UNAVAILABLE", 503, retryable=True, ours=True)
    TIMEOUT = Disposition("DEADLINE_EXCEEDED", 504, retryable=True, ours=True)
    STORAGE_FULL = Disposition("DATA_LOSS", 507, retryable=True, ours=True)
    INTERNAL = Disposition("INTERNAL", 500, retryable=True, ours=True)


_BY_GRPC_STATUS = {code.value.grpc_status: code for code in Code}


class AppError(Exception):
    """A refusal or a failure with a code, a stable reason and a sentence that tells the user what to do.

    Args:
        code: the kind, which decides statuses and retries.
        reason: UPPER_SNAKE, stable, for programs.
        message: one or two sentences for people; never holds a secret, a path of the server or a stack trace.
        meta: further values for programs, e.g. ``{"details": {"model": ["is not known"]}}``.
    """

    def __init__(self, code: Code, reason: str, message: str, meta: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.meta = dict(meta or {})

    @property
    def retryable(self) -> bool:
        return self.code.value.retryable

    @property
    def http_status(self) -> int:
        return self.code.value.http_status

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    def __reduce__(self) -> tuple[type[AppError], tuple[Code, str, str, dict[str, Any]]]:
        return type(self), (self.code, self.reason, self.message, self.meta)  # to cross from process to process

    @staticmethod
    def code_for_grpc_status(status: str) -> Code:
        """The code whose gRPC status is ``status``; ``INTERNAL`` for one that the table does not name."""
        return _BY_GRPC_STATUS.get(status, Code.INTERNAL)
