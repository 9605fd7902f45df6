"""Copy of a library from one document store to another, and of its blobs from one file store to another."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from kit.errors import AppError, Code
from kit.ports import Blobs, Clock, Doc, Docs
from services.library.migrations import require_current
from services.library.transfer.documents import COLLECTIONS, Progress, compare, synchronise, walk
from services.library.transfer.files import WorkList, blob_hash, copy_blob, holds, in_pages
from services.library.transfer.usage import begin_filling, end_filling, filled_from, require_unused

__all__ = ["Copy", "identity_of"]


def identity_of(url: str) -> str:
    """Return a text that identifies the store of a URL, without its credentials and options."""
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return hashlib.sha256(place.encode()).hexdigest()


class Copy:
    """Copies a library. After an interruption, a second run completes it; after a success, it only compares.

    Args:
        source_blobs, target_blobs: None: both libraries use one file store.
        identity: identifies the source.
        scratch: an empty folder for temporary files.
    """

    def __init__(
        self,
        source: Docs,
        target: Docs,
        source_blobs: Blobs | None,
        target_blobs: Blobs | None,
        *,
        identity: str,
        scratch: Path,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._source = source
        self._target = target
        self._source_blobs = source_blobs
        self._target_blobs = target_blobs
        self._identity = identity
        self._scratch = scratch
        self._clock = clock
        self._progress = progress

    async def run(self) -> None:
        """Copy blobs and documents, and compare all documents at the end.

        Raises:
            AppError: ``SCHEMA_OUTDATED``; ``STORE_IN_USE``; ``STORE_NOT_EMPTY``; ``BLOB_DAMAGED``; ``COPY_DIFFERS``.
        """
        await require_current(self._source)
        await self._require_unused()
        if await filled_from(self._target, self._identity):
            self._progress("The target was copied before. Its documents and files are compared.")
        await begin_filling(self._target, self._identity)
        if self._source_blobs is not None and self._target_blobs is not None:
            await self._copy_blobs(self._source_blobs, self._target_blobs)
        for name in COLLECTIONS:
            await synchronise(walk(self._source, name), self._target, name, self._progress)
        for name in COLLECTIONS:
            tally = await compare(walk(self._source, name), self._target, name)
            self._progress(f"{name}: {tally.count} documents, sha256 {tally.to_json()['sha256']}")
        await self._require_unused()
        await end_filling(self._target)
        self._progress("The copy is complete, and equal to the source.")

    async def _require_unused(self) -> None:
        await require_unused(self._source, self._clock, "source")
        await require_unused(self._target, self._clock, "target")

    async def _copy_blobs(self, source: Blobs, target: Blobs) -> None:
        count = copied = 0
        lacking: list[str] = []

        async def one(doc: Doc) -> tuple[Doc, int | None]:
            """Return the number of copied bytes; None if the source has no such blob."""
            key = doc["id"]
            info = await source.stat(key)
            if info is None:
                return doc, None
            held = await target.stat(key)
            same_size = held is not None and held.size_bytes == info.size_bytes
            if same_size and await holds(target, key, await blob_hash(source, key)):
                return doc, 0
            return doc, (await copy_blob(source, target, key)).size_bytes

        async with WorkList.temporary(self._scratch) as named:
            await named.fill(self._documents)
            total = await named.count()
            async for page in in_pages(named.entries(), one):
                for doc, size in page:
                    count += size is not None
                    copied += size or 0
                    if size is None and doc["required"]:
                        lacking.append(doc["id"])
                self._progress(f"files: {count} of {total}, {copied} bytes copied")
        if lacking:
            raise AppError(
                Code.NOT_FOUND,
                "FILES_MISSING",
                f"The source lacks {len(lacking)} files that its documents name, such as {lacking[0]}. Check the URL of its "
                "file store.",
            )

    def _documents(self, collection: str) -> AsyncIterator[Doc]:
        return walk(self._source, collection)
