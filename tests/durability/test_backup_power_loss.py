"""If the power fails during a backup, the backup before or the new one can be restored; after it, the new one."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from soundwright.kit.errors import AppError
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.transfer import commands
from tests.durability.disk import Survives, chance, nothing_survives
from tests.durability.trace import STRACE, Replay, lines
from tests.unit.library_data import contents, fill, open_library, put

_SHARE = 0.1  # of the moments


async def grow(data_dir: Path, number: int) -> dict[str, str]:
    """Change the library. Return hashes of all that it holds."""
    data_dir.mkdir(exist_ok=True)
    (data_dir / "secret").write_text("s" * 43)
    docs, blobs = open_library(data_dir)
    try:
        await fill(docs, blobs, number)
        await put(blobs, f"tracks/t0/{number}.flac", b"x" * number)
        await docs.load("tracks", [{"id": "t0", "revision": number, "blob_key": f"tracks/t0/{number}.flac"}])
        await blobs.delete("tracks/t0/original.flac")
        await blobs.delete(f"tracks/t0/{number - 1}.flac")
        return await contents(docs, blobs)
    finally:
        await docs.close()


def back_up(data_dir: Path, folder: Path, record: Path) -> None:
    command = [*STRACE, "-o", str(record), sys.executable, "-m", "soundwright.services.library", "backup", str(folder)]
    environment = {**os.environ, "SOUNDWRIGHT_DATA_DIR": str(data_dir)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def moments(replay: Replay, record: Path) -> Iterator[None]:
    """Perform the system calls of a backup. Yield after each sync, and at the end."""
    for line in lines(record):
        if replay.perform(line):
            yield
    replay.exit()
    yield


async def restored(folder: Path, target: Path) -> dict[str, str] | str:
    """Return hashes of what a backup restores to, or why it cannot be restored."""
    try:
        await commands.restore(LibrarySettings(data_dir=target), folder)
        docs, blobs = open_library(target)
        try:
            return await contents(docs, blobs)
        finally:
            await docs.close()
    except AppError as error:
        return str(error)
    finally:
        shutil.rmtree(target, ignore_errors=True)


async def after_loss(replay: Replay, folder: Path, survives: Survives) -> dict[str, str] | str:
    """Return hashes of what the backup on the disk restores to after a loss of power now."""
    replay.folder.write(folder / "after", survives)
    try:
        return await restored(folder / "after" / "backup", folder / "restored")
    finally:
        shutil.rmtree(folder / "after")


async def test_a_backup_is_complete_when_the_command_says_so(tmp_path: Path) -> None:
    disk, data_dir = tmp_path / "disk", tmp_path / "data"
    disk.mkdir()
    records, expected = [tmp_path / "first", tmp_path / "second"], []
    for number, record in enumerate(records, 3):
        expected.append(await grow(data_dir, number))
        await asyncio.to_thread(back_up, data_dir, disk / "backup", record)
    replay = Replay(str(disk))
    for _ in moments(replay, records[0]):
        pass
    assert await after_loss(replay, tmp_path, nothing_survives) == expected[0]
    chosen = random.Random(1)
    for number, _ in enumerate(moments(replay, records[1])):
        if chosen.random() < _SHARE:
            assert await after_loss(replay, tmp_path, chance(number)) in expected, f"moment {number}"
    assert await after_loss(replay, tmp_path, nothing_survives) == expected[1]
