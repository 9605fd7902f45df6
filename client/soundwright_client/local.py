"""Runs a complete stack on this machine during a block, with its own data directory and ports. The platform has to be installed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx


def end_by_signals() -> None:
    """Let the signals that end a program raise ``KeyboardInterrupt``, so that its blocks of :func:`running` stop their stacks.

    They are Ctrl-C, which a shell's jobs in the background ignore otherwise, and those of service managers and closed terminals.
    A program that ``nohup`` started goes on without its terminal.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


@dataclass(frozen=True)
class Stack:
    """Addresses of a running stack, and the token of its administrator."""

    base_url: str
    soundbox_url: str
    pipeline_url: str
    token: str
    data_dir: Path
    process_id: int

    def client(self) -> httpx.Client:
        """Return an HTTP client that authenticates as the administrator."""
        return httpx.Client(base_url=self.base_url, headers={"Authorization": f"Bearer {self.token}"}, timeout=600)


def free_ports(count: int) -> list[int]:
    """Return ``count`` different loopback ports that are free.

    They lie below the range from which the system takes ports for outgoing connections, so that none of those takes them.
    """
    dynamic = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first_dynamic = int(dynamic.read_text().split()[0]) if dynamic.exists() else 32_768
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", random.randrange(10_000, first_dynamic)))
                found.append(int(probe.getsockname()[1]))
    return found


@contextlib.contextmanager
def running(
    data_dir: Path,
    settings: Mapping[str, str] | None = None,
    ready_seconds: float = 120.0,
    ports: Sequence[int] | None = None,
) -> Iterator[Stack]:
    """Start a stack, wait until it is ready, and stop it at the end of the block.

    The stack writes its log to ``<data dir>/stack.log``.

    Args:
        data_dir: where the stack keeps everything.
        settings: further environment variables. The stack does not inherit ``SOUNDWRIGHT_*`` variables.
        ports: of the gateway, the soundbox and the pipeline; None: free ones.

    Raises:
        RuntimeError: the stack exited, or was not ready in time. The message contains the end of its log, or says that
            another one uses the data.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    gateway, soundbox, pipeline = ports or free_ports(3)
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
            [sys.executable, "-P", "-m", "soundwright.services", "all"],
            env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        base_url = f"http://127.0.0.1:{gateway}"
        deadline = time.monotonic() + ready_seconds
        with httpx.Client(base_url=base_url, timeout=2) as client:
            while not _ready(client):
                if process.poll() == os.EX_TEMPFAIL:
                    raise RuntimeError(
                        f"Another server uses {data_dir}. Name its address with --server, wait for its end, or set "
                        "SOUNDWRIGHT_DATA_DIR to another folder."
                    )
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


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False
