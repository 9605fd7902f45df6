"""The scaling model: queues whose waiting times are known, the rules of KEDA and the autoscaler, and the manifests."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from services.library.jobs.service import Priority
from simulation.__main__ import main
from simulation.autoscaler import HorizontalPodAutoscaler
from simulation.comparison import compare, recorded_policy
from simulation.model import Platform, Run, simulate
from simulation.policy import KEDA, ScalingPolicy, read_policies
from simulation.record import DrillRecord
from simulation.work import Queue, SimulatedJob, poisson

POLICY = read_policies()["soundwright-separation-worker"]


def fixed(servers: int) -> ScalingPolicy:
    return POLICY.model_copy(update={"min_replicas": servers, "max_replicas": servers})


def random_jobs(count: int, arrival_rate: float, service_rate: float = 1.0) -> list[SimulatedJob]:
    source = random.Random(7)
    return [
        SimulatedJob(arrival, source.expovariate(service_rate), starvation_seconds=math.inf)
        for arrival in itertools.islice(poisson(1 / arrival_rate, source), count)
    ]


def mean_wait(run: Run) -> float:
    return sum(job.wait_seconds for job in run.jobs) / len(run.jobs)


def erlang_wait(servers: int, arrival_rate: float) -> float:
    """Return the mean wait of M/M/c with service rate 1 (Erlang's C formula)."""
    load = arrival_rate
    waiting = load**servers / math.factorial(servers) * servers / (servers - load)
    chance = waiting / (sum(load**k / math.factorial(k) for k in range(servers)) + waiting)
    return chance / (servers - load)


@pytest.mark.parametrize(("servers", "arrival_rate"), [(1, 0.5), (1, 0.7), (4, 3.0)])
def test_waits_agree_with_the_theory_of_queues(servers: int, arrival_rate: float) -> None:
    run = simulate(random_jobs(12_000, arrival_rate), fixed(servers), Platform(servers))
    assert mean_wait(run) == pytest.approx(erlang_wait(servers, arrival_rate), rel=0.1)


@pytest.mark.parametrize("servers", [1, 3])
def test_each_wait_is_that_of_the_recursion_of_kiefer_and_wolfowitz(servers: int) -> None:
    run = simulate(random_jobs(500, 0.9 * servers), fixed(servers), Platform(servers))
    free = [0.0] * servers
    for job in run.jobs:
        start = max(job.arrival, free[0])
        assert job.start == pytest.approx(start)
        free = sorted([start + job.seconds, *free[1:]])


def test_slots_of_one_worker_serve_like_workers() -> None:
    waits = [
        [job.wait_seconds for job in simulate(random_jobs(200, 2.0), fixed(workers), platform).jobs]
        for workers, platform in ((3, Platform(3)), (1, Platform(1, slot_count=3)))
    ]
    assert waits[0] == pytest.approx(waits[1])


def burst(count: int, seconds: float, at: float = 100.0) -> list[SimulatedJob]:
    return [SimulatedJob(at, seconds) for _ in range(count)]


def test_an_idle_cluster_holds_no_gpu() -> None:
    run = simulate([], POLICY, Platform(4), horizon_seconds=86_400)
    assert run.replicas == [(0.0, 0)]
    assert run.gpu_seconds == 0


def test_a_burst_scales_from_zero_to_the_nodes_and_back_to_zero() -> None:
    run = simulate(burst(40, 60.0), POLICY, Platform(4, start_seconds=30), horizon_seconds=86_400)
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


@pytest.mark.parametrize("drain_seconds", [5.0, 1800.0])
def test_every_job_ends_once_while_workers_come_and_go(drain_seconds: float) -> None:
    hasty = POLICY.model_copy(
        update={
            "cooldown_seconds": 1.0,
            "target": 3.0,
            "scale_down": POLICY.scale_down.model_copy(update={"stabilization_seconds": 0.0}),
        }
    )
    source = random.Random(3)
    jobs = [SimulatedJob(start, source.uniform(1, 40)) for start in itertools.islice(poisson(4, source), 300)]
    run = simulate(
        jobs,
        hasty,
        Platform(6, node_start_seconds=45, node_idle_seconds=60, start_seconds=5, drain_seconds=drain_seconds),
    )
    assert len(run.jobs) == 300
    assert all(job.start is not None and job.end is not None and job.arrival <= job.start < job.end for job in run.jobs)
    repeated = sum(job.starts - 1 for job in run.jobs)
    assert (repeated > 0) == (drain_seconds == 5.0), "only a drain that is too short hands jobs back"
    assert run.gpu_seconds >= run.busy_seconds >= sum(job.seconds for job in jobs)
    assert run.node_seconds >= run.gpu_seconds


def test_a_worker_loads_the_model_and_pulls_the_image_once() -> None:
    platform = Platform(1, pull_seconds=100, start_seconds=10, load_seconds=5)
    policy = POLICY.model_copy(update={"max_replicas": 1})
    first, second, much_later = simulate([*burst(2, 20.0, at=5.0), SimulatedJob(5_000.0, 20.0)], policy, platform).jobs
    created = 10.0  # the second poll of KEDA
    assert (first.start, first.end) == (created + 110, created + 135)
    assert (second.start, second.end) == (created + 135, created + 155)
    assert much_later.wait_seconds == pytest.approx(10.0), "the image is on the node"
    assert much_later.end == pytest.approx(5_035.0), "the new worker loads the model"


def test_nodes_of_a_cluster_autoscaler_come_and_go() -> None:
    platform = Platform(4, node_start_seconds=120, node_idle_seconds=300)
    run = simulate(burst(2, 60.0, at=5.0), POLICY, platform, horizon_seconds=86_400)
    assert [job.start for job in run.jobs] == [10.0 + 120, 15.0 + 120], "KEDA, then the autoscaler, adds a worker"
    assert run.node_seconds < 4_000, "nodes exist from the burst until the cooldown and their idle time are over"


# the order of jobs


def test_jobs_start_by_starvation_priority_and_age() -> None:
    queue = Queue()
    oldest_free = SimulatedJob(0.0, 1.0, Priority.FREE, starvation_seconds=10.0)
    standard = SimulatedJob(5.0, 1.0)
    older_standard = SimulatedJob(4.0, 1.0)
    admin = SimulatedJob(6.0, 1.0, Priority.ADMIN)
    for job in (oldest_free, standard, older_standard, admin):
        queue.add(job)
    assert queue.take(9.0) is admin
    assert queue.take(9.0) is older_standard
    queue.add(older_standard)
    assert queue.take(10.5) is oldest_free, "it has waited longer than its starvation timeout"
    assert [queue.take(10.5), queue.take(10.5), queue.take(10.5)] == [older_standard, standard, None]


# the autoscaler


def changes(policy: ScalingPolicy, lags: Sequence[int], replicas: int, interval: float = 15.0) -> list[int]:
    autoscaler = HorizontalPodAutoscaler(policy)
    counts = []
    for index, jobs in enumerate(lags):
        replicas = autoscaler.sync(index * interval, replicas, jobs)
        counts.append(replicas)
    return counts


def test_the_autoscaler_adds_four_pods_or_doubles_them_in_each_period() -> None:
    assert changes(POLICY, [100] * 4, 1) == [5, 10, 16, 16]


def test_the_autoscaler_waits_before_it_removes_one_pod_a_minute() -> None:
    counts = changes(POLICY, [8, *[2] * 60], 8)
    assert counts.index(7) * 15 == POLICY.scale_down.stabilization_seconds, "the window since the last need of 8"
    removals = [index * 15 for index, (before, after) in enumerate(itertools.pairwise(counts), 1) if after < before]
    assert {later - earlier for earlier, later in itertools.pairwise(removals)} == {60}
    assert counts[-1] == 2


def test_the_autoscaler_ignores_small_differences_and_leaves_zero_to_keda() -> None:
    assert changes(POLICY, [16], 15) == [15]
    assert changes(POLICY, [12], 10) == [12]
    assert changes(POLICY, [50], 0) == [0]


# the manifests


def test_policies_are_those_of_the_manifests() -> None:
    policies = read_policies()
    assert set(policies) == {"soundwright-separation-worker", "soundwright-generation-worker", "soundwright-analysis"}
    for name, policy in policies.items():
        file = KEDA / f"{name.removeprefix('soundwright-')}.yaml"
        spec = yaml.safe_load(file.read_text())["spec"]
        assert policy.max_replicas == spec["maxReplicaCount"]
        assert policy.target == float(spec["advanced"]["scalingModifiers"]["target"])
        assert policy.cooldown_seconds == spec["cooldownPeriod"]


def test_a_setting_that_the_model_lacks_is_an_error(tmp_path: Path) -> None:
    text = (KEDA / "separation-worker.yaml").read_text()
    (tmp_path / "worker.yaml").write_text(text.replace("  pollingInterval", "  idleReplicaCount: 0\n  pollingInterval"))
    with pytest.raises(ValueError, match="idleReplicaCount"):
        read_policies(tmp_path)


# the record of a drill


def record_of(run: Run, changes: dict[str, object]) -> DrillRecord:
    """Return what a drill would have recorded in which everything went as in ``run``."""
    counts = dict(run.replicas)
    return DrillRecord.model_validate(
        {
            "scaled_object": "soundwright-separation-worker",
            "policy": changes,
            "gpu_node_count": 4,
            "drain_seconds": 1800,
            "worker_start_seconds": 8,
            "jobs": [
                {
                    "id": str(index),
                    "priority": job.priority,
                    "arrival_seconds": job.arrival,
                    "start_seconds": job.start,
                    "end_seconds": job.end,
                    "attempt": job.starts,
                    "state": "succeeded",
                }
                for index, job in enumerate(run.jobs)
            ],
            "replicas": [
                {"time_seconds": time, "desired": count, "running": count, "ready": count}
                for time, count in [*counts.items(), (run.end, 0)]
            ],
        }
    )


def test_a_drill_that_follows_the_model_is_predicted() -> None:
    changes = {"cooldown_seconds": 30, "max_replicas": 4, "scale_down": {"stabilization_seconds": 10}}
    policy = recorded_policy(record_of(simulate(burst(1, 1.0), POLICY, Platform(4)), changes))
    assert policy.cooldown_seconds == 30
    assert policy.scale_down.policies == POLICY.scale_down.policies
    run = simulate(burst(30, 20.0), policy, Platform(4, start_seconds=8))
    lines = compare(record_of(run, changes)).splitlines()
    found = {
        name: (predicted, recorded)
        for _, name, predicted, recorded, _ in (re.split(r" ?\| ?", line) for line in lines[4:])
    }
    assert found.pop("most replicas asked for") == ("4", "4")
    assert len(found) == 6
    for name, (predicted, recorded) in found.items():
        assert float(predicted) == pytest.approx(float(recorded), rel=0.03), name


def test_the_tables_have_a_row_for_each_policy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    times = tmp_path / "times.json"
    times.write_text("[30, 40.5]")
    main(["--times", str(times), "--gpu-nodes", "2"])
    printed = capsys.readouterr().out
    assert "Mean time of a job: 35.2 s." in printed
    assert printed.count("\n| manifests | ") == printed.count("\n| all nodes always | ") == 4
