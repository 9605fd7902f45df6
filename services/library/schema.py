"""The version of the stored documents, and the migrations between versions.

The ``schema`` collection holds the version. A new store has the latest one at once. Several processes may migrate at once, and a
migration that was interrupted runs again, so each one must be safe to repeat beside itself.
"""

from collections.abc import Awaitable, Callable

from soundwright.kit import errors
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Collection, Docs
from soundwright.services.library.catalog.documents import ClipDocs
from soundwright.services.library.documents import insert_doc_if_absent
from soundwright.services.library.tracks.store import TrackDocs

_SCHEMA = Collection("schema")
_VERSION_ID = "version"


async def renew_terms(docs: Docs) -> None:
    """Write the terms of searches anew: words of Thai, Lao, Burmese and Khmer are characters, æ and œ are two letters, and digits are ASCII."""
    for table in (TrackDocs(docs), ClipDocs(docs).clips):
        await table.prepare()
        await table.renew()


# The version that a migration results in, in ascending order.
_MIGRATIONS: dict[int, Callable[[Docs], Awaitable[None]]] = {2: renew_terms}
LATEST_VERSION = max(_MIGRATIONS, default=1)
log = get_logger()


async def migrate(docs: Docs) -> None:
    """Bring documents of earlier versions up to date. Call it before any collection is used."""
    await docs.ensure(_SCHEMA)
    await insert_doc_if_absent(docs, _SCHEMA.name, {"id": _VERSION_ID, "version": LATEST_VERSION})
    for version, migration in _MIGRATIONS.items():
        if version > await schema_version(docs):
            await migration(docs)
            await _store_version(docs, version)
            log.info("migration.completed", version=version)


async def schema_version(docs: Docs) -> int:
    """Return the version of the documents; 0 if the store is new."""
    current = await docs.get(_SCHEMA.name, _VERSION_ID)
    return int(current["version"]) if current else 0


async def require_current(docs: Docs) -> int:
    """Return the version of the documents, which is the latest one. Raises ``STORE_EMPTY``, ``SCHEMA_OUTDATED``."""
    await docs.ensure(_SCHEMA)
    version = await schema_version(docs)
    if version == 0:
        raise errors.STORE_EMPTY()
    if version != LATEST_VERSION:
        raise errors.SCHEMA_OUTDATED(version=version, latest_version=LATEST_VERSION)
    return version


async def _store_version(docs: Docs, version: int) -> None:
    while (current := await docs.get(_SCHEMA.name, _VERSION_ID)) is not None and current["version"] < version:
        if await docs.replace(_SCHEMA.name, {**current, "version": version}, current["revision"]):
            return
