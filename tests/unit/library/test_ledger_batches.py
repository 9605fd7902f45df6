"""Batches in the ledger: all or none, each job once, one end, and what a crash at each step leaves to repair."""

import asyncio
from typing import Any

import pytest
from library_fixture import (
    ANN,
    BOB,
    LEASE,
    LOST,
    Library,
    details,
    dying,
    interrupted,
    new,
    reason,
    refusal,
    result,
    track,
)

from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import Principal
from soundwright.services.library.jobs.admission import Limits
from soundwright.services.library.jobs.batches import NewBatch
from soundwright.services.library.jobs.service import Job, JobError, JobState
from soundwright.services.library.paging import PageRequest

TRACKS = ("t1", "t2", "t3")
BROKEN = JobError("BROKEN", "It is broken.")
ADMIN = Principal("boss", "admin")


@pytest.fixture
async def library(library: Library) -> Library:
    for track_id in TRACKS:
        await library.tracks.create(ANN, track(track_id))
    return library


def wish(*track_ids: str, key: str = "", limits: Limits | None = None, **fields: Any) -> NewBatch:
    jobs = [new(track_id=each, limits=limits or Limits(), **fields) for each in track_ids or TRACKS]
    return NewBatch(jobs=jobs, spec=details(",".join(track_ids)), correlation_id="c1", idempotency_key=key)


async def batch(library: Library, *track_ids: str, **fields: Any) -> tuple[Job, list[Job]]:
    record, jobs, existed = await library.ledger.create_batch(ANN, wish(*track_ids, **fields))
    assert not existed
    assert record.batch is not None
    return record, sorted(jobs, key=lambda job: job.create_time)


async def seen(library: Library, record: Job) -> Job:
    return await library.ledger.get(ANN, record.id)


def counts(record: Job) -> tuple[str, float, int, int, int, int]:
    found = record.batch
    assert found is not None
    numbers = (found.total_count, found.completed_count, found.failed_count, found.cancelled_count)
    return (record.state, round(record.progress_ratio, 3), *numbers)


async def succeed(library: Library, job: Job) -> None:
    await library.ledger.succeed(job.id, job.attempt, result("vocals"), [])


async def fail(library: Library, job: Job) -> None:
    await library.ledger.fail(job.id, job.attempt, BROKEN, False, [])


async def stored(library: Library) -> int:
    return (await library.ledger.list_jobs(ANN, [], [], "", PageRequest(100))).total_count


async def test_a_batch_follows_its_jobs_to_one_end(library: Library) -> None:
    record, jobs = await batch(library)
    assert counts(record) == ("queued", 0.0, 3, 0, 0, 0)
    assert [job.track_id for job in jobs] == list(TRACKS)
    assert {(job.state, job.batch_id, job.work_seconds) for job in jobs} == {("queued", record.id, 1.0)}
    first = await library.start(jobs[2])
    assert first.track_id == "t1", "jobs start in the order of the request"
    await library.ledger.heartbeat(first.id, 1, LEASE, 0.5, "", [], None)
    assert counts(await seen(library, record)) == ("running", 0.167, 3, 0, 0, 0)
    await succeed(library, first)
    second = await library.start(jobs[0])
    await fail(library, second)
    shown = await seen(library, record)
    assert counts(shown) == ("running", 0.667, 3, 1, 1, 0)
    assert (shown.start_time, shown.progress_message) == (first.start_time, "2 of 3 done")
    assert shown.webhooks_pending is None
    third = await library.start(jobs[1])
    library.clock.advance(7)
    await succeed(library, third)
    ended = await library.now(record)
    assert counts(ended) == ("succeeded", 1.0, 3, 2, 1, 0)
    assert (ended.finish_time, ended.webhooks_pending, ended.error) == (library.clock.time, True, None)
    shown = await seen(library, record)
    assert shown.batch is not None
    assert [(each.job_id, each.track_id, each.state, each.error) for each in shown.batch.jobs] == [
        (first.id, "t1", "succeeded", None),
        (second.id, "t2", "failed", BROKEN),
        (third.id, "t3", "succeeded", None),
    ]
    library.clock.advance(100)
    await library.sweeper.sweep()
    assert await library.now(record) == ended, "an end is final"


async def test_a_batch_without_a_completed_job_has_failed(library: Library) -> None:
    record, jobs = await batch(library, "t1", "t2")
    await fail(library, await library.start(jobs[0]))
    await library.ledger.cancel(ANN, jobs[1].id)
    ended = await seen(library, record)
    assert counts(ended) == ("failed", 1.0, 2, 0, 1, 1)
    assert ended.error is not None
    assert ended.error.reason == "BATCH_FAILED"


