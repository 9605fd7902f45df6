"""The drill: 100 jobs, while KEDA adds and removes workers, a node dies and the workers are restarted. Every job ends once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.library.jobs.service import Priority
from simulation.record import DrillRecord
from tests.control_plane.burst import Jobs, events, lag
from tests.control_plane.installation import Installation
from tests.control_plane.kubelet import Kubelet, PodRun
from tests.control_plane.local_services import Broker, LocalServices
from tests.control_plane.plane import GPU_NODE_COUNT, HPA_SYNC_SECONDS, seconds, until

WORKER = "soundwright-separation-worker"
WAVES = (50, 20, 30)
_WAVE_SECONDS = 1200.0
_ZERO_SECONDS = 1200.0
_SAMPLE_SECONDS = 2.0


@contextlib.contextmanager
def sampled(prod: Installation, kubelet: Kubelet) -> Iterator[list[dict[str, float]]]:
    """Record the number of workers every two seconds of the block."""
    samples: list[dict[str, float]] = []
    over = threading.Event()
    path = f"/apis/apps/v1/namespaces/{prod.namespace}/deployments/{WORKER}"

    def sample() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            desired = prod.plane.api.get(path).json()["spec"]["replicas"]
            running = kubelet.running
            ready = sum("ready" in run.times for run in running)
            samples.append({"time_seconds": time.time(), "desired": desired, "running": len(running), "ready": ready})

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def test_each_of_a_hundred_jobs_ends_once(
    prod: Installation,
    nats: Broker,
    services: LocalServices,
    client: httpx.Client,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    jobs = Jobs(services, client)
    with (
        events(services) as ended,
        Kubelet(prod, WORKER, "separation", services.settings, tmp_path) as kubelet,
        sampled(prod, kubelet) as samples,
    ):
        jobs.create(WAVES[0])
        until(lambda: len(ready(kubelet)) == GPU_NODE_COUNT, "KEDA adds a worker for each GPU")

        before = list(kubelet.running)
        disturbances = {"rollout-restart": time.time()}
        prod.kubectl("rollout", "restart", f"deployment/{WORKER}")
        until(lambda: all("ended" in run.times for run in before), "the old workers finish their jobs and end")
        until(lambda: len(ready(kubelet)) == GPU_NODE_COUNT, "new workers take their places")
        assert lag(nats) > GPU_NODE_COUNT, "the restart was in the middle of the burst"

        jobs.create(WAVES[1])
        lost = ready(kubelet)[0]
        node = prod.plane.get("node", lost.node)
        disturbances["node-deleted"] = time.time()
        prod.plane.kubectl("delete", "node", lost.node)
        until(lambda: lost.end == "node lost", "the worker dies with its node")
        until(lambda: lag(nats) < GPU_NODE_COUNT, "the queue gets short", _WAVE_SECONDS)
        until(lambda: samples[-1]["desired"] < GPU_NODE_COUNT, "KEDA removes workers")
        prod.plane.add_node(node)

        jobs.create(WAVES[2])
        until(lambda: samples[-1]["desired"] > GPU_NODE_COUNT, "KEDA adds workers again")
        until(lambda: lag(nats) == 0, "all jobs have ended", _WAVE_SECONDS)
        until(lambda: not prod.pods(WORKER), "KEDA removes all workers", _ZERO_SECONDS)
        assert kubelet.error is None
    runs = list(kubelet.runs.values())
    records = jobs.assert_completed_once()
    if path := request.config.getoption("--drill-report"):
        Path(path).write_text(record(prod, records, runs, samples, disturbances).model_dump_json(indent=1))
    assert [run for run in runs if not run.ended_cleanly] == [lost]
    assert any(run.times["stopping"] < last(records) for run in runs if run not in before and run is not lost), (
        "KEDA removed a worker while jobs ran"
    )
    assert ended == {job_id: {f"{job_id}.succeeded"} for job_id in jobs.ids}
    # A worker that is stopped finishes its job. Only the lost node interrupts one, if it ran one at that moment.
    assert sorted(job["attempt"] for job in records)[:-1] == [1] * (len(records) - 1)


def ready(kubelet: Kubelet) -> list[PodRun]:
    return [run for run in kubelet.running if "ready" in run.times and "stopping" not in run.times]


def last(records: list[dict[str, Any]]) -> float:
    return max(seconds(job["completed_at"]) for job in records)


def record(
    prod: Installation,
    jobs: list[dict[str, Any]],
    runs: list[PodRun],
    samples: list[dict[str, float]],
    disturbances: dict[str, float],
) -> DrillRecord:
    """Return what the drill measured, for a comparison with the model of scaling (docs/SCALING.md)."""
    start = min(seconds(job["created_at"]) for job in jobs)
    objects = {(item["kind"], item["metadata"]["name"]): item.get("spec") for item in prod.objects}
    scaled = objects["ScaledObject", WORKER]
    scale_down = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    policy = {
        "cooldown_seconds": scaled["cooldownPeriod"],
        "scale_down": {
            "stabilization_seconds": scale_down["stabilizationWindowSeconds"],
            "policies": [
                {"kind": one["type"], "value": one["value"], "period_seconds": one["periodSeconds"]}
                for one in scale_down["policies"]
            ],
        },
    }
    (container,) = objects["Deployment", WORKER]["template"]["spec"]["containers"]
    (drain,) = (one["value"] for one in container["env"] if one["name"] == "SOUNDWRIGHT_DRAIN_SECONDS")
    return DrillRecord.model_validate(
        {
            "scaled_object": WORKER,
            "policy": policy,
            "hpa_sync_seconds": HPA_SYNC_SECONDS,
            "gpu_node_count": GPU_NODE_COUNT,
            "drain_seconds": drain,
            "jobs": [
                {
                    "id": job["id"],
                    "priority": Priority.ADMIN,
                    "arrival_seconds": seconds(job["created_at"]) - start,
                    "start_seconds": seconds(job["started_at"]) - start,
                    "end_seconds": seconds(job["completed_at"]) - start,
                    "attempt": job["attempt"],
                    "state": "succeeded",
                }
                for job in jobs
            ],
            "replicas": [{**sample, "time_seconds": sample["time_seconds"] - start} for sample in samples],
            "workers": [
                {
                    "id": run.name,
                    "created_seconds": run.times["created"] - start,
                    "ready_seconds": run.times["ready"] - start if "ready" in run.times else None,
                    "end_seconds": run.times["ended"] - start,
                }
                for run in runs
            ],
            "disturbances": [{"kind": kind, "time_seconds": at - start} for kind, at in disturbances.items()],
        }
    )
