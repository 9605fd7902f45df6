"""Deletion of tracks, over the real document store and real files."""

import asyncio
import dataclasses
from typing import Any

import pytest
from library_fixture import ANN, LEASE, Library, interrupted, reason, result, track

from soundwright.kit.errors import AppError, Code
from soundwright.kit.worker.derived_files import waveform_key
from soundwright.services.library.jobs.service import Job, JobError, JobState
from soundwright.services.library.paging import PageRequest
from soundwright.services.library.tracks.records import Track, TrackDeletion, TrackFilter, TrackSort

FILE = "tracks/t1/original.wav"
CANCELLED = JobError("CANCELLED", "cancelled")


async def stored(library: Library, **fields: Any) -> Track:
    library.clock.advance(1)
    made = await library.tracks.create(ANN, track("t1", **{"blob_key": FILE, **fields}))
    await library.write(made.blob_key)
    return made


async def running(library: Library, kind: str = "separation", **fields: Any) -> Job:
    return await library.running(kind=kind, track_id="t1", **fields)


async def separated(library: Library) -> Job:
    """Return a finished separation whose files are stored."""
    job, stems = await running(library), result("vocals", "drums")
    keys = [f"stems/1/{job.id}/{stem.name}.flac" for stem in stems.outputs]
    await library.write(*keys)
    placed = [dataclasses.replace(stem, blob_key=key) for stem, key in zip(stems.outputs, keys, strict=True)]
    return await library.ledger.succeed(job.id, 1, dataclasses.replace(stems, outputs=placed), [])


async def pending(library: Library) -> int:
    return len([each async for each in library.track_docs.deletions.walk()])


