"""Watches of a job: which states they show, and their limits."""

import asyncio

from library_fixture import ANN, BOB, LEASE, WORKER, Library, details, new, reason, result

from soundwright.kit.security.identity import Principal
from soundwright.library.v1 import events_pb2
from soundwright.services.library.jobs import watches
from soundwright.services.library.jobs.batches import NewBatch
from soundwright.services.library.jobs.service import Job
from soundwright.services.library.jobs.watches import JobWatches
from tests.waiting import DEADLINE_SECONDS

EVENT = "soundwright.evt.separation.v1.job."
NEVER = 3600.0  # the interval of reads in tests of events


class Watcher:
    """Collects what one watch shows, at its own pace."""

    def __init__(self, jobs: JobWatches, job: Job, principal: Principal = ANN) -> None:
        self._states = jobs.watch(principal, job.id)

    async def next(self) -> tuple[str, float, int]:
        """Return the next state, progress and position; ``("end", 0, 0)`` after the last."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            found = await anext(self._states, None)
        return (found[0].state, found[0].progress_ratio, found[1]) if found else ("end", 0.0, 0)

    async def close(self) -> None:
        await self._states.aclose()


def progressed(jobs: JobWatches, job: Job, ratio: float, attempt: int = 1) -> None:
    event = events_pb2.JobProgressed(job_id=job.id, owner_id=job.owner_id, progress_ratio=ratio, attempt=attempt)
    jobs.on_event(f"{EVENT}progressed", event.SerializeToString())


def ended(jobs: JobWatches, job: Job) -> None:
    jobs.on_event(f"{EVENT}succeeded", events_pb2.JobFinished(job_id=job.id).SerializeToString())


async def test_events_show_each_step_of_a_job(library: Library) -> None:
    jobs = JobWatches(library.ledger, library.queue, NEVER)
    first = await library.job()
    library.clock.time += 1
    job = await library.job()
    watcher, other = Watcher(jobs, job), Watcher(jobs, job, WORKER)
    assert await watcher.next() == ("queued", 0.0, 2)
    await library.ledger.claim(first.id, "w1", LEASE)
    await library.ledger.claim(job.id, "w1", LEASE)
    progressed(jobs, job, 0.0)
    assert await watcher.next() == ("running", 0.0, 0)
    progressed(jobs, job, 0.25)  # the ledger does not know it yet
    assert await watcher.next() == ("running", 0.25, 0)
    assert await other.next() == ("running", 0.0, 0)
    progressed(jobs, job, 0.5)
    assert await watcher.next() == await other.next() == ("running", 0.5, 0)
    await library.ledger.succeed(job.id, 1, result("drums"), [])
    ended(jobs, job)
    assert await watcher.next() == await other.next() == ("succeeded", 1.0, 0)
    assert await watcher.next() == await other.next() == ("end", 0.0, 0)
    assert not jobs._watches


async def test_the_end_of_a_job_wakes_the_watch_of_its_batch(library: Library) -> None:
    jobs = JobWatches(library.ledger, library.queue, NEVER)
    record, (job, other), _ = await library.ledger.create_batch(ANN, NewBatch([new(), new()], details(""), "c1"))
    watcher = Watcher(jobs, record)
    assert await watcher.next() == ("queued", 0.0, 0)
    for each, state in ((job, ("running", 0.5, 0)), (other, ("succeeded", 1.0, 0))):
        await library.ledger.claim(each.id, "w1", LEASE)
        await library.ledger.succeed(each.id, 1, result("drums"), [])
        event = events_pb2.JobFinished(job_id=each.id, batch_id=record.id)
        jobs.on_event(f"{EVENT}succeeded", event.SerializeToString())
        assert await watcher.next() == state
    assert await watcher.next() == ("end", 0.0, 0)


async def test_a_slow_watcher_gets_the_latest_state_only(library: Library) -> None:
    jobs = JobWatches(library.ledger, library.queue, NEVER)
    job = await library.running()
    watcher = Watcher(jobs, job)
    assert await watcher.next() == ("running", 0.0, 0)
    for percent in range(100):
        progressed(jobs, job, percent / 100)
    assert await watcher.next() == ("running", 0.99, 0)
    progressed(jobs, job, 1.0)
    await library.ledger.succeed(job.id, 1, result("drums"), [])
    ended(jobs, job)
    assert await watcher.next() == ("succeeded", 1.0, 0)
    assert await watcher.next() == ("end", 0.0, 0)


async def test_reads_show_what_no_event_announces(library: Library) -> None:
    jobs = JobWatches(library.ledger, library.queue, 0.05)
    job = await library.job()
    watcher = Watcher(jobs, job)
    assert await watcher.next() == ("queued", 0.0, 1)
    await library.ledger.claim(job.id, "w1", LEASE)
    while (state := await watcher.next())[0] == "queued":
        pass
    assert state == ("running", 0.0, 0)
    await library.ledger.release(job.id, 1, 0.0, None, refund_attempt=True)
    while (state := await watcher.next())[0] == "running":
        progressed(jobs, job, 0.5)  # events do not keep the watch from reading
    assert state == ("queued", 0.0, 1)
    await library.ledger.cancel(ANN, job.id)
    while (state := await watcher.next())[0] == "queued":
        progressed(jobs, job, 0.9)  # of the earlier attempt
    assert state == ("cancelled", 0.0, 0)
    assert await watcher.next() == ("end", 0.0, 0)


async def test_only_those_who_may_read_the_job_watch_it(library: Library) -> None:
    jobs = JobWatches(library.ledger, library.queue)
    job = await library.job()
    assert await reason(anext(jobs.watch(BOB, job.id))) == "ACCESS_DENIED"
    assert await reason(anext(jobs.watch(ANN, "none"))) == "JOB_NOT_FOUND"
    assert not jobs._watches


async def test_watches_are_limited_per_caller_and_in_total(library: Library) -> None:
    jobs = JobWatches(library.ledger, library.queue)
    job = await library.job()
    own = [Watcher(jobs, job) for _ in range(watches._WATCHES_PER_CALLER)]
    for watcher in own:
        await watcher.next()
    assert await reason(anext(jobs.watch(ANN, job.id))) == "TOO_MANY_WATCHES"
    await own.pop().close()
    own.append(Watcher(jobs, job))
    await own[-1].next()
    others = [Watcher(jobs, job, WORKER) for _ in range(watches._WATCHES - len(own))]
    for watcher in others:
        await watcher.next()
    assert await reason(anext(jobs.watch(WORKER, job.id))) == "TOO_MANY_WATCHES"
    for watcher in (*own, *others):
        await watcher.close()
    assert not jobs._watches
