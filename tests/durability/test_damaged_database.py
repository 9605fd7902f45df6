"""A damaged database is reported with instructions, at the start and at run time, and a backup replaces it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.errors import DATA_DAMAGED_STATUS, AppError, Code
from tests.unit.library_data import fill, stored

_PAGE_BYTES = 4096
_COUNT = 60
JOB = "0f2e4d6c-8a1b-4c3d-9e5f-708192a3b4c5"


def overwritten(database: Path) -> None:
    """Overwrite pages in the middle, as a failing disk does."""
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 2 // _PAGE_BYTES * _PAGE_BYTES)
        file.write(b"\xff" * 8 * _PAGE_BYTES)


def truncated(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 3)


def text(database: Path) -> None:
    database.write_text("This is no database.\n" * 1000)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The data directory of a library that has stopped."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "secret").write_text("s" * 43)

    async def write() -> None:
        async with contextlib.AsyncExitStack() as stack:
            docs = SqliteDocs(folder / "library.db")
            stack.push_async_callback(docs.close)
            await fill(docs, FileBlobs(folder / "blobs"), _COUNT)

    asyncio.run(write())
    return folder


def run(data_dir: Path, *arguments: str) -> tuple[int, str]:
    """Run a command to its end. Return its exit status and its output."""
    environment = {**os.environ, "SOUNDWRIGHT_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("damage", [overwritten, truncated, text])
def test_the_library_does_not_start(data_dir: Path, damage: Callable[[Path], None]) -> None:
    damage(data_dir / "library.db")
    status, output = run(data_dir, "soundwright.services", "library")
    assert status == DATA_DAMAGED_STATUS
    [report] = [json.loads(line) for line in output.splitlines() if "docs.damaged" in line]
    assert report["file"] == str(data_dir / "library.db")
    assert "A damaged database" in report["help"]
    assert "STORE_DAMAGED" in output
    assert "Traceback" not in output
    assert "exception" not in output


@pytest.mark.parametrize("loss", [Path.unlink, lambda database: os.truncate(database, 0)], ids=["removed", "empty"])
def test_files_without_documents_are_not_a_new_library(data_dir: Path, loss: Callable[[Path], None]) -> None:
    """A new library would delete them as orphans."""
    loss(data_dir / "library.db")
    file = data_dir / "blobs" / "stems" / "1" / JOB / "vocals.flac"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"stem")
    status, output = run(data_dir, "soundwright.services", "library")
    assert status == DATA_DAMAGED_STATUS
    assert "STORE_MISSING" in output
    assert not (data_dir / "admin-token").exists()


def test_the_whole_stack_stops(data_dir: Path) -> None:
    overwritten(data_dir / "library.db")
    status, output = run(data_dir, "soundwright.services", "broker", "library")
    assert status == DATA_DAMAGED_STATUS
    assert output.count("docs.damaged") == 1
    assert "stack.stopped" in output


def test_a_backup_replaces_it(data_dir: Path, tmp_path: Path) -> None:
    """The steps in docs/OPERATIONS.md."""
    backup, database = tmp_path / "backup", data_dir / "library.db"
    before = stored(data_dir)
    assert run(data_dir, "soundwright.services.library", "backup", str(backup))[0] == 0
    overwritten(database)
    status, output = run(data_dir, "soundwright.services.library", "backup", str(tmp_path / "second"))
    assert (status, "STORE_DAMAGED" in output, "Traceback" in output) == (1, True, False)
    (data_dir / "damaged").mkdir()
    for file in data_dir.glob("library.db*"):
        file.rename(data_dir / "damaged" / file.name)
    status, output = run(data_dir, "soundwright.services.library", "restore", str(backup))
    assert status == 0, output
    assert stored(data_dir) == before


def test_damage_at_run_time_is_an_error_with_a_code_and_is_logged_once(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def read() -> None:
        docs = SqliteDocs(data_dir / "library.db")
        try:
            database = data_dir / "library.db"
            database.write_bytes(
                database.read_bytes()[:_PAGE_BYTES] + b"\xff" * (database.stat().st_size - _PAGE_BYTES)
            )
            for _ in range(3):
                with pytest.raises(AppError) as refusal:
                    await docs.find("tracks", {}, limit=_COUNT * 2)
                assert (refusal.value.code, refusal.value.reason) == (Code.UNAVAILABLE, "STORE_DAMAGED")
                assert "log of the library" in refusal.value.message
        finally:
            await docs.close()

    asyncio.run(read())
    assert capsys.readouterr().out.count("docs.damaged") == 1
