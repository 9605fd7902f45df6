"""Uploads in parts over S3: their limits, and what is left of those that are never completed."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from test_blobs_contract import get, put

from soundwright.kit.adapters.s3.blobs import S3Blobs
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.errors import AppError
from soundwright.services.ingest.app import purge
from soundwright.services.ingest.direct_uploads import DirectUpload, DirectUploads
from soundwright.services.ingest.service import staging_key
from tests.servers.s3 import S3Server

KEEP_SECONDS = 3600.0
PART = 16 << 20


class Clock(SystemClock):
    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@pytest_asyncio.fixture
async def blobs(s3_server: S3Server) -> AsyncIterator[S3Blobs]:
    opened = S3Blobs(s3_server.access(f"http://{s3_server.address}"))
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uploads(blobs: S3Blobs, clock: Clock) -> DirectUploads:
    return DirectUploads(blobs, clock, 100 << 20, KEEP_SECONDS)


async def send(uploads: DirectUploads, upload: DirectUpload, number: int, data: bytes) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.put(uploads.url(upload, number), content=data)).status_code


async def test_sizes_of_parts_follow_from_the_announced_size(uploads: DirectUploads) -> None:
    upload = await uploads.begin("me", "a.wav", 2 * PART + 5)
    assert [upload.part_bytes(number) for number in (0, 1, 2, 3, 4)] == [0, PART, PART, 5, 0]
    exact = await uploads.begin("me", "a.wav", 2 * PART)
    assert (exact.part_count, exact.part_bytes(2), exact.part_bytes(3)) == (2, PART, 0)


async def test_an_upload_is_assembled_once_all_parts_are_there(blobs: S3Blobs, uploads: DirectUploads) -> None:
    upload = await uploads.begin("me", "a.wav", PART + 5)
    assert await send(uploads, upload, 2, b"x" * 5) == 200
    with pytest.raises(AppError, match=r"UPLOAD_INCOMPLETE.*1 of 2 parts"):
        await uploads.assemble(upload)
    assert await send(uploads, upload, 1, bytes(PART)) == 200
    assert await send(uploads, upload, 2, b"12345") == 200  # the last one counts
    await uploads.assemble(upload)
    await uploads.assemble(upload)
    assert await get(blobs, staging_key(upload.id), PART) == b"12345"
    assert await send(uploads, upload, 2, b"later") == 404
    assert await get(blobs, staging_key(upload.id), PART) == b"12345"


async def test_an_account_has_a_limited_number_of_uploads_of_its_own(uploads: DirectUploads) -> None:
    begun = [await uploads.begin("me", "a.wav", 10) for _ in range(20)]
    with pytest.raises(AppError, match="TOO_MANY_UPLOADS"):
        await uploads.begin("me", "a.wav", 10)
    with pytest.raises(AppError, match="TOO_LARGE"):
        await uploads.begin("another", "a.wav", (100 << 20) + 1)
    await uploads.begin("another", "a.wav", 100 << 20)
    with pytest.raises(AppError, match="UPLOAD_NOT_FOUND"):
        await uploads.get("another", begun[0].id)
    with pytest.raises(AppError, match="VALIDATION_ERROR"):
        uploads.url(begun[0], 2)
    await uploads.abort(begun[0])
    await uploads.begin("me", "a.wav", 10)


async def test_concurrent_calls_do_not_exceed_the_limit(blobs: S3Blobs, uploads: DirectUploads) -> None:
    for _ in range(18):
        await uploads.begin("me", "a.wav", 10)
    outcomes = await asyncio.gather(*(uploads.begin("me", "a.wav", 10) for _ in range(8)), return_exceptions=True)
    begun = [outcome for outcome in outcomes if isinstance(outcome, DirectUpload)]
    refused = [outcome.reason for outcome in outcomes if isinstance(outcome, AppError)]
    assert len(begun) <= 2
    assert refused == ["TOO_MANY_UPLOADS"] * (8 - len(begun))
    assert len(await blobs.keys("uploads/direct/")) == 18 + len(begun)


async def test_abandoned_uploads_are_deleted(blobs: S3Blobs, uploads: DirectUploads, clock: Clock) -> None:
    begun = await uploads.begin("me", "a.wav", PART + 5)
    await send(uploads, begun, 1, bytes(PART))
    assembled = await uploads.begin("me", "a.wav", 5)
    await send(uploads, assembled, 1, b"12345")
    await uploads.assemble(assembled)
    await put(blobs, "uploads/mixes/x/0", b"mix")
    await put(blobs, "tracks/t/original.wav", b"track")
    assert await purge(blobs, uploads, clock) == 0
    clock.ahead = KEEP_SECONDS + 60
    assert await purge(blobs, uploads, clock) > 0
    assert await blobs.keys("") == ["tracks/t/original.wav"]
    assert await send(uploads, begun, 2, b"12345") == 404
    assert await blobs.purge_partial(0) == 0
    with pytest.raises(AppError, match="UPLOAD_NOT_FOUND"):
        await uploads.get("me", begun.id)
