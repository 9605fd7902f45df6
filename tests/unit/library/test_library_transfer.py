"""Backup and restore of a library."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from library_data import contents, fill, open_library, put
from library_fixture import raises_error, reason

from soundwright.kit import errors, infra
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.ports import BlobInfo, Collection
from soundwright.kit.settings import SettingsError
from soundwright.services.library.documents import walk
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.stores import Stores
from soundwright.services.library.transfer import commands, files
from soundwright.services.library.transfer.documents import COLLECTIONS, TRANSIENT_COLLECTIONS, synchronise
from soundwright.services.library.transfer.running_libraries import using

COUNT = 8


class Library:
    """A library in a folder, with open stores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docs, self.blobs = open_library(folder)
        self.settings = LibrarySettings(data_dir=folder)

    async def contents(self) -> dict[str, str]:
        return await contents(self.docs, self.blobs)


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    opened = Library(tmp_path / "library")
    await fill(opened.docs, opened.blobs, COUNT)
    (opened.folder / "secret").write_text("the signing key")
    (opened.folder / "admin-token").write_text("a token")
    yield opened
    await opened.docs.close()


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Library]:
    opened = Library(tmp_path / "empty")
    yield opened
    await opened.docs.close()


def manifest(folder: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return loaded


async def test_a_restored_library_equals_the_one_that_was_backed_up(
    library: Library, empty: Library, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    await commands.back_up(library.settings, backup)
    await commands.restore(empty.settings, backup)
    assert await empty.contents() == await library.contents()
    assert (empty.folder / "secret").read_text() == "the signing key"
    assert (empty.folder / "admin-token").read_text() == "a token"
    for private in (backup / "secret", backup / "admin-token", empty.folder / "secret"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700


async def test_a_second_backup_copies_only_new_files_and_drops_deleted_ones(
    library: Library, empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup"
    await commands.back_up(library.settings, backup)
    await put(library.blobs, "tracks/new/original.flac", b"new")
    await library.docs.load("tracks", [{"id": "new", "revision": 1, "blob_key": "tracks/new/original.flac"}])
    await library.docs.delete("tracks", "t0")
    await library.blobs.delete("tracks/t0/original.flac")
    copied: list[str] = []
    copy_blob = files.copy_blob

    async def counting(source: FileBlobs, target: FileBlobs, key: str, *rest: object) -> object:
        copied.append(key)
        return await copy_blob(source, target, key, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("soundwright.services.library.transfer.backup.copy_blob", counting)
    await commands.back_up(library.settings, backup)
    assert copied == ["tracks/new/original.flac"]
    assert not (backup / "blobs/tracks/t0").exists()
    assert len(list(backup.glob("snapshot-*"))) == 1
    await commands.restore(empty.settings, backup)
    assert await empty.contents() == await library.contents()


async def test_a_file_that_is_deleted_during_the_backup_is_in_no_document_of_it(
    library: Library, empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat_blob = FileBlobs.stat
    deleted = False

    async def deleting(blobs: FileBlobs, key: str) -> BlobInfo | None:
        nonlocal deleted
        if not deleted:
            deleted = True
            await library.docs.delete("tracks", "t5")
            await library.blobs.delete("tracks/t5/original.flac")
        return await stat_blob(blobs, key)

    monkeypatch.setattr(FileBlobs, "stat", deleting)
    await commands.back_up(library.settings, tmp_path / "backup")
    await commands.restore(empty.settings, tmp_path / "backup")
    assert await empty.docs.get("tracks", "t5") is None
    assert await empty.contents() == await library.contents()


async def test_a_backup_of_a_library_that_lacks_files_is_complete_and_says_so(
    library: Library, empty: Library, tmp_path: Path
) -> None:
    await library.blobs.delete("tracks/t7/original.flac")
    assert await reason(commands.back_up(library.settings, tmp_path / "backup")) == "FILES_MISSING"
    await commands.restore(empty.settings, tmp_path / "backup")
    assert await empty.contents() == await library.contents()


async def test_an_interrupted_backup_leaves_the_one_before_as_it_was(
    library: Library, empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup"
    await commands.back_up(library.settings, backup)
    before, expected = manifest(backup), await library.contents()
    await put(library.blobs, "tracks/new/original.flac", b"new")
    await library.docs.load("tracks", [{"id": "new", "revision": 1, "blob_key": "tracks/new/original.flac"}])

    async def broken(*_arguments: object) -> object:
        raise errors.STORE_UNAVAILABLE()

    with monkeypatch.context() as patched:
        patched.setattr("soundwright.services.library.transfer.backup.copy_blob", broken)
        assert await reason(commands.back_up(library.settings, backup)) == "STORE_UNAVAILABLE"
    assert manifest(backup) == before
    await commands.restore(empty.settings, backup)
    assert await empty.contents() == expected
    await commands.back_up(library.settings, backup)
    assert manifest(backup)["blobs"] == {"count": 2 * COUNT + 1, "size_bytes": COUNT * 30_000 + 3}


async def test_a_damaged_backup_is_not_restored(library: Library, empty: Library, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    await commands.back_up(library.settings, backup)
    blob = backup / "blobs/tracks/t3/original.flac"
    original = blob.read_bytes()
    blob.write_bytes(original[:-1] + b"!")
    assert await reason(commands.restore(empty.settings, backup)) == "BLOB_DAMAGED"
    blob.write_bytes(original)
    documents = backup / str(manifest(backup)["snapshot"]) / "tracks.jsonl"
    lines = documents.read_text()
    documents.write_text(lines.replace("t3", "t4", 1))
    assert await reason(commands.restore(empty.settings, backup)) == "BACKUP_DAMAGED"
    documents.write_text(lines)
    await commands.restore(empty.settings, backup)
    assert await empty.contents() == await library.contents()


async def test_a_restore_refuses_stores_with_other_contents_and_running_libraries(
    library: Library, empty: Library, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    await commands.back_up(library.settings, backup)
    assert await reason(commands.restore(library.settings, backup)) == "STORE_NOT_EMPTY"
    async with using(empty.docs, SystemClock()):
        assert await reason(commands.restore(empty.settings, backup)) == "STORE_IN_USE"
    (empty.folder / "secret").write_text("another key")
    with pytest.raises(SettingsError, match="differs from that of the backup"):
        await commands.restore(empty.settings, backup)
    assert await reason(commands.restore(empty.settings, tmp_path / "nothing")) == "BACKUP_MISSING"
    assert not (tmp_path / "nothing").exists()
    assert await reason(commands.back_up(empty.settings, tmp_path / "of-nothing")) == "STORE_EMPTY"


async def test_a_restore_that_is_killed_again_and_again_is_completed(
    library: Library, empty: Library, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    await commands.back_up(library.settings, backup)
    for line_count in (1, 4, 20):
        kill_restore(backup, empty, line_count)
        begun = await empty.docs.get("imports", "latest")
        if begun is not None and begun["complete"]:  # a busy machine killed it too late
            assert line_count > 1
            break
        with raises_error("STORE_INCOMPLETE"):
            async with using(empty.docs, SystemClock()):
                pass
    for _ in range(2):
        await commands.restore(empty.settings, backup)
        assert await empty.contents() == await library.contents()
    async with using(empty.docs, SystemClock()):
        pass
    assert await reason(commands.restore(empty.settings, backup)) == "STORE_NOT_EMPTY"


def kill_restore(backup: Path, target: Library, line_count: int) -> None:
    """Kill a restore when it has written some lines of its progress."""
    environment = {**os.environ, "SOUNDWRIGHT_DATA_DIR": str(target.folder)}
    command = [sys.executable, "-m", "soundwright.services.library", "restore", str(backup)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for _ in range(line_count):
            process.stderr.readline()
        process.kill()


async def test_every_collection_of_a_library_is_transferred(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    docs = infra.open_docs(LibrarySettings(data_dir=folder))
    names: set[str] = set()
    ensure = docs.ensure

    async def recording(collection: Collection) -> None:
        names.add(collection.name)
        await ensure(collection)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(docs, "ensure", recording)
        async with using(docs, SystemClock()):
            await Stores(docs).prepare()
    await docs.close()
    assert names == {*COLLECTIONS, *TRANSIENT_COLLECTIONS}


async def test_synchronising_writes_and_deletes_only_what_differs(library: Library, empty: Library) -> None:
    await synchronise(walk(library.docs, "votes"), empty.docs, "votes", lambda text: None)
    await empty.docs.delete("votes", "votes/ä00003")
    await empty.docs.load("votes", [{"id": "votes/ä00007", "revision": 1}, {"id": "extra", "revision": 1}])
    loaded: list[str] = []
    load = SqliteDocs.load

    async def counting(docs: SqliteDocs, collection: str, documents: list[dict[str, str]]) -> None:
        loaded.extend(doc["id"] for doc in documents)
        await load(docs, collection, documents)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqliteDocs, "load", counting)
        await synchronise(walk(library.docs, "votes"), empty.docs, "votes", lambda text: None)
    assert loaded == ["votes/ä00003", "votes/ä00007"]
    assert [doc async for doc in walk(empty.docs, "votes")] == [doc async for doc in walk(library.docs, "votes")]
