"""Retention: what is deleted when, and what is kept although it is old."""

import base64
import dataclasses
from typing import Any

import pytest
from library_fixture import ANN, DAY, Library, clip, details, new, result, track

from soundwright.kit.security.identity import Principal
from soundwright.services.library.identity.administration import AuditEntry
from soundwright.services.library.jobs.batches import NewBatch
from soundwright.services.library.jobs.service import Job, JobError, PackedMessage
from soundwright.services.library.retention.app import build_retention
from soundwright.services.library.retention.service import Retention, Summary, table
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.webhooks.records import Delivery


def retention(library: Library, **days: float) -> Retention:
    settings = LibrarySettings(**{f"keep_{name}_days": value for name, value in days.items()})  # type: ignore[arg-type]
    return build_retention(settings, library.docs, library.stores, library.blobs, library.ledger, library.clock)


async def stored(library: Library, track_id: str, owner: Principal = ANN, **fields: Any) -> None:
    key = await library.write(f"tracks/{track_id}/original.wav")
    await library.tracks.create(owner, track(track_id, blob_key=key, size_bytes=5, **fields))


async def done(library: Library, folder: str, track_id: str, **fields: Any) -> Job:
    """Return a finished job with one file of 5 bytes."""
    job = await library.running(kind=folder, track_id=track_id, output_folder=folder)
    made = result("vocals", **fields)
    key = await library.write(f"{folder}/1/{job.id}/vocals.flac")
    outputs = [dataclasses.replace(output, blob_key=key, size_bytes=5) for output in made.outputs]
    return await library.ledger.succeed(job.id, 1, dataclasses.replace(made, outputs=outputs), [])


async def generated(library: Library) -> str:
    """Store a clip of 5 bytes, and return its ID."""
    job = await library.running(kind="generation", output_folder="generations")
    key = await library.write(f"generations/1/{job.id}/audio.wav")
    made = clip(audio_blob_key=key, audio_size_bytes=5)
    await library.ledger.succeed(job.id, 1, result("audio", "spectrogram", clip=made, outputs_are_stems=False), [])
    return job.id


async def failed(library: Library, job: Job) -> None:
    await library.ledger.fail(job.id, 1, JobError("X", "It failed."), False, [])


async def told(library: Library) -> None:
    """Record the ends of all jobs for webhooks, as the library does."""
    for job in await library.jobs.jobs_with_pending_webhooks(100):
        assert await library.jobs.replace(dataclasses.replace(job, webhooks_pending=None))


async def kept(library: Library, *job_ids: str) -> list[str]:
    """Return the IDs of the jobs whose records are kept."""
    return [job_id for job_id in job_ids if await library.jobs.get(job_id) is not None]


async def applied(retention: Retention) -> dict[str, Summary]:
    """Apply the rules. What they delete is what the preview showed, and nothing is left to delete."""
    shown = await retention.preview()
    assert await retention.apply() == shown
    assert sum(summary.count for summary in await retention.preview()) == 0
    return {summary.rule: summary for summary in shown if summary.count}


async def test_nothing_is_deleted_by_default(library: Library) -> None:
    await stored(library, "t1", download_job_id="d1")
    await done(library, "stems", "t1")
    await generated(library)
    before = library.files()
    library.clock.advance(10_000 * DAY)
    assert await applied(retention(library)) == {}
    assert library.files() == before


async def test_stems_are_deleted_at_their_age_and_the_track_says_so(library: Library) -> None:
    await stored(library, "t1")
    begin = library.clock.now()
    old = await done(library, "stems", "t1")
    library.clock.advance(5 * DAY)
    await stored(library, "t2")
    new_job = await done(library, "stems", "t2")
    rule = retention(library, stems=10)
    library.clock.time = begin + 10 * DAY
    assert await applied(rule) == {}
    library.clock.advance(1)
    assert await applied(rule) == {"stems": Summary("stems", 10, 1, 5, begin)}
    assert library.files() == {
        "tracks/t1/original.wav", "tracks/t2/original.wav", f"stems/1/{new_job.id}/vocals.flac"
    }  # fmt: skip
    assert [(await library.tracks.get(ANN, each)).stem_count for each in ("t1", "t2")] == [0, 1]
    assert await library.tracks.stem_set(ANN, "t1") is None
    assert (await library.now(old)).state == "succeeded"


async def test_each_folder_has_a_rule_of_its_own(library: Library) -> None:
    await stored(library, "t1")
    for folder in ("stems", "pipeline", "exports"):
        await done(library, folder, "t1", outputs_are_stems=folder == "stems")
    library.clock.advance(100 * DAY)
    assert set(await applied(retention(library, exports=1, pipeline=200))) == {"exports"}
    assert {name.split("/")[0] for name in library.files()} == {"tracks", "stems", "pipeline"}


