"""Adapters of the Blobs port: the file store with cancelled callers and a failing disk, and private calls of the MinIO SDK."""

import asyncio
import inspect
import re
import threading
from pathlib import Path
from typing import IO, Any

import pytest
from minio import Minio

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.s3.multipart import PRIVATE_CALLS
from soundwright.kit.errors import AppError
from tests.waiting import DEADLINE_SECONDS


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
            assert self.gate.wait(DEADLINE_SECONDS)
            return file

        monkeypatch.setattr(Path, "open", open_slowly)

    async def cancel_meanwhile(self, work: asyncio.Task[None]) -> None:
        assert await asyncio.to_thread(self.opened.wait, DEADLINE_SECONDS)
        work.cancel()
        asyncio.get_running_loop().call_soon(self.gate.set)
        with pytest.raises(asyncio.CancelledError):
            await work


async def _write(blobs: FileBlobs) -> None:
    async with blobs.write("a/b"):
        pass


async def _read(blobs: FileBlobs, key: str = "a/b") -> None:
    async for _ in blobs.read(key):
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


ADAPTER = Path(__file__).parents[3] / "kit" / "adapters" / "s3"


async def test_errors_of_the_disk_say_that_the_store_is_unavailable(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    for folder in (tmp_path / "loop", tmp_path / ".partial"):
        if folder.is_dir():
            folder.rmdir()
        folder.symlink_to(folder)  # "Too many levels of symbolic links", for root as well

    for call in (
        blobs.stat("loop/a"), blobs.delete("loop/a"), blobs.delete_prefix("loop/"), blobs.keys("loop/"), blobs.keys(""),
        blobs.purge_partial(0.0), blobs.space(), _read(blobs, "loop/a"), _write(blobs),
    ):  # fmt: skip
        with pytest.raises(AppError) as refusal:
            await call
        assert refusal.value.reason == "BLOBS_UNAVAILABLE"


@pytest.mark.parametrize("name", PRIVATE_CALLS)
def test_a_private_call_has_the_parameters_that_the_adapter_uses(name: str) -> None:
    parameters = list(inspect.signature(getattr(Minio, name)).parameters)[1:]
    assert parameters[: len(PRIVATE_CALLS[name])] == list(PRIVATE_CALLS[name])


def test_private_calls_are_in_one_module() -> None:
    used = {path.name: set(re.findall(r"lient\.(_[a-z]\w+)", path.read_text())) for path in ADAPTER.glob("*.py")}
    assert used.pop("multipart.py") == set(PRIVATE_CALLS)
    assert not any(used.values())
