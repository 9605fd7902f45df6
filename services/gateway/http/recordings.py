"""The requirements for uploads of recordings, which the forge dialect and the pages share."""

from __future__ import annotations

from kit import errors
from kit.errors import AppError
from services.gateway.http.uploads import UploadPolicy


def recording_policy(dialect: str) -> UploadPolicy:
    """Return the requirements.

    Args:
        dialect: label in metrics.
    """
    return UploadPolicy(dialect=dialect, check_filename=_check_filename, missing=_missing_file, too_large=_too_large)


def _check_filename(filename: str) -> None:
    if not filename.strip():
        raise errors.VALIDATION_ERROR("The uploaded file has no filename.", details={"file": ["needs a name"]})


def _missing_file() -> AppError:
    return errors.FILE_MISSING(details={"file": ["can't be blank"]})


def _too_large(limit_bytes: int) -> AppError:
    return errors.FILE_TOO_LARGE(limit_mb=limit_bytes / 1024**2)
