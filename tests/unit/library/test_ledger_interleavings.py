"""Whatever two workers, a user, the sweeper and the clock do in whatever order, the ledger keeps its promises."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_fixture import ANN, Library, new, opened, result

from soundwright.kit.errors import AppError
from soundwright.services.library.jobs.service import JobError, JobState

LEASE, LOST = 10.0, 15.0

WORKERS = st.sampled_from(["w1", "w2"])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["claim", "claim", "claim", "heartbeat", "succeed", "fail", "cancelled"]), WORKERS),
    st.tuples(st.sampled_from(["release", "stop"]), WORKERS),
    st.tuples(st.just("wait"), st.sampled_from([0.5, LEASE + 1, LEASE + LOST + 1])),
    st.tuples(st.sampled_from(["cancel", "sweep", "sweep"]), st.just("")),
)


@pytest.fixture(scope="module")
async def library(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Library]:
    async with opened(tmp_path_factory.mktemp("library")) as library:
        yield library


@settings(max_examples=150)
@given(steps=st.lists(STEPS, min_size=5, max_size=30), attempt_limit=st.integers(1, 3))
async def test_promises_hold_in_any_order(library: Library, steps: list[tuple[str, Any]], attempt_limit: int) -> None:
    """The broker has lost every command, and the job has no track."""
    clock, ledger, sweeper = library.clock, library.ledger, library.sweeper
    job = (await ledger.create(ANN, new(attempt_limit=attempt_limit, output_folder="")))[0]
    attempts = {"w1": 0, "w2": 0}  # which attempt each worker believes to be working on
    granted: list[int] = []
    refunds = 0
    before = await ledger.get(ANN, job.id)
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
                    await ledger.succeed(job.id, mine, result(engine=detail, model=str(mine)), [])
                case "fail" | "cancelled":
                    await ledger.fail(job.id, mine, JobError("X", detail), action == "cancelled", [])
                case "release" | "stop":
                    error = JobError("BUSY", detail) if action == "release" else None
                    released = await ledger.release(job.id, mine, 1.0, error, action == "stop")
                    refunds += released.attempt_limit - before.attempt_limit
                case "wait":
                    clock.time += detail
                case "cancel":
                    await ledger.cancel(ANN, job.id)
                case "sweep":
                    await sweeper.sweep()
        except AppError as error:
            refusal = error.reason
        after = await ledger.get(ANN, job.id)
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
    await comes_to_an_end(library, job.id, attempt_limit + refunds)


async def comes_to_an_end(library: Library, job_id: str, budget: int) -> None:
    """If from now on every worker dies, sweeper and budget alone bring the job to its end."""
    for _ in range(budget + 1):
        library.clock.time += LEASE + LOST + 1
        await library.sweeper.sweep()
        await library.ledger.claim(job_id, "dying", LEASE)
    assert (await library.ledger.get(ANN, job_id)).state.terminal
