"""Networks of containers: each service has a network namespace of its own, and reaches those that share a network with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, ip_network

from tests.servers import executable

__all__ = ["Networks"]


class Networks:
    """Network namespaces of services, joined by bridges. It needs root.

    Args:
        services: the networks of each service.
        public: the network that this process reaches, too.
    """

    def __init__(self, services: Mapping[str, Sequence[str]], public: str) -> None:
        self._ip = executable("ip", "apt-get install iproute2")
        self._prefix = f"sw{os.getpid()}"
        self._cleanup = contextlib.ExitStack()
        networks = sorted({network for joined in services.values() for network in joined})
        self._ranges = dict(zip(networks, ip_network("10.213.0.0/16").subnets(new_prefix=24), strict=False))
        self._services = services
        self._public = public

    def __enter__(self) -> Networks:
        with contextlib.ExitStack() as cleanup:
            self._cleanup = cleanup
            self._add("bridges")
            for network in self._ranges:
                self._call("-n", self.namespace("bridges"), "link", "add", self._device(network), "type", "bridge")
                self._call("-n", self.namespace("bridges"), "link", "set", self._device(network), "up")
            for service, networks in self._services.items():
                self._add(service)
                for network in networks:
                    self._join(
                        network,
                        ["netns", self.namespace(service)],
                        self._device(network),
                        self.address(service, network),
                    )
            self._join(
                self._public, ["netns", str(os.getpid())], self._prefix, next(self._ranges[self._public].hosts())
            )
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()  # links end with their namespaces

    def namespace(self, service: str) -> str:
        return f"{self._prefix}-{service}"

    def enter(self, service: str) -> list[str]:
        """Return the beginning of a command that runs in the namespace of a service."""
        return [self._ip, "netns", "exec", self.namespace(service)]

    def address(self, service: str, network: str) -> IPv4Address:
        return self._ranges[network][list(self._services).index(service) + 2]

    def hosts(self, service: str) -> str:
        """Return the names that a service knows, as /etc/hosts."""
        lines = ["127.0.0.1 localhost"]
        for network in self._services[service]:
            lines += [
                f"{self.address(other, network)} {other}" for other, names in self._services.items() if network in names
            ]
        return "\n".join(lines) + "\n"

    def _device(self, network: str) -> str:
        return f"net{list(self._ranges).index(network)}"

    def _add(self, service: str) -> None:
        self._call("netns", "add", self.namespace(service))
        self._cleanup.callback(self._call, "netns", "delete", self.namespace(service))
        self._call("-n", self.namespace(service), "link", "set", "lo", "up")

    def _join(self, network: str, target: Sequence[str], name: str, address: IPv4Address) -> None:
        """Connect a namespace to the bridge of a network."""
        bridges = self.namespace("bridges")
        port = f"port{address.packed[-1]}-{address.packed[-2]}"
        self._call("-n", bridges, "link", "add", port, "type", "veth", "peer", "name", name, *target)
        self._call("-n", bridges, "link", "set", port, "master", self._device(network), "up")
        inside = ["-n", target[1]] if not target[1].isdecimal() else []
        self._call(*inside, "address", "add", f"{address}/24", "dev", name)
        self._call(*inside, "link", "set", name, "up")

    def _call(self, *arguments: str) -> None:
        done = subprocess.run([self._ip, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
