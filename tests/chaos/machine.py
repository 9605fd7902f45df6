"""A stack on a small disk of its own, whose connections go through a proxy that cuts and delays them.

Two supervisors share the data directory: one for broker and library, and one for the other components. Each connection of the
others to the broker and to the library, and of clients to the gateway, goes through the proxy.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psutil
from processes import below, kill_all

from tests.servers import free_ports
from tests.servers.fault_proxy import FaultProxy
from tests.stacks import Stack, component_of
from tests.waiting import eventually

_STORING = ("broker", "library")
_SERVING = ("ingest", "separation", "analysis", "generation", "gateway")


@contextlib.contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[str]:
    """Mount an empty file system on ``folder`` for the length of the block. Yield why that was not possible, or ``""``."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "soundwright-chaos", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        problem = mounted.stderr.strip() if mounted.returncode else ""
    except FileNotFoundError:
        problem = "there is no command mount"
    try:
        yield problem
    finally:
        if not problem:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Machine:
    """The stack, its supervisors, and the proxies before its parts. All addresses stay the same when it starts again.

    Attributes:
        proxies: by the part that they protect: gateway, library and broker.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str], server: FaultProxy) -> None:
        self.data_dir = data_dir
        self._supervisors: list[subprocess.Popen[bytes]] = []
        gateway, library, broker = free_ports(3)
        ports = {"gateway": gateway, "library": library, "broker": broker}
        self.proxies = {part: server.proxy(f"127.0.0.1:{port}") for part, port in ports.items()}
        self._library_bind = f"127.0.0.1:{library}"
        # The broker keeps the port and the token of its first start.
        home = data_dir / "broker"
        home.mkdir(parents=True)
        token = secrets.token_hex(32)
        (home / "port").write_text(str(broker))
        (home / "token").write_text(token)
        base_url = f"http://{self.proxies['gateway'].address}"
        self.stack = Stack(
            base_url=base_url,
            soundbox_url=base_url,
            pipeline_url=base_url,
            gateway_urls=(base_url,),
            token="",
            data_dirs=(data_dir,),
            environment={
                **settings,
                "SOUNDWRIGHT_DATA_DIR": str(data_dir),
                "SOUNDWRIGHT_GATEWAY_PORT": str(gateway),
                "SOUNDWRIGHT_FALLBACK": "true",
                "SOUNDWRIGHT_LIBRARY_ADDR": self.proxies["library"].address,
                "SOUNDWRIGHT_NATS_URL": f"nats://{token}@{self.proxies['broker'].address}",
            },
            process_ids=(),
        )

    def start(self) -> None:
        """Start both supervisors, and wait until the gateway is healthy."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDWRIGHT_")}
        for targets, own in ((_STORING, {"SOUNDWRIGHT_GRPC_BIND": self._library_bind}), (_SERVING, {})):
            with (self.data_dir / "stack.log").open("ab") as log:
                self._supervisors.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "soundwright.services", *targets],
                        env={**inherited, **self.stack.environment, **own},
                        stdout=log, stderr=log, start_new_session=True,
                    )
                )  # fmt: skip
        self.until_healthy()

    def stop(self) -> None:
        """Stop everything in order: what needs the library first."""
        for supervisor in reversed(self._supervisors):
            supervisor.send_signal(signal.SIGINT)
            try:
                supervisor.wait(60)
            except subprocess.TimeoutExpired:
                supervisor.kill()
                supervisor.wait()
        self._supervisors.clear()

    def keep_logs(self, folder: Path) -> None:
        """Copy the logs to a folder on another disk."""
        for log in (self.data_dir / "stack.log", self.data_dir / "broker" / "broker.log"):
            if log.exists():
                shutil.copy(log, folder)

    def power_cut(self) -> None:
        """``kill -9`` everything at once, and start again."""
        kill_all(*(supervisor.pid for supervisor in self._supervisors))
        for supervisor in self._supervisors:
            supervisor.wait()
        self._supervisors.clear()
        self.start()

    def processes(self) -> list[psutil.Process]:
        """Return all processes that run now, except the supervisors."""
        return [process for supervisor in self._supervisors for process in below(supervisor.pid)[1:]]

    def component(self, name: str) -> psutil.Process | None:
        for process in self.processes():
            if component_of(process) == name:
                return process
        return None

    def until_healthy(self) -> None:
        def healthy() -> bool:
            assert all(supervisor.poll() is None for supervisor in self._supervisors), self.stack.log()[-3000:]
            try:
                return httpx.get(f"{self.stack.base_url}/health", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        eventually(healthy, "GET /health says 200", 180)
