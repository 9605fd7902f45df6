"""KEDA scales the workers with a real queue, on nodes with and without GPUs."""

from typing import Any

from tests.control_plane.broker import Broker
from tests.control_plane.installation import Installation
from tests.control_plane.plane import GPU_NODE_COUNT
from tests.waiting import eventually

WORKER = "soundwright-separation-worker"
JOB_COUNT = 6


def test_a_queue_fills_the_gpu_nodes_and_leaves_them(prod: Installation, nats: Broker) -> None:
    eventually(lambda: not prod.pods(WORKER), "an idle cluster has no worker", 600)
    nats.put("separation", JOB_COUNT)
    eventually(lambda: len(prod.pods(WORKER)) == JOB_COUNT, "KEDA asks for a pod per job", 600)
    eventually(lambda: len(running(prod)) == GPU_NODE_COUNT, "the pods fill the nodes with GPUs", 600)
    assert len({pod["spec"]["nodeName"] for pod in running(prod)}) == GPU_NODE_COUNT, "one GPU, one pod"
    for pod in prod.plane.all("pods", prod.namespace, "app.kubernetes.io/part-of=soundwright"):
        place = pod["spec"].get("nodeName", "")
        assert not place or place.startswith("gpu-" if uses_gpu(pod) else "cpu-"), pod["metadata"]["name"]
    prod.until_rolled_out(*(name for name in prod.names("Deployment", "StatefulSet") if WORKER not in name))
    nats.take("separation", JOB_COUNT)
    eventually(lambda: not prod.pods(WORKER), "an empty queue holds no GPU", 600)


def uses_gpu(pod: Any) -> bool:
    return any("/gpu" in name for container in pod["spec"]["containers"] for name in container["resources"]["limits"])


def running(prod: Installation) -> list[Any]:
    return [pod for pod in prod.pods(WORKER) if pod["status"]["phase"] == "Running"]
