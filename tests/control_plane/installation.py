"""Installs an overlay as deploy/k8s/README.md says: first what the cluster must provide, then the manifests."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from tests.control_plane.plane import ControlPlane, Object
from tests.deploy.manifests import rendered
from tests.deploy.pods import Credentials
from tests.waiting import eventually

_CUSTOM = "monitoring.coreos.com"


class Installation:
    """An overlay in a control plane.

    Args:
        change: changes the objects of the overlay before they are applied.
    """

    def __init__(
        self,
        plane: ControlPlane,
        overlay: str,
        credentials: Credentials,
        change: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self.plane = plane
        self.overlay = overlay
        self.objects = copy.deepcopy(rendered(f"overlays/{overlay}"))
        for item in self.objects:
            change(dict(item))
        (self._namespace,) = (item for item in self.objects if item["kind"] == "Namespace")
        self.namespace = str(self._namespace["metadata"]["name"])
        self._credentials = credentials

    def provide(self) -> None:
        """Create what the cluster must provide: Secrets, keys, volumes, and the kinds of operators that do not run."""
        objects: list[Object] = [self._namespace]
        for name, data in self._credentials.secrets().items():
            kind = "kubernetes.io/tls" if "tls.crt" in data else "Opaque"
            objects.append(self._object("v1", "Secret", name, type=kind, stringData=data))
        keys = self._credentials.verification_keys()
        objects.append(self._object("v1", "ConfigMap", "soundwright-verification-keys", data=keys))
        self.plane.apply(*objects)
        provide(self.plane, self.objects, self.namespace)

    def apply(self) -> None:
        """Apply the overlay server-side."""
        self.plane.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(self.objects))

    def names(self, *kinds: str) -> list[str]:
        """Return the objects of these kinds as ``kind/name``."""
        return [f"{item['kind'].lower()}/{item['metadata']['name']}" for item in self.objects if item["kind"] in kinds]

    def kubectl(self, *arguments: str) -> str:
        return self.plane.kubectl(*arguments, f"--namespace={self.namespace}")

    def until_rolled_out(self, *names: str) -> None:
        """Wait until all pods of these objects are available and of the current version."""
        for name in names:
            self.kubectl("rollout", "status", name, "--timeout=600s")

    def pods(self, deployment: str) -> list[Any]:
        return self.plane.all("pods", self.namespace, f"app.kubernetes.io/name={deployment}")

    def _object(self, version: str, kind: str, name: str, **content: object) -> Object:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def provide(plane: ControlPlane, objects: Sequence[Object], namespace: str) -> None:
    """Create what a cluster has and this control plane lacks: a volume for each claim, and the kinds of operators."""
    claims = {item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "PersistentVolumeClaim"} | {
        f"{claim['metadata']['name']}-{item['metadata']['name']}-{number}": claim["spec"]
        for item in objects
        if item["kind"] == "StatefulSet"
        for claim in item["spec"]["volumeClaimTemplates"]
        for number in range(item["spec"]["replicas"])
    }
    kinds = {item["kind"] for item in objects if item["apiVersion"] == f"{_CUSTOM}/v1"}
    plane.apply(*(_volume(namespace, claim, spec) for claim, spec in claims.items()), *map(_definition, sorted(kinds)))
    eventually(lambda: not any(plane.run("get", kind).returncode for kind in kinds), "the API serves all kinds")


def _volume(namespace: str, claim: str, spec: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{claim}"},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": spec["resources"]["requests"],
            "claimRef": {"namespace": namespace, "name": claim},
            "hostPath": {"path": "/nonexistent"},
        },
    }


def _definition(kind: str) -> Object:
    """Return the definition of a kind of the Prometheus operator, without its schema."""
    singular = kind.lower()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": f"{singular}s", "singular": singular}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{_CUSTOM}"},
        "spec": {"group": _CUSTOM, "scope": "Namespaced", "names": names, "versions": [version]},
    }
