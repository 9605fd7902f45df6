"""The type of the application's errors. :mod:`soundwright.kit.errors` declares each of them."""

import contextlib
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from soundwright.kit.text import size_text

DATA_DAMAGED_STATUS = 65
"""The exit status of a component whose stored data is damaged or lost: a restart does not help (``EX_DATAERR`` of sysexits.h)."""


@dataclass(frozen=True)
class Disposition:
    """How each edge treats one code."""

    grpc_status: str
    http_status: int
    retryable: bool = False
    is_server_fault: bool = False  # logged as an error


class Code(enum.Enum):
    """Kinds of errors: the statuses, whether a job that failed with one is retried, and the log level."""

    INVALID_ARGUMENT = Disposition("INVALID_ARGUMENT", 400)
    UNPROCESSABLE = Disposition("INVALID_ARGUMENT", 422)
    UNSUPPORTED_MEDIA_TYPE = Disposition("INVALID_ARGUMENT", 415)
    URL_TOO_LONG = Disposition("INVALID_ARGUMENT", 414)
    HEADERS_TOO_LARGE = Disposition("INVALID_ARGUMENT", 431)
    WRONG_HOST = Disposition("INVALID_ARGUMENT", 421)
    UNAUTHENTICATED = Disposition("UNAUTHENTICATED", 401)
    PERMISSION_DENIED = Disposition("PERMISSION_DENIED", 403)
    NOT_FOUND = Disposition("NOT_FOUND", 404)
    METHOD_NOT_ALLOWED = Disposition("UNIMPLEMENTED", 405)
    EXISTS = Disposition("ALREADY_EXISTS", 409)
    CONFLICT = Disposition("FAILED_PRECONDITION", 409)
    STALE = Disposition("ABORTED", 409)
    PRECONDITION_FAILED = Disposition("FAILED_PRECONDITION", 412)
    TOO_LARGE = Disposition("RESOURCE_EXHAUSTED", 413)
    RATE_LIMITED = Disposition("RESOURCE_EXHAUSTED", 429, retryable=True)
    CANCELLED = Disposition("CANCELLED", 499)
    UNIMPLEMENTED = Disposition("UNIMPLEMENTED", 501)
    # Something is not installed on this machine. A retry does not help until it is.
    NOT_PROVISIONED = Disposition("FAILED_PRECONDITION", 503)
    CLIENT_TIMEOUT = Disposition("DEADLINE_EXCEEDED", 408)
    UNAVAILABLE = Disposition("UNAVAILABLE", 503, retryable=True, is_server_fault=True)
    TIMEOUT = Disposition("DEADLINE_EXCEEDED", 504, retryable=True, is_server_fault=True)
    STORAGE_FULL = Disposition("RESOURCE_EXHAUSTED", 507, retryable=True, is_server_fault=True)
    INTERNAL = Disposition("INTERNAL", 500, retryable=True, is_server_fault=True)


class AppError(Exception):
    """An error with a code, a stable reason and a sentence that says what to do.

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
        return self.code.value.http_status

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    def __reduce__(self) -> "tuple[type[AppError], tuple[Code, str, str, dict[str, Any]]]":
        """Support pickling between processes. The default passes the message alone to ``__init__``."""
        return type(self), (self.code, self.reason, self.message, self.meta)


@contextlib.contextmanager
def suppressed(*what: Code | str) -> Iterator[None]:
    """Leave the block at an error with one of these codes or reasons, and continue behind it."""
    try:
        yield
    except AppError as error:
        if error.code not in what and error.reason not in what:
            raise


@dataclass
class ErrorType:
    """One error of the catalogue. Call it to create the error to raise.

    Attributes:
        sentence: what is wrong and what to do. Fields in braces stand for values of the error; bytes are shown as sizes.
        reason: the identifier for programs; by default the name in the catalogue.
        note: what docs/ERRORS.md says about it besides.
        example: values with which the documentation shows the error.
    """

    code: Code
    sentence: str
    reason: str = ""
    note: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, sentence: str = "", /, **meta: Any) -> AppError:
        """Return the error. ``meta`` fills the fields of the sentence, and programs receive it.

        Args:
            sentence: says more than the sentence of the catalogue, which is the usual one.
        """
        shown = {name: size_text(value) if name.endswith("_bytes") else value for name, value in meta.items()}
        return AppError(self.code, self.reason, sentence or self.sentence.format_map(shown), meta)

    @property
    def shown(self) -> AppError:
        """The error with the values of the example."""
        return self(**self.example)
