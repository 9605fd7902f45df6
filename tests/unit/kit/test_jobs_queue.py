"""Workers share a queue: they start jobs in the order that callers see, each job once, also when the broker fails."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import library_fixture
import pytest
from jobs_platform import LOST_SECONDS, Platform, Recorder, opened, result, started_broker

from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.worker.context import JobContext
from soundwright.library.v1 import job_pb2, library_service_pb2
from soundwright.services.library.jobs.service import JobState
from tests.servers.nats import NatsServer
from tests.waiting import until

CALLERS = {"admin": "admin", "premium": "pro", "standard": "user", "free": "user"}
AT_ONCE_SECONDS = 0.001  # starvation timeouts
LONG_SECONDS = 600.0
MODELS = ("music", "audio", "magnet-music")


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[NatsServer]:
    async with started_broker() as server:
        yield server


@pytest.fixture
async def platform(broker: NatsServer) -> AsyncIterator[Platform]:
    async with opened(broker) as platform:
        yield platform


async def fill(platform: Platform, seed: int, count: int) -> list[job_pb2.Job]:
    """Create jobs of all priorities and models, in random order. Some of them starve at once."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        priority, role = draw.choice(list(CALLERS.items()))
        requested = job_pb2.PRIORITY_FREE if priority == "free" else job_pb2.PRIORITY_UNSPECIFIED
        starvation_seconds = draw.choice((AT_ONCE_SECONDS, LONG_SECONDS, LONG_SECONDS))
        fields = {"priority": requested, "affinity": draw.choice(MODELS), "work_seconds": 1.0}
        caller = Principal(f"{priority} caller", role)
        made.append(await platform.create(caller, starvation_seconds=starvation_seconds, **fields))
    platform.clock.shift_seconds += 1.0
    return made


async def listed(platform: Platform, jobs: list[job_pb2.Job]) -> list[str]:
    """Return the ids of queued jobs in the order of their positions, which is also the order of the list."""
    answers = []
    for job in jobs:
        with principal_scope(Principal(job.owner_id, "user")):
            request = library_service_pb2.GetJobRequest(job_id=job.id, with_position=True)
            answers.append(await platform.jobs.GetJob(request))
    assert sorted(answer.position for answer in answers) == list(range(1, len(jobs) + 1))
    waits = [answer.estimated_wait_seconds for answer in sorted(answers, key=lambda answer: answer.position)]
    assert waits == sorted(waits)
    expected = [answer.job.id for answer in sorted(answers, key=lambda answer: answer.position)]
    with principal_scope(Principal("ann", "user")):
        queue = await platform.jobs.GetQueue(library_service_pb2.GetQueueRequest(kind=job_pb2.JOB_KIND_SEPARATION))
    created = {job.id: job.create_time.ToNanoseconds() for job in jobs}
    assert [job.create_time.ToNanoseconds() for job in queue.queued] == [created[job_id] for job_id in expected]
    assert {job.id for job in queue.queued} == {""}  # they belong to others
    return expected


async def drained(platform: Platform, jobs: list[job_pb2.Job]) -> list[job_pb2.Job]:
    """The jobs in the order in which one worker runs them."""
    served = Recorder()
    async with platform.worker(served):
        for job in jobs:
            await platform.reaches(job.id, JobState.SUCCEEDED)
    return served.jobs


@pytest.mark.parametrize("seed", range(3))
async def test_jobs_start_in_the_order_of_their_positions(platform: Platform, seed: int) -> None:
    made = await fill(platform, seed, count=25)
    expected = await listed(platform, made)
    priorities = [next(job.priority for job in made if job.id == job_id) for job_id in expected]
    assert priorities != sorted(priorities), "no job starves"
    assert [job.id for job in await drained(platform, made)] == expected


async def test_several_workers_and_slots_start_jobs_in_the_order_of_their_positions(platform: Platform) -> None:
    """While all slots are busy, a list is read; then one slot after the other takes the next job of the list."""
    blockers = [await platform.create() for _ in range(4)]
    started: list[str] = []
    releases: dict[str, asyncio.Event] = {}

    async def handler(context: JobContext) -> job_pb2.JobResult:
        releases[context.job.id] = asyncio.Event()
        started.append(context.job.id)
        await releases[context.job.id].wait()
        return result()

    async with platform.worker(handler, slot_count=2), platform.worker(handler, slot_count=2):
        await until(lambda: len(started) == len(blockers))
        made = await fill(platform, seed=5, count=20)
        expected = await listed(platform, made)
        for count in range(len(blockers) + 1, len(blockers) + len(made) + 1):
            releases[started[count - 1 - len(blockers)]].set()
            await until(lambda count=count: len(started) == count)  # type: ignore[misc]
        for release in releases.values():
            release.set()
        for job in made:
            await platform.reaches(job.id, JobState.SUCCEEDED)
    assert started[len(blockers) :] == expected


async def test_the_end_of_a_job_that_another_jobs_command_started_is_published_once(platform: Platform) -> None:
    """The worker dies after it stored the result and before it published the event."""
    named = await platform.create()
    starving = await platform.create(priority=job_pb2.PRIORITY_FREE, starvation_seconds=AT_ONCE_SECONDS)
    platform.clock.shift_seconds += 1.0
    job, claimed, _ = await platform.ledger.claim(named.id, "dying worker", 60.0)
    assert (job.id, claimed) == (starving.id, True)
    await platform.ledger.succeed(job.id, job.attempt, library_fixture.result(), [])
    assert [job.id for job in await drained(platform, [named])] == [named.id]
    await platform.emptied()
    assert await platform.facts(wanted=2) == [
        ("succeeded", f"{starving.id}.succeeded"),
        ("succeeded", f"{named.id}.succeeded"),
    ]


async def test_a_broker_that_lost_everything_costs_no_job() -> None:
    async with started_broker() as broker, opened(broker, request_seconds=0.5) as platform:
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
            await until(swept)
            for job in made:
                await platform.reaches(job.id, JobState.SUCCEEDED)
        assert sorted(ran) == sorted(job.id for job in made)