async def test_a_cancelled_batch_cancels_what_has_not_ended(library: Library) -> None:
    record, jobs = await batch(library)
    await succeed(library, await library.start(jobs[0]))
    running = await library.start(jobs[1])
    assert await reason(library.ledger.cancel(BOB, record.id)) == "ACCESS_DENIED"
    asked = await library.ledger.cancel(ANN, record.id)
    assert counts(asked) == ("running", 0.667, 3, 1, 0, 1)
    assert asked.cancel_requested
    assert [(await library.now(job)).state for job in jobs] == ["succeeded", "running", "cancelled"]
    assert (await library.now(running)).cancel_requested
    await library.ledger.fail(running.id, 1, BROKEN, True, [])
    ended = await seen(library, record)
    assert counts(ended) == ("cancelled", 1.0, 3, 1, 0, 2)
    assert ended.error == JobError("CANCELLED", "cancelled")
    assert await library.ledger.cancel(ANN, record.id) == ended, "asking again changes nothing"


async def test_a_batch_that_is_cancelled_after_a_failure_is_cancelled(library: Library) -> None:
    record, jobs = await batch(library)
    await fail(library, await library.start(jobs[0]))
    assert counts(await library.ledger.cancel(ANN, record.id)) == ("cancelled", 1.0, 3, 0, 1, 2)


async def test_a_batch_whose_jobs_were_done_before_the_cancellation_is_completed(library: Library) -> None:
    record, jobs = await batch(library, "t1")
    running = await library.start(jobs[0])
    await library.ledger.cancel(ANN, record.id)
    await succeed(library, running)
    assert counts(await seen(library, record)) == ("succeeded", 1.0, 1, 1, 0, 0)
    assert await reason(library.ledger.cancel(ANN, record.id)) == "JOB_FINISHED"


async def test_an_administrator_cancels_the_batch_of_another_account(library: Library) -> None:
    record, jobs = await batch(library)
    await library.ledger.cancel(ADMIN, record.id, of_anyone=True)
    assert counts(await library.now(record)) == ("cancelled", 1.0, 3, 0, 0, 3)
    assert {(await library.now(job)).state for job in jobs} == {"cancelled"}


async def test_a_batch_with_a_key_exists_once(library: Library) -> None:
    made = await asyncio.gather(*(library.ledger.create_batch(ANN, wish(key="k")) for _ in range(4)))
    assert len({record.id for record, _, _ in made}) == 1
    assert sorted(existed for _, _, existed in made) == [False, True, True, True]
    assert len({frozenset(job.id for job in jobs) for _, jobs, _ in made}) == 1
    assert await stored(library) == 4
    assert await reason(library.ledger.create_batch(ANN, wish("t1", key="k"))) == "IDEMPOTENCY_KEY_REUSED"
    assert await reason(library.ledger.create(ANN, new(track_id="t1", idempotency_key="k"))) == "IDEMPOTENCY_KEY_REUSED"
    assert await stored(library) == 4


@pytest.mark.parametrize(
    ("track_ids", "why"), [(("t1", "gone"), "TRACK_NOT_FOUND"), (("t1", "bobs"), "ACCESS_DENIED"), (("t1", "mute"), "AUDIO_NOT_READY")]
)  # fmt: skip
async def test_one_unusable_track_refuses_the_batch(library: Library, track_ids: tuple[str, ...], why: str) -> None:
    await library.tracks.create(BOB, track("bobs"))
    await library.tracks.create(ANN, track("mute", blob_key=""))
    assert await reason(library.ledger.create_batch(ANN, wish(*track_ids))) == why
    assert await stored(library) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        NewBatch([], details(""), "c1"),
        NewBatch([new(track_id="t1")] * 101, details(""), "c1"),
        NewBatch([new(track_id="t1"), new(track_id="t2", kind="analysis")], details(""), "c1"),
        NewBatch([new(track_id="t1"), new(track_id="t2", limits=Limits(pending=1))], details(""), "c1"),
        NewBatch([new(track_id="t9", creates_track=True)], details(""), "c1"),
    ],
)
async def test_jobs_that_cannot_be_admitted_together_are_refused(library: Library, wrong: NewBatch) -> None:
    assert await reason(library.ledger.create_batch(ANN, wrong)) == "BATCH_INVALID"
    assert await stored(library) == 0


async def test_limits_count_the_jobs_of_a_batch(library: Library) -> None:
    limits = Limits(pending=4, queue=6)
    await batch(library, limits=limits)
    error = await refusal(library.ledger.create_batch(ANN, wish("t1", "t2", limits=limits)), "TOO_MANY_PENDING")
    assert error.meta == {"pending_count": 3, "max_pending": 4}
    assert "This request has 2 more." in error.message
    assert await stored(library) == 4, "a batch that does not fit as a whole leaves nothing behind"
    await batch(library, "t1", limits=limits)
    for track_id in ("b1", "b2", "b3"):
        await library.tracks.create(BOB, track(track_id))
    error = await refusal(library.ledger.create_batch(BOB, wish("b1", "b2", "b3", limits=limits)), "QUEUE_FULL")
    assert error.meta == {"queue_size": 4}
    await library.ledger.create_batch(BOB, wish("b1", "b2", limits=limits))


