"""The NATS server of a stack without a configured one, and the command ``python -m soundwright.services.broker init``.

``init`` creates the streams and consumers in the broker at SOUNDWRIGHT_NATS_URL, or brings them to the current configuration.
It can be repeated at any time, also while the platform runs.

The server listens on a free loopback port, which it keeps across restarts so that clients can reconnect. Clients authenticate
with a token that the server creates once.

Once JetStream failed to write a message, it refuses all messages of that stream until the server restarts, also when the disk has
space again. The supervisor asks :func:`refuses_messages`, and restarts the server.
"""

import argparse
import asyncio
import http.client
import os
import secrets
import shutil
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

from soundwright.kit import log
from soundwright.kit.errors import AppError
from soundwright.kit.security.private_files import write_private
from soundwright.kit.settings import Settings, SettingsError, load

_INIT_SECONDS = 30.0
_HEALTH_SECONDS = 1.0
_HEALTH_ANSWER_BYTES = 4096
_HEALTH_FILE = "nats.health"
_CONFIG = """\
server_name: soundwright
listen: "127.0.0.1:{port}"
authorization {{ token: "{token}" }}
jetstream {{ store_dir: "{store}", sync_interval: {sync_interval}, max_file_store: {store_bytes} }}
http: "127.0.0.1:{health_port}"
http_base_path: "/{health_secret}"
max_payload: 1MB
log_file: "{log}"
"""
# Otherwise the server takes a share of the space that is free when it starts, which can be too little for its own streams.
_STORE_BYTES = 16 << 30


def run() -> None:
    """Replace this process with the broker. Does not return.

    Raises ``SettingsError``: ``nats-server`` is not installed, or no port is free.
    """
    settings = load(Settings)
    beside = Path(sys.executable).parent
    executable = shutil.which("nats-server", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if executable is None:
        raise SettingsError("nats-server is missing. Run `make setup`, or set SOUNDWRIGHT_NATS_URL to a broker.")
    home = settings.data_dir.resolve() / "broker"
    settings.prepare_folders()
    home.mkdir(exist_ok=True)
    try:
        port, health_port = _port(home / "port"), _free_port()
    except OSError:
        raise SettingsError("No free port on 127.0.0.1 for the broker.") from None
    token = _token(home / "token")
    health_secret = secrets.token_hex(32)
    config = _CONFIG.format(
        port=port,
        token=token,
        store=home / "jetstream",
        store_bytes=_STORE_BYTES,
        health_port=health_port,
        health_secret=health_secret,
        sync_interval=f'"{settings.nats_sync_interval}"',
        log=home / "broker.log",
    )
    write_private(home / "nats.conf", config)
    write_private(settings.run_dir / _HEALTH_FILE, f"http://127.0.0.1:{health_port}/{health_secret}/healthz")
    write_private(settings.run_dir / "nats.url", f"nats://{token}@127.0.0.1:{port}")
    os.execv(executable, [executable, "--config", str(home / "nats.conf")])  # noqa: S606


def _token(memory: Path) -> str:
    """Return the token that ``memory`` records, or a new one. Components keep the token when only the broker restarts."""
    if not memory.exists() or not memory.read_text():
        write_private(memory, secrets.token_hex(32))
    return memory.read_text()


def _port(memory: Path) -> int:
    """Return the port that ``memory`` records if it is free, or else another free port. Record the result."""
    try:
        port = _free_port(int(memory.read_text()))
    except (OSError, OverflowError, ValueError):  # it is missing, unreadable or taken
        port = _free_port()
    write_private(memory, str(port))
    return port


def _free_port(candidate: int = 0) -> int:
    """Return ``candidate``, or any free port of the loopback address for 0.

    Raises ``OSError``: it is not free.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", candidate))
        return int(probe.getsockname()[1])


def refuses_messages(settings: Settings) -> bool:
    """Return whether the server could not write a message since it started, so that it needs a restart. This call blocks."""
    try:
        url = (settings.run_dir / _HEALTH_FILE).read_text()
        with urllib.request.urlopen(url, timeout=_HEALTH_SECONDS):  # noqa: S310 (our own loopback address)
            return False
    except urllib.error.HTTPError as error:
        with error:
            return b"write error" in error.read(_HEALTH_ANSWER_BYTES)
    except (OSError, ValueError, http.client.HTTPException):
        return False  # the server does not run, or is starting


async def init(settings: Settings) -> None:
    """Create the streams and all consumers, or bring them to the current configuration.

    Raises ``AppError``: the broker cannot be used, or cannot change a stream in place.
    """
    from soundwright.kit import infra  # imported here, because it would delay the start of the server
    from soundwright.kit.settings import QUEUES
    from soundwright.kit.worker.commands import queue_consumer

    bus = await infra.open_bus(settings, "init", manages_streams=True, wait_seconds=_INIT_SECONDS)
    try:
        for queue in QUEUES:
            await bus.consumer(*queue_consumer(queue), ack_wait_seconds=settings.lease_seconds)
        await bus.check()
        bus.check_streams()
    finally:
        await bus.close()


def main(arguments: list[str]) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m soundwright.services.broker", description="Manage the message broker."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init", help="create or update the streams and consumers")
    parser.parse_args(arguments)
    try:
        settings = load(Settings)
        log.configure("broker", level=settings.log_level, fmt=settings.log_format)
        asyncio.run(init(settings))
    except (AppError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("The streams and consumers have the current configuration.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
