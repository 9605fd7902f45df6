"""The commands of docs/OPERATIONS.md for Kubernetes, run in their order on the control plane."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.control_plane.broker import Broker
from tests.control_plane.installation import provide
from tests.control_plane.plane import ControlPlane
from tests.deploy.manifests import K8S, rendered

ROOT = K8S.parents[1]
NAMESPACE = "soundwright-manual"


def test_the_commands_of_the_manual_install_and_upgrade_the_platform(
    plane: ControlPlane, nats: Broker, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    shutil.copy(plane.kubeconfig, tmp_path / "kubeconfig")
    overlay = tmp_path / "deploy" / "k8s" / "overlays" / "prod"
    # Another namespace than that of the other tests, and the broker of this machine.
    _replace(overlay / "kustomization.yaml", "namespace: soundwright\n", f"namespace: {NAMESPACE}\n")
    _replace(overlay / "namespace.yaml", "name: soundwright\n", f"name: {NAMESPACE}\n")
    _replace(overlay.parents[1] / "components" / "keda" / "nats.yaml", "endpoint: .*", f"endpoint: {nats.monitoring}")
    provide(plane, rendered(str(overlay)), NAMESPACE)
    script = commands().replace("--namespace=soundwright\n", f"--namespace={NAMESPACE}\n").replace("=30m\n", "=5m\n")
    try:
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        gateway = plane.get("deployment", "soundwright-gateway", NAMESPACE)
        assert gateway["spec"]["template"]["spec"]["containers"][0]["image"] == "soundwright-gateway:0.1.1"
    finally:
        plane.kubectl("delete", "namespace", NAMESPACE, "--timeout=300s")


def commands() -> str:
    """Return the blocks of the chapter that are marked as shell commands."""
    manual = (ROOT / "docs" / "OPERATIONS.md").read_text()
    chapter = manual.split("\n## Kubernetes\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL))


def _replace(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1, path
    path.write_text(text)
