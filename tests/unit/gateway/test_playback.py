"""Segments and waveforms of a file store, without a gateway around them."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from starlette.responses import Response

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.audio import PIXEL_FRAMES as STORED_PIXEL_FRAMES
from soundwright.kit.audio import AudioWriter
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.errors import AppError
from soundwright.kit.worker.derived_files import waveform_key
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.callers.access import declared_access
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.dialects.forge.stems import stem_routes
from soundwright.services.gateway.files import playback as playback_module
from soundwright.services.gateway.files.files import Span
from soundwright.services.gateway.files.playback import (
    PIXEL_FRAMES,
    Growing,
    Playback,
    segment_count,
    segment_frame_count,
)
from soundwright.services.gateway.settings import GatewaySettings
from tests.clocks import HandClock
from tests.waiting import until

RATE_HZ = 8_000
KEY = "stems/1/job/vocals.flac"


class HeldBlobs(FileBlobs):
    """Counts the files that are opened, and opens them only when ``released`` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.open_count = 0
        self.released = threading.Event()
        self.released.set()

    def open(self, key: str) -> BinaryIO:
        self.open_count += 1
        assert self.released.wait(30)
        return super().open(key)


@pytest.fixture
def blobs(tmp_path: Path) -> HeldBlobs:
    return HeldBlobs(tmp_path / "blobs")


@pytest_asyncio.fixture
async def playback(blobs: HeldBlobs) -> AsyncIterator[Playback]:
    slots = ComputeSlots("test", 2)
    opened = Playback(blobs, slots)
    yield opened
    opened.close()
    slots.close()


@pytest_asyncio.fixture
async def stem(blobs: HeldBlobs, tmp_path: Path) -> job_pb2.AudioOutput:
    file = tmp_path / "vocals.flac"
    with AudioWriter(file, RATE_HZ, 1, "flac") as writer:
        writer.write(np.zeros((1, 12 * RATE_HZ), np.float32))
    await blobs.put_file(KEY, file)
    return job_pb2.AudioOutput(
        name="vocals", blob_key=KEY, sample_rate_hz=RATE_HZ, channel_count=1, frame_count=12 * RATE_HZ
    )


def request(caller: str = "ann", **headers: str) -> Request:
    async def stay() -> Any:
        await asyncio.Event().wait()

    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "headers": encoded, "principal_id": caller}, stay)


async def body(response: Response) -> bytes:
    """Send a response, and return what was sent."""
    sent = bytearray()

    async def send(message: Any) -> None:
        sent.extend(message.get("body", b""))

    caller = request()
    await response(caller.scope, caller.receive, send)
    return bytes(sent)


async def reason(call: Any) -> str:
    with pytest.raises(AppError) as refusal:
        await call
    return refusal.value.reason


def test_segments_are_five_seconds(stem: job_pb2.AudioOutput) -> None:
    assert (segment_frame_count(stem), segment_count(stem)) == (40_000, 3)
    assert segment_count(job_pb2.AudioOutput(sample_rate_hz=RATE_HZ, frame_count=80_000)) == 2
    assert segment_count(job_pb2.AudioOutput(sample_rate_hz=RATE_HZ, frame_count=80_001)) == 3
    assert segment_count(job_pb2.AudioOutput()) == 0
    assert PIXEL_FRAMES == STORED_PIXEL_FRAMES


async def test_segments_count_until_they_are_read(playback: Playback, stem: job_pb2.AudioOutput) -> None:
    unread = [await playback.segment(request(), stem, 0) for _ in range(32)]
    assert await reason(playback.segment(request(), stem, 0)) == "TOO_MANY_CONVERSIONS"
    assert (await playback.segment(request("bob"), stem, 0)).status_code == 200
    etag = unread[0].headers["etag"]
    assert (await playback.segment(request(if_none_match=etag), stem, 0)).status_code == 304
    content = await body(unread[0])
    assert len(content) == int(unread[0].headers["content-length"])
    assert (await playback.segment(request(), stem, 0)).status_code == 200
    assert await reason(playback.segment(request(), stem, 0)) == "TOO_MANY_CONVERSIONS"


async def test_a_recording_whose_file_is_lost_ends(
    playback: Playback, blobs: HeldBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback_module, "LOOK_SECONDS", 0.0)
    lost = Growing("1", RATE_HZ, 1, RATE_HZ, RATE_HZ, functools.partial(blobs.open, "stems/lost.flac"))

    async def find() -> Growing:
        return lost

    async def read() -> None:
        async with asyncio.timeout(30):
            async for _ in playback.wav(lost, find, Span(0, lost.size_bytes)):
                pass

    assert await reason(read()) == "FILE_NOT_FOUND"


