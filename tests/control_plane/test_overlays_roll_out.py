"""Each overlay, on a real control plane: the API server accepts it, its pods find nodes, and their settings are valid."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest import mock

import pytest

from kit.settings import load
from services.__main__ import COMPONENTS, _settings_of
from tests.control_plane.installation import Installation
from tests.control_plane.sandbox import Sandbox
from tests.deploy.manifests import OVERLAYS

SERVICES = ("Deployment", "StatefulSet")


@pytest.fixture(params=OVERLAYS)
def installed(request: pytest.FixtureRequest) -> Installation:
    installation: Installation = request.getfixturevalue(request.param)
    return installation


def test_an_overlay_rolls_out(installed: Installation) -> None:
    installed.until_rolled_out(*installed.names(*SERVICES))
    for job in installed.names("Job"):
        installed.kubectl("wait", "--for=condition=complete", job, "--timeout=600s")


def test_the_namespace_refuses_pods_without_restrictions(installed: Installation) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "unrestricted", "namespace": installed.namespace},
        "spec": {"containers": [{"name": "any", "image": "any:1.0"}]},
    }
    refused = installed.plane.run("apply", "--server-side", "--filename=-", stdin=json.dumps(pod))
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_each_pod_finds_its_secrets_and_accepts_its_settings(installed: Installation, tmp_path: Path) -> None:
    for item in installed.objects:
        if item["kind"] not in (*SERVICES, "Job"):
            continue
        name, template = item["metadata"]["name"], item["spec"]["template"]
        component = template["metadata"]["labels"]["app.kubernetes.io/component"].removesuffix("-worker")
        spec = template["spec"]
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            folder = tmp_path / name / container["name"]
            sandbox = Sandbox(installed.plane, installed.namespace, spec, container, folder)
            if component in COMPONENTS:
                with mock.patch.dict(os.environ, sandbox.environment, clear=True):
                    settings = load(_settings_of(COMPONENTS[component]))
                    settings.signing_keys(component)
                assert settings.nats_password.get_secret_value()
                assert settings.certificates.configured


def test_an_upgrade_rolls_out_and_keeps_the_number_of_replicas(prod: Installation) -> None:
    prod.until_rolled_out(*prod.names(*SERVICES))
    prod.kubectl("scale", "deployment/soundwright-gateway", "--replicas=3")  # as its autoscaler does
    for job in prod.names("Job"):  # the cluster deletes finished jobs after a while
        prod.kubectl("wait", "--for=delete", job, "--timeout=600s")
    prod.apply("0.1.1")
    prod.until_rolled_out(*prod.names(*SERVICES))
    assert len(prod.pods("soundwright-gateway")) == 3
    pods = prod.plane.all("pods", prod.namespace, "app.kubernetes.io/part-of=soundwright")
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    ours = {image.partition(":")[2] for image in images if image.startswith("soundwright-")}
    assert ours <= {"0.1.1", "0.1.1-cuda"}
