"""The egress policy: which servers the platform may connect to.

Allowed are public servers on web ports, and hosts that the operator lists. The policy resolves a host, checks all its
addresses, and connects to a checked address, which prevents DNS rebinding. A redirect is a new connection and is checked
again.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from urllib.parse import urlsplit

from soundwright.kit import errors

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host. Raises OSError if it has none."""

_WEB_PORTS = frozenset({80, 443, 8080, 8443})
_ADDRESS_LIMIT = 4
_RESOLVE_SECONDS = 10.0
_CONNECT_SECONDS = 10.0

_GLOBAL_UNICAST_6 = ipaddress.IPv6Network("2000::/3")  # all allocated addresses; the rest is special or unused
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# These count as global in some versions of Python, but no server uses them: tunnels that embed another address, relays,
# protocol assignments, and examples.
_SPECIAL = (
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("3fff::/20"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
)


def is_public(address: str) -> bool:
    """Return whether ``address`` is an address of the public internet.

    Private, loopback, link-local, shared (CGNAT), multicast, reserved and IPv4-mapped addresses are not public, nor are
    NAT64 addresses that embed one of them. See RFC 6890 and the IANA special-purpose address registries.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
        if ip not in _GLOBAL_UNICAST_6:
            return False
    return (
        ip.is_global and not ip.is_multicast and not ip.is_reserved and not any(ip in special for special in _SPECIAL)
    )


async def resolve(host: str, port: int) -> Sequence[str]:
    """Resolve a host with the system resolver, which also accepts decimal, octal and hexadecimal IPv4 addresses."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


class EgressPolicy:
    """Decides about connections, and opens them."""

    def __init__(self, allow_hosts: Iterable[str] = (), resolver: Resolver = resolve) -> None:
        """
        Args:
            allow_hosts: hosts that are allowed although their address is private, as ``host`` (on any port) or
                ``host:port``.

        Raises ``ValueError``: an entry of ``allow_hosts`` is invalid.
        """
        self._allowed = {_endpoint(entry) for entry in allow_hosts}
        self._resolver = resolver

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of ``host`` that may be connected to on ``port``.

        Raises ``ADDRESS_REFUSED`` if the host has no address, if any of its addresses is not public, or if the port is
        not a web port.
        """
        name = host.rstrip(".").lower()
        allowed = self.is_allow_listed(name, port)
        if not allowed and port not in _WEB_PORTS:
            raise errors.ADDRESS_REFUSED()
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self._resolver(name, port)
        except (OSError, UnicodeError, ValueError):  # TimeoutError is an OSError
            raise errors.ADDRESS_REFUSED() from None
        if not found or not (allowed or all(is_public(address) for address in found)):
            raise errors.ADDRESS_REFUSED()
        return list(found)[:_ADDRESS_LIMIT]

    async def connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to one of the checked addresses of ``host``.

        Raises:
            AppError: ``ADDRESS_REFUSED``.
            OSError: no address accepts the connection.
        """
        failure: OSError = ConnectionRefusedError()
        for address in await self.addresses(host, port):
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(address, port)
            except OSError as error:
                failure = error
                continue
            local, remote = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
            if local is None or remote is None:  # the connection broke at once
                writer.close()
                continue
            if self.connects_to_self(host, port, local, remote):
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                raise errors.ADDRESS_REFUSED()
            return reader, writer
        raise failure

    def connects_to_self(self, host: str, port: int, local: tuple[str, int], remote: tuple[str, int]) -> bool:
        """Return whether a connection ends at this machine, which would bypass its firewall.

        Args:
            host, port: the requested server.
            local, remote: the addresses of both ends of the connection.
        """
        return local[0] == remote[0] and not self.is_allow_listed(host, port)

    def is_allow_listed(self, host: str, port: int) -> bool:
        """Return whether the operator allows this host, whatever its address."""
        name = host.rstrip(".").lower()
        return not self._allowed.isdisjoint({(name, None), (name, port)})


def _endpoint(entry: str) -> tuple[str, int | None]:
    """Parse ``host``, ``host:port`` or ``[v6]:port``."""
    parts = urlsplit(f"//{entry.strip()}")
    if not parts.hostname or parts.path or parts.query or parts.username is not None:
        raise ValueError(f"{entry!r} is not host or host:port")
    return parts.hostname.rstrip("."), parts.port
