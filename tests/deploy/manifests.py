"""The Kubernetes manifests, rendered by kustomize."""

import functools
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from soundwright.services.__main__ import COMPONENTS, _settings_of
from tests.servers import executable

K8S = Path(__file__).parents[2] / "deploy" / "k8s"
OVERLAYS = sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml"))

Manifest = Mapping[str, Any]


@functools.cache
def rendered(folder: str) -> tuple[Manifest, ...]:
    """Return the objects of a folder below ``deploy/k8s``."""
    kubectl = executable("kubectl", "install Kubernetes' kubectl and put it on PATH")
    done = subprocess.run([kubectl, "kustomize", str(K8S / folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(folder: str, kind: str) -> dict[str, Manifest]:
    return {item["metadata"]["name"]: item for item in rendered(folder) if item["kind"] == kind}


def pod_templates(folder: str) -> Iterator[tuple[str, Manifest]]:
    """Yield the name of each object that creates pods, and the template of its pods."""
    for item in rendered(folder):
        if item["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield f"{item['kind']}/{item['metadata']['name']}", item["spec"]["template"]


def containers(template: Manifest) -> Iterator[Manifest]:
    """Yield the containers of a pod template, with those that run first."""
    yield from template["spec"].get("initContainers", ())
    yield from template["spec"]["containers"]


def known_settings() -> set[str]:
    """Return the environment variables that some component reads."""
    return {
        f"SOUNDWRIGHT_{name.upper()}" for kind in map(_settings_of, COMPONENTS.values()) for name in kind.model_fields
    }