async def test_a_refused_segment_does_not_count(
    playback: Playback, stem: job_pb2.AudioOutput, blobs: HeldBlobs
) -> None:
    for _ in range(40):
        assert await reason(playback.segment(request(), stem, 3)) == "SEGMENT_NOT_FOUND"
    async with blobs.write(KEY) as writer:
        await writer.write(b"damaged")
    for _ in range(40):
        assert await reason(playback.segment(request(), stem, 0)) == "AUDIO_UNREADABLE"


async def test_callers_at_once_share_a_computation(
    playback: Playback, stem: job_pb2.AudioOutput, blobs: HeldBlobs
) -> None:
    blobs.released.clear()
    waiting = [asyncio.create_task(playback.waveform(request(), stem, PIXEL_FRAMES)) for _ in range(5)]
    await until(lambda: blobs.open_count > 0)
    waiting[0].cancel()  # the others do not notice
    blobs.released.set()
    responses = await asyncio.gather(*waiting[1:])
    assert {len(await body(response)) for response in responses} == {24 + 2 * 375}
    assert blobs.open_count == 1
    assert await blobs.keys("") == [KEY, waveform_key(KEY)]
    assert len(await body(await playback.waveform(request(), stem, 1024))) == 24 + 2 * 94
    assert blobs.open_count == 1


async def test_a_failed_computation_is_repeated(
    playback: Playback, stem: job_pb2.AudioOutput, blobs: HeldBlobs
) -> None:
    content = b"".join([piece async for piece in blobs.read(KEY)])
    for data, expected in ((b"damaged", "AUDIO_UNREADABLE"), (content, "")):
        async with blobs.write(KEY) as writer:
            await writer.write(data)
        call = playback.waveform(request(), stem, PIXEL_FRAMES)
        if expected:
            assert await reason(call) == expected
        else:
            assert (await call).status_code == 200


async def test_a_stem_that_is_deleted_meanwhile_leaves_no_waveform(
    playback: Playback, stem: job_pb2.AudioOutput, blobs: HeldBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = blobs.write

    def write_late(key: str) -> Any:
        (blobs._root / KEY).unlink()  # after the stem was read, and before its waveform is stored
        return computed(key)

    monkeypatch.setattr(blobs, "write", write_late)
    assert await reason(playback.waveform(request(), stem, PIXEL_FRAMES)) == "FILE_NOT_FOUND"
    assert await blobs.keys("") == []


async def test_waiting_computations_are_bounded(
    playback: Playback, stem: job_pb2.AudioOutput, blobs: HeldBlobs
) -> None:
    stems = []
    for number in range(33):
        copy = job_pb2.AudioOutput()
        copy.CopyFrom(stem)
        copy.blob_key = f"stems/1/{number}/vocals.flac"
        async with blobs.write(copy.blob_key) as writer:
            async for piece in blobs.read(KEY):
                await writer.write(piece)
        stems.append(copy)
    blobs.released.clear()
    waiting = [asyncio.create_task(playback.waveform(request(), each, PIXEL_FRAMES)) for each in stems[:32]]
    await until(lambda: len(playback._waveforms._running) == 32)
    assert await reason(playback.waveform(request(), stems[32], PIXEL_FRAMES)) == "TOO_MANY_CONVERSIONS"
    blobs.released.set()
    assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}
    assert (await playback.waveform(request(), stems[32], PIXEL_FRAMES)).status_code == 200


async def test_an_hour_of_playing_stays_within_the_rate_limit(playback: Playback) -> None:
    """A player of four stems and the mix plays a song of ten minutes for an hour, and seeks once a minute."""

    class Wiring:
        clients = None
        blobs = None

    wiring: Any = Wiring()
    wiring.playback = playback
    router: APIRouter = stem_routes(wiring)
    [route] = [route for route in router.routes if "segments" in route.path]  # type: ignore[attr-defined]
    declared = declared_access(route.endpoint)  # type: ignore[attr-defined]
    assert declared is not None
    assert declared.rate_class is RateClass.FILES
    clock = HandClock()
    limiter = RateLimiter({RateClass.FILES: GatewaySettings().rate_files_per_minute}, clock)
    least = 600
    for second in range(0, 3600, 5):
        lanes, ahead = 5, 6 if second % 60 == 0 else 1  # 30 seconds are loaded ahead after a jump
        for _ in range(lanes * ahead):
            allowance = await limiter.take("ann", RateClass.FILES)
            assert allowance.retry_after_seconds == 0
            least = min(least, allowance.remaining)
        clock.time += 5
    assert least >= 500, "other downloads have room"
