"""Backup of a library while it is in use.

The documents come first, then the blobs that they name. If a blob was deleted in between, the documents are read again, so
no document in the backup names a blob that it lacks.
"""

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.errors import suppressed
from soundwright.kit.ports import Blobs, Clock, Collection, Doc, Docs
from soundwright.kit.security.private_files import write_private
from soundwright.services.library.documents import walk
from soundwright.services.library.schema import require_current
from soundwright.services.library.transfer.documents import COLLECTIONS, CollectionDigest, Progress, line, read_lines
from soundwright.services.library.transfer.files import FILE_COLLECTIONS, WorkList, copy_blob, in_pages, keys_in
from soundwright.services.library.transfer.folder import BackupFolder, BlobEntry, KnownBlobs

_ROUNDS = 10
# The results of a job are stored within this time after its end.
_RESULTS_SECONDS = 60.0


class Backup:
    """Writes one backup.

    Args:
        stored: the blobs in the folder. Those that it has already are not read again.
        scratch: an empty folder for temporary files.
    """

    def __init__(
        self,
        docs: Docs,
        blobs: Blobs,
        folder: BackupFolder,
        stored: Blobs,
        scratch: Path,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._docs = docs
        self._blobs = blobs
        self._folder = folder
        self._stored = stored
        self._scratch = scratch
        self._clock = clock
        self._progress = progress
        self._older = folder.snapshots()
        self._path = folder.new_snapshot()

    async def write(self, private: Mapping[str, str]) -> None:
        """Write the backup, and then remove the one before.

        Args:
            private: the contents of private files, by name.

        Raises ``SCHEMA_OUTDATED``; ``LIBRARY_BUSY``; ``FILES_MISSING`` after a complete backup of a library that lacks
        files.
        """
        version = await require_current(self._docs)
        for _ in range(_ROUNDS):
            create_time = self._clock.now()
            collections, one_moment = await self._write_documents(create_time)
            count, size_bytes, missing = await self._copy_blobs()
            lacking, changed = await self._lacking(missing)
            if not changed:
                break
            self._progress("Files were deleted in the meantime. The documents are read again.")
        else:
            raise errors.LIBRARY_BUSY()
        for name, content in private.items():
            write_private(self._folder.path / name, content)
        self._folder.publish(
            {
                "create_time": datetime.fromtimestamp(create_time, UTC).isoformat(),
                "schema_version": version,
                "snapshot": self._path.name,
                "one_moment": one_moment,
                "collections": {name: digest.to_json() for name, digest in collections.items()},
                "blobs": {"count": count, "size_bytes": size_bytes},
            }
        )
        await self._prune()
        documents = sum(digest.count for digest in collections.values())
        self._progress(f"The backup is complete: {documents} documents, {count} files, {size_bytes} bytes.")
        if lacking:
            raise errors.FILES_MISSING(count=len(lacking), first=lacking[0])

    async def _write_documents(self, now: float) -> tuple[dict[str, CollectionDigest], bool]:
        """Write all collections. Return their digests, and whether they are as of one moment."""
        digests = {}
        async with self._docs.snapshot(self._scratch) as frozen:
            one_moment = frozen is not self._docs
            for collection in COLLECTIONS:
                await frozen.ensure(Collection(collection))
                documents = walk(frozen, collection)
                if collection == "jobs" and not one_moment:
                    documents = _with_results_pending(documents, now - _RESULTS_SECONDS)
                digests[collection] = digest = CollectionDigest()
                with (self._path / f"{collection}.jsonl").open("wb") as file:
                    async for doc in documents:
                        digest.add(doc)
                        file.write(line(doc))
                self._progress(f"{collection}: {digest.count} documents")
        return digests, one_moment

    def _documents(self, collection: str) -> AsyncIterator[Doc]:
        return read_lines(self._path / f"{collection}.jsonl")

    async def _copy_blobs(self) -> tuple[int, int, set[str]]:
        """Copy the blobs that documents name. Return their number and size, and the keys of those that are missing."""
        count, size_bytes, copied_bytes = 0, 0, 0
        missing: set[str] = set()
        partial = self._path / "blobs.partial"
        async with WorkList.temporary(self._scratch) as named:
            await named.fill(self._documents)
            total = await named.count()
            with partial.open("w") as file:
                async for page in in_pages(self._with_known(named.entries()), self._copy_blob):
                    for doc, entry, was_copied in page:
                        if entry is not None:
                            file.write(entry.to_line())
                            count += 1
                            size_bytes += entry.copy.size_bytes
                            copied_bytes += entry.copy.size_bytes * was_copied
                        elif doc["required"]:
                            missing.add(doc["id"])
                    file.flush()  # an interrupted backup can be continued from here
                    self._progress(f"files: {count} of {total}, {copied_bytes} bytes copied")
        partial.replace(self._path / "blobs.jsonl")
        return count, size_bytes, missing

    async def _with_known(self, named: AsyncIterator[Doc]) -> AsyncIterator[tuple[Doc, Sequence[BlobEntry]]]:
        """Yield each blob with its entries in older lists."""
        names = ("blobs.jsonl", "blobs.partial")
        lists = [
            KnownBlobs(path / name) for path in (*self._older, self._path) for name in names[: 1 + (path != self._path)]
        ]
        async for doc in named:
            yield doc, [entry for known in lists if (entry := known.get(doc["id"])) is not None]

    async def _copy_blob(self, item: tuple[Doc, Sequence[BlobEntry]]) -> tuple[Doc, BlobEntry | None, bool]:
        """Copy a blob unless the folder has it. Return None as the entry if it does not exist.

        A blob does not change under its key, so one of the same size is the same.
        """
        doc, known = item
        key = doc["id"]
        info = await self._blobs.stat(key)
        if info is None:
            return doc, None, False
        held = await self._stored.stat(key)
        for entry in known:
            if held is not None and held.size_bytes == entry.copy.size_bytes == info.size_bytes:
                return doc, entry, False
        with suppressed("BLOB_NOT_FOUND"):
            return doc, BlobEntry(key, await copy_blob(self._blobs, self._stored, key)), True
        return doc, None, False

    async def _lacking(self, missing: set[str]) -> tuple[list[str], bool]:
        """Return which missing blobs the documents still name, and whether documents that named others have changed."""
        lacking: list[str] = []
        changed = False
        for collection in FILE_COLLECTIONS if missing else ():
            async for doc in self._documents(collection):
                if gone := missing.intersection(keys_in(doc)):
                    current = await self._docs.get(collection, doc["id"])
                    still = gone.intersection(keys_in(current or {}))
                    lacking += still
                    changed = changed or still != gone
        return sorted(set(lacking)), changed

    async def _prune(self) -> None:
        """Remove what belongs to older backups only."""
        current = KnownBlobs(self._path / "blobs.jsonl")
        for key in await self._stored.keys(""):
            if current.get(key) is None:
                await self._stored.delete(key)
        for path in self._older:
            shutil.rmtree(path)


async def _with_results_pending(jobs: AsyncIterator[Doc], since: float) -> AsyncIterator[Doc]:
    """Mark jobs that ended while the documents were read: the library stores their results again after a restore."""
    async for job in jobs:
        if job.get("state") == "succeeded" and (job.get("finish_time") or 0.0) >= since:
            yield {**job, "results_pending": True}
        else:
            yield job
