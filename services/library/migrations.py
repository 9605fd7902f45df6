"""Migrations of stored documents. Each runs once per document store.

The ``schema`` collection holds the number of the last migration that was completed. A migration may be interrupted and
then runs again, so each one is idempotent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kit.errors import AppError, Code
from kit.log import get_logger
from kit.ports import Collection, Doc, Docs
from services.library.documents import for_each, insert_doc_if_absent
from services.library.job_conversion import converted_analysis, converted_job, stem_set_of
from services.library.jobs.order import STARVATION_SECONDS
from services.library.migration_lock import MigrationLock

__all__ = ["LATEST_VERSION", "migrate", "require_current", "schema_version"]

_SCHEMA = Collection("schema")
_VERSION_ID = "version"
_BATCH = 500
_WAIT_SECONDS = 0.25
log = get_logger()


async def migrate(docs: Docs) -> bool:
    """Bring documents of earlier versions up to date. Call it before any collection is used.

    If several processes call it at once, one migrates and the others wait.

    Returns:
        Whether this call migrated.
    """
    await docs.ensure(_SCHEMA)
    lock = MigrationLock(docs, _SCHEMA.name)
    while await schema_version(docs) < LATEST_VERSION:
        if await lock.take():
            async with lock.keeping():
                return await _run_migrations(docs)
        await asyncio.sleep(_WAIT_SECONDS)
    return False


async def schema_version(docs: Docs) -> int:
    """Return the number of the last migration that was completed."""
    current = await docs.get(_SCHEMA.name, _VERSION_ID)
    return int(current["version"]) if current else 0


async def _run_migrations(docs: Docs) -> bool:
    version = await schema_version(docs)  # the previous holder of the lock may have completed some
    for number, migration in enumerate(_MIGRATIONS[version:], version + 1):
        await migration(docs)
        log.info("migration.completed", version=number)
        await _store_version(docs, number)
    return version < len(_MIGRATIONS)


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


async def _use_standard_names(docs: Docs) -> None:
    """Rename fields of jobs and tracks, and two collections."""
    job_fields = {
        "unfiled": "results_pending",
        "untold": "webhooks_pending",
        "outside_work": "external_task",
    }
    await _rename_fields(docs, "jobs", job_fields)
    await _rename_fields(docs, "tracks", {"said": "edited_fields"})
    await _rename_collection(docs, "letters", "email_queue")
    await _rename_collection(docs, "tries", "login_throttle")


async def _pack_specifications(docs: Docs) -> None:
    """Convert specifications and results of jobs from JSON to typed messages, and file the latest stems of tracks."""
    for name in ("tracks", "stem_sets"):
        await docs.ensure(Collection(name))

    async def convert_analysis(doc: Doc) -> None:
        await _convert(docs, "analyses", doc, converted_analysis)

    async def convert_job(doc: Doc) -> None:
        # The stems first: after an interruption, the job is still unconverted, and the stems are stored again.
        stem_set = stem_set_of(doc, await docs.get("tracks", doc.get("track_id") or "-"))
        if stem_set is not None:
            await _insert_latest(docs, "stem_sets", stem_set)
        await _convert(docs, "jobs", doc, converted_job)

    await for_each(docs, "analyses", convert_analysis)
    await for_each(docs, "jobs", convert_job)


async def _convert(docs: Docs, collection: str, doc: Doc | None, convert: Callable[[Doc], Doc | None]) -> None:
    while doc is not None and (converted := convert(doc)) is not None:
        if await docs.replace(collection, converted, doc["revision"]):
            return
        doc = await docs.get(collection, doc["id"])  # another process changed it


async def _insert_latest(docs: Docs, collection: str, doc: Doc) -> None:
    while True:
        current = await docs.get(collection, doc["id"])
        if current is None:
            try:
                await docs.insert(collection, doc)
                return
            except AppError as error:
                if error.reason != "DOC_EXISTS":
                    raise
        elif current["create_time"] >= doc["create_time"] or await docs.replace(collection, doc, current["revision"]):
            return


async def _rename_fields(docs: Docs, collection: str, names: dict[str, str]) -> None:
    async def rename(doc: Doc | None) -> None:
        while doc is not None and names.keys() & doc.keys():
            renamed = {names.get(name, name): value for name, value in doc.items()}
            if await docs.replace(collection, renamed, doc["revision"]):
                return
            doc = await docs.get(collection, doc["id"])  # another process changed it

    await for_each(docs, collection, rename)


async def _rename_collection(docs: Docs, old: str, new: str) -> None:
    await docs.ensure(Collection(new))

    async def move(doc: Doc) -> None:
        # A run that was interrupted may have inserted it already.
        await insert_doc_if_absent(docs, new, {name: value for name, value in doc.items() if name != "revision"})
        await docs.delete(old, doc["id"])

    await for_each(docs, old, move)


async def _order_unfinished_jobs(docs: Docs) -> None:
    """Give unfinished jobs a starvation time, and a command subject that ends with the priority.

    Subjects used to end with a model in some cases. No worker reads those any more; the sweeper publishes the command of
    such a job again.
    """

    async def complete(doc: Doc | None) -> None:
        while doc is not None and "starve_time" not in doc and doc.get("state") in ("queued", "running"):
            queue, _, _ = doc["command_subject"].partition(f".{doc['priority']}")
            completed = {
                **doc,
                "starve_time": doc["create_time"] + STARVATION_SECONDS,
                "command_subject": f"{queue}.{doc['priority']}",
            }
            if await docs.replace("jobs", completed, doc["revision"]):
                return
            doc = await docs.get("jobs", doc["id"])  # another process changed it

    await for_each(docs, "jobs", complete)


async def _count_files_of_jobs(docs: Docs) -> None:
    """Record the size of the files of succeeded jobs whose track or clip still exists."""
    for name in ("tracks", "generations"):
        await docs.ensure(Collection(name))

    async def count(doc: Doc | None) -> None:
        while doc is not None and doc.get("stored_bytes") is None and (size := await _size_of_files(docs, doc)):
            if await docs.replace("jobs", {**doc, "stored_bytes": size}, doc["revision"]):
                return
            doc = await docs.get("jobs", doc["id"])  # another process changed it

    await for_each(docs, "jobs", count)


async def _size_of_files(docs: Docs, job: Doc) -> int:
    """Return the size of the files of a job in bytes; 0 if they were deleted. Earlier versions did not store that of pictures."""
    result = job.get("result")
    if job["state"] != "succeeded" or not result:
        return 0
    if result.get("clip"):
        clip = await docs.get("generations", job["id"])
        return int(clip["audio_size_bytes"]) if clip else 0
    track = await docs.get("tracks", job.get("track_id") or "-")
    if track is None or job.get("track_create_time") != track["create_time"]:
        return 0
    return sum(output["size_bytes"] for output in result["outputs"])


_MIGRATIONS: tuple[Callable[[Docs], Awaitable[None]], ...] = (
    _use_standard_names,
    _pack_specifications,
    _order_unfinished_jobs,
    _count_files_of_jobs,
)
LATEST_VERSION = len(_MIGRATIONS)
