"""A TCP proxy that adds faults between a client and a server (https://github.com/Shopify/toxiproxy)."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers import executable, free_ports, serving

__all__ = ["FaultProxy", "Proxy", "toxiproxy"]


@dataclass(frozen=True)
class Proxy:
    """One address that forwards to a server.

    Attributes:
        address: ``host:port`` for clients.
    """

    address: str
    name: str
    _api: httpx.Client

    def cut(self) -> None:
        """Close all connections, and refuse new ones until :meth:`restore`."""
        self._api.post(f"/proxies/{self.name}", json={"enabled": False}).raise_for_status()

    def restore(self) -> None:
        """Remove all faults and accept connections."""
        for toxic in self._api.get(f"/proxies/{self.name}/toxics").raise_for_status().json():
            self.remove(toxic["name"])
        self._api.post(f"/proxies/{self.name}", json={"enabled": True}).raise_for_status()

    def add(self, kind: str, *, upstream: bool = False, toxicity: float = 1.0, **attributes: int) -> str:
        """Add a fault and return its name. It also affects open connections.

        Args:
            kind: ``latency`` (``latency``, ``jitter`` in ms), ``bandwidth`` (``rate`` in KB/s), ``timeout`` (``timeout``
                in ms; 0 stops all data until the fault is removed), ``reset_peer`` (``timeout`` in ms), ``limit_data``
                (``bytes``, then the connection closes), ``slow_close`` or ``slicer``.
            upstream: the fault affects what clients send. Otherwise it affects what the server sends.
            toxicity: the share of connections that it affects.
        """
        body = {
            "type": kind,
            "stream": "upstream" if upstream else "downstream",
            "toxicity": toxicity,
            "attributes": attributes,
        }
        answer = self._api.post(f"/proxies/{self.name}/toxics", json=body).raise_for_status()
        return str(answer.json()["name"])

    def remove(self, toxic: str) -> None:
        """Remove a fault by the name that :meth:`add` returned."""
        self._api.delete(f"/proxies/{self.name}/toxics/{toxic}").raise_for_status()


class FaultProxy:
    """A running proxy server, which forwards any number of addresses."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self._numbers = itertools.count(1)

    def proxy(self, upstream: str) -> Proxy:
        """Forward a new address to ``upstream``, ``host:port``."""
        (port,) = free_ports(1)
        name = f"proxy-{next(self._numbers)}"
        body = {"name": name, "listen": f"127.0.0.1:{port}", "upstream": upstream, "enabled": True}
        answer = self._api.post("/proxies", json=body).raise_for_status()
        return Proxy(str(answer.json()["listen"]), name, self._api)


@contextlib.contextmanager
def toxiproxy(folder: Path) -> Iterator[FaultProxy]:
    """Run a proxy server for the length of the block."""
    program = executable("toxiproxy-server", "install toxiproxy and put it on PATH")
    (port,) = free_ports(1)
    command = [program, "-host", "127.0.0.1", "-port", str(port)]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as api:

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return api.get("/version").status_code == 200
            return False

        with serving(command, folder / "toxiproxy.log", ready):
            yield FaultProxy(api)
