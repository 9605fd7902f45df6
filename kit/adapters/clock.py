"""The machine's clock."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """Seconds since 1970-01-01 UTC, from the operating system."""

    def now(self) -> float:
        return time.time()
