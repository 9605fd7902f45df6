"""Tracks whose audio is being downloaded, over the real document store."""

import dataclasses
from typing import Any

import pytest
from library_fixture import ANN, BOB, LEASE, Library, dying, reason, result, track

from soundwright.kit.errors import AppError, Code
from soundwright.services.library.jobs.service import Job, JobError, JobState, NewTrack
from soundwright.services.library.paging import PageRequest
from soundwright.services.library.tracks.downloads import TrackDownloads
from soundwright.services.library.tracks.records import PendingDownload, Track, TrackFilter, TrackSort, TrackStatus

NEW = NewTrack("Tune", "The Band", "Album", "spotify", "one", "https://spotify/one", "https://cover/one", 200.5)
FOUND = dataclasses.replace(
    track("t1"), owner_id=ANN.id, title="Found", artist="Found artist", blob_key="tracks/t1/j/1/original.mp3"
)


def downloads(library: Library) -> TrackDownloads:
    return library.downloads


async def asked(library: Library, **fields: Any) -> Job:
    library.clock.advance(1.0)
    return await library.job(
        kind="download", track_id="t1", creates_track=True, output_folder="tracks/t1", new_track=NEW, **fields
    )


async def stored(library: Library) -> Track:
    return await library.tracks.get(ANN, "t1")


async def pending(library: Library) -> PendingDownload | None:
    [seen] = await library.downloads.with_states([await stored(library)])
    return seen.pending_download


async def found_by(library: Library, status: TrackStatus | None) -> list[str]:
    chosen = TrackFilter("ann", status=status)
    page = await library.tracks.list_tracks(ANN, chosen, TrackSort.CREATE_TIME, True, PageRequest(10))
    assert page.total_count == len(page.entries)
    return [track.id for track in page.entries]


async def started(library: Library, job: Job) -> Job:
    return await library.start(job)


async def test_the_track_is_there_as_soon_as_the_job_is(library: Library) -> None:
    job = await asked(library)
    track = await stored(library)
    assert dataclasses.asdict(NEW).items() <= dataclasses.asdict(track).items()
    assert (track.owner_id, track.blob_key, track.create_time) == ("ann", "", library.clock.time)
    assert (job.track_create_time, track.download_job_id) == (track.create_time, job.id)
    assert await pending(library) == PendingDownload(job.id, JobState.QUEUED)
    assert await found_by(library, TrackStatus.PENDING) == await found_by(library, None) == ["t1"]
    for status in (TrackStatus.DOWNLOADED, TrackStatus.PROCESSED, TrackStatus.ANALYZED):
        assert await found_by(library, status) == []


async def test_the_download_completes_the_same_track(library: Library) -> None:
    job = await asked(library)
    created = await stored(library)
    claimed = await started(library, job)
    await library.ledger.heartbeat(job.id, 1, LEASE, 0.25, "", [])
    assert await pending(library) == PendingDownload(job.id, JobState.RUNNING, 0.25)
    library.clock.advance(1.0)
    await library.downloads.record(FOUND)
    await library.ledger.succeed(job.id, claimed.attempt, result(), [])
    track = await stored(library)
    assert (track.title, track.artist, track.blob_key) == ("Found", "Found artist", FOUND.blob_key)
    assert (track.create_time, track.update_time) == (created.create_time, library.clock.time)
    assert await pending(library) is None
    assert await found_by(library, TrackStatus.PENDING) == []
    assert await found_by(library, TrackStatus.DOWNLOADED) == ["t1"]


async def test_names_that_the_owner_edited_stay(library: Library) -> None:
    await asked(library)
    await library.tracks.update(ANN, "t1", {"title": "Mine", "album": ""})
    await library.downloads.record(dataclasses.replace(FOUND, blob_key="", artist="Site artist"))
    track = await stored(library)
    assert (track.title, track.artist, track.album, track.blob_key) == ("Mine", "Site artist", "", "")
    await library.downloads.record(dataclasses.replace(FOUND, album="Found album"))
    track = await stored(library)
    assert (track.title, track.artist, track.album) == ("Mine", "Found artist", "")
    assert track.blob_key == FOUND.blob_key


