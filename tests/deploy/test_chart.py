"""The Helm chart renders the objects of the overlays, and refuses values that it does not know."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.deploy.chart import CHART, helm
from tests.deploy.manifests import rendered

VALUES = {"dev": (), "prod": (f"--values={CHART / 'values-prod.yaml'}",)}
NAMESPACES = {"dev": "soundwright-dev", "prod": "soundwright"}

Objects = dict[tuple[str, str], Any]


def by_name(objects: Any) -> Objects:
    return {(item["kind"], item["metadata"]["name"]): item for item in map(comparable, objects) if item}


def comparable(value: Any) -> Any:
    """Return a part of an object without what differs by design: the name space, hashes, and the order of named items."""
    if isinstance(value, str):
        return re.sub(r"^(soundwright-nats-config)-\w{10}$", r"\1", value)
    if isinstance(value, list):
        items = [comparable(item) for item in value]
        return sorted(items, key=lambda item: item["name"]) if all("name" in item for item in items) else items
    if not isinstance(value, dict):
        return value
    found = {key: comparable(item) for key, item in value.items()}
    if "name" in found:
        found.pop("namespace", None)
    annotations = found.get("annotations")
    if annotations and all(name.startswith("checksum/") for name in annotations):
        del found["annotations"]
    return found


@pytest.mark.parametrize("overlay", VALUES)
def test_the_chart_renders_the_objects_of_an_overlay(overlay: str) -> None:
    done = helm("template", "any", str(CHART), f"--namespace={NAMESPACES[overlay]}", *VALUES[overlay])
    assert done.returncode == 0, done.stderr
    expected = by_name(item for item in rendered(f"overlays/{overlay}") if item["kind"] != "Namespace")
    found = by_name(yaml.safe_load_all(done.stdout))
    assert found.keys() == expected.keys()
    for key, item in found.items():
        assert item == expected[key], key


@pytest.mark.parametrize("overlay", VALUES)
def test_lint_finds_nothing(overlay: str) -> None:
    done = helm("lint", "--strict", str(CHART), *VALUES[overlay])
    assert done.returncode == 0, done.stdout


def test_the_values_reach_the_objects() -> None:
    values = {
        "image": {"registry": "registry.example.org/", "tag": "1.2.3", "pullSecrets": [{"name": "registry"}]},
        "replicas": {"separation-worker": {"max": 4}},
        "keda": {"enabled": True},
        "gpu": {"resource": "amd.com/gpu", "imageSuffix": "-rocm"},
        "storageClass": "fast",
        "secrets": {"soundwright-gateway": {"SOUNDWRIGHT_SECRET": "any"}},
        "nats": {"enabled": False, "monitoring": "nats.example.org:8222"},
        "settings": {"SOUNDWRIGHT_NATS_URL": "tls://nats.example.org:4222"},
        "priorityClasses": {"enabled": False},
        "networkPolicy": {"enabled": False},
    }
    done = helm(
        "template", "any", str(CHART), *(f"--set-json={name}={json.dumps(value)}" for name, value in values.items())
    )
    assert done.returncode == 0, done.stderr
    found = by_name(yaml.safe_load_all(done.stdout))
    worker = found["Deployment", "soundwright-separation-worker"]["spec"]
    pod = worker["template"]["spec"]
    assert "replicas" not in worker
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["nodeSelector"] == {"amd.com/gpu.present": "true"}
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.org/soundwright-separation:1.2.3-rocm"
    assert container["resources"]["limits"]["amd.com/gpu"] == 1
    scaled = found["ScaledObject", "soundwright-separation-worker"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 4)
    assert scaled["triggers"][0]["metadata"]["natsServerMonitoringEndpoint"] == "nats.example.org:8222"
    assert found["ConfigMap", "soundwright-settings"]["data"]["SOUNDWRIGHT_NATS_URL"] == "tls://nats.example.org:4222"
    (claim,) = found["StatefulSet", "soundwright-minio"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert found["Secret", "soundwright-gateway"]["stringData"] == {"SOUNDWRIGHT_SECRET": "any"}
    assert ("StatefulSet", "soundwright-nats") not in found
    assert ("Deployment", "soundwright-gateway") in found
    assert "PriorityClass" not in {kind for kind, _ in found}
    assert ("NetworkPolicy", "soundwright-default-deny") not in found


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("replicas.gatway.max=2", "additional properties 'gatway' not allowed"),
        ("replicas.separation-worker.max=2", "replicas.separation-worker: an autoscaler needs KEDA. Set keda.enabled"),
        ("minio.enabled=false", "Set settings.SOUNDWRIGHT_BLOBS_URL, or minio.enabled"),
    ],
)
def test_wrong_values_are_refused_with_what_to_do(values: str, sentence: str) -> None:
    done = helm("template", "any", str(CHART), f"--set={values}")
    assert done.returncode != 0
    assert sentence in done.stderr
