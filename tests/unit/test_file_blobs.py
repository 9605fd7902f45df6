"""The file store when its caller is cancelled while a thread opens a file."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import IO, Any

import pytest

from kit.adapters.filesystem.blobs import FileBlobs

PATIENCE_SECONDS = 30


class SlowOpen:
    """``Path.open``, whose files reach the caller only after :attr:`gate` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[IO[bytes]] = []
        self.opened, self.gate = threading.Event(), threading.Event()
        really = Path.open

        def open_slowly(path: Path, *arguments: Any) -> IO[bytes]:
            file = really(path, *arguments)
            self.files.append(file)
            self.opened.set()
            assert self.gate.wait(PATIENCE_SECONDS)
            return file

        monkeypatch.setattr(Path, "open", open_slowly)

    async def cancel_meanwhile(self, work: asyncio.Task[None]) -> None:
        assert await asyncio.to_thread(self.opened.wait, PATIENCE_SECONDS)
        work.cancel()
        asyncio.get_running_loop().call_soon(self.gate.set)
        with pytest.raises(asyncio.CancelledError):
            await work


async def _write(blobs: FileBlobs) -> None:
    async with blobs.write("a/b"):
        pass


async def _read(blobs: FileBlobs) -> None:
    async for _ in blobs.read("a/b"):
        pass


async def test_a_cancelled_writer_closes_and_removes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, slow = FileBlobs(tmp_path), SlowOpen(monkeypatch)
    await slow.cancel_meanwhile(asyncio.create_task(_write(blobs)))
    assert [file.closed for file in slow.files] == [True]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_cancelled_reader_closes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FileBlobs(tmp_path)
    await _write(blobs)
    slow = SlowOpen(monkeypatch)
    await slow.cancel_meanwhile(asyncio.create_task(_read(blobs)))
    assert [file.closed for file in slow.files] == [True]
