"""A backup of a library that writes all the time is as of one moment, and has the files that its documents name."""

import asyncio
import itertools
from pathlib import Path

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.ports import Blobs, Docs
from tests.durability.test_damaged_database import run
from tests.unit.library_data import fill, open_library, put

_LEAST_COUNT = 50


def content(number: int) -> bytes:
    return f"{number} ".encode() * 500


async def write_tracks(docs: Docs, blobs: Blobs, written: asyncio.Queue[int]) -> None:
    """Add a file, a track that names it, an account and a vote, again and again."""
    for number in itertools.count():
        key = f"tracks/new{number}/original.flac"
        await put(blobs, key, content(number))
        await docs.insert("tracks", {"id": f"new{number}", "blob_key": key})
        # A backup that is not of one moment reads the votes long before the accounts.
        for collection in ("accounts", "votes"):
            await docs.insert(collection, {"id": f"new{number}"})
        written.put_nowait(number)


async def test_a_backup_while_a_library_writes(tmp_path: Path) -> None:
    data_dir, restored, backup = tmp_path / "data", tmp_path / "restored", tmp_path / "backup"
    data_dir.mkdir()
    (data_dir / "secret").write_text("s" * 43)
    docs, blobs = open_library(data_dir)
    await fill(docs, blobs, 30)
    written: asyncio.Queue[int] = asyncio.Queue()
    writing = asyncio.create_task(write_tracks(docs, blobs, written))
    try:
        while await written.get() < _LEAST_COUNT:
            pass
        status, output = await asyncio.to_thread(run, data_dir, "soundwright.services.library", "backup", str(backup))
        assert written.qsize() > 1, "nothing was written during the backup"
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await docs.close()
    assert status == 0, output
    status, output = await asyncio.to_thread(run, restored, "soundwright.services.library", "restore", str(backup))
    assert status == 0, output
    await assert_of_one_moment(restored)


async def assert_of_one_moment(data_dir: Path) -> None:
    docs, blobs = SqliteDocs(data_dir / "library.db"), FileBlobs(data_dir / "blobs")
    try:
        tracks, accounts, votes = [
            {doc["id"]: doc for doc in await docs.find(name, {}, limit=100_000) if doc["id"].startswith("new")}
            for name in ("tracks", "accounts", "votes")
        ]
        assert len(tracks) > _LEAST_COUNT
        assert tracks.keys() == {f"new{number}" for number in range(len(tracks))}
        assert len(tracks) >= len(accounts) >= len(votes) >= len(tracks) - 1
        for number in range(len(tracks)):
            key = tracks[f"new{number}"]["blob_key"]
            assert b"".join([chunk async for chunk in blobs.read(key)]) == content(number)
    finally:
        await docs.close()
