"""The clock of the operating system."""

import time


class SystemClock:
    """The ``Clock`` port over the operating system."""

    def now(self) -> float:
        """Return the seconds since 1970-01-01 UTC."""
        return time.time()
