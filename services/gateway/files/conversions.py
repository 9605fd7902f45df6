"""Limits the files that the gateway makes for a download: they take space until their clients have read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from kit import errors
from kit.errors import AppError
from services.gateway.settings import ConversionLimits


@dataclass(eq=False)
class Conversion:
    """A file that is being made, or not read completely yet."""

    caller_id: str
    size_bytes: int


class Conversions:
    """The files of this process that are being made, or not read completely yet."""

    def __init__(self, limits: ConversionLimits) -> None:
        self._limits = limits
        self._current: list[Conversion] = []

    def __len__(self) -> int:
        return len(self._current)

    def begin(self, caller_id: str, size_bytes: int) -> Conversion:
        """Count a new file. The caller must pass it to :meth:`end`.

        Args:
            size_bytes: its expected size; 0 if it is unknown.

        Raises:
            AppError: ``TOO_MANY_CONVERSIONS``.
        """
        limits = self._limits
        own = [one for one in self._current if one.caller_id == caller_id]
        if own and (len(own) >= limits.caller_count or _bytes(own) + size_bytes > limits.caller_bytes):
            raise _too_many(
                f"{len(own)} converted files of yours are not downloaded completely yet. Finish or cancel a download first."
            )
        current = self._current
        if current and (len(current) >= limits.total_count or _bytes(current) + size_bytes > limits.total_bytes):
            raise _too_many("The server is converting too many files at the moment. Try again in a minute.")
        conversion = Conversion(caller_id, size_bytes)
        self._current.append(conversion)
        return conversion

    def end(self, conversion: Conversion) -> None:
        """Stop counting a file, which is deleted. Repeated calls have no effect."""
        with contextlib.suppress(ValueError):
            self._current.remove(conversion)

    @contextlib.contextmanager
    def making(self, caller_id: str, size_bytes: int = 0) -> Iterator[Conversion]:
        """Count a file while the block runs, and, unless it raises, until :meth:`end`."""
        conversion = self.begin(caller_id, size_bytes)
        try:
            yield conversion
        except BaseException:
            self.end(conversion)
            raise


def _bytes(conversions: list[Conversion]) -> int:
    return sum(one.size_bytes for one in conversions)


def _too_many(message: str) -> AppError:
    return errors.TOO_MANY_CONVERSIONS(message)
