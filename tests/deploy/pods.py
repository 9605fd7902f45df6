"""What the pods of an overlay get: the Secrets that deploy/k8s/README.md names, and the environment and files of their containers."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from soundwright.kit.settings import load
from soundwright.services.__main__ import COMPONENTS, _settings_of
from tests.certificates import Authority
from tests.deploy.manifests import of_kind
from tests.servers.nats import nats_user

Data = Mapping[tuple[str, str], Mapping[str, str]]
"""The data of Secrets and ConfigMaps, by kind and name."""
_KINDS = {"secret": "Secret", "configMap": "ConfigMap", "secretRef": "Secret", "configMapRef": "ConfigMap"}


class Credentials:
    """Certificates, signing keys and passwords of an installation, in the form of Secrets."""

    def __init__(self, folder: Path) -> None:
        self._authority = Authority(folder / "ca")
        self._keys = folder / "keys"
        command = [sys.executable, "-m", "soundwright.services.library", "signing-keys", str(self._keys)]
        subprocess.run(command, check=True, capture_output=True)

    def certificate(self, *names: str) -> dict[str, str]:
        """Issue a certificate and return it as the data of a Secret of the type ``kubernetes.io/tls``."""
        files = self._authority.certificates(*names)
        paths = {"ca.crt": files.ca_file, "tls.crt": files.cert_file, "tls.key": files.key_file}
        return {name: Path(path).read_text() for name, path in paths.items()}

    def verification_keys(self) -> dict[str, str]:
        """Return the data of the ConfigMap with the public keys."""
        return {"keys.json": (self._keys / "keys.json").read_text()}

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
            "soundwright-minio-root": {"MINIO_ROOT_USER": "user", "MINIO_ROOT_PASSWORD": "the-root-of-the-files"},
            "soundwright-ingress-tls": self.certificate("soundwright.example.org"),
        }
        for component in COMPONENTS:
            found[f"soundwright-{component}"] = self._of_component(component)
            found[f"soundwright-{component}-tls"] = self.certificate(component)
            found[f"soundwright-{component}-signing"] = {"signing.pem": (self._keys / f"{component}.pem").read_text()}
        return found

    @staticmethod
    def _of_component(component: str) -> dict[str, str]:
        values = {
            **nats_user(component),
            "SOUNDWRIGHT_BLOBS_ACCESS_KEY": "user",
            "SOUNDWRIGHT_BLOBS_SECRET_KEY": "the-password-of-the-files",
        }
        if component in ("gateway", "library"):
            values["SOUNDWRIGHT_SECRET"] = "the-secret-of-a-cluster-for-tests"
        if component == "library":
            values["SOUNDWRIGHT_DOCS_URL"] = "mongodb://soundwright:password@soundwright-mongodb:27017/soundwright"
            values["SOUNDWRIGHT_ADMIN_PASSWORD"] = "the password of its administrator"
        return values


def data_of(overlay: str, credentials: Credentials) -> Data:
    maps = of_kind(f"overlays/{overlay}", "ConfigMap")
    return {
        **{("ConfigMap", name): item["data"] for name, item in maps.items()},
        ("ConfigMap", "soundwright-verification-keys"): credentials.verification_keys(),
        **{("Secret", name): data for name, data in credentials.secrets().items()},
    }


def environment_of(data: Data, pod: Mapping[str, Any], container: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the variables of a container. Its volumes are folders below ``folder``, and values that name them name the folders.

    Raises:
        KeyError: a Secret, a ConfigMap or a key does not exist. The pod could not start.
    """
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {}
    for mount in container["volumeMounts"]:
        place = mounts[mount["mountPath"]] = folder / mount["name"]
        place.mkdir(parents=True, exist_ok=True)
        for name, content in _files(data, volumes.get(mount["name"], {})):
            (place / name).write_text(content)

    def translated(value: str) -> str:
        for path, place in mounts.items():
            if value == path or value.startswith(f"{path}/"):
                return f"{place}{value.removeprefix(path)}"
        return value

    return {name: translated(value) for name, value in _variables(data, container)}


def settings_in(environment: Mapping[str, str], component: str) -> Any:
    with mock.patch.dict(os.environ, environment, clear=True):
        return load(_settings_of(COMPONENTS[component]))


def _variables(data: Data, container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", ()):
        for kind, reference in source.items():
            yield from data[_KINDS[kind], reference["name"]].items()
    for entry in container.get("env", ()):
        if "value" in entry:
            yield entry["name"], entry["value"]
        elif reference := entry["valueFrom"].get("secretKeyRef"):
            yield entry["name"], data["Secret", reference["name"]][reference["key"]]


def _files(data: Data, volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "secret" in volume:
        yield from data["Secret", volume["secret"]["secretName"]].items()
    if "configMap" in volume:
        yield from data["ConfigMap", volume["configMap"]["name"]].items()
    for source in volume.get("projected", {}).get("sources", ()):
        for kind, reference in source.items():
            yield from data[_KINDS[kind], reference["name"]].items()
