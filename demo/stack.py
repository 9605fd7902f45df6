"""A whole stack for the length of a block: its own data directory, its own ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

__all__ = ["Stack", "free_ports", "running"]


@dataclass(frozen=True)
class Stack:
    """Where a running stack answers, and its administrator's token."""

    base_url: str
    soundbox_url: str
    pipeline_url: str
    token: str
    data_dir: Path
    process_id: int

    def client(self) -> httpx.Client:
        """A client that calls on behalf of the administrator."""
        return httpx.Client(base_url=self.base_url, headers={"Authorization": f"Bearer {self.token}"}, timeout=600)


def free_ports(count: int) -> list[int]:
    """Different ports that are free on the loopback address now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [int(opened.getsockname()[1]) for opened in sockets]


@contextlib.contextmanager
def running(data_dir: Path, settings: Mapping[str, str] | None = None, ready_seconds: float = 120.0) -> Iterator[Stack]:
    """Start a stack, wait until it can take work, and stop it at the end. Its logs go to ``<data dir>/stack.log``.

    Args:
        settings: further environment variables; none of the caller's own ``SOUNDWRIGHT_*`` reach the stack.

    Raises:
        RuntimeError: the stack ended, or was not ready in time; the message shows the end of its log.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    gateway, soundbox, pipeline = free_ports(3)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDWRIGHT_")}
    environment |= {
        "SOUNDWRIGHT_DATA_DIR": str(data_dir),
        "SOUNDWRIGHT_GATEWAY_PORT": str(gateway),
        "SOUNDWRIGHT_SOUNDBOX_PORT": str(soundbox),
        "SOUNDWRIGHT_PIPELINE_PORT": str(pipeline),
        "SOUNDWRIGHT_OPEN_ACCESS": "true",
        "SOUNDWRIGHT_FALLBACK": "true",
        **(settings or {}),
    }
    log = data_dir / "stack.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services", "all"],
            env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        base_url = f"http://127.0.0.1:{gateway}"
        deadline = time.monotonic() + ready_seconds
        while not _ready(base_url):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise RuntimeError(f"The stack did not start. The end of {log}:\n{tail}")
            time.sleep(0.1)
        token = (data_dir / "admin-token").read_text().strip()
        yield Stack(
            base_url=base_url,
            soundbox_url=f"http://127.0.0.1:{soundbox}",
            pipeline_url=f"http://127.0.0.1:{pipeline}",
            token=token,
            data_dir=data_dir,
            process_id=process.pid,
        )
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