@pytest.mark.parametrize("rule", ["stems", "downloads"])
async def test_a_track_with_an_unfinished_job_is_kept_until_its_end(library: Library, rule: str) -> None:
    await stored(library, "t1", download_job_id="d1")
    await done(library, "stems", "t1")
    library.clock.advance(100 * DAY)
    waiting = await library.job(track_id="t1", kind="analysis")
    before = library.files()
    assert await applied(retention(library, **{rule: 1})) == {}
    assert library.files() == before
    await library.ledger.cancel(ANN, waiting.id)
    assert set(await applied(retention(library, **{rule: 1}))) == {rule}


async def test_downloaded_tracks_go_with_their_results_and_uploads_stay(library: Library) -> None:
    await stored(library, "uploaded")
    await stored(library, "downloaded", download_job_id="d1")
    await done(library, "stems", "downloaded")
    library.clock.advance(100 * DAY)
    deleted = await applied(retention(library, downloads=30))
    assert (deleted["downloads"].count, deleted["downloads"].size_bytes) == (1, 10)
    assert library.files() == {"tracks/uploaded/original.wav"}


async def test_uploads_of_callers_without_an_account_end_with_their_results(library: Library) -> None:
    nobody = Principal("address:1", "anonymous", "address:1", "key")
    await stored(library, "theirs", nobody)
    await stored(library, "mine")
    job, _ = await library.ledger.create(nobody, new(kind="pipeline", track_id="theirs", output_folder="pipeline"))
    await library.start(job)
    key = await library.write(f"pipeline/1/{job.id}/vocals.wav")
    made = result("vocals")
    outputs = [dataclasses.replace(output, blob_key=key, size_bytes=5) for output in made.outputs]
    library.clock.advance(31 * DAY)
    assert await applied(retention(library)) == {}  # while the job runs
    await library.ledger.succeed(job.id, 1, dataclasses.replace(made, outputs=outputs), [])
    assert set(await applied(retention(library))) == {"anonymous"}
    assert library.files() == {"tracks/mine/original.wav"}


async def test_clips_in_use_are_kept(library: Library) -> None:
    old, favorite, listed, continued = [await generated(library) for _ in range(4)]
    await library.favorites.add(ANN, favorite)
    playlist = await library.playlists.create(ANN, "mine", "", is_public=False)
    await library.playlists.add(ANN, playlist.id, listed)
    spec = PackedMessage("type.googleapis.com/test", base64.b64encode(b"\x0a$" + continued.encode()).decode())
    job, _ = await library.ledger.create(ANN, new(kind="generation", spec=spec))
    library.clock.advance(100 * DAY)
    deleted = await applied(retention(library, clips=30))
    assert (deleted["clips"].count, deleted["clips"].size_bytes) == (1, 5)
    assert {name.split("/")[2] for name in library.files()} == {favorite, listed, continued}
    await library.ledger.cancel(ANN, job.id)
    assert (await applied(retention(library, clips=30)))["clips"].count == 1
    assert {name.split("/")[2] for name in library.files()} == {favorite, listed}
    assert old not in str(library.files())


async def test_the_audit_log_keeps_recent_entries(library: Library) -> None:
    for number in range(3):
        library.clock.advance(DAY)
        entry = AuditEntry(str(number), "root", "r@x", "ban", "user", "u", "{}", "", library.clock.now())
        await library.stores.identity.audit.add(entry)
    assert (await applied(retention(library, audit=1)))["audit"].count == 1
    entries, total = await library.stores.identity.list_audit(0, 10)
    assert ([entry.id for entry in entries], total) == (["2", "1"], 2)


async def test_records_of_jobs_are_deleted_after_their_end_once_their_files_are(library: Library) -> None:
    await stored(library, "t1")
    broken, running = await library.running(), await library.running()
    with_files, clip_id = await done(library, "stems", "t1"), await generated(library)
    library.clock.advance(5 * DAY)
    await failed(library, broken)
    await told(library)
    jobs = retention(library, jobs=10)
    library.clock.advance(10 * DAY)
    assert await applied(jobs) == {}
    library.clock.advance(1)
    assert set(await applied(jobs)) == {"jobs"}
    assert await kept(library, broken.id, running.id, with_files.id, clip_id) == [running.id, with_files.id, clip_id]
    # Without its files, a record is deleted, too, in the next round.
    assert set(await applied(retention(library, stems=1, clips=1))) == {"stems", "clips"}
    assert (await applied(jobs))["jobs"].count == 2
    assert await kept(library, running.id, with_files.id, clip_id) == [running.id]
    for collection in ("outputs", "clips", "deleted_clips"):
        assert await library.docs.find(collection, {}, limit=10) == [], f"something is left in {collection}"


