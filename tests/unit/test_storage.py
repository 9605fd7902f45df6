"""The storage quota: what counts, who is refused, and what a crash or a race leaves."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from ledger_world import ANN, BOB, LEASE, HandClock, clip, new, reason, result, track

from kit.adapters.filesystem.blobs import FileBlobs
from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.sqlite.search import SqliteSearch
from kit.errors import AppError
from kit.security.identity import ANONYMOUS_PREFIX, Principal
from services.library.catalog.service import Catalog
from services.library.catalog.store import CatalogStore
from services.library.job_results import JobResults
from services.library.jobs.ledger import JobLedger
from services.library.jobs.service import Job, JobError
from services.library.jobs.store import JobDocs
from services.library.storage.service import Storage
from services.library.storage.store import StorageDocs
from services.library.tracks.deletions import TrackDeletions
from services.library.tracks.downloads import TrackDownloads
from services.library.tracks.results import TrackResults
from services.library.tracks.service import Track, Tracks
from services.library.tracks.store import TrackDocs

QUOTA = 1000
CLOCK = HandClock()


class Replica:
    """One process of the library. Several share a store."""

    def __init__(self, folder: Path, quotas: dict[str, int]) -> None:
        self.docs = SqliteDocs(folder / "library.db")
        self.docs.database.writer.execute("PRAGMA synchronous = OFF")
        self.jobs, self.track_docs = JobDocs(self.docs), TrackDocs(self.docs)
        self.clips = CatalogStore(self.docs, SqliteSearch(self.docs.database))
        self.store = StorageDocs(self.docs)

        async def limit_of(owner_id: str) -> int:
            return quotas.get(owner_id, QUOTA)

        self.storage = Storage(self.store, limit_of, CLOCK)
        results = JobResults(self.track_docs, TrackResults(self.track_docs), self.clips)
        self.ledger = JobLedger(self.jobs, results, CLOCK, self.storage)
        self.tracks = Tracks(self.track_docs, CLOCK, self.storage)
        self.downloads = TrackDownloads(self.track_docs, self.jobs, CLOCK, self.storage)
        self.blobs = FileBlobs(folder / "blobs")
        self.catalog = Catalog(self.clips, self.blobs, CLOCK, self.ledger.forget_files)
        self.deletions = TrackDeletions(self.track_docs, self.jobs, self.ledger, self.blobs, CLOCK)

    async def prepare(self) -> None:
        for part in (self.jobs, self.track_docs, self.clips, self.store):
            await part.prepare()

    async def used(self, principal: Principal = ANN) -> int:
        return (await self.storage.usage(principal.id)).used_bytes

    async def upload(self, track_id: str, size: int, principal: Principal = ANN) -> Track:
        return await self.tracks.create(principal, dataclasses.replace(track(track_id), size_bytes=size))

    async def running(self, track_id: str = "", principal: Principal = ANN, **fields: object) -> Job:
        job, _ = await self.ledger.create(principal, new(track_id=track_id, **fields))
        claimed, is_claimed, _ = await self.ledger.claim(job.id, "w1", LEASE)
        assert is_claimed
        return claimed


class Replicas:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.quotas: dict[str, int] = {}
        self.started: list[Replica] = []

    async def start(self) -> Replica:
        replica = Replica(self.folder, self.quotas)
        await replica.prepare()
        self.started.append(replica)
        return replica


@pytest_asyncio.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[Replicas]:
    there = Replicas(tmp_path)
    yield there
    for replica in there.started:
        await replica.docs.close()


@pytest_asyncio.fixture
async def library(replicas: Replicas) -> Replica:
    return await replicas.start()


async def test_tracks_and_outputs_of_jobs_count_until_they_are_deleted(library: Replica) -> None:
    await library.upload("t1", 300)
    await library.upload("t2", 50)
    job = await library.running("t1")
    await library.ledger.reserve_storage(job.id, 1, 400)
    assert await library.used() == 750
    await library.ledger.succeed(job.id, 1, result("drums", "bass"), [], stored_bytes=390)
    assert await library.used() == 740
    assert await library.used(BOB) == 0
    await library.deletions.delete(ANN, "t1")
    assert await library.used() == 50
    assert (await library.storage.usage(ANN.id)).available_bytes == QUOTA - 50


async def test_a_clip_counts_until_it_is_deleted(library: Replica) -> None:
    job = await library.running(kind="generation", output_folder="generations")
    await library.ledger.succeed(job.id, 1, result(clip=clip()), [], stored_bytes=500)
    assert await library.used() == 500
    await library.catalog.delete(ANN, job.id)
    assert await library.used() == 0


async def test_what_exceeds_the_quota_is_refused_and_exactly_the_quota_is_not(library: Replica) -> None:
    await library.upload("t1", 600)
    with pytest.raises(AppError) as refusal:
        await library.storage.reserve(ANN.id, "u1", 401)
    assert (refusal.value.reason, refusal.value.http_status) == ("QUOTA_EXCEEDED", 413)
    assert refusal.value.meta == {"limit_bytes": 1000, "used_bytes": 600, "required_bytes": 401}
    await library.storage.reserve(ANN.id, "u1", 400)
    assert await reason(library.storage.reserve(ANN.id, "u2", 1)) == "QUOTA_EXCEEDED"
    assert await reason(library.upload("u2", 1)) == "QUOTA_EXCEEDED"
    assert await library.track_docs.track("u2") is None
    await library.upload("u1", 400)  # its reservation becomes the track
    assert await library.used() == 1000
    await library.storage.reserve(BOB.id, "b1", 1000)


async def test_a_reservation_can_shrink_grow_end_and_expire(library: Replica) -> None:
    await library.storage.reserve(ANN.id, "u1", 900)
    await library.storage.reserve(ANN.id, "u1", 1000)
    await library.storage.reserve(ANN.id, "u1", 100)
    await library.storage.reserve(ANN.id, "u2", 900)
    await library.storage.release(ANN.id, "u2")
    await library.storage.release(ANN.id, "u2")
    assert await library.used() == 100
    CLOCK.time += 3601
    assert await library.used() == 0  # its process died
    await library.storage.reserve(ANN.id, "u3", 1000)


async def test_replicas_never_give_away_more_than_the_quota(replicas: Replicas) -> None:
    both = [await replicas.start(), await replicas.start()]

    async def upload(number: int) -> bool:
        replica = both[number % 2]
        with contextlib.suppress(AppError):
            await replica.storage.reserve(ANN.id, f"u{number}", 300)
            await asyncio.sleep(0)
            await replica.upload(f"u{number}", 300)
            return True
        return False

    stored = await asyncio.gather(*(upload(number) for number in range(16)))
    assert sum(stored) == 3
    assert await both[0].used() == await both[1].used() == 900


async def test_a_job_that_stores_files_is_refused_without_room_and_a_repeated_request_is_not(library: Replica) -> None:
    job, _ = await library.ledger.create(ANN, new(idempotency_key="k"))
    await library.upload("t1", 1000)
    assert await reason(library.ledger.create(ANN, new())) == "QUOTA_EXCEEDED"
    download = new(kind="download", track_id="t2", output_folder="", creates_track=True)
    assert await reason(library.ledger.create(ANN, download)) == "QUOTA_EXCEEDED"
    assert await library.track_docs.track("t2") is None
    again, existed = await library.ledger.create(ANN, new(idempotency_key="k"))
    assert (again.id, existed) == (job.id, True)
    await library.ledger.create(ANN, new(kind="analysis", output_folder=""))  # stores no files


async def test_the_end_of_an_attempt_frees_its_reservation(library: Replica) -> None:
    job = await library.running()
    await library.ledger.reserve_storage(job.id, 1, 700)
    assert await reason(library.ledger.reserve_storage(job.id, 2, 100)) == "ATTEMPT_STALE"
    await library.ledger.release(job.id, 1, 0.0, JobError("X", "x"), refund_attempt=False)
    assert await library.used() == 0
    job, _, _ = await library.ledger.claim(job.id, "w1", LEASE)
    await library.ledger.reserve_storage(job.id, 2, 700)
    await library.ledger.fail(job.id, 2, JobError("QUOTA_EXCEEDED", "no room"), False, [])
    assert await library.used() == 0


async def test_a_download_counts_once(library: Replica) -> None:
    job = await library.running("t1", kind="download", output_folder="", creates_track=True)
    await library.ledger.reserve_storage(job.id, 1, 600)
    assert await library.used() == 600
    found = dataclasses.replace(track("t1"), owner_id=ANN.id, size_bytes=600)
    await library.downloads.record(found)
    assert await library.used() == 600
    await library.downloads.record(found)  # the call is repeated
    await library.ledger.succeed(job.id, 1, result(), [])
    assert await library.used() == 600


async def test_a_download_that_does_not_fit_is_refused_before_it_is_stored(library: Replica) -> None:
    await library.upload("t1", 500)
    job = await library.running("t2", kind="download", output_folder="", creates_track=True)
    assert await reason(library.ledger.reserve_storage(job.id, 1, 501)) == "QUOTA_EXCEEDED"
    found = dataclasses.replace(track("t2"), owner_id=ANN.id, size_bytes=501)
    assert await reason(library.downloads.record(found)) == "QUOTA_EXCEEDED"
    assert await library.used() == 500


async def test_each_anonymous_identity_and_each_account_has_a_quota(replicas: Replicas, library: Replica) -> None:
    nobody = Principal(f"{ANONYMOUS_PREFIX}1", "anonymous")
    await library.upload("n1", 1000, nobody)
    assert await reason(library.upload("n2", 1, nobody)) == "QUOTA_EXCEEDED"
    await library.upload("n3", 1000, Principal(f"{ANONYMOUS_PREFIX}2", "anonymous"))
    replicas.quotas |= {ANN.id: 0, BOB.id: 10}
    await library.upload("a1", 10**12)
    assert (await library.storage.usage(ANN.id)).available_bytes is None
    assert await reason(library.upload("b1", 11, BOB)) == "QUOTA_EXCEEDED"
    replicas.quotas[ANN.id] = 10  # a smaller quota deletes nothing
    assert (await library.storage.usage(ANN.id)).available_bytes == 0
