"""How many segments a GPU computes at once."""

import threading

OUT_OF_MEMORY = "OUT_OF_MEMORY"
"""The reason of the error of a batch that does not fit into the memory of the device."""

_LIMIT = 16
"""More segments use no more of a GPU, and make progress reports rare."""

_SHARE_OF_FREE_MEMORY = 0.7


class BatchSize:
    """The number of segments in a batch, from the memory that one segment needs. Safe to use from several threads.

    It begins with one segment, which is measured.

    Args:
        fixed: the number that the operator set; None: by free memory.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._limit = fixed or 1
        self._is_fixed = fixed is not None
        self._ceiling = fixed or _LIMIT

    @property
    def limit(self) -> int:
        """Greatest number of segments in the next batch."""
        return self._limit

    def measured(self, count: int, used_bytes: int, free_bytes: int) -> None:
        """Take the measurement of a finished batch.

        Args:
            used_bytes: the most memory that the batch needed, without weights.
            free_bytes: memory that the next batch can use.
        """
        if self._is_fixed:
            return
        each = max(1, used_bytes // count)
        with self._lock:
            self._limit = max(1, min(self._ceiling, int(free_bytes * _SHARE_OF_FREE_MEMORY) // each))

    def halve(self, count: int) -> None:
        """Allow at most half of ``count`` segments from now on, because so many did not fit."""
        with self._lock:
            self._ceiling = max(1, count // 2)
            self._limit = min(self._limit, self._ceiling)
