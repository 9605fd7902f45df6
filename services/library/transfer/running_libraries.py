"""Who uses a document store: running libraries, and a restore that is not complete.

A running library renews a document in the store. A restore refuses a store with a fresh one. While it writes to a store, a
document in it makes a library refuse to start.
"""

import asyncio
import contextlib
import platform
import uuid
from collections.abc import AsyncIterator

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.periodic import every
from soundwright.kit.ports import Clock, Collection, Doc, Docs
from soundwright.services.library.documents import walk
from soundwright.services.library.transfer.documents import COLLECTIONS

_LIBRARIES = Collection("library_processes")
_IMPORTS = Collection("imports")
_IMPORT = "latest"
_RENEW_SECONDS = 5.0
_FRESH_SECONDS = 20.0
_FORGET_SECONDS = 3600.0


@contextlib.asynccontextmanager
async def using(docs: Docs, clock: Clock) -> AsyncIterator[None]:
    """Announce a running library in the store while the block runs.

    Raises ``STORE_INCOMPLETE`` if a restore into the store did not finish.
    """
    await docs.ensure(_LIBRARIES)
    await docs.ensure(_IMPORTS)
    begun = await docs.get(_IMPORTS.name, _IMPORT)
    if begun is not None and not begun["complete"]:
        raise errors.STORE_INCOMPLETE()
    await docs.delete(_IMPORTS.name, _IMPORT)  # from now on, the store differs from what it was filled from
    async for left in walk(docs, _LIBRARIES.name):
        if left["seen_time"] < clock.now() - _FORGET_SECONDS:
            await docs.delete(_LIBRARIES.name, left["id"])
    doc: Doc = {"id": str(uuid.uuid4()), "host": platform.node(), "seen_time": clock.now()}
    await docs.insert(_LIBRARIES.name, doc)

    async def renew() -> None:
        seen = {**doc, "seen_time": clock.now()}
        current = await docs.get(_LIBRARIES.name, doc["id"])
        if current is None:  # this process was suspended for so long that another one removed the document
            await docs.insert(_LIBRARIES.name, seen)
        else:
            await docs.replace(_LIBRARIES.name, seen, current["revision"])

    renewals = every(_RENEW_SECONDS, "library.not_announced", renew, first_seconds=_RENEW_SECONDS)
    renewing = asyncio.create_task(renewals)
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        with contextlib.suppress(AppError):  # the document expires
            await docs.delete(_LIBRARIES.name, doc["id"])


async def require_unused(docs: Docs, clock: Clock) -> None:
    """Check that no library uses the store. Raises ``STORE_IN_USE``."""
    await docs.ensure(_LIBRARIES)
    async for library in walk(docs, _LIBRARIES.name):
        age = max(0.0, clock.now() - library["seen_time"])
        if age < _FRESH_SECONDS:
            raise errors.STORE_IN_USE(host=library["host"], age_seconds=age, wait_seconds=_FRESH_SECONDS)


async def begin_import(docs: Docs, source: str) -> None:
    """Prepare to fill an empty store, or to continue after an interruption.

    Args:
        source: identifies what the documents come from.

    Raises ``STORE_NOT_EMPTY`` if the store has other documents.
    """
    await docs.ensure(_IMPORTS)
    begun = await docs.get(_IMPORTS.name, _IMPORT)
    if begun is not None and begun["source"] == source:
        if begun["complete"]:
            await docs.replace(_IMPORTS.name, {**begun, "complete": False}, begun["revision"])
        return
    for name in COLLECTIONS:
        await docs.ensure(Collection(name))
        if begun is not None or await docs.find(name, {}, limit=1):
            raise errors.STORE_NOT_EMPTY()
    await docs.insert(_IMPORTS.name, {"id": _IMPORT, "source": source, "complete": False})


async def end_import(docs: Docs) -> None:
    """Record that the store is complete. A library may start on it."""
    begun = await docs.get(_IMPORTS.name, _IMPORT)
    if begun is not None:
        await docs.replace(_IMPORTS.name, {**begun, "complete": True}, begun["revision"])
