"""Workers share a queue: order under priorities and affinities, each job once, whatever becomes of the broker."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from jobs_platform import LOST_SECONDS, Platform, eventually, opened, result, started_broker
from soundwright.library.v1 import job_pb2, library_service_pb2

from kit.adapters import bus_nats
from kit.errors import AppError, Code
from kit.identity import Principal
from kit.jobs import JobContext
from services.library.service import JobState
from tests.contract.nats_server import NatsServer

PRIORITIES = {"admin": "admin", "premium": "pro", "standard": "user"}
MODELS = ("music", "audio", "magnet-music")


@pytest_asyncio.fixture(scope="module")
async def broker() -> AsyncIterator[NatsServer]:
    async with started_broker() as server:
        yield server


@pytest_asyncio.fixture
async def platform(broker: NatsServer) -> AsyncIterator[Platform]:
    async with opened(broker) as platform:
        yield platform


async def fill(platform: Platform, seed: int, count: int) -> list[job_pb2.Job]:
    """Jobs of all priorities and models, in the order in which they were asked for."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        priority, role = draw.choice(list(PRIORITIES.items()))
        model = draw.choice(MODELS)
        made.append(await platform.create(Principal(f"{priority} caller", role), affinity=model, work_seconds=1.0))
    return made


async def drained(platform: Platform, jobs: list[job_pb2.Job]) -> list[job_pb2.Job]:
    """The jobs in the order in which one worker runs them."""
    served = []

    async def handler(context: JobContext) -> job_pb2.JobResult:
        served.append(context.job)
        return result()

    async with platform.worker(handler):
        for job in jobs:
            await platform.reaches(job.id, JobState.SUCCEEDED)
    return served


async def test_places_are_the_order_of_service(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a queue that nothing is added to, and without what the places do not promise: ageing and affinity."""
    monkeypatch.setattr(bus_nats, "_AGEING_PERIOD", 10**9)
    monkeypatch.setattr(bus_nats, "_AFFINITY_RUN", 1)
    made = await fill(platform, seed=1, count=25)
    answers = [
        await platform.jobs.GetJob(library_service_pb2.GetJobRequest(job_id=job.id, with_position=True)) for job in made
    ]
    assert sorted(answer.position for answer in answers) == list(range(1, 26))
    expected = [answer.job.id for answer in sorted(answers, key=lambda answer: answer.position)]
    queue = await platform.jobs.GetQueue(library_service_pb2.GetQueueRequest(kind=job_pb2.JOB_KIND_SEPARATION))
    assert [job.id for job in queue.queued] == expected
    assert [job.id for job in await drained(platform, made)] == expected


@pytest.mark.parametrize("seed", range(2))
async def test_every_job_is_served_within_a_bound(platform: Platform, seed: int) -> None:
    made = await fill(platform, seed, count=40)
    served = await drained(platform, made)
    assert sorted(job.id for job in served) == sorted(job.id for job in made)
    order = {job.id: place for place, job in enumerate(served)}
    for priority in ("ADMIN", "PREMIUM", "STANDARD"):
        same = [job for job in made if job.priority == job_pb2.Priority.Value(f"PRIORITY_{priority}")]
        for older_count, job in enumerate(same):
            before = sum(order[other.id] < order[job.id] for other in same)
            assert before < 8 * (older_count + 1)
    swaps = sum(one.affinity != next_one.affinity for one, next_one in itertools.pairwise(served))
    first_come = sum(one.affinity != next_one.affinity for one, next_one in itertools.pairwise(made))
    assert swaps < first_come / 1.5


async def test_slots_run_jobs_of_one_model_together(platform: Platform) -> None:
    for number in range(12):
        await platform.create(affinity=MODELS[number % 3])
    together: list[list[str]] = [[]]
    full = asyncio.Event()

    async def handler(context: JobContext) -> job_pb2.JobResult:
        nonlocal full
        together[-1].append(context.job.affinity)
        mine = full
        if len(together[-1]) == 4:
            together.append([])
            full = asyncio.Event()
            mine.set()
        await mine.wait()
        return result()

    async with platform.worker(handler, slot_count=4):
        await eventually(lambda: len(together) == 4)
    assert together[:3] == [["music"] * 4, ["audio"] * 4, ["magnet-music"] * 4]


async def test_several_workers_run_each_job_once(platform: Platform) -> None:
    made = await fill(platform, seed=3, count=40)
    ran: list[str] = []
    busy: set[int] = set()

    async def handler_of(worker: int, context: JobContext) -> job_pb2.JobResult:
        ran.append(context.job.id)
        busy.add(worker)
        await eventually(lambda: len(busy) == 3)  # all of them have work to do
        return result()

    async with contextlib.AsyncExitStack() as stack:
        for worker in range(3):

            async def handler(context: JobContext, worker: int = worker) -> job_pb2.JobResult:
                return await handler_of(worker, context)

            await stack.enter_async_context(platform.worker(handler, slot_count=2))
        for job in made:
            await platform.reaches(job.id, JobState.SUCCEEDED)
    assert sorted(ran) == sorted(job.id for job in made)


async def test_a_job_whose_model_was_removed_comes_to_an_end(platform: Platform) -> None:
    """It is left to the handler, which knows what there is, to say so."""
    known = await platform.create(affinity="music")
    removed = await platform.create(affinity="melody")

    async def handler(context: JobContext) -> job_pb2.JobResult:
        if context.job.affinity != "music":
            raise AppError(Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "The model is not installed.")
        return result()

    async with platform.worker(handler):
        await platform.reaches(known.id, JobState.SUCCEEDED)
        failed = await platform.reaches(removed.id, JobState.FAILED)
    assert failed.error is not None
    assert failed.error.reason == "MODEL_UNAVAILABLE"


async def test_cancelled_jobs_leave_the_queue(platform: Platform) -> None:
    made = await fill(platform, seed=4, count=6)
    for job in made[::2]:
        await platform.ledger.cancel(Principal(job.owner_id, "user"), job.id)
    served = await drained(platform, made[1::2])
    assert {job.id for job in served} == {job.id for job in made[1::2]}


async def test_a_broker_that_lost_everything_costs_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_nats, "_REQUEST_SECONDS", 0.5)
    async with started_broker() as broker, opened(broker) as platform:
        ran: list[str] = []
        is_back = asyncio.Event()

        async def handler(context: JobContext) -> job_pb2.JobResult:
            ran.append(context.job.id)
            await is_back.wait()
            return result()

        async def swept() -> bool:
            with contextlib.suppress(AppError):  # the connection is being made anew
                await platform.sweeper.sweep()
            platform.clock.shift_seconds += LOST_SECONDS + 1
            return len(set(ran)) == 11

        async with platform.worker(handler):
            made = [await platform.create(affinity="music")]
            await platform.reaches(made[0].id, JobState.RUNNING)
            made += [await platform.create(affinity=MODELS[number % 3]) for number in range(9)]
            broker.kill()
            broker.wipe()
            made.append(await platform.create(affinity="audio"))
            await broker.start()
            is_back.set()
            await platform.reaches(made[0].id, JobState.SUCCEEDED)
            await eventually(swept)
            for job in made:
                await platform.reaches(job.id, JobState.SUCCEEDED)
        assert sorted(ran) == sorted(job.id for job in made)
