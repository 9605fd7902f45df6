"""The manifests: each overlay renders, follows the schemas of Kubernetes and KEDA, and keeps our rules."""

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from soundwright.kit.settings import QUEUES, Settings
from soundwright.kit.worker.commands import queue_consumer
from soundwright.services.__main__ import COMPONENTS
from tests.deploy.manifests import K8S, OVERLAYS, containers, known_settings, of_kind, pod_templates, rendered

KUBERNETES = ("1.35", "1.37")  # what both accept, 1.36 accepts
BUILT_IN = ("", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "scheduling.k8s.io")
CRDS = Path(os.environ.get("SOUNDWRIGHT_TEST_CRDS", K8S.parents[2] / "shared" / "cluster" / "crds"))
OURS = {"app.kubernetes.io/part-of": "soundwright"}


def group(item: Any) -> str:
    return item["apiVersion"].rpartition("/")[0]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_follow_the_schema_of_kubernetes(overlay: str, version: str) -> None:
    checked = 0
    for item in rendered(f"overlays/{overlay}"):
        if group(item) in BUILT_IN:
            kubernetes_validate.validate(item, version, strict=True)
            checked += 1
    assert checked > 30


def test_objects_of_operators_follow_their_definitions() -> None:
    schemas = dict(_definitions())
    custom = [item for overlay in OVERLAYS for item in rendered(f"overlays/{overlay}") if group(item) not in BUILT_IN]
    assert {item["kind"] for item in custom} == {"ScaledObject", "PodMonitor", "PrometheusRule"}
    for item in custom:
        if item["kind"] == "ScaledObject" and schemas:
            jsonschema.validate(item, schemas[item["apiVersion"], item["kind"]])


