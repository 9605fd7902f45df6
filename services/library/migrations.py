"""Migrations of stored documents. Each runs once per document store.

The ``schema`` collection holds the version of the documents. A new store has the latest one at once. A migration may be interrupted
and then runs again, so each one is idempotent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kit.errors import AppError, Code
from kit.log import get_logger
from kit.ports import Collection, Docs
from services.library.migration_lock import MigrationLock

__all__ = ["LATEST_VERSION", "migrate", "require_current", "schema_version"]

_SCHEMA = Collection("schema")
_VERSION_ID = "version"
_WAIT_SECONDS = 0.25
log = get_logger()


async def migrate(docs: Docs) -> bool:
    """Bring documents of earlier versions up to date. Call it before any collection is used.

    If several processes call it at once, one migrates and the others wait.

    Returns:
        Whether this call migrated.
    """
    await docs.ensure(_SCHEMA)
    if await schema_version(docs) == 0:
        await _store_version(docs, LATEST_VERSION)
    lock = MigrationLock(docs, _SCHEMA.name)
    while await schema_version(docs) < LATEST_VERSION:
        if await lock.take():
            async with lock.keeping():
                return await _run_migrations(docs)
        await asyncio.sleep(_WAIT_SECONDS)
    return False


async def schema_version(docs: Docs) -> int:
    """Return the version of the documents; 0 if the store is new."""
    current = await docs.get(_SCHEMA.name, _VERSION_ID)
    return int(current["version"]) if current else 0


async def _run_migrations(docs: Docs) -> bool:
    found = await schema_version(docs)  # the previous holder of the lock may have completed some
    for version, migration in _MIGRATIONS.items():
        if version > found:
            await migration(docs)
            log.info("migration.completed", version=version)
            await _store_version(docs, version)
    return found < LATEST_VERSION


async def require_current(docs: Docs) -> int:
    """Return the version of the documents, which is the latest one.

    Raises:
        AppError: ``STORE_EMPTY``, ``SCHEMA_OUTDATED``.
    """
    await docs.ensure(_SCHEMA)
    version = await schema_version(docs)
    if version == 0:
        raise AppError(Code.NOT_FOUND, "STORE_EMPTY", "The document store contains no library. Check its URL.")
    if version != LATEST_VERSION:
        raise AppError(
            Code.CONFLICT,
            "SCHEMA_OUTDATED",
            f"The documents have version {version}, and this version of Soundwright uses {LATEST_VERSION}. Use the "
            "version of Soundwright that the library runs, or start the library with this one once.",
        )
    return version


async def _store_version(docs: Docs, version: int) -> None:
    while True:
        current = await docs.get(_SCHEMA.name, _VERSION_ID)
        if current is not None and current["version"] >= version:
            return  # another library process completed it
        doc = {"id": _VERSION_ID, "version": version}
        try:
            if current is None:
                await docs.insert(_SCHEMA.name, doc)
            elif not await docs.replace(_SCHEMA.name, doc, current["revision"]):
                continue
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            continue
        return


# The version that a migration results in, in ascending order.
_MIGRATIONS: dict[int, Callable[[Docs], Awaitable[None]]] = {}
LATEST_VERSION = max(_MIGRATIONS, default=1)
