"""Deletion of tracks, over the real document store and real files."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ledger_world import ANN, BOB, LEASE, World, opened, reason, result, track

from kit.adapters.filesystem.blobs import FileBlobs
from kit.errors import AppError, Code
from services.library.jobs.service import Job, JobError, JobState
from services.library.tracks.deletions import TrackDeletions
from services.library.tracks.service import Track, TrackDeletion, TrackFilter, TrackSort

FILE = "tracks/t1/original.wav"


class Library:
    """A world with files, and what takes tracks out of it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.root = folder
        self.blobs = FileBlobs(folder)
        self.deletions = TrackDeletions(world.track_docs, world.jobs, world.ledger, self.blobs, world.clock)

    async def track(self, **fields: Any) -> Track:
        self.world.clock.time += 1.0
        made = await self.world.tracks.create(ANN, dataclasses.replace(track("t1"), **{"blob_key": FILE, **fields}))
        await self.write(made.blob_key)
        return made

    async def write(self, *keys: str) -> None:
        for key in keys:
            async with self.blobs.write(key) as writer:
                await writer.write(b"sound")

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}

    async def running(self, kind: str = "separation") -> Job:
        return await self.world.running(kind=kind, track_id="t1")

    async def separated(self, layout: str = "stems/1/{job_id}") -> Job:
        """Return a finished separation whose files are stored."""
        job = await self.running()
        stems = result("vocals", "drums")
        keys = [f"{layout.format(job_id=job.id)}/{stem.name}.flac" for stem in stems.outputs]
        await self.write(*keys)
        placed = [dataclasses.replace(stem, blob_key=key) for stem, key in zip(stems.outputs, keys, strict=True)]
        return await self.world.ledger.succeed(job.id, 1, dataclasses.replace(stems, outputs=placed), [])

    async def pending(self) -> int:
        return len(await self.world.track_docs.pending_deletions(10))


@pytest_asyncio.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    async with opened(tmp_path) as world:
        library = Library(world, tmp_path / "blobs")
        yield library
        await library.blobs.close()


