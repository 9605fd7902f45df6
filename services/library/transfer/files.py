"""Files in transit: which blobs documents name, and copying blobs with their hashes."""

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from soundwright.kit import errors, infra
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Blobs, Collection, Doc, Docs
from soundwright.services.library.documents import walk

T = TypeVar("T")
R = TypeVar("R")

FILE_COLLECTIONS = ("tracks", "outputs", "stem_sets", "clips")
"""The collections whose documents name blobs that exist. Jobs name their results, which may be deleted before the job."""

_KEY_FIELDS = {"blob_key", "audio_blob_key", "spectrogram_blob_key", "cover_blob_key"}
_PAGE = 200
_CONCURRENT_COUNT = 4


@dataclass(frozen=True)
class BlobCopy:
    """The size and the SHA-256 of a blob."""

    size_bytes: int
    sha256: str


def keys_in(value: Any) -> Iterator[str]:
    """Yield the keys of blobs that a document names, at any depth."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name in _KEY_FIELDS and isinstance(part, str) and part:
                yield part
            else:
                yield from keys_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from keys_in(part)


async def blob_hash(blobs: Blobs, key: str) -> BlobCopy:
    digest, size = hashlib.sha256(), 0
    async for piece in blobs.read(key):
        digest.update(piece)
        size += len(piece)
    return BlobCopy(size, digest.hexdigest())


async def copy_blob(source: Blobs, target: Blobs, key: str, expected: BlobCopy | None = None) -> BlobCopy:
    """Copy a blob, and read the copy to verify it. Nothing is stored if the source is not as ``expected``.

    Raises ``BLOB_NOT_FOUND``; ``BLOB_DAMAGED`` if source or copy differ from what they should be.
    """
    digest, size = hashlib.sha256(), 0
    async with target.write(key) as writer:
        async for piece in source.read(key):
            digest.update(piece)
            size += len(piece)
            await writer.write(piece)
        copied = BlobCopy(size, digest.hexdigest())
        if expected not in (None, copied):
            raise _damaged(key)
    if await blob_hash(target, key) != copied:
        raise _damaged(key)
    return copied


async def holds(blobs: Blobs, key: str, content: BlobCopy) -> bool:
    """Return whether a store has a blob with this content. Only a blob of the same size is read."""
    info = await blobs.stat(key)
    return info is not None and info.size_bytes == content.size_bytes and await blob_hash(blobs, key) == content


def _damaged(key: str) -> AppError:
    return errors.BLOB_DAMAGED(key=key)


class WorkList:
    """The blobs that documents name, each once and sorted by key. It is kept in a document store, not in memory."""

    _NAME = "blobs"

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    @classmethod
    @contextlib.asynccontextmanager
    async def temporary(cls, folder: Path) -> "AsyncIterator[WorkList]":
        """Provide an empty list, in a file in ``folder`` that is removed at the end of the block."""
        with tempfile.TemporaryDirectory(dir=folder) as place:
            docs = infra.open_local_docs(Path(place) / "blobs.db")
            try:
                await docs.ensure(Collection(cls._NAME))
                yield cls(docs)
            finally:
                await docs.close()

    async def add(self, named: AsyncIterator[Doc], *, required: bool) -> None:
        """Add the blobs that documents name. A blob that is added again gets the new value of ``required``."""
        pending: dict[str, Doc] = {}
        async for doc in named:
            for key in keys_in(doc):
                pending[key] = {"id": key, "revision": 1, "required": required}
            if len(pending) >= _PAGE:
                await self._docs.load(self._NAME, list(pending.values()))
                pending.clear()
        await self._docs.load(self._NAME, list(pending.values()))

    async def fill(self, documents_of: Callable[[str], AsyncIterator[Doc]]) -> None:
        """Add all blobs of a library. ``documents_of`` returns the documents of a collection."""
        await self.add(documents_of("jobs"), required=False)
        for collection in FILE_COLLECTIONS:
            await self.add(documents_of(collection), required=True)

    async def count(self) -> int:
        return await self._docs.count(self._NAME, {})

    def entries(self) -> AsyncIterator[Doc]:
        """Yield ``{"id": key, "required": ...}`` for each blob, sorted by key."""
        return walk(self._docs, self._NAME)


async def in_pages(items: AsyncIterator[T], work: Callable[[T], Awaitable[R]]) -> AsyncIterator[Sequence[R]]:
    """Do ``work`` for each item, a few at a time, and yield the results in order, page by page."""
    slots = asyncio.Semaphore(_CONCURRENT_COUNT)

    async def one(item: T) -> R:
        async with slots:
            return await work(item)

    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == _PAGE:
            yield await asyncio.gather(*map(one, page))
            page.clear()
    yield await asyncio.gather(*map(one, page))
