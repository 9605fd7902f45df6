"""The NATS server that runs beside the services where no other is configured.

It listens on a loopback port of its own choosing, which it keeps from start to start so that clients find it again,
and asks for a token that only this data directory's services can read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
from pathlib import Path

from kit.private import write_private
from kit.settings import Settings, SettingsError, load

__all__ = ["run"]

_CONFIG = """\
server_name: soundwright
listen: "127.0.0.1:{port}"
authorization {{ token: "{token}" }}
jetstream {{ store_dir: "{store}" }}
max_payload: 1MB
log_file: "{log}"
"""


def run() -> None:
    """Become the broker. Does not return.

    Raises:
        SettingsError: there is no ``nats-server`` to be found.
    """
    settings = load(Settings)
    beside = Path(sys.executable).parent
    executable = shutil.which("nats-server", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if executable is None:
        raise SettingsError("nats-server is missing. Run `make setup`, or set SOUNDWRIGHT_NATS_URL to a broker.")
    home = settings.data_dir.resolve() / "broker"
    home.mkdir(parents=True, exist_ok=True)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = _port(home / "port")
    token = hashlib.sha256(b"broker" + settings.signing_key()).hexdigest()
    config = _CONFIG.format(port=port, token=token, store=home / "jetstream", log=home / "broker.log")
    write_private(home / "nats.conf", config)
    write_private(settings.run_dir / "nats.url", f"nats://{token}@127.0.0.1:{port}")
    os.execv(executable, [executable, "--config", str(home / "nats.conf")])  # noqa: S606


def _port(memory: Path) -> int:
    """The port of last time if it is still free, else a free one."""
    remembered = int(memory.read_text()) if memory.exists() else 0
    for candidate in (remembered, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
            memory.write_text(str(port))
            return port
    raise SettingsError("No free port on 127.0.0.1 for the broker.")
