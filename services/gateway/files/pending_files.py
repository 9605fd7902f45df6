"""Limits the files that the gateway makes for a download: they take space until their clients have read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from soundwright.kit import errors
from soundwright.services.gateway.settings import ConversionLimits


@dataclass(eq=False)
class PendingFile:
    """A file that is being made, or not read completely yet."""

    caller_id: str
    size_bytes: int


class PendingFiles:
    """The files of this process that are being made, or not read completely yet."""

    def __init__(self, limits: ConversionLimits) -> None:
        self._limits = limits
        self._current: list[PendingFile] = []

    def __len__(self) -> int:
        return len(self._current)

    def reserve(self, caller_id: str, size_bytes: int) -> PendingFile:
        """Count a new file. The caller must pass it to :meth:`release`.

        Args:
            size_bytes: its expected size; 0 if it is unknown.

        Raises:
            AppError: ``TOO_MANY_CONVERSIONS``.
        """
        limits = self._limits
        own = [one for one in self._current if one.caller_id == caller_id]
        if own and (len(own) >= limits.caller_count or _bytes(own) + size_bytes > limits.caller_bytes):
            raise errors.TOO_MANY_CONVERSIONS(
                f"{len(own)} converted files of yours are not downloaded completely yet. Finish or cancel a download first."
            )
        current = self._current
        if current and (len(current) >= limits.total_count or _bytes(current) + size_bytes > limits.total_bytes):
            raise errors.TOO_MANY_CONVERSIONS(
                "The server is converting too many files at the moment. Try again in a minute."
            )
        file = PendingFile(caller_id, size_bytes)
        self._current.append(file)
        return file

    def release(self, file: PendingFile) -> None:
        """Stop counting a file, which is deleted. Repeated calls have no effect."""
        with contextlib.suppress(ValueError):
            self._current.remove(file)

    @contextlib.contextmanager
    def holding(self, caller_id: str, size_bytes: int = 0) -> Iterator[PendingFile]:
        """Count a file while the block runs, and, unless it raises, until :meth:`release`."""
        file = self.reserve(caller_id, size_bytes)
        try:
            yield file
        except BaseException:
            self.release(file)
            raise


def _bytes(files: list[PendingFile]) -> int:
    return sum(one.size_bytes for one in files)
