"""Limits the files that the gateway makes for a download: they take space until their clients have read them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.types import Scope

from soundwright.kit import errors
from soundwright.kit.security.identity import NETWORK_SHARE
from soundwright.services.gateway.settings import ConversionLimits


@dataclass(eq=False)
class PendingFile:
    """A file that is being made, or not read completely yet.

    Attributes:
        caller_id: the account; the address of a caller without one.
        network: the address of a guest; empty for others.
    """

    caller_id: str
    network: str
    size_bytes: int


class PendingFiles:
    """The files of this process that are being made, or not read completely yet."""

    def __init__(self, limits: ConversionLimits) -> None:
        self._limits = limits
        self._current: list[PendingFile] = []

    def __len__(self) -> int:
        return len(self._current)

    def reserve(self, scope: Scope, size_bytes: int) -> PendingFile:
        """Count a new file of a request. The caller must pass it to :meth:`release`.

        Args:
            size_bytes: its expected size; 0 if it is unknown.

        Raises ``TOO_MANY_CONVERSIONS``.
        """
        limits, current = self._limits, self._current
        file = PendingFile(scope["principal_id"] or scope["peer"], scope.get("network", ""), size_bytes)
        own = [one for one in current if one.caller_id == file.caller_id]
        shared = [one for one in current if file.network and one.network == file.network]
        for files, share, whose in ((own, 1, "of yours"), (shared, NETWORK_SHARE, "of guests at your address")):
            too_many = len(files) >= share * limits.caller_count
            if files and (too_many or _bytes(files) + size_bytes > share * limits.caller_bytes):
                raise errors.TOO_MANY_CONVERSIONS(
                    f"{len(files)} converted files {whose} are not downloaded completely yet. Finish or cancel a download first."
                )
        if current and (len(current) >= limits.total_count or _bytes(current) + size_bytes > limits.total_bytes):
            raise errors.TOO_MANY_CONVERSIONS(
                "The server is converting too many files at the moment. Try again in a minute."
            )
        current.append(file)
        return file

    def release(self, file: PendingFile) -> None:
        """Stop counting a file, which is deleted. Repeated calls have no effect."""
        with contextlib.suppress(ValueError):
            self._current.remove(file)

    @contextlib.contextmanager
    def holding(self, scope: Scope, size_bytes: int = 0) -> Iterator[PendingFile]:
        """Count a file while the block runs, and, unless it raises, until :meth:`release`."""
        file = self.reserve(scope, size_bytes)
        try:
            yield file
        except BaseException:
            self.release(file)
            raise


def _bytes(files: list[PendingFile]) -> int:
    return sum(one.size_bytes for one in files)
