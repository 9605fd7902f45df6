"""Runs deploy/compose.yaml without a container engine: its services, users, volumes, networks and rights, as the file says.

Chroots and namespaces stand in for containers. The stores have no images here, so their programs of this machine run in the base
image, with SecantusDB in place of MongoDB.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from tests.deploy.compose import DEPLOY
from tests.images.builder import Image
from tests.images.network import Networks

__all__ = ["Service", "running"]

# What the engine does with the keys of a service that the test leaves out: it builds, publishes, restarts and logs.
_LEFT_OUT = {"build", "image", "init", "logging", "ports", "restart"}
_HONOURED = {
    "cap_add", "cap_drop", "command", "depends_on", "entrypoint", "env_file", "environment", "healthcheck", "network_mode",
    "networks", "read_only", "security_opt", "stop_grace_period", "tmpfs", "user", "volumes", "working_dir",
}  # fmt: skip
_START_SECONDS = 600


@dataclass
class Service:
    """A service of the file."""

    name: str
    definition: Mapping[str, Any]
    image: Image
    settings: Mapping[str, str]
    volumes: Path
    networks: Networks
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        further = self.settings if self.definition.get("env_file") else {}
        return {**further, **self.definition.get("environment", {})}

    @property
    def log(self) -> Path:
        return self.volumes / f"{self.name}.log"

    def command(self, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
        """Return the command that runs ``argv`` beside the service."""
        definition = self.definition
        assert definition["cap_drop"] == ["ALL"]
        assert definition["security_opt"] == ["no-new-privileges:true"]
        hosts = self.volumes / f"{self.name}.hosts"
        hosts.write_text(self.networks.hosts(self.name))
        return self.networks.enter(self.name) + self.image.command(
            argv,
            self.environment | dict(environment or {}),
            [f"{hosts}:/etc/hosts:ro", *definition.get("tmpfs", ()), *map(self._mount, definition["volumes"])],
            user=definition.get("user", ""),
            directory=definition.get("working_dir", ""),
            capabilities=definition.get("cap_add", ()),
            read_only=definition.get("read_only", False),
        )

    def _mount(self, volume: str) -> str:
        source, target, *option = volume.split(":")
        path = DEPLOY / source if source.startswith(".") else self.volumes / source
        return f"{path}:{target}:{option[0] if option else 'rw'}"

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command beside the service."""
        return subprocess.run(
            self.command(argv, environment), capture_output=True, text=True, timeout=_START_SECONDS, check=False
        )

    def healthy(self, environment: Mapping[str, str] | None = None) -> bool:
        """Run the health check of the image."""
        kind, *argv = self.image.config["Healthcheck"]["Test"]
        return self.run(["/bin/sh", "-c", *argv] if kind == "CMD-SHELL" else argv, environment).returncode == 0

    def start(self) -> None:
        entry = self.definition.get("entrypoint") or self.image.config["Entrypoint"]
        with self.log.open("ab") as output:
            argv = [*entry, *self.definition.get("command", ())]
            self.process = subprocess.Popen(self.command(argv), stdout=output, stderr=output)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            tail = self.log.read_text(errors="replace")[-3000:]
            assert self.process.poll() is None, f"{self.name} ended:\n{tail}"
            assert time.monotonic() < deadline, f"{self.name} did not start:\n{tail}"
            time.sleep(0.3)

    def listens(self, port: int) -> bool:
        """Return whether the service accepts connections of others at a port."""
        address = self.networks.address(self.name, self.definition["networks"][0])
        probe = f"import socket; socket.create_connection(('{address}', {port}), 1)"
        command = [*self.networks.enter(self.name), sys.executable, "-c", probe]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def terminate(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(
    content: Mapping[str, Any],
    images: Mapping[str, Image],
    ports: Mapping[str, int],
    settings: Mapping[str, str],
    folder: Path,
) -> Iterator[dict[str, Service]]:
    """Run the services of a file in the order of their dependencies. At the end, stop those of the images with SIGTERM.

    Args:
        ports: the services that are ready when they listen on a port, instead of by the health check of their image.
        settings: what settings.env holds.
        folder: for volumes and logs.
    """
    definitions: Mapping[str, Mapping[str, Any]] = content["services"]
    for name, definition in definitions.items():
        assert set(definition) <= _HONOURED | _LEFT_OUT, name
        assert definition.get("network_mode", "none") == "none"
    _make_volumes(content["volumes"], folder)
    joined = {name: definition.get("networks", []) for name, definition in definitions.items()}
    with contextlib.ExitStack() as stack:
        networks = stack.enter_context(Networks(joined, "default"))
        services = {
            name: Service(name, definition, images[name], settings, folder, networks)
            for name, definition in definitions.items()
        }
        for name in TopologicalSorter(
            {name: item.get("depends_on", {}) for name, item in definitions.items()}
        ).static_order():
            service = services[name]
            service.start()
            stack.callback(service.kill)
            assert service.process is not None
            if service.definition.get("restart") == "no":
                assert service.process.wait(_START_SECONDS) == 0, service.log.read_text()
            elif name in ports:
                service.wait_until(lambda service=service, name=name: service.listens(ports[name]))  # type: ignore[misc]
        components = [service for service in services.values() if "build" in service.definition]
        for service in components:
            service.wait_until(service.healthy)
        yield services
        for service in components:
            service.terminate()
        for service in components:
            seconds = float(service.definition["stop_grace_period"].removesuffix("s"))
            assert service.process.wait(seconds) == 0, service.log.read_text(errors="replace")[-3000:]


def _make_volumes(names: Sequence[str], folder: Path) -> None:
    """Create volumes as an engine does: for root."""
    for name in names:
        (folder / name).mkdir()
        os.chown(folder / name, 0, 0)
    # Users of containers pass through the folders above.
    for parent in (folder, *folder.parents):
        if parent == Path("/tmp"):
            break
        parent.chmod(parent.stat().st_mode | 0o011)
