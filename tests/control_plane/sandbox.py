"""What a kubelet prepares for a container: its environment and its volumes, from the objects that the pod names."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.control_plane.plane import ControlPlane

__all__ = ["Sandbox"]

_KINDS = {"secret": "Secret", "configMap": "ConfigMap", "secretRef": "Secret", "configMapRef": "ConfigMap"}


class Sandbox:
    """The environment of a container. Its volumes are folders below ``folder``, and values that name them name the folders.

    A Secret, ConfigMap or key that does not exist fails the test, as it would prevent the pod's start.
    """

    def __init__(
        self, plane: ControlPlane, namespace: str, pod: Mapping[str, Any], container: Mapping[str, Any], folder: Path
    ) -> None:
        self._data = {
            (item["kind"], item["metadata"]["name"]): item.get("data", {})
            for item in plane.all("secrets,configmaps", namespace)
        }
        mounts = self._mounts(pod, container, folder)
        self.environment = {name: _translated(value, mounts) for name, value in self._variables(container)}

    def _variables(self, container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for source in container.get("envFrom", ()):
            for kind, reference in source.items():
                for name, content in self._read(_KINDS[kind], reference["name"]).items():
                    yield name, content.decode()
        for entry in container.get("env", ()):
            if "value" in entry:
                yield entry["name"], entry["value"]
            elif reference := entry["valueFrom"].get("secretKeyRef"):
                yield entry["name"], self._read("Secret", reference["name"])[reference["key"]].decode()

    def _mounts(self, pod: Mapping[str, Any], container: Mapping[str, Any], folder: Path) -> dict[str, Path]:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {}
        for mount in container["volumeMounts"]:
            place = folder / mount["name"]
            place.mkdir(parents=True, exist_ok=True)
            for name, content in self._files(volumes.get(mount["name"], {})):
                (place / name).write_bytes(content)
            mounts[mount["mountPath"]] = place
        return mounts

    def _files(self, volume: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
        if "secret" in volume:
            yield from self._read("Secret", volume["secret"]["secretName"]).items()
        if "configMap" in volume:
            yield from self._read("ConfigMap", volume["configMap"]["name"]).items()
        for source in volume.get("projected", {}).get("sources", ()):
            for kind, reference in source.items():
                yield from self._read(_KINDS[kind], reference["name"]).items()

    def _read(self, kind: str, name: str) -> dict[str, bytes]:
        data = self._data[kind, name]
        return {key: base64.b64decode(value) if kind == "Secret" else value.encode() for key, value in data.items()}


def _translated(value: str, mounts: Mapping[str, Path]) -> str:
    for path, place in mounts.items():
        if value == path or value.startswith(f"{path}/"):
            return f"{place}{value.removeprefix(path)}"
    return value
