"""What the embedded stores acknowledge survives a loss of power, and a file has its name only when it is complete.

``fsync`` of a file keeps its content, and ``fsync`` of a folder the names in it, but not its own name. The tests look at what was
synced when a call returns.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.security.private_files import create_private, write_private
from soundwright.kit.settings import Settings
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.transfer import commands
from tests.unit.library_data import fill, open_library, put

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs the names of open files")


@contextlib.contextmanager
def durable(root: Path, *lock_files: str) -> Iterator[None]:
    """Check that all files below ``root`` are durable at the end of the block, and got their names after their content."""
    contents: dict[int, tuple[int, Path]] = {}
    names: dict[Path, dict[str, int]] = {}
    fsync = os.fsync

    def recording(descriptor: int) -> None:
        fsync(descriptor)
        path, found = Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            names[path] = inodes(path)
        else:
            contents[found.st_ino] = found.st_size, path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", recording)
        yield
    assert names[root.parent].get(root.name) == root.stat().st_ino
    for place, _, files in os.walk(root):
        synced = names.get(Path(place), {})
        unsynced = {name: inode for name, inode in inodes(Path(place)).items() if synced.get(name) != inode}
        assert unsynced.keys() <= {*lock_files}, f"names in {place}"
        for name in {*files} - {*lock_files}:
            path = Path(place, name)
            size, written = contents.get(path.stat().st_ino, (None, path))
            assert size == path.stat().st_size, f"the content of {path}"
            assert written != path or path.parent.name.startswith("snapshot-"), f"{path} had its name too early"


def inodes(folder: Path) -> dict[str, int]:
    return {entry.name: entry.inode() for entry in os.scandir(folder)}


@pytest.fixture(params=[None, "/dev/shm"], ids=["same", "other"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file on the file system of the store, or on another one, if the machine has one: from there, it cannot be renamed."""
    place = request.param if request.param and os.access(request.param, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as folder:
        (Path(folder) / "source").write_bytes(b"far" * 50_000)
        yield Path(folder) / "source"


async def test_files_of_the_store(tmp_path: Path, source: Path) -> None:
    root = tmp_path / "new" / "blobs"
    with durable(tmp_path / "new"):
        blobs = FileBlobs(root)
        await put(blobs, "stems/1/a/b.flac", b"1" * 100_000)
        await put(blobs, "stems/1/a/b.flac", b"2" * 200_000)
        await put(blobs, "stems/1/c.flac", b"")
        await blobs.move("stems/1/c.flac", "tracks/d/e.flac")
        await blobs.put_file("tracks/d/f.flac", source)


def test_private_files(tmp_path: Path) -> None:
    with durable(tmp_path / "new"):
        settings = Settings(data_dir=tmp_path / "new" / "data")
        settings.secrets()
        create_private(tmp_path / "new" / "keys" / "first", "1")
        create_private(tmp_path / "new" / "keys" / "first", "2")
        write_private(tmp_path / "new" / "keys" / "second", b"1")
        write_private(tmp_path / "new" / "keys" / "second", b"2")


async def test_a_backup(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    docs, blobs = open_library(data_dir)
    await fill(docs, blobs, 3)
    await docs.close()
    (data_dir / "secret").write_text("s" * 43)
    with durable(tmp_path / "backups", ".lock"):
        await commands.back_up(LibrarySettings(data_dir=data_dir), tmp_path / "backups" / "daily")


async def test_the_folder_of_documents(tmp_path: Path) -> None:
    """That each commit is synced, the contract of documents tests."""
    with durable(tmp_path / "new", "library.db", "library.db-wal", "library.db-shm"):
        await SqliteDocs(tmp_path / "new" / "data" / "library.db").close()
