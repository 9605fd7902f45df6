"""The indexes that a process has declared, by collection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from kit.ports import Collection, Index

__all__ = ["DeclaredIndexes"]


class DeclaredIndexes:
    """What :meth:`kit.ports.Docs.ensure` was called with."""

    def __init__(self) -> None:
        self._indexes: dict[str, tuple[Index, ...]] = {}

    def add(self, collection: Collection) -> None:
        """Record the indexes of a collection, in addition to those of earlier calls."""
        self._indexes[collection.name] = tuple(dict.fromkeys((*self.of(collection.name), *collection.indexes)))

    def of(self, collection: str) -> tuple[Index, ...]:
        """Return the indexes of a collection."""
        return self._indexes.get(collection, ())

    def __iter__(self) -> Iterator[tuple[str, tuple[Index, ...]]]:
        return iter(self._indexes.items())

    def digest(self) -> str:
        """Return a hash of all declarations. Their order does not matter."""
        lines = sorted(f"{name} {index}" for name, indexes in self._indexes.items() for index in indexes)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
