"""The Helm chart, installed on the control plane as its README says."""

import json
from pathlib import Path

import yaml

from tests.control_plane.installation import provide
from tests.control_plane.plane import ControlPlane
from tests.deploy.chart import CHART, helm
from tests.deploy.manifests import rendered
from tests.deploy.pods import Credentials

NAMESPACE = "soundwright-chart"


def test_the_chart_installs_upgrades_and_disappears(
    plane: ControlPlane, credentials: Credentials, tmp_path: Path
) -> None:
    # The classes exist already: other tests apply the overlays to this cluster.
    values = {"secrets": credentials.secrets(), "priorityClasses": {"enabled": False}}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    keys = {"name": "soundwright-verification-keys", "namespace": NAMESPACE}
    plane.apply(
        *(item for item in rendered("overlays/dev") if item["kind"] == "PriorityClass"),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": keys, "data": credentials.verification_keys()},
    )
    provide(plane, rendered("overlays/dev"), NAMESPACE)

    def run(*arguments: str) -> None:
        place = f"--kubeconfig={plane.kubeconfig}", f"--namespace={NAMESPACE}"
        done = helm(arguments[0], "soundwright", *arguments[1:], *place)
        assert done.returncode == 0, done.stderr[-3000:]

    upgrade = ("upgrade", str(CHART), "--install", f"--values={tmp_path / 'values.yaml'}", "--wait", "--timeout=5m")
    try:
        run(*upgrade)
        run(*upgrade, "--set=image.tag=0.1.1")
        gateway = plane.get("deployment", "soundwright-gateway", NAMESPACE)
        assert gateway["spec"]["template"]["spec"]["containers"][0]["image"] == "soundwright-gateway:0.1.1"
        assert gateway["status"]["updatedReplicas"] == gateway["status"]["availableReplicas"] == 1
        run("uninstall", "--wait")
        kinds = "deployments,statefulsets,services,secrets,ingresses,poddisruptionbudgets,networkpolicies"
        left = json.loads(plane.kubectl("get", kinds, f"--namespace={NAMESPACE}", "--output=json"))["items"]
        assert left == []
    finally:
        plane.kubectl("delete", "namespace", NAMESPACE, "--timeout=300s")
