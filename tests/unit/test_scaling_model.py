"""The scaling model: queues whose starts are known, the rules of KEDA and the autoscaler, and the manifests."""

from __future__ import annotations

import itertools
import math
import random
import shutil
from pathlib import Path

import pytest

from simulation.__main__ import main
from simulation.autoscaler import HorizontalPodAutoscaler
from simulation.model import Platform, simulate
from simulation.policy import KEDA, read_policies
from simulation.work import SimulatedJob, poisson

POLICY = read_policies()["soundwright-separation-worker"]


def test_each_wait_is_that_of_the_recursion_of_kiefer_and_wolfowitz() -> None:
    servers, source = 3, random.Random(7)
    jobs = [
        SimulatedJob(arrival, source.expovariate(1.0), starvation_seconds=math.inf)
        for arrival in itertools.islice(poisson(1 / (0.9 * servers), source), 500)
    ]
    fixed = POLICY.model_copy(update={"min_replicas": servers, "max_replicas": servers})
    run = simulate(jobs, fixed, Platform(servers))
    free = [0.0] * servers
    for job in run.jobs:
        start = max(job.arrival, free[0])
        assert job.start == pytest.approx(start)
        free = sorted([start + job.seconds, *free[1:]])


def test_a_burst_scales_from_zero_to_the_nodes_and_back_to_zero() -> None:
    run = simulate(
        [SimulatedJob(100.0, 60.0) for _ in range(40)], POLICY, Platform(4, start_seconds=30), horizon_seconds=86_400
    )
    times = [time for time, _ in run.replicas]
    counts = [count for _, count in run.replicas]
    assert counts[:3] == [0, 1, 5], "KEDA starts the first, the autoscaler adds 4 in its first period"
    assert times[1] - 100 <= POLICY.polling_interval_seconds
    assert max(counts) == POLICY.max_replicas
    assert counts[-1] == 0
    last_end = max(job.end for job in run.jobs if job.end is not None)
    assert POLICY.cooldown_seconds <= times[-1] - last_end <= POLICY.cooldown_seconds + POLICY.polling_interval_seconds
    assert min(job.wait_seconds for job in run.jobs) >= 30, "no job starts before a worker does"
    together = max(
        sum(job.start <= moment < job.end for job in run.jobs if job.start is not None and job.end is not None)
        for moment in (job.start for job in run.jobs if job.start is not None)
    )
    assert together == 4, "one job on each GPU node"


def test_the_autoscaler_adds_four_pods_or_doubles_them_and_later_removes_one_a_minute() -> None:
    autoscaler, times = HorizontalPodAutoscaler(POLICY), itertools.count(step=15)
    counts = list(
        itertools.accumulate([100] * 4 + [2] * 80, lambda n, lag: autoscaler.sync(next(times), n, lag), initial=1)
    )
    assert counts[1:5] == [5, 10, 16, 16]
    removals = [15 * index for index, (before, after) in enumerate(itertools.pairwise(counts)) if after < before]
    assert removals[0] == 45 + POLICY.scale_down.stabilization_seconds
    assert {later - earlier for earlier, later in itertools.pairwise(removals)} == {60}


def test_a_setting_that_the_model_lacks_is_an_error(tmp_path: Path) -> None:
    shutil.copy(KEDA / "behavior.yaml", tmp_path)
    text = (KEDA / "scaled-objects.yaml").read_text()
    (tmp_path / "all.yaml").write_text(text.replace("  pollingInterval", "  idleReplicaCount: 0\n  pollingInterval"))
    with pytest.raises(ValueError, match="idleReplicaCount"):
        read_policies(tmp_path)


def test_the_tables_have_a_row_for_each_policy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    times = tmp_path / "times.json"
    times.write_text("[30, 40.5]")
    main(["--times", str(times), "--gpu-nodes", "2"])
    printed = capsys.readouterr().out
    assert "Mean time of a job: 35.2 s." in printed
    assert printed.count("\n| manifests | ") == printed.count("\n| all nodes always | ") == 4
