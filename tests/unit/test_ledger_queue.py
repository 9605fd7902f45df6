"""Places in the queue, how long they take, and who sees what of it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ledger_world import ANN, BOB, LEASE, WORKER, World, opened, result

from kit.identity import Principal
from services.library.queue import Queue
from services.library.service import Job, JobError, JobState

ROOT = Principal("root", "admin")
PRO = Principal("pro", "pro")
KIND = "generation"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


async def asked(world: World, principal: Principal = ANN, **fields: Any) -> Job:
    return await world.job(principal, **{"kind": KIND, "affinity": "music", "work_seconds": 10.0, **fields})


async def start(world: World, job: Job) -> Job:
    claimed, mine, _ = await world.ledger.claim(job.id, "w", LEASE)
    assert mine
    return claimed


async def finish(world: World, job: Job, seconds: float) -> None:
    claimed = await start(world, job)
    world.clock.time += seconds
    await world.ledger.succeed(job.id, claimed.attempt, result(), [])


async def place(world: World, job: Job) -> tuple[int, float]:
    return await world.queue.place(await world.now(job))


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


async def look(world: World, principal: Principal = BOB, kind: str = KIND) -> Queue:
    return await world.queue.look(principal, kind)


async def test_priority_then_time_then_what_runs_first(world: World) -> None:
    made = []
    for principal in (ANN, PRO, ROOT, BOB, PRO, ROOT, ANN):
        world.clock.time += 1
        made.append(await asked(world, principal))
    free = await asked(world, ROOT, priority="free")
    await world.job(kind="separation")
    for job in (made[3], made[0]):
        world.clock.time += 1
        await start(world, job)
    queue = await look(world)
    assert ids(queue.running) == ids([made[3], made[0]])
    assert ids(queue.queued) == ids([made[2], made[5], made[1], made[4], made[6], free])
    assert queue.queued_count == 6
    assert [(await place(world, job))[0] for job in queue.queued] == [1, 2, 3, 4, 5, 6]
    assert [await place(world, job) for job in queue.running] == [(0, 0.0)] * 2


async def test_places_of_jobs_of_the_same_instant_are_apart(world: World) -> None:
    for _ in range(6):
        await asked(world)
    queue = await look(world)
    assert [(await place(world, job))[0] for job in queue.queued] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seed", range(3))
async def test_places_are_live(world: World, seed: int) -> None:
    """Whatever comes, starts, is given back or is cancelled, the place is that in the list."""
    draw = random.Random(seed)
    for _ in range(60):
        world.clock.time += draw.choice((0.0, 1.0))
        queue = await look(world)
        match draw.choice(("ask", "ask", "ask", "start", "finish", "cancel", "release")):
            case "start" if queue.queued:
                await start(world, draw.choice(queue.queued))
            case "finish" if queue.running:
                job = draw.choice(queue.running)
                await world.ledger.succeed(job.id, job.attempt, result(), [])
            case "cancel" if queue.queued:
                await world.ledger.cancel(WORKER, draw.choice(queue.queued).id)
            case "release" if queue.running:
                job = draw.choice(queue.running)
                await world.ledger.release(job.id, job.attempt, 0.0, JobError("BUSY", "later"), True)
            case _:
                await asked(world, draw.choice((ANN, PRO, ROOT)), affinity=draw.choice(("", "music", "audio")))
        order = (await look(world)).queued
        assert [(await place(world, job))[0] for job in order] == list(range(1, len(order) + 1))
    assert order


async def test_nothing_is_waited_for_in_an_empty_queue(world: World) -> None:
    assert await look(world) == Queue([], [], 0, 0.0)
    job = await asked(world)
    assert await place(world, job) == (1, 0.0)
    assert (await look(world)).estimated_wait_seconds > 0


async def test_waiting_is_worked_out_from_measured_speed(world: World) -> None:
    for seconds, affinity in ((20.0, "music"), (40.0, "music"), (5.0, "audio")):
        await finish(world, await asked(world, affinity=affinity), seconds)
    world.clock.time += 60
    # 3 seconds for a second of music, 0.5 for one of audio.
    running = await start(world, await asked(world, work_seconds=20.0))
    await world.ledger.heartbeat(running.id, 1, LEASE, 0.25, "", [])
    second = await asked(world, work_seconds=4.0)
    world.clock.time += 1
    third = await asked(world, affinity="audio", work_seconds=8.0)
    last = await asked(world, PRO, affinity="audio", work_seconds=6.0)
    rest = 3.0 * 20.0 * 0.75
    expected = [(last, 1, rest), (second, 2, rest + 3.0), (third, 3, rest + 3.0 + 12.0)]
    assert [(job, *await place(world, job)) for job in (last, second, third)] == expected
    assert (await look(world)).estimated_wait_seconds == rest + 3.0 + 12.0 + 4.0


async def test_several_workers_share_the_work(world: World) -> None:
    await finish(world, await asked(world), 10.0)
    for _ in range(2):
        await start(world, await asked(world))
    waiting = [await asked(world) for _ in range(2)]
    waits = sorted([(await place(world, job)) for job in waiting])
    assert waits == [(1, 10.0), (2, 15.0)]


async def test_without_a_measure_of_work_each_job_counts_the_same(world: World) -> None:
    fields: dict[str, Any] = {"kind": "separation", "affinity": "", "work_seconds": 0.0}
    for seconds in (6.0, 8.0):
        await finish(world, await asked(world, **fields), seconds)
    await start(world, await asked(world, **fields))
    job = await asked(world, **fields)
    assert await place(world, job) == (1, 7.0)


async def test_only_what_lately_succeeded_is_a_measure(world: World) -> None:
    await finish(world, await asked(world), 1000.0)
    world.clock.time += 8 * 24 * 3600
    failing = await start(world, await asked(world))
    world.clock.time += 500
    await world.ledger.fail(failing.id, 1, JobError("X", "x"), False, [])
    await start(world, await asked(world))
    assert await place(world, await asked(world)) == (1, 10.0)  # as fast as it sounds
    world.clock.time += 60
    for _ in range(30):
        await finish(world, await asked(world, BOB, priority="free"), 40.0)
    world.clock.time += 60
    for _ in range(20):
        await finish(world, await asked(world, BOB, priority="free"), 20.0)
    world.clock.time += 60
    assert (await place(world, await asked(world, PRO))) == (1, 20.0), "the latest twenty count"


async def test_a_long_queue_is_cut_and_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.library.queue._LISTED_JOBS", 5)
    made = []
    for number in range(8):
        world.clock.time += 1
        made.append(await asked(world, (ANN, PRO)[number % 2]))
    queue = await look(world)
    assert ids(queue.queued) == ids([*made[1::2], made[0]])
    assert (queue.queued_count, queue.estimated_wait_seconds) == (8, 80.0)
    assert await place(world, made[6]) == (8, 70.0)


async def test_polling_does_not_list_the_queue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await asked(world)
    first = await place(world, job)
    listed = []
    find = world.store._docs.find

    async def noted(*arguments: Any, **options: Any) -> Any:
        listed.append(arguments)
        return await find(*arguments, **options)

    monkeypatch.setattr(world.store._docs, "find", noted)
    current = await world.now(job)
    assert [await world.queue.place(current) for _ in range(20)] == [first] * 20
    assert listed == []
    world.clock.time += 2
    await world.queue.place(current)
    assert listed != []


async def test_others_see_what_is_everybodys_business(world: World) -> None:
    secret = await asked(world, idempotency_key="my key", spec_json='{"prompt": "rain"}', correlation_id="c9")
    await start(world, secret)
    await world.ledger.release(secret.id, 1, 0.0, JobError("BUSY", "details"), True)
    download = await world.job(kind="download", spec_json='{"url": "https://private"}')
    mine = (await look(world, ANN)).queued[0]
    assert mine == await world.now(secret)
    assert (await look(world, WORKER)).queued == [mine]
    [seen] = (await look(world, Principal("anon:1", "anonymous"))).queued
    assert (seen.id, seen.owner_id, seen.state, seen.spec_json, seen.priority, seen.create_time) == (
        secret.id, "ann", JobState.QUEUED, '{"prompt": "rain"}', "standard", secret.create_time,
    )  # fmt: skip
    assert (seen.idempotency_key, seen.error, seen.correlation_id, seen.fingerprint) == (None, None, "", "")
    [other] = (await look(world, BOB, "download")).queued
    assert (other.id, other.spec_json) == (download.id, "")
    assert "private" not in repr(other)
