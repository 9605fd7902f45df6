"""The free space that nobody uses up: jobs and uploads stop before the stores have none."""

import errno
import os
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.errors import AppError

MIN_FREE_BYTES = 32 << 20
"""A store with less free space does not count as ready."""

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of the operating system for a file that has no room, whatever the limits of its process."""

_FLOOR_BYTES = 256 << 20
_CHECK_BYTES = 16 << 20
_FULL = DISK_FULL | {errno.EFBIG}


def require_free_space(folder: Path, least_bytes: int = _FLOOR_BYTES) -> None:
    """Check the free space of the disk of ``folder``. By default, it is the space that jobs and uploads leave.

    Raises ``STORAGE_FULL``.
    """
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < least_bytes:
        raise errors.STORAGE_FULL(f"The disk has less than {least_bytes >> 20} MiB of free space. Free some space.")


def full_disk(error: BaseException) -> AppError | None:
    """Return ``STORAGE_FULL`` for an error of the operating system that means a full disk, and None for other errors."""
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return None
    return errors.STORAGE_FULL()


class FreeSpace:
    """Checks the free space of a folder while files are written to it: at once, and again every 16 MiB."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unchecked_bytes = _CHECK_BYTES

    def use(self, size_bytes: int) -> None:
        """Call it before writing. Raises ``STORAGE_FULL``."""
        self._unchecked_bytes += size_bytes
        if self._unchecked_bytes >= _CHECK_BYTES:
            require_free_space(self._folder, _FLOOR_BYTES + size_bytes)
            self._unchecked_bytes = 0
