"""Tracks whose audio is being downloaded, over the real document store."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ledger_world import ANN, BOB, LEASE, World, opened, reason, result, track

from kit.adapters.filesystem.blobs import FileBlobs
from kit.errors import AppError, Code
from services.library.jobs.service import Job, JobError, JobState, NewTrack
from services.library.tracks.deletions import TrackDeletions
from services.library.tracks.downloads import TrackDownloads
from services.library.tracks.service import PendingDownload, Track, TrackFilter, TrackSort, TrackStatus

NEW = NewTrack("Tune", "The Band", "Album", "spotify", "one", "https://spotify/one", "https://cover/one", 200.5)
FOUND = dataclasses.replace(
    track("t1"), owner_id=ANN.id, title="Found", artist="Found artist", blob_key="tracks/t1/j/1/original.mp3"
)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


def downloads(world: World) -> TrackDownloads:
    return TrackDownloads(world.track_docs, world.jobs, world.clock)


async def asked(world: World, **fields: Any) -> Job:
    world.clock.time += 1.0
    return await world.job(
        kind="download", track_id="t1", creates_track=True, output_folder="tracks/t1", new_track=NEW, **fields
    )


async def stored(world: World) -> Track:
    return await world.tracks.get(ANN, "t1")


async def pending(world: World) -> PendingDownload | None:
    [seen] = await downloads(world).with_states([await stored(world)])
    return seen.pending_download


async def found_by(world: World, status: TrackStatus | None) -> list[str]:
    chosen = TrackFilter("ann", status=status)
    tracks, count = await world.tracks.list_tracks(ANN, chosen, TrackSort.CREATE_TIME, True, 0, 10)
    assert count == len(tracks)
    return [track.id for track in tracks]


async def started(world: World, job: Job) -> Job:
    claimed, mine, _ = await world.ledger.claim(job.id, "w", LEASE)
    assert mine
    return claimed


async def test_the_track_is_there_as_soon_as_the_job_is(world: World) -> None:
    job = await asked(world)
    track = await stored(world)
    assert dataclasses.asdict(NEW).items() <= dataclasses.asdict(track).items()
    assert (track.owner_id, track.blob_key, track.create_time) == ("ann", "", world.clock.time)
    assert (job.track_create_time, track.download_job_id) == (track.create_time, job.id)
    assert await pending(world) == PendingDownload(job.id, JobState.QUEUED)
    assert await found_by(world, TrackStatus.PENDING) == await found_by(world, None) == ["t1"]
    for status in (TrackStatus.DOWNLOADED, TrackStatus.PROCESSED, TrackStatus.ANALYZED):
        assert await found_by(world, status) == []


async def test_the_download_completes_the_same_track(world: World) -> None:
    job = await asked(world)
    created = await stored(world)
    claimed = await started(world, job)
    await world.ledger.heartbeat(job.id, 1, LEASE, 0.25, "", [])
    assert await pending(world) == PendingDownload(job.id, JobState.RUNNING, 0.25)
    world.clock.time += 1.0
    await downloads(world).record(FOUND)
    await world.ledger.succeed(job.id, claimed.attempt, result(), [])
    track = await stored(world)
    assert (track.title, track.artist, track.blob_key) == ("Found", "Found artist", FOUND.blob_key)
    assert (track.create_time, track.update_time) == (created.create_time, world.clock.time)
    assert await pending(world) is None
    assert await found_by(world, TrackStatus.PENDING) == []
    assert await found_by(world, TrackStatus.DOWNLOADED) == ["t1"]


async def test_names_that_the_owner_edited_stay(world: World) -> None:
    await asked(world)
    await world.tracks.update(ANN, "t1", {"title": "Mine", "album": ""})
    await downloads(world).record(dataclasses.replace(FOUND, blob_key="", artist="Site artist"))
    track = await stored(world)
    assert (track.title, track.artist, track.album, track.blob_key) == ("Mine", "Site artist", "", "")
    await downloads(world).record(dataclasses.replace(FOUND, album="Found album"))
    track = await stored(world)
    assert (track.title, track.artist, track.album) == ("Mine", "Found artist", "")
    assert track.blob_key == FOUND.blob_key


async def test_audio_is_recorded_once(world: World) -> None:
    await asked(world)
    first = await downloads(world).record(FOUND)
    assert await downloads(world).record(FOUND) == first, "repeating a call is harmless"
    other = dataclasses.replace(FOUND, blob_key="tracks/t1/other/1/original.mp3")
    assert await reason(downloads(world).record(other)) == "AUDIO_EXISTS"
    assert await reason(downloads(world).record(dataclasses.replace(FOUND, owner_id=BOB.id))) == "ACCESS_DENIED"
    assert await reason(downloads(world).record(dataclasses.replace(FOUND, id="t2"))) == "TRACK_NOT_FOUND"
    assert (await stored(world)).blob_key == FOUND.blob_key


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_failed_download_is_shown_and_may_be_repeated(world: World, cancelled: bool) -> None:
    job = await asked(world)
    if cancelled:
        await world.ledger.cancel(ANN, job.id)
        expected = PendingDownload(job.id, JobState.CANCELLED, error=JobError("CANCELLED", "cancelled"))
    else:
        await started(world, job)
        await world.ledger.fail(job.id, 1, JobError("NO_MATCH", "Nothing was found."), False, [])
        expected = PendingDownload(job.id, JobState.FAILED, error=JobError("NO_MATCH", "Nothing was found."))
    assert await pending(world) == expected
    assert await found_by(world, TrackStatus.PENDING) == ["t1"]
    before = await stored(world)
    again = await asked(world)
    assert await pending(world) == PendingDownload(again.id, JobState.QUEUED)
    track = await stored(world)
    assert (track.create_time, again.track_create_time) == (before.create_time, before.create_time)
    claimed, mine, _ = await world.ledger.claim(again.id, "w", LEASE)
    assert (claimed.id, mine) == (again.id, True)


async def test_a_failure_that_will_be_repeated_is_not_shown(world: World) -> None:
    job = await asked(world)
    await started(world, job)
    await world.ledger.release(job.id, 1, 5.0, JobError("BUSY", "Later."), False)
    assert await pending(world) == PendingDownload(job.id, JobState.QUEUED)


@pytest.mark.parametrize("kind", ["separation", "analysis", "pipeline"])
async def test_nothing_else_runs_on_a_track_without_audio(world: World, kind: str) -> None:
    await asked(world)
    with pytest.raises(AppError) as refusal:
        await world.job(kind=kind, track_id="t1")
    assert (refusal.value.code, refusal.value.reason) == (Code.CONFLICT, "AUDIO_NOT_READY")
    assert "download" in refusal.value.message
    assert await reason(world.tracks.get(ANN, "t1", needs_audio=True)) == "AUDIO_NOT_READY"
    await downloads(world).record(FOUND)
    assert (await world.job(kind=kind, track_id="t1")).state is JobState.QUEUED
    assert (await world.tracks.get(ANN, "t1", needs_audio=True)).blob_key == FOUND.blob_key


async def crash_before_the_track(world: World, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Job:
    """The library dies after it stored the job of a download, and before it stores the track."""

    async def die(track: Track) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(world.track_docs, "insert_track", die)
        with pytest.raises(ConnectionError):
            await asked(world, **fields)
    [job], _ = await world.ledger.list_jobs(ANN, [], [], "", 0, 10)
    assert await reason(stored(world)) == "TRACK_NOT_FOUND"
    return job


async def test_a_crash_before_the_track_is_repaired_when_the_job_starts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await crash_before_the_track(world, monkeypatch)
    claimed = await started(world, job)
    track = await stored(world)
    assert (track.title, track.download_job_id, claimed.track_create_time) == ("Tune", job.id, track.create_time)
    assert await pending(world) == PendingDownload(job.id, JobState.RUNNING)


async def test_a_crash_before_the_track_is_repaired_when_the_request_is_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await crash_before_the_track(world, monkeypatch, idempotency_key="k")
    assert (await asked(world, idempotency_key="k")).id == job.id
    assert await pending(world) == PendingDownload(job.id, JobState.QUEUED)


async def test_a_crash_before_the_track_is_repaired_when_the_job_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await crash_before_the_track(world, monkeypatch)
    await world.ledger.get(ANN, job.id)
    assert await pending(world) == PendingDownload(job.id, JobState.QUEUED)


async def test_a_crash_after_the_audio_was_recorded_costs_nothing(world: World) -> None:
    job = await asked(world)
    await started(world, job)
    await downloads(world).record(FOUND)
    world.clock.time += LEASE + 1
    claimed, mine, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert (claimed.attempt, mine) == (2, True)
    assert (await world.ledger.succeed(job.id, 2, result(), [])).state is JobState.SUCCEEDED
    assert await pending(world) is None


async def test_a_track_whose_job_is_missing_shows_a_failure(world: World) -> None:
    await world.track_docs.insert_track(
        dataclasses.replace(track("t1"), owner_id="ann", blob_key="", download_job_id="gone")
    )
    seen = await pending(world)
    assert seen is not None
    assert (seen.state, seen.error and seen.error.reason) == (JobState.FAILED, "DOWNLOAD_LOST")


async def test_deleting_the_track_cancels_the_download(world: World, tmp_path: Path) -> None:
    deletions = TrackDeletions(world.track_docs, world.jobs, world.ledger, FileBlobs(tmp_path / "blobs"), world.clock)
    job = await started(world, await asked(world))
    await deletions.delete(ANN, "t1")
    assert await world.ledger.heartbeat(job.id, 1, LEASE, 0.5, "", []) is True, "the worker is asked to stop"
    assert await reason(downloads(world).record(FOUND)) == "TRACK_NOT_FOUND"
    assert (await world.ledger.fail(job.id, 1, JobError("X", "x"), False, [])).state is JobState.CANCELLED
    await deletions.resume()
    assert await world.track_docs.pending_deletions(10) == []
    again = await asked(world)  # the same recording again is a new track
    assert await pending(world) == PendingDownload(again.id, JobState.QUEUED)
    assert (await started(world, again)).track_create_time == world.clock.time


async def test_a_queued_download_of_a_deleted_track_never_starts(world: World, tmp_path: Path) -> None:
    job = await asked(world)
    await world.track_docs.remove_track("t1")  # the deletion dies here, before it cancels the job
    ended, mine, retry = await world.ledger.claim(job.id, "w", LEASE)
    assert (ended.state, mine, retry) == (JobState.CANCELLED, False, 0.0)
    assert await reason(stored(world)) == "TRACK_NOT_FOUND"


async def test_a_download_cannot_take_another_owners_track(world: World) -> None:
    await asked(world)
    assert (
        await reason(world.job(BOB, kind="download", track_id="t1", creates_track=True, new_track=NEW))
        == "ACCESS_DENIED"
    )
    assert (await stored(world)).owner_id == "ann"
