"""Converted files and slow readers: what is made for a download is bounded, and deleted."""

import asyncio
import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi import Request
from starlette.requests import ClientDisconnect

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.errors import AppError, Code
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.services.gateway.files.pending_files import PendingFiles
from soundwright.services.gateway.files.reencoding import Reencoder
from soundwright.services.gateway.settings import ConversionLimits

FRAMES = 400_000
LIMITS = ConversionLimits(caller_count=3, caller_bytes=4 * FRAMES, total_count=5, total_bytes=100 * FRAMES)


class Site:
    """The parts of a gateway that convert files, with one stored stem of one channel."""

    def __init__(self, folder: Path) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        source = folder / "stem.flac"
        soundfile.write(source, np.zeros(FRAMES, np.int16), 8_000)
        self.source = source
        slots = ComputeSlots("test", 1)
        self.reencoder = Reencoder(FileBlobs(folder / "blobs"), slots, PendingFiles(LIMITS), self.scratch, 60, 10**9)
        self.stem = job_pb2.AudioOutput(blob_key="stem", frame_count=FRAMES, channel_count=1)

    async def convert(
        self, caller_id: str = "ann", gone: asyncio.Event | None = None, network: str = "", peer: str = ""
    ) -> Any:
        async def receive() -> Any:
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        caller = {"principal_id": caller_id, "network": network, "peer": peer}
        request = Request({"type": "http", "headers": [], **caller}, receive)
        return await self.reencoder.response(request, self.stem, "wav16", "song", track_pb2.Track())

    def files(self) -> list[Path]:
        return [path for path in self.scratch.rglob("*") if path.is_file()]


@pytest.fixture
async def site(tmp_path: Path) -> Any:
    site = Site(tmp_path)
    await site.reencoder.blobs.put_file("stem", site.source)
    yield site
    site.reencoder.slots.close()


async def read(response: Any, *, send: Any = None) -> int:
    sizes = []

    async def collect(message: Any) -> None:
        sizes.append(len(message.get("body", b"")))

    async def receive() -> Any:
        await asyncio.Event().wait()

    await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send or collect)
    return sum(sizes)


async def refused(conversion: Any) -> str:
    with pytest.raises(AppError) as refusal:
        await conversion
    assert (refusal.value.code, refusal.value.reason) == (Code.RATE_LIMITED, "TOO_MANY_CONVERSIONS")
    return refusal.value.message


async def test_files_that_nobody_reads_are_limited_by_size(site: Site) -> None:
    waiting = [await site.convert(), await site.convert()]  # 2 bytes for each frame
    assert "2 converted files" in await refused(site.convert())
    assert len(site.files()) == 2
    assert await read(waiting.pop()) > 2 * FRAMES
    waiting.append(await site.convert())  # there is room again
    for response in waiting:
        await read(response)
    assert (site.files(), len(site.reencoder.pending_files)) == ([], 0)


async def test_files_are_limited_by_number_for_a_caller_and_for_all(site: Site) -> None:
    site.stem.frame_count = 0  # a size that is not known
    waiting = [await site.convert(caller) for caller in ("ann", "ann", "ann", "bob", "bob")]
    assert "3 converted files" in await refused(site.convert("ann"))
    assert "too many files" in await refused(site.convert("cem"))
    assert len(site.files()) == 5
    for response in waiting:
        await read(response)
    assert site.files() == []


async def test_guests_of_an_address_have_a_limit_together(site: Site) -> None:
    site.stem.frame_count = 0
    files = PendingFiles(dataclasses.replace(LIMITS, caller_count=1, total_count=100))
    site.reencoder = dataclasses.replace(site.reencoder, pending_files=files)
    for guest in ("a", "b", "c", "d"):
        await site.convert(guest, network="home")
    assert "4 converted files of guests at your address" in await refused(site.convert("e", network="home"))
    await site.convert("e", network="office")


async def test_listeners_of_shared_links_have_the_limits_of_their_address(site: Site) -> None:
    for peer in ("198.51.100.1", "198.51.100.2"):
        await asyncio.gather(*(site.convert("", peer=peer) for _ in range(2)))
    assert "converted files of yours" in await refused(site.convert("", peer="198.51.100.2"))


async def test_requests_at_the_same_time_are_limited_before_they_are_converted(site: Site) -> None:
    results = await asyncio.gather(*(site.convert() for _ in range(56)), return_exceptions=True)
    responses = [one for one in results if not isinstance(one, Exception)]
    assert len(responses) == 2
    assert {getattr(one, "reason", "") for one in results if isinstance(one, Exception)} == {"TOO_MANY_CONVERSIONS"}
    assert len(site.files()) == 2
    for response in responses:
        await read(response)


async def test_a_file_that_is_alone_may_be_larger_than_the_limit(site: Site) -> None:
    site.stem.frame_count = 1000 * FRAMES
    await read(await site.convert())
    assert len(site.reencoder.pending_files) == 0


async def test_a_client_that_leaves_stops_the_conversion(site: Site) -> None:
    gone, started, go_on = asyncio.Event(), threading.Event(), threading.Event()

    def occupy() -> None:
        started.set()
        go_on.wait(60)

    blocking = asyncio.create_task(site.reencoder.slots.run(occupy))
    await asyncio.to_thread(started.wait, 60)
    converting = asyncio.create_task(site.convert(gone=gone))
    while not len(site.reencoder.pending_files):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    gone.set()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(ClientDisconnect):
        await converting
    await blocking
    assert (site.files(), len(site.reencoder.pending_files)) == ([], 0)


async def test_a_conversion_that_fails_is_not_counted(site: Site) -> None:
    site.source.write_bytes(b"no audio")
    await site.reencoder.blobs.put_file("stem", site.source)
    with pytest.raises(AppError, match="AUDIO_UNREADABLE"):
        await site.convert()
    assert (list(site.scratch.iterdir()), len(site.reencoder.pending_files)) == ([], 0)
