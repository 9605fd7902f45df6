"""Errors of the client. All derive from :class:`SoundwrightError`.

::

    SoundwrightError
    ├── ApiError           the server refused a request
    ├── ConnectionFailed   the server did not answer
    ├── JobFailed          a job failed, or was cancelled
    ├── JobTimeout         a job did not end in time
    └── SignatureInvalid   a webhook message is not from the server
"""

from __future__ import annotations

from typing import Any

import httpx

_LONGEST_WAIT_SECONDS = 60.0
_PASSING = {
    *("BLOBS_UNAVAILABLE", "BROKER_UNAVAILABLE", "DEADLINE_EXCEEDED", "QUEUE_FULL", "RATE_LIMITED", "SERVER_FULL"),
    *("SERVICE_STOPPING", "SERVICE_UNAVAILABLE", "STOPPING", "STORE_UNAVAILABLE", "TOO_MANY_CONVERSIONS"),
    *("HTTP_429", "HTTP_502", "HTTP_503", "HTTP_504"),
}
"""Codes of errors that pass by themselves."""
_BY_PROXY = {
    413: "A proxy in front of the server refuses files of this size. Ask the operator to raise its limit.",
    502: "The server does not answer the proxy in front of it.",
    504: "The server did not answer the proxy in front of it in time.",
}
"""What a status without a sentence means: a proxy in front of the server has given it."""


class SoundwrightError(Exception):
    """An error with a sentence that says what is wrong and what to do."""

    code = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ApiError(SoundwrightError):
    """The server refused a request.

    Attributes:
        status: the HTTP status.
        code: the error code, such as ``TRACK_NOT_FOUND``. Routes of clips have no codes; then it is ``HTTP_<status>``.
        message: the sentence, with what is wrong with each field of the request.
        details: what is wrong, by field of the request.
        retry_after_seconds: when another attempt can succeed; None: the server does not say.
    """

    def __init__(self, response: httpx.Response) -> None:
        body = _body(response)
        detail = body.get("message") or body.get("error") or body.get("detail")
        unknown = _BY_PROXY.get(response.status_code, f"The server answered {response.status_code}.")
        sentence = detail if isinstance(detail, str) else unknown
        self.details: dict[str, list[str]] = body["details"] if isinstance(body.get("details"), dict) else {}
        fields = [f"{field} {problem}." for field, problems in self.details.items() for problem in problems]
        super().__init__(" ".join([sentence, *fields]) if body.get("code") == "VALIDATION_ERROR" else sentence)
        self.status = response.status_code
        self.code = str(body.get("code") or f"HTTP_{response.status_code}")
        wait = body.get("retry_after", response.headers.get("Retry-After"))
        try:
            self.retry_after_seconds = None if wait is None else float(wait)
        except (TypeError, ValueError):
            self.retry_after_seconds = None

    @property
    def passes(self) -> bool:
        """Whether the same request can succeed soon."""
        return self.code in _PASSING and (self.retry_after_seconds or 0) <= _LONGEST_WAIT_SECONDS


class ConnectionFailed(SoundwrightError):
    """The server cannot be reached, or broke the connection off."""

    code = "CONNECTION_FAILED"


class JobFailed(SoundwrightError):
    """A job failed. ``code`` is the code of the error, ``CANCELLED`` for a cancelled job, and ``job`` is the job."""

    def __init__(self, job: Any) -> None:
        cancelled = job.error_code == "CANCELLED"
        super().__init__("The job was cancelled." if cancelled else job.error or "The job failed.")
        self.code = job.error_code or ""
        self.job = job


class JobTimeout(SoundwrightError):
    """A job did not end in time. It goes on at the server."""

    code = "JOB_TIMEOUT"


class SignatureInvalid(SoundwrightError):
    """A webhook message has no valid signature."""

    code = "SIGNATURE_INVALID"


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