async def test_nothing_of_a_track_is_left_but_its_jobs(library: Library) -> None:
    cover = (await stored(library, cover_blob_key="tracks/t1/cover.jpg")).cover_blob_key
    await library.write(cover, waveform_key(FILE))
    job = await separated(library)
    analysis = await running(library, "analysis")
    await library.ledger.succeed(analysis.id, 1, result(values='{"tempo": 120}'), [])
    waiting = await library.job(track_id="t1", kind="pipeline")
    other = await library.tracks.create(ANN, track("t2", blob_key="tracks/t2/original.wav"))
    await library.write(other.blob_key)
    before = await library.tracks.get(ANN, "t1")
    assert await library.track_docs.analysis(before) is not None
    latest = await library.tracks.stem_set(ANN, "t1")
    assert latest is not None

    await library.deletions.delete(ANN, "t1")

    assert library.files() == {other.blob_key}
    assert await reason(library.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    assert await reason(library.tracks.stem(ANN, latest.stems[0].id)) == "STEM_NOT_FOUND"
    assert await library.track_docs.analysis(before) is None
    states = [(await library.ledger.get(ANN, one.id)).state for one in (job, analysis, waiting)]
    assert states == [JobState.SUCCEEDED, JobState.SUCCEEDED, JobState.CANCELLED]
    chosen = TrackFilter("ann")
    left = (await library.tracks.list_tracks(ANN, chosen, TrackSort.CREATE_TIME, True, PageRequest(10))).entries
    assert [one.id for one in left] == ["t2"]
    assert await pending(library) == 0
    assert await reason(library.deletions.delete(ANN, "t1")) == "TRACK_NOT_FOUND"


async def test_many_can_delete_at_once(library: Library) -> None:
    await stored(library)
    await separated(library)
    calls = (library.deletions.delete(ANN, "t1") for _ in range(5))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    # A call that begins after another one has ended finds no track.
    assert {outcome.reason if isinstance(outcome, AppError) else outcome for outcome in outcomes} <= {
        None,
        "TRACK_NOT_FOUND",
    }
    assert None in outcomes
    assert await reason(library.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    await library.deletions.resume()
    assert (await pending(library), library.files()) == (0, set())


async def test_the_sweeper_may_be_faster_than_the_call(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    await stored(library)
    begin = library.track_docs.deletions.insert

    async def begin_and_sweep(deletion: TrackDeletion) -> None:
        await begin(deletion)
        assert await library.deletions.resume() == 1

    monkeypatch.setattr(library.track_docs.deletions, "insert", begin_and_sweep)
    await library.deletions.delete(ANN, "t1")
    assert await reason(library.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    assert (await pending(library), library.files()) == (0, set())


async def test_a_worker_that_comes_too_late_leaves_nothing(library: Library) -> None:
    await stored(library)
    job = await running(library)
    await library.deletions.delete(ANN, "t1")
    assert (await library.now(job)).cancel_requested
    assert await pending(library) == 1  # it may still write

    key = f"stems/1/{job.id}/vocals.flac"
    await library.write(key)
    ended = await library.ledger.succeed(job.id, 1, result("vocals"), [])
    assert (ended.state, ended.result, ended.error) == (JobState.CANCELLED, None, CANCELLED)
    assert await library.deletions.resume() == 1
    assert (library.files(), await pending(library)) == (set(), 0)


async def test_a_crash_after_the_first_step_is_made_good(library: Library) -> None:
    made = await stored(library)
    job = await separated(library)
    waiting = await library.job(track_id="t1")
    await library.track_docs.deletions.insert(
        TrackDeletion("d1", "t1", "ann", made.blob_key, made.create_time, library.clock.time)
    )
    assert await library.deletions.resume() == 1
    assert await reason(library.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
    assert (library.files(), await pending(library)) == (set(), 0)
    assert (await library.now(job)).state is JobState.SUCCEEDED
    assert (await library.now(waiting)).state is JobState.CANCELLED


async def test_files_that_cannot_be_removed_now_are_removed_later(library: Library) -> None:
    await stored(library)
    await separated(library)
    away = AppError(Code.UNAVAILABLE, "STORAGE_UNAVAILABLE", "The store does not answer.")
    with interrupted(library.blobs, "delete_prefix", away):
        await library.deletions.delete(ANN, "t1")
        assert await reason(library.tracks.get(ANN, "t1")) == "TRACK_NOT_FOUND"
        assert (len(library.files()), await pending(library)) == (2, 1)
        assert await library.deletions.resume() == 1  # nor does it keep the sweeper from its other work
        assert await pending(library) == 1
    await library.deletions.resume()
    assert (library.files(), await pending(library)) == (set(), 0)


async def test_what_was_filed_after_the_deletion_is_removed_again(library: Library) -> None:
    await stored(library)
    job = await separated(library)
    await library.deletions.delete(ANN, "t1")
    stems = [] if job.result is None else job.result.outputs
    assert stems
    # The worker had stored the result, and filed it only now.
    await library.ledger.store_results(dataclasses.replace(job, results_pending=True))
    assert [await library.track_docs.outputs.get(stem.id) for stem in stems] == [None, None]


async def test_a_job_that_is_created_during_the_deletion_is_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(library)
    insert = library.jobs.insert

    async def late(job: Job) -> None:
        await library.deletions.delete(ANN, "t1")
        await insert(job)

    monkeypatch.setattr(library.jobs, "insert", late)
    assert await reason(library.job(track_id="t1")) == "TRACK_NOT_FOUND"
    jobs = (await library.ledger.list_jobs(ANN, [], [], "t1", PageRequest(10))).entries
    assert [job.state for job in jobs] == [JobState.CANCELLED]


async def test_a_new_track_under_the_same_id_is_another_one(library: Library) -> None:
    """A recording that is downloaded again has the id that it had before."""
    await stored(library)
    await separated(library)
    unfinished, waiting = await running(library), await library.job(track_id="t1")
    await library.deletions.delete(ANN, "t1")
    again = await stored(library, blob_key="tracks/t1/job2/1/original.wav")
    # The deletion that is still under way takes nothing of it.
    await library.deletions.resume()
    assert await library.tracks.get(ANN, "t1") == dataclasses.replace(again, revision=1)
    assert library.files() == {again.blob_key}
    assert await library.tracks.stem_set(ANN, "t1") is None
    # What was for the old one does nothing for the new one.
    assert (await library.ledger.succeed(unfinished.id, 1, result("vocals"), [])).state is JobState.CANCELLED
    assert (await library.now(waiting)).state is JobState.CANCELLED
    assert (await library.tracks.get(ANN, "t1")).stem_count == 0
    fresh = await separated(library)
    await library.deletions.resume()
    assert await pending(library) == 0
    assert (await library.tracks.get(ANN, "t1")).stem_count == 2
    assert len(library.files()) == 3
    assert (await library.now(fresh)).state is JobState.SUCCEEDED


async def test_a_download_of_the_track_is_cancelled_and_a_later_one_is_not(library: Library) -> None:
    before = await library.running(
        kind="download", track_id="t1", creates_track=True, output_folder="tracks/t1"
    )  # this stores the track, too
    await library.write(f"tracks/t1/1/{before.id}/original.mp3")
    await library.deletions.delete(ANN, "t1")
    assert (await library.now(before)).cancel_requested
    assert library.files() == set()
    await library.ledger.fail(before.id, 1, JobError("X", "x"), False, [])
    assert (await library.now(before)).state is JobState.CANCELLED
    library.clock.advance(1)
    after = await library.job(kind="download", track_id="t1", creates_track=True, output_folder="tracks/t1")
    await library.deletions.resume()
    claimed, mine, _ = await library.ledger.claim(after.id, "w", LEASE)
    assert (claimed.state, mine) == (JobState.RUNNING, True)
    jobs = (await library.ledger.list_jobs(ANN, [], [], "t1", PageRequest(10))).entries
    assert {job.id for job in jobs} == {before.id, after.id}
