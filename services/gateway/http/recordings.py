"""The requirements for uploads of recordings, which the forge dialect and the pages share."""

from __future__ import annotations

from kit.errors import AppError, Code
from services.gateway.http.uploads import UploadPolicy


def recording_policy(dialect: str) -> UploadPolicy:
    """Return the requirements.

    Args:
        dialect: label in metrics.
    """
    return UploadPolicy(dialect=dialect, check_filename=_check_filename, missing=_missing_file, too_large=_too_large)


def _check_filename(filename: str) -> None:
    if not filename.strip():
        raise AppError(
            Code.UNPROCESSABLE,
            "VALIDATION_ERROR",
            "The uploaded file has no filename.",
            {"details": {"file": ["needs a name"]}},
        )


def _missing_file() -> AppError:
    return AppError(
        Code.UNPROCESSABLE,
        "VALIDATION_ERROR",
        "Send the recording as a multipart form field named file.",
        {"details": {"file": ["can't be blank"]}},
    )


def _too_large(limit_bytes: int) -> AppError:
    return AppError(Code.TOO_LARGE, "TOO_LARGE", f"The file exceeds the limit of {limit_bytes / 1024**2:.0f} MB.")
