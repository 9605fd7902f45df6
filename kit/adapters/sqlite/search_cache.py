"""A cache of the entries that match a query, for pages and samples of the same search.

A search for a frequent word matches a large part of the index. Reading these matches takes longer than reading a page of them, and
users turn pages. The cache is valid as long as the words and facets of no entry change; sort keys may.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence

__all__ = ["Hits", "HitsCache"]

_MINIMUM_COUNT = 1_000  # fewer are read quickly
_LIMIT_BYTES = 32 << 20


class Hits:
    """The numbers of the entries that match, ascending."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = array("q", numbers)
        self._flags = b""

    @property
    def flags(self) -> bytes:
        """A byte for each number from 0 to the last hit: 1 for hits."""
        if not self._flags and self.numbers:
            flags = bytearray(self.numbers[-1] + 1)
            for number in self.numbers:
                flags[number] = 1
            self._flags = bytes(flags)
        return self._flags

    @property
    def size_bytes(self) -> int:
        """The memory that the hits may take."""
        return len(self.numbers) * self.numbers.itemsize + (self.numbers[-1] if self.numbers else 0)


class HitsCache:
    """Hits by query. The least recently used ones are dropped first. Methods may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, str], tuple[int, Hits]] = OrderedDict()
        self._size_bytes = 0

    def get(self, index: str, match: str, version: int, read: Callable[[], Sequence[int]]) -> Hits:
        """Return the hits of a query; read them if they are not cached for this version of the index."""
        key = (index, match)
        with self._lock:
            cached = self._entries.get(key)
            if cached is not None and cached[0] == version:
                self._entries.move_to_end(key)
                return cached[1]
        hits = Hits(read())
        if len(hits.numbers) >= _MINIMUM_COUNT and hits.size_bytes <= _LIMIT_BYTES:
            with self._lock:
                self._drop(key)
                self._entries[key] = (version, hits)
                self._size_bytes += hits.size_bytes
                while self._size_bytes > _LIMIT_BYTES:
                    self._drop(next(iter(self._entries)))
        return hits

    def _drop(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size_bytes -= entry[1].size_bytes
