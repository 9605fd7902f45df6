"""Batches in the ledger: all or none, each job once, one end, and what a crash at each step leaves to repair."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ledger_world import ANN, BOB, LEASE, LOST, World, details, new, opened, reason, result, track

from kit.errors import AppError, Code
from kit.security.identity import Principal
from services.library.jobs.admission import Limits
from services.library.jobs.batches import NewBatch
from services.library.jobs.service import Job, JobError, JobState

TRACKS = ("t1", "t2", "t3")
BROKEN = JobError("BROKEN", "It is broken.")
ADMIN = Principal("boss", "admin")


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        for track_id in TRACKS:
            await world.tracks.create(ANN, track(track_id))
        yield world


def wish(*track_ids: str, key: str = "", limits: Limits | None = None, **fields: Any) -> NewBatch:
    jobs = [new(track_id=each, limits=limits or Limits(), **fields) for each in track_ids or TRACKS]
    return NewBatch(jobs=jobs, spec=details(",".join(track_ids)), correlation_id="c1", idempotency_key=key)


async def batch(world: World, *track_ids: str, **fields: Any) -> tuple[Job, list[Job]]:
    record, jobs, existed = await world.ledger.create_batch(ANN, wish(*track_ids, **fields))
    assert not existed
    assert record.batch is not None
    return record, sorted(jobs, key=lambda job: job.create_time)


async def seen(world: World, record: Job) -> Job:
    return await world.ledger.get(ANN, record.id)


def counts(record: Job) -> tuple[str, float, int, int, int, int]:
    found = record.batch
    assert found is not None
    numbers = (found.total_count, found.completed_count, found.failed_count, found.cancelled_count)
    return (record.state, round(record.progress_ratio, 3), *numbers)


async def start(world: World, command: Job) -> Job:
    """Start the next job, with the command of this one."""
    job, claimed, _ = await world.ledger.claim(command.id, "w", LEASE)
    assert claimed
    return job


async def succeed(world: World, job: Job) -> None:
    await world.ledger.succeed(job.id, job.attempt, result("vocals"), [])


async def fail(world: World, job: Job) -> None:
    await world.ledger.fail(job.id, job.attempt, BROKEN, False, [])


async def stored(world: World) -> int:
    return (await world.ledger.list_jobs(ANN, [], [], "", 0, 100))[1]


async def test_a_batch_follows_its_jobs_to_one_end(world: World) -> None:
    record, jobs = await batch(world)
    assert counts(record) == ("queued", 0.0, 3, 0, 0, 0)
    assert [job.track_id for job in jobs] == list(TRACKS)
    assert {(job.state, job.batch_id, job.work_seconds) for job in jobs} == {("queued", record.id, 1.0)}
    first = await start(world, jobs[2])
    assert first.track_id == "t1", "jobs start in the order of the request"
    await world.ledger.heartbeat(first.id, 1, LEASE, 0.5, "", [], None)
    assert counts(await seen(world, record)) == ("running", 0.167, 3, 0, 0, 0)
    await succeed(world, first)
    second = await start(world, jobs[0])
    await fail(world, second)
    shown = await seen(world, record)
    assert counts(shown) == ("running", 0.667, 3, 1, 1, 0)
    assert (shown.start_time, shown.progress_message) == (first.start_time, "2 of 3 done")
    assert shown.webhooks_pending is None
    third = await start(world, jobs[1])
    world.clock.time += 7
    await succeed(world, third)
    ended = await world.now(record)
    assert counts(ended) == ("succeeded", 1.0, 3, 2, 1, 0)
    assert (ended.finish_time, ended.webhooks_pending, ended.error) == (world.clock.time, True, None)
    shown = await seen(world, record)
    assert shown.batch is not None
    assert [(each.job_id, each.track_id, each.state, each.error) for each in shown.batch.jobs] == [
        (first.id, "t1", "succeeded", None),
        (second.id, "t2", "failed", BROKEN),
        (third.id, "t3", "succeeded", None),
    ]
    world.clock.time += 100
    await world.sweeper.sweep()
    assert await world.now(record) == ended, "an end is final"


async def test_a_batch_without_a_completed_job_has_failed(world: World) -> None:
    record, jobs = await batch(world, "t1", "t2")
    await fail(world, await start(world, jobs[0]))
    await world.ledger.cancel(ANN, jobs[1].id)
    ended = await seen(world, record)
    assert counts(ended) == ("failed", 1.0, 2, 0, 1, 1)
    assert ended.error is not None
    assert ended.error.reason == "BATCH_FAILED"


async def test_a_cancelled_batch_cancels_what_has_not_ended(world: World) -> None:
    record, jobs = await batch(world)
    await succeed(world, await start(world, jobs[0]))
    running = await start(world, jobs[1])
    assert await reason(world.ledger.cancel(BOB, record.id)) == "ACCESS_DENIED"
    asked = await world.ledger.cancel(ANN, record.id)
    assert counts(asked) == ("running", 0.667, 3, 1, 0, 1)
    assert asked.cancel_requested
    assert [(await world.now(job)).state for job in jobs] == ["succeeded", "running", "cancelled"]
    assert (await world.now(running)).cancel_requested
    await world.ledger.fail(running.id, 1, BROKEN, True, [])
    ended = await seen(world, record)
    assert counts(ended) == ("cancelled", 1.0, 3, 1, 0, 2)
    assert ended.error == JobError("CANCELLED", "cancelled")
    assert await world.ledger.cancel(ANN, record.id) == ended, "asking again changes nothing"


async def test_a_batch_whose_jobs_were_done_before_the_cancellation_is_completed(world: World) -> None:
    record, jobs = await batch(world, "t1")
    running = await start(world, jobs[0])
    await world.ledger.cancel(ANN, record.id)
    await succeed(world, running)
    assert counts(await seen(world, record)) == ("succeeded", 1.0, 1, 1, 0, 0)
    assert await reason(world.ledger.cancel(ANN, record.id)) == "JOB_FINISHED"


async def test_an_administrator_cancels_the_batch_of_another_account(world: World) -> None:
    record, jobs = await batch(world)
    await world.ledger.cancel(ADMIN, record.id, of_anyone=True)
    assert counts(await world.now(record)) == ("cancelled", 1.0, 3, 0, 0, 3)
    assert {(await world.now(job)).state for job in jobs} == {"cancelled"}


async def test_a_batch_with_a_key_exists_once(world: World) -> None:
    made = await asyncio.gather(*(world.ledger.create_batch(ANN, wish(key="k")) for _ in range(4)))
    assert len({record.id for record, _, _ in made}) == 1
    assert sorted(existed for _, _, existed in made) == [False, True, True, True]
    assert len({frozenset(job.id for job in jobs) for _, jobs, _ in made}) == 1
    assert await stored(world) == 4
    assert await reason(world.ledger.create_batch(ANN, wish("t1", key="k"))) == "IDEMPOTENCY_KEY_REUSED"
    assert await reason(world.ledger.create(ANN, new(track_id="t1", idempotency_key="k"))) == "IDEMPOTENCY_KEY_REUSED"
    assert await stored(world) == 4


@pytest.mark.parametrize(
    ("track_ids", "why"), [(("t1", "gone"), "TRACK_NOT_FOUND"), (("t1", "bobs"), "ACCESS_DENIED"), (("t1", "mute"), "AUDIO_NOT_READY")]
)  # fmt: skip
async def test_one_unusable_track_refuses_the_batch(world: World, track_ids: tuple[str, ...], why: str) -> None:
    await world.tracks.create(BOB, track("bobs"))
    await world.tracks.create(ANN, dataclasses.replace(track("mute"), blob_key=""))
    assert await reason(world.ledger.create_batch(ANN, wish(*track_ids))) == why
    assert await stored(world) == 0


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
async def test_jobs_that_cannot_be_admitted_together_are_refused(world: World, wrong: NewBatch) -> None:
    assert await reason(world.ledger.create_batch(ANN, wrong)) == "BATCH_INVALID"
    assert await stored(world) == 0


async def test_limits_count_the_jobs_of_a_batch(world: World) -> None:
    limits = Limits(pending=4, queue=6)
    await batch(world, limits=limits)
    with pytest.raises(AppError) as refusal:
        await world.ledger.create_batch(ANN, wish("t1", "t2", limits=limits))
    assert (refusal.value.reason, refusal.value.meta) == ("TOO_MANY_PENDING", {"pending_count": 3, "max_pending": 4})
    assert "This batch has 2 more." in refusal.value.message
    assert await stored(world) == 4, "a batch that does not fit as a whole leaves nothing behind"
    await batch(world, "t1", limits=limits)
    for track_id in ("b1", "b2", "b3"):
        await world.tracks.create(BOB, track(track_id))
    with pytest.raises(AppError) as refusal:
        await world.ledger.create_batch(BOB, wish("b1", "b2", "b3", limits=limits))
    assert (refusal.value.reason, refusal.value.meta) == ("QUEUE_FULL", {"queue_size": 4})
    await world.ledger.create_batch(BOB, wish("b1", "b2", limits=limits))


async def test_an_hour_has_room_for_a_batch_when_enough_jobs_are_an_hour_old(world: World) -> None:
    limits = Limits(hourly=3)
    for _ in range(3):
        await batch(world, "t1", limits=limits)
        world.clock.time += 600
    with pytest.raises(AppError) as refusal:
        await world.ledger.create_batch(ANN, wish("t1", "t2", limits=limits))
    assert (refusal.value.reason, refusal.value.meta["retry_after"]) == ("HOURLY_LIMIT", 2400)
    world.clock.time += 2401
    await batch(world, "t1", "t2", limits=limits)


async def test_concurrent_batches_do_not_exceed_a_limit_together(world: World) -> None:
    limits = Limits(pending=5)
    wishes = [world.ledger.create_batch(ANN, wish("t1", "t2", limits=limits)) for _ in range(6)]
    made = await asyncio.gather(*wishes, return_exceptions=True)
    refused = [one for one in made if isinstance(one, AppError)]
    assert {one.reason for one in refused} == {"TOO_MANY_PENDING"}
    assert len(refused) == 4
    assert await stored(world) == 2 * 3


class Crash(Exception):
    """The process dies."""


def crashing(world: World, monkeypatch: pytest.MonkeyPatch, name: str, when: Any) -> None:
    """Let the store crash instead of a call of ``name``, if ``when`` says so of its argument."""
    call = getattr(world.jobs, name)

    async def crash(job: Job) -> Any:
        if when(job):
            raise Crash
        return await call(job)

    monkeypatch.setattr(world.jobs, name, crash)


@pytest.mark.parametrize("missing", [("t1", "t2", "t3"), ("t2", "t3"), ("t3",)])
async def test_a_crash_between_the_batch_and_its_jobs(
    world: World, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    crashing(world, monkeypatch, "insert_job", lambda job: job.track_id in missing)
    with pytest.raises(Crash):
        await world.ledger.create_batch(ANN, wish(key="k", limits=Limits(pending=3)))
    monkeypatch.undo()
    world.clock.time += LOST + 1
    world.broker.count = 0
    await world.sweeper.sweep()
    jobs = await world.jobs.newest_jobs(0, 100, ["separation"], ["queued"])
    assert sorted(job.track_id for job in jobs) == list(TRACKS)
    again, repeated, existed = await world.ledger.create_batch(ANN, wish(key="k", limits=Limits(pending=3)))
    assert existed
    assert {job.id for job in repeated} == {job.id for job in jobs}
    assert counts(again) == ("queued", 0.0, 3, 0, 0, 0)
    world.clock.time += LOST + 1
    await world.sweeper.sweep()
    assert {job.id for job in world.published} >= {job.id for job in jobs}, "their commands are published"
    assert all(job.batch is None for job in world.published)


async def test_the_request_itself_completes_an_interrupted_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing(world, monkeypatch, "insert_job", lambda job: job.track_id == "t2")
    with pytest.raises(Crash):
        await world.ledger.create_batch(ANN, wish(key="k"))
    monkeypatch.undo()
    record, jobs, existed = await world.ledger.create_batch(ANN, wish(key="k"))
    assert (existed, len(jobs)) == (True, 3)
    assert await stored(world) == 4
    assert (await world.now(record)).batch is not None


@pytest.mark.parametrize("repair", ["sweeper", "reader"])
async def test_a_crash_between_the_last_job_and_the_end_of_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch, repair: str
) -> None:
    record, jobs = await batch(world, "t1")
    running = await start(world, jobs[0])
    crashing(world, monkeypatch, "replace_job", lambda job: job.id == record.id)
    with pytest.raises(Crash):
        await succeed(world, running)
    monkeypatch.undo()
    assert (await world.now(running)).state is JobState.SUCCEEDED
    assert (await world.now(record)).state is JobState.RUNNING
    world.clock.time += LOST + 1
    if repair == "sweeper":
        await world.sweeper.sweep()
    else:
        assert counts((await world.ledger.list_jobs(ANN, ["batch"], [], "", 0, 10))[0][0]) == (
            "succeeded",
            1.0,
            1,
            1,
            0,
            0,
        )
    ended = await world.now(record)
    assert counts(ended) == ("succeeded", 1.0, 1, 1, 0, 0)
    assert (ended.webhooks_pending, ended.finish_time) == (True, world.clock.time)


async def test_a_crash_while_a_batch_is_cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record, jobs = await batch(world)
    crashing(world, monkeypatch, "replace_job", lambda job: job.id == jobs[1].id)
    with pytest.raises(Crash):
        await world.ledger.cancel(ANN, record.id)
    monkeypatch.undo()
    assert [(await world.now(job)).state for job in jobs] == ["cancelled", "queued", "queued"]
    await world.sweeper.sweep()
    assert counts(await world.now(record)) == ("cancelled", 1.0, 3, 0, 0, 3)


async def test_a_batch_that_was_cancelled_before_its_jobs_were_stored_starts_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing(world, monkeypatch, "insert_job", lambda job: job.track_id == "t2")
    with pytest.raises(Crash):
        await world.ledger.create_batch(ANN, wish(key="k"))
    monkeypatch.undo()
    record = (await world.jobs.newest_jobs(0, 1, ["batch"], ["queued"]))[0]
    assert counts(await world.ledger.cancel(ANN, record.id)) == ("cancelled", 1.0, 3, 0, 0, 3)


async def test_the_end_of_a_job_is_stored_although_its_batch_is_out_of_reach(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, jobs = await batch(world, "t1")
    running = await start(world, jobs[0])

    async def away(job_ids: Any) -> Any:
        raise AppError(Code.UNAVAILABLE, "STORE_AWAY", "The store does not answer. Try again.")

    monkeypatch.setattr(world.jobs, "jobs_by_id", away)
    await succeed(world, running)
    monkeypatch.undo()
    assert (await world.now(running)).state is JobState.SUCCEEDED
    await world.sweeper.sweep()
    assert (await world.now(record)).state is JobState.SUCCEEDED


async def test_the_jobs_that_end_last_at_the_same_time_end_their_batch_once(world: World) -> None:
    record, jobs = await batch(world)
    running = [await start(world, job) for job in jobs]
    await asyncio.gather(*(succeed(world, job) for job in running))
    ended = await world.now(record)
    assert counts(ended) == ("succeeded", 1.0, 3, 3, 0, 0)


async def test_the_deletion_of_a_track_ends_its_job(world: World) -> None:
    record, jobs = await batch(world, "t1", "t2")
    await world.track_docs.remove_track("t1")
    job, claimed, _ = await world.ledger.claim(jobs[0].id, "w", LEASE)
    assert (job.id, claimed, job.state) == (jobs[0].id, False, JobState.CANCELLED)
    await succeed(world, await start(world, jobs[1]))
    assert counts(await seen(world, record)) == ("succeeded", 1.0, 2, 1, 0, 1)


async def test_no_worker_and_no_repair_of_commands_sees_a_batch(world: World) -> None:
    record, jobs = await batch(world, "t1")
    world.clock.time += LOST + 1
    await world.sweeper.sweep()
    assert [job.id for job in world.published] == [jobs[0].id]
    assert await world.jobs.unfinished_count("soundwright.cmd.separation.v1.job.run") == 1
    assert await world.queue.position(await world.now(record)) == (0, 0.0)
    assert await world.queue.seconds_left(await world.now(record), 0) is None
    assert [job.id for job in (await world.queue.get(ANN, "separation")).queued] == [jobs[0].id]
    shown = (await world.queue.get(BOB, "separation")).queued[0]
    assert shown.batch_id == ""


async def test_others_do_not_see_a_batch(world: World) -> None:
    record, _ = await batch(world)
    assert await reason(world.ledger.get(BOB, record.id)) == "ACCESS_DENIED"
    assert (await world.ledger.list_jobs(BOB, [], [], "", 0, 10))[1] == 0
