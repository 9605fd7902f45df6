"""Queries about storage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from kit.ports import AtLeast, Collection, Docs, OneOf
from services.library.documents import from_doc, insert_if_absent
from services.library.storage.service import OwnerReservations

__all__ = ["StorageDocs"]

_RESERVATIONS = Collection("storage_reservations")
# The documents of files: their collection, and the field of their size. Their stores create the indexes.
_SIZES = (("tracks", "size_bytes"), ("jobs", "stored_bytes"))


class StorageDocs:
    """Reservations, and the sizes of what is stored."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        await self._docs.ensure(_RESERVATIONS)

    async def reservations(self, owner_id: str) -> OwnerReservations | None:
        doc = await self._docs.get(_RESERVATIONS.name, owner_id)
        return from_doc(OwnerReservations, doc) if doc else None

    async def put_reservations(self, changed: OwnerReservations) -> bool:
        """Store a change if nobody else has changed the reservations of this owner since they were read."""
        if not changed.revision:
            return await insert_if_absent(self._docs, _RESERVATIONS.name, changed)
        return await self._docs.replace(_RESERVATIONS.name, dataclasses.asdict(changed), changed.revision)

    async def stored_bytes(self, owner_id: str) -> int:
        """Return the bytes of all files of an owner. Its cost grows with their number, at about 1 ms for 10,000."""
        return sum(
            [
                await self._docs.total(collection, {"owner_id": owner_id, size: AtLeast(1)}, size)
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
