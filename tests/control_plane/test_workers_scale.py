"""KEDA scales the workers with real jobs in a real queue, on nodes with and without GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.control_plane.burst import Jobs, events, lag
from tests.control_plane.installation import Installation
from tests.control_plane.kubelet import Kubelet
from tests.control_plane.local_services import Broker, LocalServices
from tests.control_plane.plane import GPU_NODE_COUNT, until

WORKER = "soundwright-separation-worker"
GPU_NODES = "nvidia.com/gpu.present=true"
JOB_COUNT = 6
_BACK_TO_ZERO_SECONDS = 1200.0


def test_a_burst_fills_the_gpu_nodes_and_leaves_them(
    prod: Installation, nats: Broker, services: LocalServices, client: httpx.Client, tmp_path: Path
) -> None:
    until(lambda: not gpu_pods(prod), "an idle cluster holds no GPU pod")
    jobs = Jobs(services, client)
    with prod.plane.without_nodes(GPU_NODES):
        jobs.create(JOB_COUNT)
        assert lag(nats) == JOB_COUNT
        until(lambda: len(prod.pods(WORKER)) == JOB_COUNT, "KEDA asks for a pod per job")
        until(lambda: all(map(waits, prod.pods(WORKER))), "the pods wait for a node")
        prod.until_rolled_out(*(name for name in prod.names("Deployment", "StatefulSet") if WORKER not in name))
    until(lambda: len(running(prod)) == GPU_NODE_COUNT, "the pods fill the nodes that came back")
    assert len({pod["spec"]["nodeName"] for pod in running(prod)}) == GPU_NODE_COUNT, "one GPU, one pod"
    for pod in prod.plane.all("pods", prod.namespace, "app.kubernetes.io/part-of=soundwright"):
        place = pod["spec"].get("nodeName", "")
        assert not place or place.startswith("gpu-" if uses_gpu(pod) else "cpu-"), pod["metadata"]["name"]
    with events(services) as ended, Kubelet(prod, WORKER, "separation", services.settings, tmp_path) as kubelet:
        until(lambda: any("ready" in run.times for run in kubelet.running), "a worker is ready")
        node = kubelet.running[0].node
        drained = prod.plane.run("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=600s")
        assert drained.returncode == 0, drained.stderr
        prod.plane.kubectl("uncordon", node)
        until(lambda: not gpu_pods(prod), "the queue is empty and holds no GPU", _BACK_TO_ZERO_SECONDS)
        assert kubelet.error is None
        assert [run for run in kubelet.runs.values() if not run.ended_cleanly] == []
    jobs.assert_completed_once()
    assert ended == {job_id: {f"{job_id}.succeeded"} for job_id in jobs.ids}


def uses_gpu(pod: Any) -> bool:
    return any("/gpu" in name for container in pod["spec"]["containers"] for name in container["resources"]["limits"])


def gpu_pods(prod: Installation) -> list[Any]:
    return [pod for pod in prod.plane.all("pods", prod.namespace) if uses_gpu(pod)]


def running(prod: Installation) -> list[Any]:
    return [pod for pod in prod.pods(WORKER) if pod["status"]["phase"] == "Running"]


def waits(pod: Any) -> bool:
    return any(condition.get("reason") == "Unschedulable" for condition in pod["status"].get("conditions", ()))
