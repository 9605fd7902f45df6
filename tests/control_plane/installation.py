"""Installs an overlay as deploy/k8s/README.md says: first what the cluster must provide, then the manifests."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from services.__main__ import COMPONENTS
from tests.certificates import Authority
from tests.control_plane.plane import ControlPlane, Object, until
from tests.deploy.manifests import rendered
from tests.servers.nats import nats_user
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY

__all__ = ["Credentials", "Installation", "provide"]

_CUSTOM = "monitoring.coreos.com"


class Credentials:
    """Certificates, signing keys and passwords of an installation, in the form of Secrets."""

    def __init__(self, folder: Path) -> None:
        self._authority = Authority(folder / "ca")
        self.keys = folder / "keys"
        command = [sys.executable, "-m", "services.library", "signing-keys", str(self.keys)]
        subprocess.run(command, check=True, capture_output=True)

    def certificate(self, *names: str) -> dict[str, str]:
        """Issue a certificate and return it as the data of a Secret of the type ``kubernetes.io/tls``."""
        files = self._authority.certificates(*names)
        paths = {"ca.crt": files.ca_file, "tls.crt": files.cert_file, "tls.key": files.key_file}
        return {name: Path(path).read_text() for name, path in paths.items()}

    def secrets(self) -> dict[str, dict[str, str]]:
        """Return the data of all Secrets that deploy/k8s/README.md names."""
        users = {
            f"NATS_{name.upper()}_PASSWORD": nats_user(name)["SOUNDWRIGHT_NATS_PASSWORD"]
            for name in (*COMPONENTS, "init", "system")
        }
        found = {
            "soundwright-nats-init": nats_user("init"),
            "soundwright-nats-users": users,
            "soundwright-nats-tls": self.certificate("soundwright-nats", "*.soundwright-nats"),
            "soundwright-mongodb-root": {"username": "root", "password": "the-root-of-the-documents"},
            "soundwright-minio-root": {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY},
            "soundwright-ingress-tls": self.certificate("soundwright.example.org"),
        }
        for component in COMPONENTS:
            found[f"soundwright-{component}"] = self._of_component(component)
            found[f"soundwright-{component}-tls"] = self.certificate(component)
            found[f"soundwright-{component}-signing"] = {"signing.pem": (self.keys / f"{component}.pem").read_text()}
        return found

    @staticmethod
    def _of_component(component: str) -> dict[str, str]:
        values = {
            **nats_user(component),
            "SOUNDWRIGHT_BLOBS_ACCESS_KEY": ACCESS_KEY,
            "SOUNDWRIGHT_BLOBS_SECRET_KEY": SECRET_KEY,
        }
        if component in ("gateway", "library"):
            values["SOUNDWRIGHT_SECRET"] = "the-secret-of-a-cluster-for-tests"
        if component == "library":
            values["SOUNDWRIGHT_DOCS_URL"] = "mongodb://soundwright:password@soundwright-mongodb:27017/soundwright"
            values["SOUNDWRIGHT_ADMIN_PASSWORD"] = "the password of its administrator"
        return values


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
        keys = {"keys.json": (self._credentials.keys / "keys.json").read_text()}
        objects.append(self._object("v1", "ConfigMap", "soundwright-verification-keys", data=keys))
        self.plane.apply(*objects)
        provide(self.plane, self.objects, self.namespace)

    def apply(self, version: str = "") -> None:
        """Apply the overlay server-side.

        Args:
            version: the version of our images; empty: the one that the overlay names.
        """
        text = yaml.safe_dump_all(self.objects)
        self.plane.kubectl(
            "apply", "--server-side", "--filename=-", stdin=text.replace(":0.1.0", f":{version or '0.1.0'}")
        )

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
    until(lambda: not any(plane.run("get", kind).returncode for kind in kinds), "the API serves all kinds")


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
