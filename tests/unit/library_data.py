"""A library of documents and files for tests of backup, restore and copy."""

import asyncio
import hashlib
import random
from pathlib import Path
from typing import Any

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.ports import Blobs, Collection, Docs
from soundwright.services.library.documents import walk
from soundwright.services.library.schema import migrate
from soundwright.services.library.transfer.documents import COLLECTIONS, line


def open_library(folder: Path) -> tuple[SqliteDocs, FileBlobs]:
    docs = SqliteDocs(folder / "library.db")
    docs.database.writer.execute("PRAGMA synchronous = OFF")  # faster; each test has its own database
    return docs, FileBlobs(folder / "blobs")


async def put(blobs: Blobs, key: str, data: bytes) -> None:
    async with blobs.write(key) as writer:
        await writer.write(data)


async def fill(docs: Docs, blobs: Blobs, count: int) -> None:
    """Store documents in every collection, and ``count`` tracks with a file and stems each."""
    await migrate(docs)
    chance = random.Random(1)
    for name in COLLECTIONS:
        await docs.ensure(Collection(name))
        if name != "schema":
            await docs.load(name, [{"id": f"{name}/ä{n:05}", "revision": n + 1, "n": n / 7} for n in range(count)])
    for number in range(count):
        key, stem = f"tracks/t{number}/original.flac", f"stems/1/j{number}/vocals.flac"
        await put(blobs, key, chance.randbytes(20_000))
        await put(blobs, stem, chance.randbytes(10_000))
        await docs.load("tracks", [{"id": f"t{number}", "revision": 3, "blob_key": key, "title": "Größe 🎵"}])
        output = {"id": f"o{number}", "blob_key": stem}
        await docs.load("outputs", [{**output, "revision": 1}])
        await docs.load("stem_sets", [{"id": f"t{number}", "revision": 1, "stems": [output]}])
        result = {"outputs": [output, {"id": "gone", "blob_key": f"stems/1/j{number}/deleted.flac"}]}
        await docs.load("jobs", [{"id": f"j{number}", "revision": 9, "state": "succeeded", "result": result}])


async def contents(docs: Docs, blobs: Blobs) -> dict[str, Any]:
    """Return hashes of all documents and files."""
    found: dict[str, Any] = {}
    for name in COLLECTIONS:
        digest = hashlib.sha256()
        await docs.ensure(Collection(name))
        async for doc in walk(docs, name):
            digest.update(line(doc))
        found[name] = digest.hexdigest()
    for key in await blobs.keys(""):
        found[key] = hashlib.sha256(b"".join([piece async for piece in blobs.read(key)])).hexdigest()
    return found


def stored(data_dir: Path) -> dict[str, Any]:
    """Return hashes of all documents and files in a data directory."""

    async def read() -> dict[str, str]:
        docs = SqliteDocs(data_dir / "library.db")
        try:
            return await contents(docs, FileBlobs(data_dir / "blobs"))
        finally:
            await docs.close()

    return asyncio.run(read())