@pytest.mark.parametrize("layout", ["stems/1/{job_id}", "stems/{job_id}/1"], ids=["current", "old"])
async def test_nothing_of_a_track_is_left_but_its_jobs(library: Library, layout: str) -> None:
    await library.track()
    job = await library.separated(layout)
    analysis = await library.running("analysis")
    await library.world.ledger.succeed(analysis.id, 1, result(values='{"tempo": 120}'), [])
    waiting = await library.world.job(track_id="t1", kind="pipeline")
    other = await library.world.tracks.create(ANN, dataclasses.replace(track("t2"), blob_key="tracks/t2/original.wav"))
    await library.write(other.blob_key)
    latest = await library.world.tracks.stem_set(ANN, "t1")
    assert latest is not None

    await library.deletions.delete(ANN, "t1")

    assert library.files() == {other.blob_key}
    assert await reason(library.world.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    assert await reason(library.world.tracks.stem(ANN, latest.stems[0].id)) == "STEM_NOT_FOUND"
    assert await library.world.track_docs.analysis("t1") is None
    states = [(await library.world.ledger.get(ANN, one.id)).state for one in (job, analysis, waiting)]
    assert states == [JobState.SUCCEEDED, JobState.SUCCEEDED, JobState.CANCELLED]
    chosen = TrackFilter("ann")
    left, _ = await library.world.tracks.list_tracks(ANN, chosen, TrackSort.CREATE_TIME, True, 0, 10)
    assert [one.id for one in left] == ["t2"]
    assert await library.pending() == 0
    assert await reason(library.deletions.delete(ANN, "t1")) == "TRACK_NOT_FOUND"


async def test_only_the_owner_deletes(library: Library) -> None:
    await library.track()
    assert await reason(library.deletions.delete(BOB, "t1")) == "ACCESS_DENIED"
    assert await reason(library.deletions.delete(ANN, "t2")) == "TRACK_NOT_FOUND"
    assert library.files() == {FILE}
    assert await library.pending() == 0


async def test_many_can_delete_at_once(library: Library) -> None:
    await library.track()
    await library.separated()
    calls = (library.deletions.delete(ANN, "t1") for _ in range(5))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    # A call that begins after another one has ended finds no track.
    assert {outcome.reason if isinstance(outcome, AppError) else outcome for outcome in outcomes} <= {
        None,
        "TRACK_NOT_FOUND",
    }
    assert None in outcomes
    assert await reason(library.world.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    await library.deletions.resume()
    assert (await library.pending(), library.files()) == (0, set())


async def test_the_sweeper_may_be_faster_than_the_call(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    await library.track()
    begin = library.world.track_docs.begin_deletion

    async def begin_and_sweep(deletion: TrackDeletion) -> None:
        await begin(deletion)
        assert await library.deletions.resume() == 1

    monkeypatch.setattr(library.world.track_docs, "begin_deletion", begin_and_sweep)
    await library.deletions.delete(ANN, "t1")
    assert await reason(library.world.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    assert (await library.pending(), library.files()) == (0, set())


async def test_a_worker_that_comes_too_late_leaves_nothing(library: Library) -> None:
    await library.track()
    job = await library.running()
    await library.deletions.delete(ANN, "t1")
    assert (await library.world.now(job)).cancel_requested
    assert await library.pending() == 1  # it may still write

    key = f"stems/1/{job.id}/vocals.flac"
    await library.write(key)
    ended = await library.world.ledger.succeed(job.id, 1, result("vocals"), [])
    assert (ended.state, ended.result, ended.error) == (JobState.CANCELLED, None, JobError("CANCELLED", "cancelled"))
    assert await library.deletions.resume() == 1
    assert (library.files(), await library.pending()) == (set(), 0)


async def test_a_job_that_fails_for_want_of_its_track_was_cancelled(library: Library) -> None:
    await library.track()
    job = await library.running()
    await library.deletions.delete(ANN, "t1")
    failed = await library.world.ledger.fail(job.id, 1, JobError("BLOB_NOT_FOUND", "no file"), False, [])
    assert (failed.state, failed.error) == (JobState.CANCELLED, JobError("CANCELLED", "cancelled"))


async def test_a_dead_workers_job_is_cancelled_too(library: Library) -> None:
    await library.track()
    job = await library.running()
    await library.write(f"stems/1/{job.id}/vocals.flac")
    await library.deletions.delete(ANN, "t1")
    library.world.clock.time += LEASE + 100
    await library.world.sweeper.sweep()  # queued again, and nobody takes it up
    assert (await library.world.now(job)).state is JobState.QUEUED
    await library.deletions.resume()
    assert (await library.world.now(job)).state is JobState.CANCELLED
    assert (library.files(), await library.pending()) == (set(), 0)


async def test_a_crash_after_the_first_step_is_made_good(library: Library) -> None:
    made = await library.track()
    job = await library.separated()
    waiting = await library.world.job(track_id="t1")
    await library.world.track_docs.begin_deletion(
        TrackDeletion("d1", "t1", "ann", made.blob_key, made.create_time, library.world.clock.time)
    )
    assert await library.deletions.resume() == 1
    assert await reason(library.world.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    assert (library.files(), await library.pending()) == (set(), 0)
    assert (await library.world.now(job)).state is JobState.SUCCEEDED
    assert (await library.world.now(waiting)).state is JobState.CANCELLED


async def test_files_that_cannot_be_removed_now_are_removed_later(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await library.track()
    await library.separated()

    async def away(_prefix: str) -> int:
        raise AppError(Code.UNAVAILABLE, "STORAGE_UNAVAILABLE", "The store does not answer.")

    monkeypatch.setattr(library.blobs, "delete_prefix", away)
    await library.deletions.delete(ANN, "t1")
    assert await reason(library.world.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    assert (len(library.files()), await library.pending()) == (2, 1)
    assert await library.deletions.resume() == 1  # nor does it keep the sweeper from its other work
    assert await library.pending() == 1
    monkeypatch.undo()
    await library.deletions.resume()
    assert (library.files(), await library.pending()) == (set(), 0)


async def test_what_was_filed_after_the_deletion_is_removed_again(library: Library) -> None:
    await library.track()
    job = await library.separated()
    await library.deletions.delete(ANN, "t1")
    stems = [] if job.result is None else job.result.outputs
    assert stems
    # The worker had stored the result, and filed it only now.
    await library.world.ledger.store_results(dataclasses.replace(job, results_pending=True))
    assert [await library.world.track_docs.output(stem.id) for stem in stems] == [None, None]


async def test_a_job_that_is_created_during_the_deletion_is_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await library.track()
    insert = library.world.jobs.insert_job

    async def late(job: Job) -> None:
        await library.deletions.delete(ANN, "t1")
        await insert(job)

    monkeypatch.setattr(library.world.jobs, "insert_job", late)
    assert await reason(library.world.job(track_id="t1")) == "TRACK_NOT_FOUND"
    jobs, _ = await library.world.ledger.list_jobs(ANN, [], [], "t1", 0, 10)
    assert [job.state for job in jobs] == [JobState.CANCELLED]


async def test_a_new_track_under_the_same_id_is_another_one(library: Library) -> None:
    """A recording that is downloaded again has the id that it had before."""
    await library.track()
    await library.separated()
    running, waiting = await library.running(), await library.world.job(track_id="t1")
    await library.deletions.delete(ANN, "t1")
    again = await library.track(blob_key="tracks/t1/job2/1/original.wav")
    # The deletion that is still under way takes nothing of it.
    await library.deletions.resume()
    assert await library.world.tracks.get(ANN, "t1") == dataclasses.replace(again, revision=1)
    assert library.files() == {again.blob_key}
    assert await library.world.tracks.stem_set(ANN, "t1") is None
    # What was for the old one does nothing for the new one.
    assert (await library.world.ledger.succeed(running.id, 1, result("vocals"), [])).state is JobState.CANCELLED
    assert (await library.world.now(waiting)).state is JobState.CANCELLED
    assert (await library.world.tracks.get(ANN, "t1")).stem_count == 0
    fresh = await library.separated()
    await library.deletions.resume()
    assert await library.pending() == 0
    assert (await library.world.tracks.get(ANN, "t1")).stem_count == 2
    assert len(library.files()) == 3
    assert (await library.world.now(fresh)).state is JobState.SUCCEEDED


async def test_a_download_of_the_track_is_cancelled_and_a_later_one_is_not(library: Library) -> None:
    before = await library.world.running(
        kind="download", track_id="t1", creates_track=True, output_folder="tracks/t1"
    )  # this stores the track, too
    await library.write(f"tracks/t1/1/{before.id}/original.mp3")
    await library.deletions.delete(ANN, "t1")
    assert (await library.world.now(before)).cancel_requested
    assert library.files() == set()
    await library.world.ledger.fail(before.id, 1, JobError("X", "x"), False, [])
    assert (await library.world.now(before)).state is JobState.CANCELLED
    library.world.clock.time += 1
    after = await library.world.job(kind="download", track_id="t1", creates_track=True, output_folder="tracks/t1")
    await library.deletions.resume()
    claimed, mine, _ = await library.world.ledger.claim(after.id, "w", LEASE)
    assert (claimed.state, mine) == (JobState.RUNNING, True)
    jobs, _ = await library.world.ledger.list_jobs(ANN, [], [], "t1", 0, 10)
    assert {job.id for job in jobs} == {before.id, after.id}
