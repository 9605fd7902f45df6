"""Queries about storage."""

from collections.abc import Sequence

from soundwright.kit.ports import AtLeast, Collection, Docs, OneOf
from soundwright.services.library.storage.records import OwnerReservations
from soundwright.services.library.table import Table

_RESERVATIONS = Collection("storage_reservations")
# The documents of files: their collection, and the field of their size. Their stores create the indexes.
_SIZES = (("tracks", "size_bytes"), ("jobs", "stored_bytes"))


class StorageDocs:
    """Reservations, and the sizes of what is stored."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs
        self.reservations = Table(docs, _RESERVATIONS, OwnerReservations)

    async def prepare(self) -> None:
        await self.reservations.prepare()

    async def stored_bytes(self, owner_id: str, field: str = "owner_id") -> int:
        """Return the bytes of all files of an owner or, if ``field`` is ``network``, of a network. Its cost grows with their number, at about 1 ms for 10,000."""
        return sum(
            [
                await self._docs.total(collection, {field: owner_id, size: AtLeast(1)}, size)
                for collection, size in _SIZES
            ]
        )

    async def all_stored_bytes(self) -> int:
        """Return the bytes of all files of all owners. Its cost grows with their number, at about 1 ms for 10,000."""
        return sum([await self._docs.total(collection, {size: AtLeast(1)}, size) for collection, size in _SIZES])

    async def stored_ids(self, ids: Sequence[str]) -> set[str]:
        """Return those of these tracks and jobs whose files have a document."""
        found: set[str] = set()
        for collection, size in _SIZES if ids else ():
            where = {"id": OneOf(list(ids)), size: AtLeast(1)}
            found |= {doc["id"] for doc in await self._docs.find(collection, where, limit=len(ids))}
        return found
