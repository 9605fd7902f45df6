"""One more gateway for a running stack, with settings of its own, which may be stopped and started again."""

import os
import signal
from types import TracebackType

import httpx
import psutil

from tests import forks
from tests.servers import free_ports
from tests.stacks import Stack
from tests.waiting import eventually


class GatewayProcess:
    """Runs for the length of the block."""

    def __init__(self, stack: Stack, **settings: str) -> None:
        port, ops_port = free_ports(2)
        self.base_url = f"http://127.0.0.1:{port}"
        self._log = stack.data_dirs[0] / f"gateway-{port}.log"
        self._environment = {
            **os.environ,
            **stack.environment,
            "SOUNDWRIGHT_GATEWAY_PORT": str(port),
            "SOUNDWRIGHT_OPS_BIND": f"127.0.0.1:{ops_port}",
            "SOUNDWRIGHT_OPEN_ACCESS": "true",
            **{f"SOUNDWRIGHT_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: psutil.Process | None = None
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{ops_port}", timeout=2)

    def start(self) -> None:
        self._process = forks.start("gateway", self._environment, self._log)
        eventually(self._ready, "the gateway is ready")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def accepts(self) -> bool:
        """Return whether the gateway accepts new connections."""
        try:
            httpx.get(f"{self.base_url}/health", timeout=2)
        except (httpx.ConnectError, httpx.ReadError):  # a closed listener also resets connections that it has not taken
            return False
        return True

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self._client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.is_running(), self._log.read_text()[-2000:]
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def __enter__(self) -> "GatewayProcess":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._client.close()
