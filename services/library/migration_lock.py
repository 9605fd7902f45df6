"""A lock in the document store, so that one library process migrates while the others wait.

The holder replaces the document of the lock at short intervals. If the document stays the same for a while, its holder has died, and
another process takes the lock. Only durations count, so the clocks of the processes may differ. A process that was suspended may
believe that it still holds the lock, so what the lock guards must be safe to do twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator

from kit.ports import Doc, Docs
from services.library.documents import insert_doc_if_absent

__all__ = ["MigrationLock"]

_RENEWAL_SECONDS = 2.0
_DEAD_SECONDS = 10.0


class MigrationLock:
    """The lock, as one process sees it.

    Args:
        collection: The collection that holds the document of the lock.
    """

    def __init__(self, docs: Docs, collection: str) -> None:
        self._docs = docs
        self._collection = collection
        self._holder = uuid.uuid4().hex
        self._seen: Doc | None = None
        self._seen_since = time.monotonic()

    async def take(self) -> bool:
        """Take the lock if no process holds it. Return whether this process holds it now."""
        current = await self._docs.get(self._collection, "lock")
        if current is None:
            return await insert_doc_if_absent(self._docs, self._collection, {"id": "lock", "holder": self._holder})
        if current != self._seen:
            self._seen, self._seen_since = current, time.monotonic()
        if current["holder"] and time.monotonic() - self._seen_since < _DEAD_SECONDS:
            return False
        return await self._replace(current, self._holder)

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Keep the lock, which this process has taken, during the block, and release it at the end."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._store(None)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            await self._store(self._holder)

    async def _store(self, holder: str | None) -> None:
        current = await self._docs.get(self._collection, "lock")
        if current is not None and current["holder"] == self._holder:
            await self._replace(current, holder)

    async def _replace(self, current: Doc, holder: str | None) -> bool:
        return await self._docs.replace(self._collection, {"id": "lock", "holder": holder}, current["revision"])
