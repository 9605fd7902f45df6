"""Whatever two workers, a user, the sweeper and the clock do in whatever order, the ledger keeps its promises."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.adapters.sqlite.docs import SqliteDocs
from kit.errors import AppError
from kit.security.identity import Principal
from services.library.jobs.admission import NewJob
from services.library.jobs.ledger import JobLedger
from services.library.jobs.service import Job, JobError, JobResult, JobState, PackedMessage
from services.library.jobs.store import JobDocs
from services.library.jobs.sweeper import Sweeper

OWNER = Principal("ann", "user")
LEASE = 10.0
LOST = 15.0

WORKERS = st.sampled_from(["w1", "w2"])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["claim", "claim", "claim", "heartbeat", "succeed", "fail", "cancelled"]), WORKERS),
    st.tuples(st.sampled_from(["release", "stop"]), WORKERS),
    st.tuples(st.just("wait"), st.sampled_from([0.5, LEASE + 1, LEASE + LOST + 1])),
    st.tuples(st.sampled_from(["cancel", "sweep", "sweep"]), st.just("")),
)


class HandClock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


class EmptyBroker:
    """It has lost every command."""

    async def backlog(self, subject: str) -> int:
        return 0


class NoResults:
    """The rest of a library, for jobs without a track."""

    async def track(self, track_id: str) -> None:
        raise AssertionError("no job has a track")

    async def store_results(self, job: Job) -> None:
        assert job.results_pending

    async def remove_results(self, job: Job) -> None:
        raise AssertionError("no job has a track")


async def ignore(job: Job) -> None:
    return None


@pytest_asyncio.fixture(scope="module")
async def store() -> AsyncIterator[JobDocs]:
    with tempfile.TemporaryDirectory() as folder:
        docs = SqliteDocs(Path(folder) / "library.db")
        docs.database.writer.execute("PRAGMA synchronous = OFF")  # many small examples
        store = JobDocs(docs)
        await store.prepare()
        yield store
        await docs.close()


def result(worker: str, attempt: int) -> JobResult:
    return JobResult(
        engine=worker, model=str(attempt), degraded=False, requested_model="", degraded_reason="", compute_seconds=0.0
    )


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEPS, min_size=5, max_size=30), attempt_limit=st.integers(1, 3))
async def test_promises_hold_in_any_order(store: JobDocs, steps: list[tuple[str, Any]], attempt_limit: int) -> None:
    clock = HandClock()
    ledger = JobLedger(store, NoResults(), clock)
    sweeper = Sweeper(store, ledger, EmptyBroker(), clock, ignore, LOST)  # type: ignore[arg-type]
    new = NewJob(
        "separation",
        "",
        PackedMessage("type.googleapis.com/test.Spec", ""),
        attempt_limit,
        "soundwright.cmd.test.v1.job.run",
        "",
    )
    job = (await ledger.create(OWNER, new))[0]
    attempts = {"w1": 0, "w2": 0}  # which attempt each worker believes to be working on
    granted: list[int] = []
    refunds = 0
    before = await ledger.get(OWNER, job.id)
    for number, (action, detail) in enumerate(steps):
        mine = attempts.get(detail, 0)
        refusal = None
        try:
            match action:
                case "claim":
                    claimed, given_to_it, _ = await ledger.claim(job.id, f"{detail}.{number}", LEASE)
                    if given_to_it:
                        assert before.lease_until is None or before.lease_until <= clock.time
                        granted.append(claimed.attempt)
                        attempts[detail] = claimed.attempt
                case "heartbeat":
                    await ledger.heartbeat(job.id, mine, LEASE, number * 7 % 10 / 10, "", [])
                case "succeed":
                    await ledger.succeed(job.id, mine, result(detail, mine), [])
                case "fail" | "cancelled":
                    await ledger.fail(job.id, mine, JobError("X", detail), action == "cancelled", [])
                case "release" | "stop":
                    error = JobError("BUSY", detail) if action == "release" else None
                    released = await ledger.release(job.id, mine, 1.0, error, action == "stop")
                    refunds += released.attempt_limit - before.attempt_limit
                case "wait":
                    clock.time += detail
                case "cancel":
                    await ledger.cancel(OWNER, job.id)
                case "sweep":
                    await sweeper.sweep()
        except AppError as error:
            refusal = error.reason
        after = await ledger.get(OWNER, job.id)
        assert refusal in (None, "ATTEMPT_STALE", "JOB_FINISHED")
        if refusal is not None:
            assert after == before
        if before.state.terminal:
            assert dataclasses.replace(after, results_pending=None, revision=0) == dataclasses.replace(
                before, results_pending=None, revision=0
            )
        owns = before.state is JobState.RUNNING and before.attempt == mine
        if action in ("heartbeat", "succeed", "fail", "cancelled", "release", "stop") and not owns:
            assert after == before, "a worker without the attempt changed something"
        assert after.attempt >= before.attempt
        assert (after.result is not None) == (after.state is JobState.SUCCEEDED)
        assert (after.lease_until is not None) == (after.state is JobState.RUNNING)
        assert (after.due_time is not None) == (after.state is JobState.QUEUED)
        assert (after.finish_time is not None) == after.state.terminal
        if after.state is JobState.RUNNING is before.state and after.attempt == before.attempt:
            assert after.progress_ratio >= before.progress_ratio
        before = after
    assert granted == list(range(1, len(granted) + 1)), "an attempt was given twice or skipped"
    assert len(granted) <= attempt_limit + refunds
    await comes_to_an_end(ledger, sweeper, clock, job.id, attempt_limit + refunds)


async def comes_to_an_end(ledger: JobLedger, sweeper: Sweeper, clock: HandClock, job_id: str, budget: int) -> None:
    """If from now on every worker dies, sweeper and budget alone bring the job to its end."""
    for _ in range(budget + 1):
        clock.time += LEASE + LOST + 1
        await sweeper.sweep()
        await ledger.claim(job_id, "dying", LEASE)
    assert (await ledger.get(OWNER, job_id)).state.terminal