def _definitions() -> Any:
    for path in CRDS.glob("*.yaml"):
        for definition in yaml.safe_load_all(path.read_text()):
            spec = definition["spec"]
            for version in spec["versions"]:
                key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                yield key, version["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_keep_the_rules_of_the_platform(overlay: str) -> None:
    for name, template in pod_templates(f"overlays/{overlay}"):
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert not any("hostPath" in volume for volume in pod["volumes"]), name
        for container in containers(template):
            where = f"{name} {container['name']}"
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, where
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), where
            assert "memory" in container["resources"]["limits"], where
            tag = container["image"].rpartition(":")[2]
            assert re.search(r"\d+\.\d+|\d{4}-\d{2}-\d{2}", tag), f"{where}: {container['image']} needs a version"
        if not name.startswith("Job/"):
            for container in pod["containers"]:
                assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_pods_and_scalers_name_exists_and_the_name_space_is_restricted(overlay: str) -> None:
    (space,) = of_kind(f"overlays/{overlay}", "Namespace").values()
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, template in pod_templates(f"overlays/{overlay}"):
        for key, kind in (("serviceAccountName", "ServiceAccount"), ("priorityClassName", "PriorityClass")):
            if value := template["spec"].get(key):
                assert value in of_kind(f"overlays/{overlay}", kind), name
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for name, scaler in of_kind(f"overlays/{overlay}", kind).items():
            assert scaler["spec"]["scaleTargetRef"]["name"] in of_kind(f"overlays/{overlay}", "Deployment"), name
    for name, deployment in of_kind(f"overlays/{overlay}", "Deployment").items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items(), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_service_selects_pods_that_open_its_ports(overlay: str) -> None:
    templates = dict(pod_templates(f"overlays/{overlay}"))
    for name, service in of_kind(f"overlays/{overlay}", "Service").items():
        selected = [
            template for template in templates.values()
            if service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ]  # fmt: skip
        assert len(selected) == 1, name
        ports = {port["name"] for container in selected[0]["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_variable_is_a_setting(overlay: str) -> None:
    given = set(of_kind(f"overlays/{overlay}", "ConfigMap")["soundwright-settings"]["data"])
    for _, template in pod_templates(f"overlays/{overlay}"):
        for container in containers(template):
            given |= {entry["name"] for entry in container.get("env", ())}
    assert {name for name in given if name.startswith("SOUNDWRIGHT_")} <= known_settings()
    assert {"SOUNDWRIGHT_WORKER_QUEUES", "SOUNDWRIGHT_NATS_URL"} <= given


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_are_those_of_the_settings(overlay: str) -> None:
    data = of_kind(f"overlays/{overlay}", "ConfigMap")["soundwright-settings"]["data"]
    ports = {
        "http": int(data["SOUNDWRIGHT_GATEWAY_PORT"]),
        "ops": int(data["SOUNDWRIGHT_OPS_BIND"].rpartition(":")[2]),
        "grpc": int(data["SOUNDWRIGHT_GRPC_BIND"].rpartition(":")[2]),
    }
    for name, deployment in of_kind(f"overlays/{overlay}", "Deployment").items():
        for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]:
            assert ports[port["name"]] == port["containerPort"], name
    services = of_kind(f"overlays/{overlay}", "Service")
    for component in COMPONENTS.keys() - {"gateway"}:
        scheme, _, address = data[f"SOUNDWRIGHT_{component.upper()}_ADDR"].partition(":///")
        service, _, port = address.partition(":")
        assert scheme == "dns"
        assert int(port) == ports["grpc"]
        assert services[service]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_pod_has_the_volumes_that_it_mounts(overlay: str) -> None:
    for name, template in pod_templates(f"overlays/{overlay}"):
        volumes = {volume["name"] for volume in template["spec"]["volumes"]} | {"data"}
        for container in containers(template):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_outlives_the_drain_of_its_jobs(overlay: str) -> None:
    shared = of_kind(f"overlays/{overlay}", "ConfigMap")["soundwright-settings"]["data"]
    for name, deployment in of_kind(f"overlays/{overlay}", "Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        own = {entry["name"]: entry.get("value") for entry in pod["containers"][0].get("env", ())}
        drain_seconds = float((shared | own)["SOUNDWRIGHT_DRAIN_SECONDS"])
        assert pod["terminationGracePeriodSeconds"] >= drain_seconds + 15, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_disruption_takes_one_pod_at_a_time_or_spares_one(overlay: str) -> None:
    budgets = {
        budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: budget["spec"]
        for budget in of_kind(f"overlays/{overlay}", "PodDisruptionBudget").values()
    }
    for name, deployment in of_kind(f"overlays/{overlay}", "Deployment").items():
        limits = {key: value for key, value in budgets[name].items() if key != "selector"}
        # Pods that wait for a GPU are unavailable: a limit on those would stop every disruption.
        assert limits == ({"minAvailable": 1} if _extended(deployment) else {"maxUnavailable": 1}), name


def _extended(deployment: Any) -> dict[str, Any]:
    """Return the requests for resources that not all nodes have, such as GPUs."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {name: value for name, value in container["resources"]["limits"].items() if "/" in name}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_manifest_resets_what_an_autoscaler_decides(overlay: str) -> None:
    targets = [
        item["spec"]["scaleTargetRef"]["name"]
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for item in of_kind(f"overlays/{overlay}", kind).values()
    ]
    assert len(targets) == len(set(targets)), "two autoscalers of one Deployment work against each other"
    for name, deployment in of_kind(f"overlays/{overlay}", "Deployment").items():
        if name in targets:
            assert "replicas" not in deployment["spec"], name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_finished_jobs_make_way_for_those_of_an_upgrade(overlay: str) -> None:
    for name, job in of_kind(f"overlays/{overlay}", "Job").items():
        assert job["spec"]["ttlSecondsAfterFinished"] <= 300, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_several_brokers_are_a_cluster_and_one_is_none(overlay: str) -> None:
    spec = of_kind(f"overlays/{overlay}", "StatefulSet")["soundwright-nats"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    (routes,) = (entry["value"] for entry in container["env"] if entry["name"] == "NATS_ROUTES")
    if spec["replicas"] == 1:
        assert container["args"] == ["--config", "/config/server.conf"]
    else:
        assert container["args"] == ["--config", "/config/cluster.conf"]
        assert len(json.loads(routes)) == spec["replicas"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_readme_names_each_secret(overlay: str) -> None:
    text = (K8S / "README.md").read_text()
    documented = re.findall(r"`(soundwright-[\w<>-]+)`", text)
    patterns = [re.escape(name).replace("<component>", r"\w+") for name in documented]
    used = set(re.findall(r'"(?:secretName|name)": "(soundwright-[\w-]+)"', json.dumps(_references(overlay))))
    assert used
    for name in used:
        assert any(re.fullmatch(pattern, name) for pattern in patterns), name


def _references(overlay: str) -> list[Any]:
    """Return everything in the pods of an overlay that refers to a Secret."""
    found: list[Any] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(value[key] for key in ("secretRef", "secretKeyRef", "secret") if key in value)
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                walk(item)

    walk([template for _, template in pod_templates(f"overlays/{overlay}")])
    return found


def test_production_workers_use_gpus_and_scale_to_zero() -> None:
    deployments = of_kind("overlays/prod", "Deployment")
    scaled = of_kind("overlays/prod", "ScaledObject")
    for component, jobs in (("separation", "1"), ("generation", "2")):
        worker = deployments[f"soundwright-{component}-worker"]
        container = worker["spec"]["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert container["image"].endswith("-cuda")
        pod = worker["spec"]["template"]["spec"]
        assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        assert worker["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": "100%"}
        assert "replicas" not in worker["spec"]
        assert scaled[f"soundwright-{component}-worker"]["spec"]["triggers"][0]["metadata"]["lagThreshold"] == jobs
        assert scaled[f"soundwright-{component}-worker"]["spec"]["minReplicaCount"] == 0
        api = deployments[f"soundwright-{component}"]["spec"]["template"]["spec"]["containers"][0]
        assert not [name for name in api["resources"]["limits"] if "/" in name]
        queues = {entry["name"]: entry.get("value") for entry in api["env"]}["SOUNDWRIGHT_WORKER_QUEUES"]
        assert component not in queues.split(",")


def served_queues(deployment: Any) -> list[str]:
    """Return the queues whose jobs the pods of a Deployment run."""
    component = deployment["metadata"]["labels"]["app.kubernetes.io/component"].removesuffix("-worker")
    environment = deployment["spec"]["template"]["spec"]["containers"][0].get("env", ())
    served = {entry["name"]: entry.get("value") for entry in environment}.get("SOUNDWRIGHT_WORKER_QUEUES", "all")
    return [
        queue for queue, owner in QUEUES.items() if owner == component and (served == "all" or queue in served.split(","))
    ]  # fmt: skip


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_queue_has_a_worker(overlay: str) -> None:
    served = [
        queue
        for deployment in of_kind(f"overlays/{overlay}", "Deployment").values()
        for queue in served_queues(deployment)
    ]
    for queue, component in QUEUES.items():
        assert served.count(queue) == 1, (
            f"Add {queue} to SOUNDWRIGHT_WORKER_QUEUES of one Deployment in deploy/k8s/base/{component}"
        )


def test_keda_reads_the_consumers_of_the_workers() -> None:
    deployments = of_kind("overlays/prod", "Deployment")
    for name, scaled in of_kind("overlays/prod", "ScaledObject").items():
        triggers = [trigger["metadata"] for trigger in scaled["spec"]["triggers"]]
        read = {trigger["consumer"] for trigger in triggers}
        for queue in served_queues(deployments[scaled["spec"]["scaleTargetRef"]["name"]]):
            consumer, _ = queue_consumer(queue)
            assert consumer in read, f"Add a trigger with `consumer: {consumer}` to {name} in scaled-objects.yaml"
            read.discard(consumer)
        assert read == set(), f"{name} reads a queue that its pods do not serve"
        assert {(trigger["stream"], trigger["account"]) for trigger in triggers} == {("SOUNDWRIGHT_CMD", "SOUNDWRIGHT")}
        assert scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]


def test_no_secret_is_in_the_manifests() -> None:
    for overlay in OVERLAYS:
        assert not of_kind(f"overlays/{overlay}", "Secret")
        data = json.dumps(of_kind(f"overlays/{overlay}", "ConfigMap"))
        for name in Settings.model_fields:
            if name in ("secret", "blobs_secret_key", "blobs_access_key"):
                assert f"SOUNDWRIGHT_{name.upper()}" not in data


def test_network_policies_deny_by_default() -> None:
    for overlay in OVERLAYS:
        policies = of_kind(f"overlays/{overlay}", "NetworkPolicy")
        spec = policies["soundwright-default-deny"]["spec"]
        assert spec["podSelector"] == {}
        assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
        assert not spec.get("ingress")
        assert not spec.get("egress")
