"""How much one caller, and all together, may ask for."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from typing import Any

import pytest
from library_fixture import ANN, BOB, Library, details, new, refusal, result

from soundwright.kit.security.identity import Principal
from soundwright.services.library.jobs import creation
from soundwright.services.library.jobs.admission import Limits, queued, reserve
from soundwright.services.library.jobs.service import Job
from soundwright.services.library.paging import PageRequest


async def refused(call: Any) -> tuple[str, int, dict[str, Any]]:
    error = await refusal(call)
    assert error.message.endswith(".")
    return error.reason, error.http_status, error.meta


async def finish(library: Library, job: Job) -> None:
    claimed = await library.start(job)
    await library.ledger.succeed(claimed.id, claimed.attempt, result(), [])


async def test_unfinished_jobs_are_limited(library: Library) -> None:
    limits = Limits(pending=2)
    running = await library.running(limits=limits)
    waiting = await library.job(limits=limits)
    refusal = ("TOO_MANY_PENDING", 429, {"pending_count": 2, "max_pending": 2})
    assert await refused(library.job(limits=limits)) == refusal
    assert (await library.ledger.list_jobs(ANN, [], [], "", PageRequest(10))).total_count == 2, (
        "what is refused leaves nothing behind"
    )
    await library.job(limits=limits, kind="analysis")  # another kind
    await library.job(BOB, limits=limits)  # somebody else
    await library.job()  # no limit; but it counts
    await library.ledger.cancel(ANN, waiting.id)
    assert await refused(library.job(limits=limits)) == refusal
    await library.ledger.succeed(running.id, 1, result(), [])
    await library.job(limits=limits)


async def test_the_jobs_of_a_request_are_admitted_together(library: Library) -> None:
    limits, further = Limits(pending=3), [str(uuid.uuid4()) for _ in range(2)]
    other = await library.job(limits=limits)
    refusal = ("TOO_MANY_PENDING", 429, {"pending_count": 1, "max_pending": 3})
    assert await refused(library.job(limits=limits, further_job_ids=further)) == refusal
    await library.ledger.cancel(ANN, other.id)
    await library.job(limits=limits, further_job_ids=further)
    full = ("TOO_MANY_PENDING", 429, {"pending_count": 3, "max_pending": 3})
    late = asyncio.create_task(
        refused(library.job(limits=limits))
    )  # it waits, because the places of the others are kept
    made = [await library.job(job_id=job_id) for job_id in further]
    assert await late == full
    await library.ledger.cancel(ANN, made[0].id)
    await library.job(limits=limits)


async def test_an_hour_has_room_again_when_the_oldest_is_an_hour_old(library: Library) -> None:
    limits = Limits(hourly=3)
    for _ in range(3):
        await finish(library, await library.job(limits=limits))
        library.clock.time += 600
    assert await refused(library.job(limits=limits)) == ("HOURLY_LIMIT", 429, {"hourly_limit": 3, "retry_after": 1800})
    await library.job(BOB, limits=limits)
    await library.job(limits=Limits(pending=3))  # unlimited by the hour; but it counts
    assert (await refused(library.job(limits=limits)))[2]["retry_after"] == 2400, "two of four have to be an hour old"
    library.clock.time += 2399
    assert (await refused(library.job(limits=limits)))[2]["retry_after"] == 1
    library.clock.time += 2
    await library.job(limits=limits)


@pytest.mark.parametrize(
    ("limits", "reason"), [(Limits(pending=2), "TOO_MANY_PENDING"), (Limits(hourly=2), "HOURLY_LIMIT")]
)
async def test_callers_of_one_address_cannot_rotate_their_names(library: Library, limits: Limits, reason: str) -> None:
    def guest(number: int, network: str = "address:1") -> Principal:
        return Principal(f"anon:{number}", "anonymous", network)

    for number in range(8):
        await library.job(guest(number), limits=limits)
    assert (await refused(library.job(guest(8), limits=limits)))[:2] == (reason, 429)
    assert (await refused(library.job(Principal("g", "guest", "address:1"), limits=limits)))[:2] == (reason, 429)
    assert await library.job(guest(8, "address:2"), limits=limits)
    assert await library.job(ANN, limits=limits)


@pytest.mark.parametrize("limits", [Limits(pending=1), Limits(hourly=1), Limits(queue=1)])
async def test_repeating_what_was_accepted_is_never_refused(library: Library, limits: Limits) -> None:
    keyed = new(limits=limits, idempotency_key="k")
    job, existed = await library.ledger.create(ANN, keyed)
    assert existed is False
    assert await refused(library.job(limits=limits, idempotency_key="other"))
    assert [await library.ledger.create(ANN, keyed) for _ in range(2)] == [(await library.now(job), True)] * 2
    same_id = new(limits=limits, job_id=job.id)
    assert (await library.ledger.create(ANN, same_id))[1] is True
    changed = dataclasses.replace(keyed, spec=details("{}"))
    assert (await refused(library.ledger.create(ANN, changed)))[0] == "IDEMPOTENCY_KEY_REUSED"


async def test_the_place_of_a_process_that_died_becomes_free(library: Library) -> None:
    limits = Limits(pending=1)
    dead = dataclasses.replace(new(limits=limits), job_id="dead")
    assert await reserve(library.jobs, [queued(ANN, dead, library.clock.now())], limits, library.clock.now())
    other = queued(ANN, new(), library.clock.now())
    assert await reserve(library.jobs, [other], limits, library.clock.now()) is False  # the job may still be stored
    await library.job(BOB, limits=limits)  # a reservation concerns its owner only
    library.clock.time += 31
    await library.job(limits=limits)
    (held,) = await library.jobs.admissions.find({})
    assert [one.owner_id for one in held.reservations] == ["ann"]


async def test_a_caller_learns_to_try_again_while_a_dead_process_holds_the_last_place(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "_RESERVATION_WAIT_SECONDS", 0.0)
    limits = Limits(queue=1)
    assert await reserve(
        library.jobs, [queued(BOB, new(job_id="dead"), library.clock.now())], limits, library.clock.now()
    )
    assert await refused(library.job(limits=limits)) == ("SERVICE_UNAVAILABLE", 503, {})
    library.clock.time += 31
    await library.job(limits=limits)
