"""What can be heard of a job while it runs: published as its files grow, gone after it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.audio import Prefix
from soundwright.kit.errors import AppError, Code
from soundwright.kit.free_space import MIN_FREE_BYTES
from soundwright.kit.ports import BlobWriter, StoreSpace
from soundwright.kit.worker import live
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.live import LiveIndex, delete_live, live_prefix, open_live, published, read_live, write_note
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.files import waits
from tests.waiting import until

JOB = job_pb2.Job(id="6f9619ff-8b86-4011-b42d-00c04fc964ff", attempt=2, output_folder="stems")


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_LOOK_SECONDS", 0.005)
    monkeypatch.setattr(live, "_COPY_SECONDS", 0.005)


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


class Worker:
    """Files that grow, and the note about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.note = folder / "live.json"
        self.frame_count = 0

    def write(self, file: str, body: bytes) -> None:
        """Append to the recording of the vocals, and note it. The header names the frames."""
        path = self.folder / file
        with path.open("ab") as growing:
            growing.write(body)
        self.frame_count += len(body)
        prefix = Prefix(path, b"<%d>" % self.frame_count, 0, path.stat().st_size, self.frame_count)
        drawn = Prefix(path, b"drawn", 1, path.stat().st_size, self.frame_count)
        write_note(
            self.note, model="small", sample_rate_hz=44100, channel_count=2, total_frame_count=99,
            recordings={"vocals": prefix}, waveforms={"vocals": drawn},
        )  # fmt: skip


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


async def heard(blobs: FileBlobs) -> tuple[LiveIndex | None, bytes]:
    index = await read_live(blobs, JOB)
    if index is None:
        return None, b""
    with open_live(blobs, live_prefix(JOB, 2), index.recordings["vocals"]) as file:
        return index, file.read()


async def test_what_is_noted_is_there_after_the_next_look(blobs: FileBlobs, worker: Worker) -> None:
    async with published(blobs, JobContext(JOB), worker.note):
        assert await heard(blobs) == (None, b"")
        for body, expected in ((b"first ", b"<6>first "), (b"second", b"<12>first second")):
            worker.write("vocals.flac", body)
            await until_heard(blobs, expected)
        index = await read_live(blobs, JOB)
        assert index is not None
        assert (index.model, index.frame_count, index.sample_rate_hz, index.channel_count) == ("small", 12, 44100, 2)
        with open_live(blobs, live_prefix(JOB, 2), index.waveforms["vocals"]) as file:
            assert file.read() == b"drawnirst second"
            file.seek(8)
            assert file.read(4) == b"t se"
        # A stem above full scale: its file has begun again, as floats.
        worker.write("vocals.wav", b"third")
        await until_heard(blobs, b"<17>third")
    assert (await heard(blobs))[1] == b"<17>third", "it stays until the end of the job is stored"
    await delete_live(blobs, JOB)
    assert await heard(blobs) == (None, b"")


async def until_heard(blobs: FileBlobs, expected: bytes) -> None:
    async def is_heard() -> bool:
        return (await heard(blobs))[1] == expected

    await until(is_heard)


async def keys(blobs: FileBlobs) -> list[str]:
    return list(await blobs.keys("stems/"))


async def test_a_job_that_fails_leaves_nothing_of_this_attempt_and_the_ones_before(
    blobs: FileBlobs, worker: Worker
) -> None:
    async with blobs.write(live_prefix(JOB, 1) + "index") as writer:
        await writer.write(b"of the first attempt")

    async def fail() -> None:
        async with published(blobs, JobContext(JOB), worker.note):
            worker.write("vocals.flac", b"first ")
            await until_heard(blobs, b"<6>first ")
            raise ValueError("the engine")

    with pytest.raises(ValueError, match="the engine"):
        await fail()
    assert await keys(blobs) == []


@pytest.mark.parametrize("trouble", ["write", "delete_prefix", "space"])
async def test_a_store_that_fails_ends_the_publication_and_not_the_job(
    blobs: FileBlobs, worker: Worker, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    calls = []

    def refuse(_key: str) -> BlobWriter:
        calls.append(trouble)
        raise AppError(Code.STORAGE_FULL, "STORAGE_FULL", "The disk is full.")

    async def nearly_full() -> StoreSpace:
        calls.append(trouble)
        return StoreSpace(MIN_FREE_BYTES + (512 << 20), 1 << 40)

    answer = nearly_full if trouble == "space" else refuse
    if trouble == "delete_prefix":  # what the attempt before has left
        monkeypatch.setattr(blobs, trouble, answer)
    async with published(blobs, JobContext(JOB), worker.note):
        worker.write("vocals.flac", b"first ")
        if trouble != "delete_prefix":
            await until_heard(blobs, b"<6>first ")
            monkeypatch.setattr(blobs, trouble, answer)
        worker.write("vocals.flac", b"second")
        await until(lambda: calls)

        async def is_gone() -> bool:
            return not await keys(blobs)

        await until(is_gone)


async def test_a_long_poll_ends_before_a_proxy_with_a_limit_of_30_seconds_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = 0.0

    async def look() -> None:
        nonlocal seconds
        seconds += 3.0  # the ledger is slow

    async def never() -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(waits, "_now", lambda: seconds)
    monkeypatch.setattr(waits, "LOOK_SECONDS", 0.0)
    request = Request({"type": "http", "principal_id": "ann"}, never)
    assert await waits.Waits().until(request, look, lambda _: False, waits.WAIT_LIMIT_SECONDS) is None
    assert 20.0 <= seconds < 25.0
