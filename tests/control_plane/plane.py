"""A Kubernetes control plane on this machine: API server, scheduler, controllers and KEDA. Nodes are simulated.

The script that starts it is not part of the project: ``SOUNDWRIGHT_TEST_CLUSTER`` names it. Without it, the tests skip.
"""

import base64
import contextlib
import datetime
import functools
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from tests.servers import executable
from tests.waiting import eventually

SCRIPT = Path(os.environ.get("SOUNDWRIGHT_TEST_CLUSTER", Path(__file__).parents[3] / "shared" / "cluster" / "cluster"))
NODE_COUNT = 3
GPU_NODE_COUNT = 4
_HPA_SYNC_SECONDS = 2
_START_SECONDS = 300.0
# kubectl, with which the script waits for definitions, fails if these have no conditions yet: often, on a busy machine.
_START_ATTEMPTS = 8
_HEARTBEAT_SECONDS = 5.0

Object = Mapping[str, Any]


class ControlPlane:
    """A running control plane, through ``kubectl``.

    Attributes:
        kubeconfig: how clients reach it.
        api: its HTTP API.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.api = httpx.Client(
            base_url=cluster["server"],
            headers={"Authorization": f"Bearer {user['token']}"},
            verify=ssl.create_default_context(cadata=authority),
            timeout=30,
        )
        self._kubectl = executable("kubectl", "install Kubernetes' kubectl and put it on PATH")
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``kubectl`` and return its output and status."""
        return subprocess.run(
            [self._kubectl, *arguments], input=stdin, env=self._environment, capture_output=True, text=True, check=False
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run ``kubectl``, which must succeed, and return its output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def apply(self, *objects: Object) -> None:
        """Apply objects server-side."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("apply", "--server-side", "--filename=-", stdin=document)

    def get(self, kind: str, name: str, namespace: str = "default") -> Any:
        return json.loads(self.kubectl("get", kind, name, f"--namespace={namespace}", "--output=json"))

    def all(self, kind: str, namespace: str = "default", selector: str = "") -> list[Any]:
        answer = self.kubectl("get", kind, f"--namespace={namespace}", f"--selector={selector}", "--output=json")
        found: list[Any] = json.loads(answer)["items"]
        return found


@contextlib.contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Run a control plane for the length of the block."""
    if not SCRIPT.exists():
        pytest.skip(f"no control plane: {SCRIPT} does not exist, and SOUNDWRIGHT_TEST_CLUSTER names no other script")
    programs = Path(executable("kube-control-plane", "put the executables of the control plane on PATH")).parent
    command = [
        sys.executable, str(SCRIPT), f"--bin={programs}", f"--dir={folder / 'plane'}", f"--nodes={NODE_COUNT}",
        f"--gpu-nodes={GPU_NODE_COUNT}", f"--hpa-sync={_HPA_SYNC_SECONDS}", "--", "sh", "-c", f"touch '{folder / 'started'}'; cat > /dev/null",
    ]  # fmt: skip
    for _ in range(_START_ATTEMPTS):
        with (folder / "cluster.log").open("wb") as log, _ended_with_block(command, log) as process:
            eventually(functools.partial(_started_or_ended, folder / "started", process), "the start", _START_SECONDS)
            if process.poll() is None:
                plane = ControlPlane(folder / "plane" / "kubeconfig")
                with plane.api, _heartbeats(plane):
                    yield plane
                return
    pytest.fail((folder / "cluster.log").read_text())


def _started_or_ended(sign: Path, process: subprocess.Popen[bytes]) -> bool:
    return sign.exists() or process.poll() is not None


@contextlib.contextmanager
def _ended_with_block(command: Sequence[str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the script that starts the control plane. It stops all servers when the input of its own command ends."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


@contextlib.contextmanager
def _heartbeats(plane: ControlPlane) -> Iterator[None]:
    """Renew the leases of all nodes. The simulated kubelets do not, and without leases the controllers give the nodes up."""
    over = threading.Event()
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    headers = {"Content-Type": "application/apply-patch+yaml"}

    def renew() -> None:
        while not over.wait(_HEARTBEAT_SECONDS):
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            for node in plane.api.get("/api/v1/nodes").json()["items"]:
                name = node["metadata"]["name"]
                lease = {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": name},
                    "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now},
                }
                options = {"fieldManager": "tests", "force": "true"}
                plane.api.patch(f"{leases}/{name}", json=lease, headers=headers, params=options).raise_for_status()

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
