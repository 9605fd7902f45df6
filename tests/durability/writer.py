"""A process that writes to the embedded stores: ``python -m tests.durability.writer FOLDER ELSEWHERE NAME [COUNT]``.

It opens the stores of a data directory through their adapters, moves files there from the folder ``ELSEWHERE``, and reports each write on standard output once the adapter has returned:
one line of JSON with the kind, the name and the version of what was written; before a deletion, too. The content of everything follows from its name and
its version, so :mod:`tests.durability.stored` can tell a whole value from a damaged one. It ends after ``COUNT`` writes of each task.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Collection, Index
from soundwright.kit.settings import Settings

DATABASE, BLOB_FOLDER = "data/library.db", "data/blobs"
RECORDS = Collection(
    "records", (Index(("name",), unique=True), Index(("parity", "version")), Index(("terms",), each="terms"))
)
_TASKS = 4
_BODY_BYTES = 12_000
_BLOB_BYTES = 30_000
_PIECE_BYTES = 512  # small, so that a kill hits half a file


def body(name: str, version: int) -> dict[str, Any]:
    """Return the document ``name`` with ``version``."""
    chance = random.Random(f"{name} {version}")
    padding = chance.randbytes(chance.randrange(_BODY_BYTES) // 2).hex()
    terms = [f"version {version}", f"parity {version % 2}"]
    return {
        "id": name,
        "name": name,
        "version": version,
        "parity": version % 2,
        "terms": terms,
        "padding": padding,
    }


def blob(key: str, version: int) -> bytes:
    """Return the content of the file ``key`` with ``version``, which its first line names."""
    chance = random.Random(f"{key} {version}")
    return f"{version}\n".encode() + chance.randbytes(chance.randrange(_BLOB_BYTES))


def _acknowledge(kind: str, name: str, version: int) -> None:
    os.write(1, json.dumps({"kind": kind, "name": name, "version": version}).encode() + b"\n")


class _Writer:
    """Writes documents and files."""

    def __init__(self, folder: Path, elsewhere: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._docs = SqliteDocs(folder / DATABASE)
        self._blobs = FileBlobs(folder / BLOB_FOLDER)
        self._scratch = folder / "data" / "scratch"
        self._scratch.mkdir(exist_ok=True)
        self._elsewhere = elsewhere

    async def run(self, count: int | None) -> None:
        settings = Settings(data_dir=self._folder / "data")
        settings.secrets()
        _acknowledge("secret", settings.secret_file.read_text(), 1)
        await self._docs.ensure(RECORDS)
        await asyncio.gather(*(self._write(number, count) for number in range(_TASKS)))

    async def _write(self, number: int, count: int | None) -> None:
        name = f"{self._name}{number}"
        for turn in itertools.count() if count is None else range(count):
            await self._next_version(name)
            await self._next_version("shared")
            await self._insert_and_delete(f"{name}-{os.getpid()}-{turn}", turn)
            await self._store_files(name, turn)

    async def _next_version(self, name: str) -> None:
        """Store the next version of a document by compare-and-set. Several tasks and processes may do so at once."""
        while True:
            current = await self._docs.get(RECORDS.name, name)
            if current is None:
                version, stored = 1, await self._inserted(name)
            else:
                version = current["version"] + 1
                stored = await self._docs.replace(RECORDS.name, body(name, version), current["revision"])
            if stored:
                break
        _acknowledge("doc", name, version)

    async def _inserted(self, name: str) -> bool:
        try:
            await self._docs.insert(RECORDS.name, body(name, 1))
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            return False
        return True

    async def _insert_and_delete(self, name: str, turn: int) -> None:
        await self._docs.insert(RECORDS.name, body(name, 1))
        _acknowledge("doc", name, 1)
        if turn % 2:
            return
        _acknowledge("deleting", name, 1)
        await self._docs.delete(RECORDS.name, name)
        _acknowledge("deletion", name, 1)

    async def _store_files(self, name: str, turn: int) -> None:
        """Write and replace files, and move files there from two file systems."""
        number = f"{os.getpid()}-{turn}"
        written, moved, replaced = f"stems/{name}/{number}/a.flac", f"tracks/{name}-{number}/b.flac", f"exports/{name}"
        async with self._blobs.write(written) as file:
            content = blob(written, 1)
            for start in range(0, len(content), _PIECE_BYTES):
                await file.write(content[start : start + _PIECE_BYTES])
        _acknowledge("blob", written, 1)
        for key, place, version in (
            (moved, self._scratch, 1),
            (replaced, self._elsewhere, await self._version_after(replaced)),
        ):
            path = place / f"{name}-{number}"
            path.write_bytes(blob(key, version))
            await self._blobs.put_file(key, path)
            _acknowledge("blob", key, version)

    async def _version_after(self, key: str) -> int:
        if await self._blobs.stat(key) is None:
            return 1
        content = b"".join([chunk async for chunk in self._blobs.read(key, 0, 20)])
        return int(content.split(b"\n")[0]) + 1


def main(folder: str, elsewhere: str, name: str, count: str = "") -> None:
    """Write until killed, or ``count`` times."""
    asyncio.run(_Writer(Path(folder), Path(elsewhere), name).run(int(count) if count else None))


if __name__ == "__main__":
    main(*sys.argv[1:])
