"""Predict a recorded drill, and compare."""

from __future__ import annotations

import itertools
import statistics

from simulation.model import Platform, simulate
from simulation.policy import ScalingPolicy, read_policies
from simulation.record import DrillRecord
from simulation.report import percentile, table
from simulation.work import SimulatedJob

__all__ = ["compare", "predicted_jobs", "recorded_policy"]


def recorded_policy(record: DrillRecord) -> ScalingPolicy:
    """Return the policy of the drill: that of the manifests with the settings that the drill changed."""
    policy = read_policies()[record.scaled_object].model_dump()
    for name, value in record.policy.items():
        policy[name] = policy[name] | value if isinstance(value, dict) and name in policy else value
    return ScalingPolicy.model_validate(policy)


def worker_start_seconds(record: DrillRecord) -> float:
    """Return the median time from the creation of a worker to its readiness.

    Raises:
        ValueError: the record contains neither that time nor a worker that became ready.
    """
    if record.worker_start_seconds is not None:
        return record.worker_start_seconds
    starts = [
        worker.ready_seconds - worker.created_seconds for worker in record.workers if worker.ready_seconds is not None
    ]
    if not starts:
        raise ValueError("The record needs worker_start_seconds, or workers that became ready.")
    return statistics.median(starts)


def predicted_jobs(record: DrillRecord) -> list[SimulatedJob]:
    """Return the jobs of the drill. Each takes the time of its last attempt."""
    return [SimulatedJob(job.arrival_seconds, job.end_seconds - job.start_seconds, job.priority) for job in record.jobs]


def compare(record: DrillRecord) -> str:
    """Return a table of what the model predicts and what happened."""
    policy = recorded_policy(record)
    platform = Platform(
        node_count=record.gpu_node_count,
        start_seconds=worker_start_seconds(record),
        slot_count=record.slot_count,
        drain_seconds=record.drain_seconds,
        hpa_sync_seconds=record.hpa_sync_seconds,
    )
    run = simulate(predicted_jobs(record), policy, platform)
    predicted_ends = [job.end for job in run.jobs if job.end is not None]
    waits = [
        [job.wait_seconds for job in run.jobs],
        [job.start_seconds - job.arrival_seconds for job in record.jobs],
    ]
    worker_seconds = sum(
        (later.time_seconds - sample.time_seconds) * sample.running
        for sample, later in itertools.pairwise(record.replicas)
    )
    rows = [
        *((f"wait p{percent}, s", *(f"{percentile(values, percent):.1f}" for values in waits)) for percent in (50, 95)),
        ("longest wait, s", *(f"{max(values):.1f}" for values in waits)),
        (
            "last job ends, s after the first arrival",
            f"{max(predicted_ends) - run.jobs[0].arrival:.1f}",
            f"{max(job.end_seconds for job in record.jobs) - min(job.arrival_seconds for job in record.jobs):.1f}",
        ),
        (
            "most replicas asked for",
            str(max(replicas for _, replicas in run.replicas)),
            str(max(sample.desired for sample in record.replicas)),
        ),
        ("pod seconds", f"{run.gpu_seconds:.0f}", f"{worker_seconds:.0f}"),
        (
            "attempts beyond the first",
            str(sum(job.starts - 1 for job in run.jobs)),
            str(sum(job.attempt - 1 for job in record.jobs)),
        ),
    ]
    kinds = ", ".join(f"{item.kind} at {item.time_seconds:.0f} s" for item in record.disturbances) or "none"
    lines = table([(name, cells) for name, *cells in rows], ("predicted", "recorded"))
    return f"{len(record.jobs)} jobs. Disturbances, which the model does not include: {kinds}.\n\n{lines}"