async def test_outputs_of_a_clip_that_an_earlier_version_deleted_go_with_its_job(library: Library) -> None:
    clip_id = await generated(library)
    outputs = await library.docs.find("outputs", {"job_id": clip_id}, limit=10)
    assert len(outputs) == 2
    library.clock.advance(100 * DAY)
    await told(library)
    await applied(retention(library, clips=1))
    for output in outputs:  # earlier versions left them
        await library.docs.insert("outputs", {field: value for field, value in output.items() if field != "revision"})
    assert (await applied(retention(library, jobs=1)))["jobs"].count == 1
    assert await library.docs.find("outputs", {}, limit=10) == []


async def test_the_record_of_a_job_is_kept_while_its_webhooks_wait(library: Library) -> None:
    job = await library.running()
    await failed(library, job)
    library.clock.advance(100 * DAY)
    assert await applied(retention(library, jobs=10)) == {}
    await told(library)
    assert (await applied(retention(library, jobs=10)))["jobs"].count == 1


async def test_the_records_of_the_jobs_of_a_batch_go_after_its_own(library: Library) -> None:
    wanted = NewBatch([new(output_folder="")] * 2, details(""), "c1")
    record, jobs, _ = await library.ledger.create_batch(ANN, wanted)
    await library.ledger.cancel(ANN, jobs[0].id)
    library.clock.advance(5 * DAY)
    await library.ledger.cancel(ANN, jobs[1].id)
    await told(library)
    library.clock.advance(7 * DAY)
    assert await applied(retention(library, jobs=10)) == {}, "the batch has not ended ten days ago"
    library.clock.advance(5 * DAY)
    await retention(library, jobs=10).apply()
    assert await library.jobs.get(record.id) is None
    await retention(library, jobs=10).apply()
    assert await library.jobs.by_ids([job.id for job in jobs]) == {}


async def test_the_record_of_a_download_is_kept_while_its_track_shows_it(library: Library) -> None:
    await library.tracks.create(ANN, track("t1", blob_key="", size_bytes=0))
    job = await library.running(kind="download", track_id="t1", creates_track=True)
    await failed(library, job)
    await told(library)
    library.clock.advance(100 * DAY)
    assert await applied(retention(library, jobs=10)) == {}
    pending = await library.track_docs.get("t1")
    assert pending is not None
    assert await library.track_docs.replace(dataclasses.replace(pending, blob_key="tracks/t1/original.wav"))
    assert (await applied(retention(library, jobs=10)))["jobs"].count == 1


async def test_the_log_of_webhook_deliveries_is_kept_for_thirty_days_by_default(library: Library) -> None:
    for name, due_time in (("sent", None), ("waiting", library.clock.now())):
        delivery = Delivery(name, "w", "ann", "m", "ping", "{}", library.clock.now(), due_time=due_time)
        await library.stores.webhooks.deliveries.add(delivery)
    library.clock.advance(30 * DAY)
    assert await applied(retention(library)) == {}
    library.clock.advance(1)
    assert await applied(retention(library, deliveries=0)) == {}
    assert (await applied(retention(library)))["deliveries"].count == 1
    assert await library.stores.webhooks.deliveries.get("sent") is None
    assert await library.stores.webhooks.deliveries.get("waiting") is not None


async def test_a_deletion_that_fails_stops_no_other_and_is_continued(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(library, "t1")
    await done(library, "stems", "t1")
    library.clock.advance(100 * DAY)
    rule = retention(library, stems=1)
    with monkeypatch.context() as patched:
        patched.setattr(library.track_docs, "remove_results", None)
        assert sum(summary.count for summary in await rule.apply()) == 0
    assert set(await applied(rule)) == {"stems"}
    assert library.files() == {"tracks/t1/original.wav"}


async def test_a_rule_that_fails_stops_no_other(library: Library) -> None:
    await stored(library, "t1")
    await done(library, "stems", "t1")
    await library.docs.insert("jobs", {"id": "damaged", "create_time": 0.0})
    library.clock.advance(100 * DAY)
    assert [summary.rule for summary in await retention(library, jobs=1, stems=1).apply() if summary.count] == ["stems"]


def test_the_table_shows_each_rule() -> None:
    lines = table([Summary("stems", 30.0, 2, 1000, 0.0), Summary("audit", 0.0)]).splitlines()
    assert [line.split() for line in lines] == [
        ["rule", "days", "count", "bytes", "oldest"],
        ["stems", "30", "2", "1000", "1970-01-01", "00:00", "UTC"],
        ["audit", "off", "0", "0"],
    ]
