"""The cluster topology: two replicas of each component as if on two hosts, with MongoDB, SeaweedFS and NATS.

The hosts share no folder. Each has a data directory for its temporary files and logs, and its processes bind addresses of
their own. gRPC clients get the addresses of both replicas. Each component is a NATS user with the rights of
deploy/nats/accounts.conf.
"""

import contextlib
import itertools
import os
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests import forks
from tests.balancer import balanced
from tests.servers import free_ports
from tests.servers.mongodb import database_url, mongodb
from tests.servers.nats import nats, nats_user
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, seaweedfs
from tests.stacks import COLD, Stack

HOSTS = ("a", "b")
COMPONENTS = ("library", "ingest", "separation", "analysis", "generation", "gateway")
_GATEWAY_PORTS = ("SOUNDWRIGHT_GATEWAY_PORT", "SOUNDWRIGHT_SOUNDBOX_PORT", "SOUNDWRIGHT_PIPELINE_PORT")
_READY_SECONDS = 600.0
_STOP_SECONDS = 300.0


class Replica:
    """One process of a component on one host."""

    def __init__(self, component: str, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.component = component
        self.data_dir = data_dir
        (port,) = free_ports(1)
        self._ops_address = f"127.0.0.1:{port}"
        self._environment = {
            **environment,
            "SOUNDWRIGHT_DATA_DIR": str(data_dir),
            "SOUNDWRIGHT_OPS_BIND": self._ops_address,
        }
        self.process: psutil.Process | None = None

    def start(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDWRIGHT_")}
        self.process = forks.start(self.component, inherited | self._environment, self.data_dir / "stack.log")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.is_running()

    def ready(self) -> bool:
        """Return whether ``/readyz`` says that the process can work."""
        try:
            return httpx.get(f"http://{self._ops_address}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> None:
        """Wait until the process has ended. Kill it if it does not."""
        assert self.process is not None
        try:
            self.process.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        gateways: for each port of the stack, those of both gateways.
    """

    stack: Stack
    replicas: Sequence[Replica]
    gateways: Mapping[int, Sequence[int]]

    def of(self, component: str) -> list[Replica]:
        return [replica for replica in self.replicas if replica.component == component]


@contextlib.contextmanager
def servers(folder: Path, *, nats_users: bool = False) -> Iterator[dict[str, str]]:
    """Run MongoDB, SeaweedFS and NATS for the length of the block, and yield the settings that name them.

    Args:
        nats_users: each component must be a NATS user of its own, see :func:`tests.servers.nats.nats_user`.
    """
    for name in ("mongodb", "seaweedfs", "nats"):
        (folder / name).mkdir(parents=True)
    with (
        mongodb(folder / "mongodb") as docs_url,
        seaweedfs(folder / "seaweedfs") as store,
        nats(folder / "nats", users=nats_users) as nats_url,
    ):
        yield {
            "SOUNDWRIGHT_DOCS_URL": database_url(docs_url, f"soundwright-{uuid.uuid4().hex[:12]}"),
            "SOUNDWRIGHT_BLOBS_URL": store.new_bucket(),
            "SOUNDWRIGHT_BLOBS_ACCESS_KEY": ACCESS_KEY,
            "SOUNDWRIGHT_BLOBS_SECRET_KEY": SECRET_KEY,
            "SOUNDWRIGHT_NATS_URL": nats_url,
        }


@contextlib.contextmanager
def cluster(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Run a cluster for the length of the block. Requests of httpx clients go to both gateways in turn."""
    with running_cluster(folder, settings) as started, balanced(started.gateways):
        yield started.stack
        assert "denies an operation" not in started.stack.log(), (
            "a component lacks a right in deploy/nats/accounts.conf"
        )


@contextlib.contextmanager
def running_cluster(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Run the servers, and two replicas of each component, for the length of the block.

    Raises:
        RuntimeError: a process ended, or was not ready in time. The message contains the end of its log.
    """
    places = {host: folder / host for host in HOSTS}
    for place in places.values():
        place.mkdir(parents=True)
    with servers(folder / "servers", nats_users=True) as addresses_of_servers:
        environment = {
            **addresses_of_servers,
            "SOUNDWRIGHT_SECRET": "the-secret-of-a-cluster-for-tests",
            "SOUNDWRIGHT_ADMIN_PASSWORD": "the password of its administrator",
            "SOUNDWRIGHT_OPEN_ACCESS": "true",
            "SOUNDWRIGHT_FALLBACK": "true",
            **COLD,
            **(settings or {}),
        }
        ports = iter(free_ports(len(HOSTS) * (len(COMPONENTS) - 1 + len(_GATEWAY_PORTS))))
        gateway_ports = [dict(zip(_GATEWAY_PORTS, map(str, itertools.islice(ports, 3)), strict=True)) for _ in HOSTS]
        binds: dict[str, list[str]] = {
            component: [f"127.0.0.1:{next(ports)}" for _ in HOSTS] for component in COMPONENTS if component != "gateway"
        }
        for component, addresses in binds.items():
            environment[f"SOUNDWRIGHT_{component.upper()}_ADDR"] = f"ipv4:{','.join(addresses)}"
        urls = [f"http://127.0.0.1:{gateway_ports[0][name]}" for name in _GATEWAY_PORTS]
        environment["SOUNDWRIGHT_PUBLIC_URL"] = urls[0]
        replicas = []
        for number, host in enumerate(HOSTS):
            for component in COMPONENTS:
                own = (
                    gateway_ports[number]
                    if component == "gateway"
                    else {"SOUNDWRIGHT_GRPC_BIND": binds[component][number]}
                )
                replicas.append(Replica(component, places[host], environment | own | nats_user(component)))
        process_ids: list[int] = []

        def start() -> None:
            for replica in replicas:
                if replica.running:
                    replica.signal(signal.SIGKILL)
                    replica.wait()
                replica.start()
            until_ready(replicas)
            process_ids[:] = [replica.process.pid for replica in replicas if replica.process]

        try:
            start()
            stack = Stack(
                *urls,
                gateway_urls=tuple(f"http://127.0.0.1:{ports[_GATEWAY_PORTS[0]]}" for ports in gateway_ports),
                token=(places[HOSTS[0]] / "admin-token").read_text().strip(),
                data_dirs=tuple(places[host] for host in HOSTS),
                environment={**environment, **nats_user("gateway"), "SOUNDWRIGHT_DATA_DIR": str(places[HOSTS[0]])},
                process_ids=process_ids,
                restart=start,
            )
            turns = {
                int(gateway_ports[0][name]): [int(ports[name]) for ports in gateway_ports] for name in _GATEWAY_PORTS
            }
            yield Cluster(stack, replicas, turns)
        finally:
            _stop(replicas)


def until_ready(replicas: Sequence[Replica]) -> None:
    """Wait until all of the replicas can work.

    Raises:
        RuntimeError: one ended, or was not ready in time. The message contains the end of its log.
    """
    deadline = time.monotonic() + _READY_SECONDS
    waiting = list(replicas)
    while waiting := [replica for replica in waiting if not replica.ready()]:
        ended = [replica for replica in replicas if not replica.running]
        if ended or time.monotonic() > deadline:
            replica = (ended or waiting)[0]
            log = (replica.data_dir / "stack.log").read_text(errors="replace")
            raise RuntimeError(f"{replica.component} did not start. The end of its host's log:\n{log[-4000:]}")
        time.sleep(0.1)


def _stop(replicas: Sequence[Replica]) -> None:
    """Stop the components that depend on the library, then the library."""
    for wave in (lambda name: name != "library", lambda name: name == "library"):
        stopping = [replica for replica in replicas if replica.running and wave(replica.component)]
        for replica in stopping:
            replica.signal(signal.SIGCONT)
            replica.signal(signal.SIGTERM)
        for replica in stopping:
            replica.wait()
