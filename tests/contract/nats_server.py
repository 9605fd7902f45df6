"""A NATS server with JetStream for tests: started on a free port, killed and started again on the same port and store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

__all__ = ["NatsServer"]

_START_SECONDS = 20.0


class NatsServer:
    """``nats-server`` as a child process, its store in ``home``."""

    def __init__(self, home: Path) -> None:
        search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        executable = shutil.which("nats-server", path=search)
        assert executable is not None, "nats-server is missing; `make setup` installs it"
        self._executable = executable
        self._store = home / "jetstream"
        self._log = home / "nats.log"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._process = self._spawn()
        async with asyncio.timeout(_START_SECONDS):
            while not await self._accepts():
                assert self._process.poll() is None, self._log.read_text()
                await asyncio.sleep(0.02)

    def _spawn(self) -> subprocess.Popen[bytes]:
        jetstream = ["--jetstream", "--store_dir", str(self._store), "--log", str(self._log)]
        return subprocess.Popen([self._executable, "--addr", "127.0.0.1", "--port", str(self._port), *jetstream])

    async def _accepts(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        greeting = await reader.readline()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return greeting.startswith(b"INFO")

    def kill(self) -> None:
        """End it without warning, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Lose everything, as with a new disk."""
        assert self._process is None
        shutil.rmtree(self._store)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
