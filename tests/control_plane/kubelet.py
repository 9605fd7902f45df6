"""A kubelet for the tests: it runs the containers of chosen pods as processes of this machine.

The simulated kubelets of the control plane say that pods run. This one does the work of those that it watches.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.control_plane.installation import Installation
from tests.control_plane.plane import seconds
from tests.control_plane.sandbox import Sandbox
from tests.servers import free_ports

__all__ = ["Kubelet", "PodRun", "start_container"]

_FINALIZER = "soundwright.test/kubelet"
_PAUSE_SECONDS = 0.5


def start_container(
    component: str, environment: Mapping[str, str], folder: Path
) -> tuple[subprocess.Popen[bytes], str]:
    """Start what the image of a component starts. Return the process and the address of its probes."""
    (ops,) = free_ports(1)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDWRIGHT_")}
    own = {"SOUNDWRIGHT_OPS_BIND": f"127.0.0.1:{ops}", "OMP_NUM_THREADS": "1"}
    with (folder / "container.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services", component],
            env={**inherited, **environment, **own}, stdout=log, stderr=log,
        )  # fmt: skip
    return process, f"http://127.0.0.1:{ops}"


@dataclass
class PodRun:
    """The process of a pod, and when its phases began, in seconds since 1970."""

    name: str
    node: str
    grace_seconds: float
    process: subprocess.Popen[bytes]
    probes: str
    times: dict[str, float] = field(default_factory=dict)
    end: str = ""

    @property
    def ended_cleanly(self) -> bool:
        """Whether the process ended by itself, or by the signal before it was ready to handle it."""
        return self.end == "exit 0" or (self.end == f"exit {-signal.SIGTERM}" and "ready" not in self.times)

    def mark(self, phase: str) -> None:
        self.times.setdefault(phase, time.time())


class Kubelet:
    """Runs the pods of one Deployment while the block runs.

    A finalizer keeps a deleted pod, and with it the GPU that it holds, until its process has ended.

    Args:
        settings: variables that replace those of the pods, such as addresses.
    """

    def __init__(
        self, installation: Installation, deployment: str, component: str, settings: Mapping[str, str], folder: Path
    ) -> None:
        self.runs: dict[str, PodRun] = {}
        self._installation = installation
        self._plane = installation.plane
        self._path = f"/api/v1/namespaces/{installation.namespace}/pods"
        self._selector = f"app.kubernetes.io/name={deployment}"
        self._component = component
        self._settings = dict(settings)
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.error: Exception | None = None

    def __enter__(self) -> Kubelet:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for run in self.runs.values():
            run.process.kill()
            run.process.wait()
        for pod in self._plane.listed(self._path, labelSelector=self._selector):
            self._finalize(pod, [])

    @property
    def running(self) -> list[PodRun]:
        return [run for run in list(self.runs.values()) if "ended" not in run.times]

    def _run(self) -> None:
        try:
            while not self._over.wait(_PAUSE_SECONDS):
                self._round()
        except Exception as error:  # the test reports it
            self.error = error
            raise

    def _round(self) -> None:
        nodes = {node["metadata"]["name"] for node in self._plane.listed("/api/v1/nodes")}
        pods = {pod["metadata"]["uid"]: pod for pod in self._plane.listed(self._path, labelSelector=self._selector)}
        for uid, run in self.runs.items():
            self._follow(run, pods.get(uid), nodes)
        for uid, pod in pods.items():
            deleted = "deletionTimestamp" in pod["metadata"]
            finalizers = pod["metadata"].get("finalizers", [])
            if deleted and finalizers and (uid not in self.runs or "ended" in self.runs[uid].times):
                self._finalize(pod, [])
            elif not deleted and uid not in self.runs and pod["status"]["phase"] == "Running":
                self._start(uid, pod)

    def _follow(self, run: PodRun, pod: Mapping[str, Any] | None, nodes: set[str]) -> None:
        if "ended" in run.times:
            return
        status = run.process.poll()
        if status is not None:
            run.end = run.end or f"exit {status}"
            run.mark("ended")
        elif run.node not in nodes:
            run.end = "node lost"
            run.process.kill()
            run.process.wait()
            run.mark("ended")
        elif pod is None or "deletionTimestamp" in pod["metadata"]:
            if "stopping" not in run.times:
                run.mark("stopping")
                run.process.send_signal(signal.SIGTERM)
            elif time.time() > run.times["stopping"] + run.grace_seconds:
                run.end = "killed after the grace period"
                run.process.kill()
        elif "ready" not in run.times and _ready(run.probes):
            run.mark("ready")

    def _start(self, uid: str, pod: Mapping[str, Any]) -> None:
        if not self._finalize(pod, [_FINALIZER]):
            return
        spec, name = pod["spec"], pod["metadata"]["name"]
        container, folder = spec["containers"][0], self._folder / name
        installation = self._installation
        sandbox = Sandbox(installation.plane, installation.namespace, spec, container, folder)
        (grpc,) = free_ports(1)
        own = {"SOUNDWRIGHT_GRPC_BIND": f"127.0.0.1:{grpc}"}
        process, probes = start_container(self._component, sandbox.environment | self._settings | own, folder)
        run = PodRun(name, spec["nodeName"], spec["terminationGracePeriodSeconds"], process, probes)
        run.times["created"] = seconds(pod["metadata"]["creationTimestamp"])
        run.times["scheduled"] = seconds(pod["status"]["startTime"])
        run.mark("started")
        self.runs[uid] = run

    def _finalize(self, pod: Mapping[str, Any], finalizers: list[str]) -> bool:
        """Set the finalizers of a pod. Return whether the pod still exists."""
        metadata = pod["metadata"]
        patch = {"metadata": {"finalizers": finalizers, "uid": metadata["uid"]}}
        answer = self._plane.patch(f"{self._path}/{metadata['name']}", patch)
        if answer.status_code in (404, 409, 422):  # it is gone, or being deleted
            return False
        answer.raise_for_status()
        return True


def _ready(probes: str) -> bool:
    try:
        return httpx.get(f"{probes}/readyz", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