@pytest.mark.parametrize("missing", [("t1", "t2", "t3"), ("t2", "t3"), ("t3",)])
async def test_a_crash_between_the_batch_and_its_jobs(library: Library, missing: tuple[str, ...]) -> None:
    with dying(library.jobs, "insert", lambda job: job.track_id in missing):
        await library.ledger.create_batch(ANN, wish(key="k", limits=Limits(pending=3)))
    library.clock.advance(LOST + 1)
    library.backlogs[""] = 0
    await library.sweeper.sweep()
    jobs = await library.jobs.newest_jobs(0, 100, ["separation"], ["queued"])
    assert sorted(job.track_id for job in jobs) == list(TRACKS)
    again, repeated, existed = await library.ledger.create_batch(ANN, wish(key="k", limits=Limits(pending=3)))
    assert existed
    assert {job.id for job in repeated} == {job.id for job in jobs}
    assert counts(again) == ("queued", 0.0, 3, 0, 0, 0)
    library.clock.advance(LOST + 1)
    await library.sweeper.sweep()
    assert {job.id for job in library.published} >= {job.id for job in jobs}, "their commands are published"
    assert all(job.batch is None for job in library.published)


@pytest.mark.parametrize("repair", ["sweeper", "reader"])
async def test_a_crash_between_the_last_job_and_the_end_of_its_batch(library: Library, repair: str) -> None:
    record, jobs = await batch(library, "t1")
    running = await library.start(jobs[0])
    with dying(library.jobs, "replace", lambda job: job.id == record.id):
        await succeed(library, running)
    assert (await library.now(running)).state is JobState.SUCCEEDED
    assert (await library.now(record)).state is JobState.RUNNING
    library.clock.advance(LOST + 1)
    if repair == "sweeper":
        await library.sweeper.sweep()
    else:
        read = (await library.ledger.list_jobs(ANN, ["batch"], [], "", PageRequest(10))).entries[0]
        assert counts(read) == ("succeeded", 1.0, 1, 1, 0, 0)
    ended = await library.now(record)
    assert counts(ended) == ("succeeded", 1.0, 1, 1, 0, 0)
    assert (ended.webhooks_pending, ended.finish_time) == (True, library.clock.time)


async def test_a_crash_while_a_batch_is_cancelled(library: Library) -> None:
    record, jobs = await batch(library)
    with dying(library.jobs, "replace", lambda job: job.id == jobs[1].id):
        await library.ledger.cancel(ANN, record.id)
    assert [(await library.now(job)).state for job in jobs] == ["cancelled", "queued", "queued"]
    await library.sweeper.sweep()
    assert counts(await library.now(record)) == ("cancelled", 1.0, 3, 0, 0, 3)


async def test_a_batch_that_was_cancelled_before_its_jobs_were_stored_starts_none(library: Library) -> None:
    with dying(library.jobs, "insert", lambda job: job.track_id == "t2"):
        await library.ledger.create_batch(ANN, wish(key="k"))
    record = (await library.jobs.newest_jobs(0, 1, ["batch"], ["queued"]))[0]
    assert counts(await library.ledger.cancel(ANN, record.id)) == ("cancelled", 1.0, 3, 0, 0, 3)


async def test_the_end_of_a_job_is_stored_although_its_batch_is_out_of_reach(library: Library) -> None:
    record, jobs = await batch(library, "t1")
    running = await library.start(jobs[0])

    away = AppError(Code.UNAVAILABLE, "STORE_AWAY", "The store does not answer. Try again.")
    with interrupted(library.jobs, "by_ids", away):
        await succeed(library, running)
    assert (await library.now(running)).state is JobState.SUCCEEDED
    await library.sweeper.sweep()
    assert (await library.now(record)).state is JobState.SUCCEEDED


async def test_the_jobs_that_end_last_at_the_same_time_end_their_batch_once(library: Library) -> None:
    record, jobs = await batch(library)
    running = [await library.start(job) for job in jobs]
    await asyncio.gather(*(succeed(library, job) for job in running))
    ended = await library.now(record)
    assert counts(ended) == ("succeeded", 1.0, 3, 3, 0, 0)


async def test_the_deletion_of_a_track_ends_its_job(library: Library) -> None:
    record, jobs = await batch(library, "t1", "t2")
    await library.track_docs.delete("t1")
    job, claimed, _ = await library.ledger.claim(jobs[0].id, "w", LEASE)
    assert (job.id, claimed, job.state) == (jobs[0].id, False, JobState.CANCELLED)
    await succeed(library, await library.start(jobs[1]))
    assert counts(await seen(library, record)) == ("succeeded", 1.0, 2, 1, 0, 1)


async def test_no_worker_and_no_repair_of_commands_sees_a_batch(library: Library) -> None:
    record, jobs = await batch(library, "t1")
    library.clock.advance(LOST + 1)
    await library.sweeper.sweep()
    assert [job.id for job in library.published] == [jobs[0].id]
    assert await library.jobs.unfinished_count("separation") == 1
    assert await library.queue.position(await library.now(record)) == (0, 0.0)
    assert await library.queue.seconds_left(await library.now(record), 0) is None
    assert [job.id for job in (await library.queue.get(ANN, "separation")).queued] == [jobs[0].id]
    shown = (await library.queue.get(BOB, "separation")).queued[0]
    assert shown.batch_id == ""