async def test_audio_is_recorded_once(library: Library) -> None:
    await asked(library)
    first = await library.downloads.record(FOUND)
    assert await library.downloads.record(FOUND) == first, "repeating a call is harmless"
    other = dataclasses.replace(FOUND, blob_key="tracks/t1/other/1/original.mp3")
    assert await reason(library.downloads.record(other)) == "AUDIO_EXISTS"
    assert await reason(library.downloads.record(dataclasses.replace(FOUND, owner_id=BOB.id))) == "ACCESS_DENIED"
    assert await reason(library.downloads.record(dataclasses.replace(FOUND, id="t2"))) == "TRACK_NOT_FOUND"
    assert (await stored(library)).blob_key == FOUND.blob_key


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_failed_download_is_shown_and_may_be_repeated(library: Library, cancelled: bool) -> None:
    job = await asked(library)
    if cancelled:
        await library.ledger.cancel(ANN, job.id)
        expected = PendingDownload(job.id, JobState.CANCELLED, error=JobError("CANCELLED", "cancelled"))
    else:
        await started(library, job)
        await library.ledger.fail(job.id, 1, JobError("NO_MATCH", "Nothing was found."), False, [])
        expected = PendingDownload(job.id, JobState.FAILED, error=JobError("NO_MATCH", "Nothing was found."))
    assert await pending(library) == expected
    assert await found_by(library, TrackStatus.PENDING) == ["t1"]
    before = await stored(library)
    again = await asked(library)
    assert await pending(library) == PendingDownload(again.id, JobState.QUEUED)
    track = await stored(library)
    assert (track.create_time, again.track_create_time) == (before.create_time, before.create_time)
    claimed, mine, _ = await library.ledger.claim(again.id, "w", LEASE)
    assert (claimed.id, mine) == (again.id, True)


async def test_a_failure_that_will_be_repeated_is_not_shown(library: Library) -> None:
    job = await asked(library)
    await started(library, job)
    await library.ledger.release(job.id, 1, 5.0, JobError("BUSY", "Later."), False)
    assert await pending(library) == PendingDownload(job.id, JobState.QUEUED)


@pytest.mark.parametrize("kind", ["separation", "analysis", "pipeline"])
async def test_nothing_else_runs_on_a_track_without_audio(library: Library, kind: str) -> None:
    await asked(library)
    with pytest.raises(AppError) as refusal:
        await library.job(kind=kind, track_id="t1")
    assert (refusal.value.code, refusal.value.reason) == (Code.CONFLICT, "AUDIO_NOT_READY")
    assert "download" in refusal.value.message
    assert await reason(library.tracks.get(ANN, "t1", needs_audio=True)) == "AUDIO_NOT_READY"
    await library.downloads.record(FOUND)
    assert (await library.job(kind=kind, track_id="t1")).state is JobState.QUEUED
    assert (await library.tracks.get(ANN, "t1", needs_audio=True)).blob_key == FOUND.blob_key


@pytest.mark.parametrize("repair", ["start", "repeat", "read"])
async def test_a_crash_between_the_job_and_its_track_is_repaired(library: Library, repair: str) -> None:
    """When the job starts, when the request is repeated, and when the job is read."""
    with dying(library.track_docs, "insert"):
        await asked(library, idempotency_key="k")
    [job] = (await library.ledger.list_jobs(ANN, [], [], "", PageRequest(10))).entries
    assert await reason(stored(library)) == "TRACK_NOT_FOUND"
    if repair == "start":
        job = await started(library, job)
    elif repair == "repeat":
        assert (await asked(library, idempotency_key="k")).id == job.id
    else:
        await library.ledger.get(ANN, job.id)
    track = await stored(library)
    assert (track.title, track.download_job_id) == ("Tune", job.id)
    assert repair != "start" or job.track_create_time == track.create_time
    assert await pending(library) == PendingDownload(job.id, job.state)


async def test_a_track_whose_job_is_missing_shows_a_failure(library: Library) -> None:
    await library.track_docs.insert(track("t1", owner_id="ann", blob_key="", download_job_id="gone"))
    seen = await pending(library)
    assert seen is not None
    assert (seen.state, seen.error and seen.error.reason) == (JobState.FAILED, "DOWNLOAD_LOST")


async def test_a_download_cannot_take_another_owners_track(library: Library) -> None:
    await asked(library)
    call = library.job(BOB, kind="download", track_id="t1", creates_track=True, new_track=NEW)
    assert await reason(call) == "ACCESS_DENIED"
    assert (await stored(library)).owner_id == "ann"
