"""The commands of docs/OPERATIONS.md for Kubernetes, run in their order with a kubectl that creates no objects in a cluster."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from soundwright.services.__main__ import COMPONENTS
from tests.deploy.manifests import K8S, containers, of_kind, pod_templates
from tests.deploy.pods import Data, environment_of, settings_in
from tests.servers import executable

ROOT = K8S.parents[1]
KUBECTL = """#!/bin/sh
echo "$@" >> calls
if [ "$1" = create ]; then echo --- >> objects; exec {kubectl} "$@" --dry-run=client --output=yaml >> objects; fi
"""


def commands() -> str:
    """Return the blocks of the chapter that are marked as shell commands."""
    manual = (ROOT / "docs" / "OPERATIONS.md").read_text()
    chapter = manual.split("\n## Kubernetes\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)).replace("rsa:3072", "rsa:1024")  # quicker


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout after the commands. ``calls`` has those of kubectl, ``objects`` what they create."""
    folder = tmp_path_factory.mktemp("manual")
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "bin").mkdir()
    kubectl = executable("kubectl", "install Kubernetes' kubectl and put it on PATH")
    (folder / "bin" / "kubectl").write_text(KUBECTL.format(kubectl=kubectl))
    (folder / "bin" / "kubectl").chmod(0o700)
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands()], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT}/src:{ROOT}/gen"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def created(checkout: Path) -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
    for item in yaml.safe_load_all((checkout / "objects").read_text()):
        secret = item["kind"] == "Secret"
        data = {name: base64.b64decode(text).decode() if secret else text for name, text in item["data"].items()}
        yield (item["kind"], item["metadata"]["name"]), data


def test_each_pod_finds_its_secrets_and_accepts_its_settings(checkout: Path, tmp_path: Path) -> None:
    maps = of_kind("overlays/prod", "ConfigMap")
    data: Data = {**{("ConfigMap", name): item["data"] for name, item in maps.items()}, **dict(created(checkout))}
    for name, template in pod_templates("overlays/prod"):
        component = template["metadata"]["labels"]["app.kubernetes.io/component"].removesuffix("-worker")
        for container in containers(template):
            environment = environment_of(data, template["spec"], container, tmp_path / name / container["name"])
            if component in COMPONENTS:
                settings = settings_in(environment, component)
                assert settings.signing_keys(component)
                assert settings.certificates.configured
                if component in ("gateway", "library") and container in template["spec"]["containers"]:
                    assert environment["SOUNDWRIGHT_SECRET"]
    assert ("Secret", "soundwright-ingress-tls") in data


def test_the_commands_name_what_is_there(checkout: Path) -> None:
    calls = (checkout / "calls").read_text()
    for path in re.findall(r"(?:-k|-f) (deploy/\S+)", calls):
        assert (ROOT / path).exists(), path
    for kind, name in re.findall(r"(deployment/|scaledobject )(soundwright-[\w-]+)", calls):
        assert name in of_kind("overlays/prod", {"d": "Deployment", "s": "ScaledObject"}[kind[0]]), name
    label, taint = re.search(r"label nodes \S+ (\S+)=true", calls), re.search(r"taint nodes \S+ (\S+)=", calls)
    worker = of_kind("overlays/prod", "Deployment")["soundwright-separation-worker"]["spec"]["template"]["spec"]
    assert label
    assert taint
    assert worker["nodeSelector"] == {label[1]: "true"}
    assert taint[1] in {toleration["key"] for toleration in worker["tolerations"]}
    tags = re.findall(
        r"newTag: (\S+?)(?:-cuda)?}", (checkout / "deploy/k8s/overlays/prod/kustomization.yaml").read_text()
    )
    assert set(tags) == {"0.1.1"}
