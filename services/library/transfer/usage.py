"""Who uses a document store: running libraries, and a copy that is not complete.

A running library renews a document in the store. Commands that replace or copy all documents refuse a store with a fresh
one, and indexes are dropped only if all running libraries declare the same ones. While they write to a store, a document in it makes a library refuse to start.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import uuid
from collections.abc import AsyncIterator

from kit.errors import AppError, Code
from kit.log import get_logger
from kit.ports import Clock, Collection, Doc, Docs
from services.library.transfer.documents import COLLECTIONS

__all__ = ["begin_filling", "drop_obsolete_indexes", "end_filling", "filled_from", "require_unused", "using"]

_LIBRARIES = Collection("library_processes")
_FILLINGS = Collection("fillings")
_FILLING = "latest"
_RENEW_SECONDS = 5.0
_FRESH_SECONDS = 20.0
_FORGET_SECONDS = 3600.0
log = get_logger()


@contextlib.asynccontextmanager
async def using(docs: Docs, clock: Clock) -> AsyncIterator[None]:
    """Announce a running library in the store while the block runs.

    Raises:
        AppError: ``STORE_INCOMPLETE`` if a restore or a copy into the store did not finish.
    """
    await docs.ensure(_LIBRARIES)
    await docs.ensure(_FILLINGS)
    filling = await docs.get(_FILLINGS.name, _FILLING)
    if filling is not None and not filling["complete"]:
        raise AppError(
            Code.CONFLICT,
            "STORE_INCOMPLETE",
            "A restore or a copy into this document store has not finished. Run the command again until it succeeds.",
        )
    await docs.delete(_FILLINGS.name, _FILLING)  # from now on, the store differs from what it was filled from
    for left in await docs.find(_LIBRARIES.name, {}):
        if left["seen_time"] < clock.now() - _FORGET_SECONDS:
            await docs.delete(_LIBRARIES.name, left["id"])
    doc: Doc = {"id": str(uuid.uuid4()), "host": platform.node(), "seen_time": clock.now()}
    await docs.insert(_LIBRARIES.name, doc)
    renewing = asyncio.create_task(_renew(docs, clock, doc["id"]))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        with contextlib.suppress(AppError):  # the document expires
            await docs.delete(_LIBRARIES.name, doc["id"])


async def _renew(docs: Docs, clock: Clock, doc_id: str) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        try:
            current = await docs.get(_LIBRARIES.name, doc_id)
            if current is not None:
                seen = {"seen_time": clock.now(), "indexes": docs.declaration()}
                await docs.replace(_LIBRARIES.name, {**current, **seen}, current["revision"])
        except AppError as error:  # readiness reports the store
            log.warning("library.not_announced", reason=error.reason)


async def require_unused(docs: Docs, clock: Clock, which: str) -> None:
    """Check that no library uses the store.

    Args:
        which: the name of the store in the error.

    Raises:
        AppError: ``STORE_IN_USE``.
    """
    for library, age in await _running(docs, clock):
        raise AppError(
            Code.CONFLICT,
            "STORE_IN_USE",
            f"A library on {library['host']} used the {which} document store {age:.0f} seconds ago. Stop it. "
            f"If it was killed, wait {_FRESH_SECONDS:.0f} seconds.",
        )


async def drop_obsolete_indexes(docs: Docs, clock: Clock) -> list[str]:
    """Drop the indexes that only earlier versions need. Return their names.

    Raises:
        AppError: ``STORE_IN_USE`` if a running library declares other indexes than ``docs``.
    """
    await _require_same_indexes(docs, clock)
    dropped = await docs.obsolete_indexes(drop=True)
    # A library announces itself before it creates its indexes. One that has started since may have found them.
    await _require_same_indexes(docs, clock)
    return dropped


async def _require_same_indexes(docs: Docs, clock: Clock) -> None:
    for library, age in await _running(docs, clock):
        if library.get("indexes") != docs.declaration():
            raise AppError(
                Code.CONFLICT,
                "STORE_IN_USE",
                f"A library on {library['host']} used the document store {age:.0f} seconds ago. It has just started, or is of "
                "another version, which needs its indexes. Restart or stop all libraries of other versions, and try again "
                f"after {_FRESH_SECONDS:.0f} seconds.",
            )


async def _running(docs: Docs, clock: Clock) -> list[tuple[Doc, float]]:
    """Return the announcements of running libraries, and their ages in seconds."""
    await docs.ensure(_LIBRARIES)
    ages = [(library, clock.now() - library["seen_time"]) for library in await docs.find(_LIBRARIES.name, {})]
    return [(library, max(0.0, age)) for library, age in ages if age < _FRESH_SECONDS]


async def filled_from(docs: Docs, source: str) -> bool:
    """Return whether the store was filled completely from ``source``, and no library has used it since."""
    await docs.ensure(_FILLINGS)
    filling = await docs.get(_FILLINGS.name, _FILLING)
    return filling is not None and filling["complete"] and filling["source"] == source


async def begin_filling(docs: Docs, source: str) -> None:
    """Prepare to fill an empty store, or to continue after an interruption.

    Args:
        source: identifies what the documents come from.

    Raises:
        AppError: ``STORE_NOT_EMPTY`` if the store has other documents.
    """
    await docs.ensure(_FILLINGS)
    filling = await docs.get(_FILLINGS.name, _FILLING)
    if filling is not None and filling["source"] == source:
        if filling["complete"]:
            await docs.replace(_FILLINGS.name, {**filling, "complete": False}, filling["revision"])
        return
    for name in COLLECTIONS:
        await docs.ensure(Collection(name))
        if filling is not None or await docs.find(name, {}, limit=1):
            raise AppError(
                Code.CONFLICT,
                "STORE_NOT_EMPTY",
                "The target document store has documents that come from elsewhere. Use an empty one.",
            )
    await docs.insert(_FILLINGS.name, {"id": _FILLING, "source": source, "complete": False})


async def end_filling(docs: Docs) -> None:
    """Record that the store is complete. A library may start on it."""
    filling = await docs.get(_FILLINGS.name, _FILLING)
    if filling is not None:
        await docs.replace(_FILLINGS.name, {**filling, "complete": True}, filling["revision"])
