"""The indexes that a process has declared, by collection."""

from soundwright.kit.ports import Collection, Index


class DeclaredIndexes:
    """What :meth:`soundwright.kit.ports.Docs.ensure` was called with."""

    def __init__(self) -> None:
        self._indexes: dict[str, tuple[Index, ...]] = {}

    def add(self, collection: Collection) -> None:
        """Record the indexes of a collection, in addition to those of earlier calls."""
        self._indexes[collection.name] = tuple(dict.fromkeys((*self.of(collection.name), *collection.indexes)))

    def of(self, collection: str) -> tuple[Index, ...]:
        return self._indexes.get(collection, ())
