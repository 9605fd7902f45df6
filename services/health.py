"""``python -m services.health COMPONENT``: exit with 0 if the component runs, for the health check of a container.

It asks ``/livez`` at the component's own operations address, so it needs the component's environment variables.
"""

from __future__ import annotations

import http.client
import socket
import sys

from kit.settings import Settings, load

__all__ = ["main"]

_TIMEOUT_SECONDS = 4.0


def main(component: str) -> int:
    """Ask a component whether it is alive. Return the exit status: 0 if it is."""
    try:
        return 0 if _status(load(Settings).ops_address(component)) == 200 else 1
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{component} does not answer: {error}\n")
        return 1


def _status(address: str) -> int:
    """Return the HTTP status of ``/livez`` at ``unix:path`` or ``host:port``. A wildcard host means this machine."""
    if address.startswith("unix:"):
        connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(_TIMEOUT_SECONDS)
        connection.sock.connect(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        local = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104
        connection = http.client.HTTPConnection(local, int(port), timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
