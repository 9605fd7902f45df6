"""The stores and services that the pods of workers use, as processes of this machine.

The services run with the environment of their own pods. Only addresses are replaced, and what belongs to this machine: it has no GPU.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.control_plane.installation import Credentials, Installation
from tests.control_plane.kubelet import start_container
from tests.control_plane.plane import until
from tests.control_plane.sandbox import Sandbox
from tests.servers import free_ports
from tests.servers.nats import ACCOUNTS, NatsServer
from tests.servers.s3 import seaweedfs
from tests.stacks import Stack

__all__ = ["Broker", "LocalServices", "broker", "create_streams", "local_services"]

COMPONENTS = ("library", "ingest", "separation", "gateway")


@dataclass(frozen=True)
class Broker:
    """A NATS server with the configuration of the overlay ``dev``."""

    url: str
    monitoring: str


@dataclass(frozen=True)
class LocalServices:
    """The running services.

    Attributes:
        settings: the variables that replace those of the pods.
        environment: the complete environment of each service.
        stack: the platform that they make up.
    """

    settings: Mapping[str, str]
    environment: Mapping[str, Mapping[str, str]]
    stack: Stack


@contextlib.contextmanager
def broker(credentials: Credentials, folder: Path) -> Iterator[Broker]:
    """Run a NATS server with TLS and the users of the platform. It has no streams yet."""
    folder.mkdir()
    for name, content in credentials.certificate("soundwright-nats").items():
        (folder / name).write_text(content)
    shutil.copy(ACCOUNTS, folder)
    (monitoring,) = free_ports(1)
    environment = credentials.secrets()["soundwright-nats-users"] | {
        "NATS_SERVER_NAME": "soundwright-nats-0",
        "NATS_LISTEN": "127.0.0.1:4222",  # replaced by an option
        "NATS_MONITORING_LISTEN": f"127.0.0.1:{monitoring}",
        "NATS_STORE_DIR": str(folder / "store"),
        "NATS_TLS_CA_FILE": str(folder / "ca.crt"),
        "NATS_TLS_CERT_FILE": str(folder / "tls.crt"),
        "NATS_TLS_KEY_FILE": str(folder / "tls.key"),
    }
    server = NatsServer(folder, (ACCOUNTS.parent / "server.conf").read_text(), environment)
    asyncio.run(server.start())
    try:
        yield Broker(server.url.replace("nats://", "tls://"), f"127.0.0.1:{monitoring}")
    finally:
        server.kill()


@contextlib.contextmanager
def local_services(installation: Installation, nats: Broker, folder: Path) -> Iterator[LocalServices]:
    """Create the streams, then run the library, ingest, separation without its worker, and the gateway."""
    folder.mkdir()
    addressed = ("library", "ingest", "separation", "analysis", "generation")
    gateway, *ports = free_ports(1 + len(addressed))
    addresses = {name: f"127.0.0.1:{port}" for name, port in zip(addressed, ports, strict=True)}
    with seaweedfs(folder / "seaweedfs") as store:
        settings = {
            "SOUNDWRIGHT_NATS_URL": nats.url,
            "SOUNDWRIGHT_NATS_REPLICA_COUNT": "1",
            "SOUNDWRIGHT_BLOBS_URL": store.new_bucket(),
            "SOUNDWRIGHT_SEPARATION_DEVICE": "cpu",
            "SOUNDWRIGHT_GATEWAY_HOST": "127.0.0.1",
            "SOUNDWRIGHT_GATEWAY_PORT": str(gateway),
            "SOUNDWRIGHT_RATE_NORMAL_PER_MINUTE": "1000000",
            "SOUNDWRIGHT_RATE_HEAVY_PER_MINUTE": "1000000",
            "SOUNDWRIGHT_RATE_POLLING_PER_MINUTE": "1000000",
            **{f"SOUNDWRIGHT_{name.upper()}_ADDR": address for name, address in addresses.items()},
        }
        environments = {
            name: _sandbox(installation, name, "component", folder).environment | settings for name in COMPONENTS
        }
        environments["library"]["SOUNDWRIGHT_DOCS_URL"] = f"sqlite://{folder / 'library.db'}"
        for name in COMPONENTS[:3]:
            environments[name]["SOUNDWRIGHT_GRPC_BIND"] = addresses[name]
        create_streams({**_sandbox(installation, "library", "streams", folder).environment, **settings})
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for name in COMPONENTS:
                process, probes = start_container(name, environments[name], folder / name)
                processes.append(process)
                until(lambda at=probes: _answers(f"{at}/livez"), f"{name} starts")
            data = Path(environments["library"]["SOUNDWRIGHT_DATA_DIR"])
            until((data / "admin-token").exists, "the library writes the token of its administrator")
            url = f"http://127.0.0.1:{gateway}"
            stack = Stack(
                base_url=url, soundbox_url=url, pipeline_url=url, gateway_urls=(url,),
                token=(data / "admin-token").read_text().strip(), data_dirs=(folder,),
                environment=environments["separation"], process_ids=tuple(process.pid for process in processes),
            )  # fmt: skip
            with stack.client() as client:
                until(lambda: _answers(f"{url}/api/jobs", client), "the gateway answers")
            yield LocalServices(settings, environments, stack)
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
            for process in reversed(processes):
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _sandbox(installation: Installation, component: str, container: str, folder: Path) -> Sandbox:
    """Return what a container of a component's pods gets."""
    (deployment,) = (
        item for item in installation.objects
        if (item["kind"], item["metadata"]["name"]) == ("Deployment", f"soundwright-{component}")
    )  # fmt: skip
    pod = deployment["spec"]["template"]["spec"]
    (found,) = (one for one in (*pod.get("initContainers", ()), *pod["containers"]) if one["name"] == container)
    return Sandbox(installation.plane, installation.namespace, pod, found, folder / component)


def create_streams(environment: Mapping[str, str]) -> None:
    """Create the streams and consumers in a broker.

    Args:
        environment: the settings of the init container of the library's pods.
    """
    command = [sys.executable, "-m", "services.broker", "init"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _answers(url: str, client: httpx.Client | None = None) -> bool:
    try:
        return (client or httpx).get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
