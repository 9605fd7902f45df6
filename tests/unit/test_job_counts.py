"""Counts of jobs by kind and state."""

from __future__ import annotations

from pathlib import Path

from ledger_world import opened

from services.library.jobs.service import Job, JobState, Priority


def job(number: int, kind: str, state: JobState) -> Job:
    return Job(
        id=f"j{number}", kind=kind, owner_id="ann", track_id="", state=state, priority=Priority.FREE, spec=None,
        attempt_limit=3, command_subject="s", correlation_id="c", create_time=float(number), fingerprint="f",
    )  # fmt: skip


async def test_every_kind_and_state_is_counted(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        assert await world.jobs.count_by_kind_and_state() == {}
        expected = {
            ("separation", "queued"): 2,
            ("separation", "succeeded"): 1,
            ("separation2", "failed"): 1,
            ("analysis", "running"): 3,
        }
        number = 0
        for (kind, state), count in expected.items():
            for _ in range(count):
                await world.jobs.insert_job(job(number, kind, JobState(state)))
                number += 1
        assert await world.jobs.count_by_kind_and_state() == expected
