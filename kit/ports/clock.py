"""The ``Clock`` port."""

from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> float:
        """Return the current time in seconds since 1970-01-01 UTC."""
        ...
