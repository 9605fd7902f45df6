"""How much one caller, and all together, may ask for."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ledger_world import ANN, BOB, LEASE, World, new, opened, result

from kit.errors import AppError
from kit.identity import Principal
from services.library.admission import Limits
from services.library.service import Job


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


async def refused(call: Any) -> tuple[str, int, dict[str, Any]]:
    with pytest.raises(AppError) as refusal:
        await call
    assert refusal.value.message.endswith(".")
    return refusal.value.reason, refusal.value.http_status, refusal.value.meta


async def finish(world: World, job: Job) -> None:
    claimed, _, _ = await world.ledger.claim(job.id, "w", LEASE)
    await world.ledger.succeed(job.id, claimed.attempt, result(), [])


async def test_unfinished_jobs_are_limited(world: World) -> None:
    limits = Limits(pending=2)
    waiting, running = [await world.job(limits=limits) for _ in range(2)]
    await world.ledger.claim(running.id, "w", LEASE)
    refusal = ("TOO_MANY_PENDING", 429, {"pending_count": 2, "max_pending": 2})
    assert await refused(world.job(limits=limits)) == refusal
    assert (await world.ledger.list_jobs(ANN, [], [], "", 0, 10))[1] == 2, "what is refused leaves nothing behind"
    await world.job(limits=limits, kind="analysis")  # another kind
    await world.job(BOB, limits=limits)  # somebody else
    await world.job()  # no limit; but it counts
    await world.ledger.cancel(ANN, waiting.id)
    assert await refused(world.job(limits=limits)) == refusal
    await world.ledger.succeed(running.id, 1, result(), [])
    await world.job(limits=limits)


async def test_an_hour_has_room_again_when_the_oldest_is_an_hour_old(world: World) -> None:
    limits = Limits(hourly=3)
    for _ in range(3):
        await finish(world, await world.job(limits=limits))
        world.clock.time += 600
    assert await refused(world.job(limits=limits)) == ("HOURLY_LIMIT", 429, {"hourly_limit": 3, "retry_after": 1800})
    await world.job(BOB, limits=limits)
    await world.job(limits=Limits(pending=3))  # unlimited by the hour; but it counts
    assert (await refused(world.job(limits=limits)))[2]["retry_after"] == 2400, "two of four have to be an hour old"
    world.clock.time += 2399
    assert (await refused(world.job(limits=limits)))[2]["retry_after"] == 1
    world.clock.time += 2
    await world.job(limits=limits)


async def test_the_queue_of_all_is_limited(world: World) -> None:
    limits = Limits(queue=2)
    first = await world.job(limits=limits)
    await world.job(BOB, limits=limits)
    assert await refused(world.job(limits=limits)) == ("QUEUE_FULL", 503, {"queue_size": 2})
    await world.job(limits=limits, kind="analysis")
    await finish(world, first)
    await world.job(limits=limits)


@pytest.mark.parametrize("limits", [Limits(pending=1), Limits(hourly=1), Limits(queue=1)])
async def test_repeating_what_was_accepted_is_never_refused(world: World, limits: Limits) -> None:
    keyed = new(limits=limits, idempotency_key="k")
    job, existed = await world.ledger.create(ANN, keyed)
    assert existed is False
    assert await refused(world.job(limits=limits, idempotency_key="other"))
    assert [await world.ledger.create(ANN, keyed) for _ in range(2)] == [(await world.now(job), True)] * 2
    same_id = new(limits=limits, job_id=job.id)
    assert (await world.ledger.create(ANN, same_id))[1] is True
    changed = dataclasses.replace(keyed, spec_json="{}")
    assert (await refused(world.ledger.create(ANN, changed)))[0] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(pending=7), "TOO_MANY_PENDING"), (Limits(hourly=7), "HOURLY_LIMIT"), (Limits(queue=7), "QUEUE_FULL")],
)
async def test_many_requests_at_once_keep_to_the_limit(world: World, limits: Limits, reason: str) -> None:
    outcomes = await asyncio.gather(*(world.job(limits=limits) for _ in range(30)), return_exceptions=True)
    refusals = [outcome.reason for outcome in outcomes if isinstance(outcome, AppError)]
    assert refusals == [reason] * 23
    assert sum(isinstance(outcome, Job) for outcome in outcomes) == 7


async def test_repetitions_at_once_take_one_place(world: World) -> None:
    keyed = new(limits=Limits(pending=1), idempotency_key="k")
    made = await asyncio.gather(
        *(world.ledger.create(ANN, dataclasses.replace(keyed, job_id=str(uuid.uuid4()))) for _ in range(10))
    )
    assert len({job.id for job, _ in made}) == 1
    assert sorted(existed for _, existed in made) == [False] + [True] * 9


async def test_several_libraries_exceed_a_limit_by_their_number_at_most(tmp_path: Path) -> None:
    async with opened(tmp_path) as one, opened(tmp_path) as two, opened(tmp_path) as three:
        worlds, guest = (one, two, three), Principal("anon:1", "anonymous")
        calls = [worlds[number % 3].job(guest, limits=Limits(pending=5)) for number in range(30)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {outcome.reason for outcome in outcomes if isinstance(outcome, AppError)} == {"TOO_MANY_PENDING"}
        assert 5 <= sum(isinstance(outcome, Job) for outcome in outcomes) <= 7
