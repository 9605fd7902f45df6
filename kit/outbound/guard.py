"""What may be reached from here: public servers on the ports of the web, and what the operator allows beyond.

Names are resolved here, the answers are checked, and the connection goes to an address that was checked: a name that
answers differently the next time (DNS rebinding) gains nothing. Redirects are new connections and come by here again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from urllib.parse import urlsplit

from kit.errors import AppError, Code

__all__ = ["Guard", "Resolver", "is_public", "refused", "resolve"]

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host, as text. Raises OSError when there are none."""

_WEB_PORTS = frozenset({80, 443, 8080, 8443})
_ADDRESS_LIMIT = 4
_RESOLVE_SECONDS = 10.0
_CONNECT_SECONDS = 10.0

_GLOBAL_UNICAST_6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out; the rest is special or not in use
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Public by the rules above or by the lists of some version of Python, and yet nobody's server: tunnels that hide another
# address, relays, protocol assignments, examples.
_SPECIAL = (
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("3fff::/20"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
)


def is_public(address: str) -> bool:
    """Whether ``address`` belongs to a server on the public internet.

    Private, loopback, link-local, shared (CGNAT), multicast, reserved and IPv4-mapped addresses do not, nor those of
    NAT64 that stand for one of them. See RFC 6890 and the IANA special-purpose address registries.
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
    """The system's resolver, which also reads the odd ways to write an IPv4 address (decimal, octal, hexadecimal)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


def refused() -> AppError:
    """One sentence for names that do not exist and names of private servers: who asks learns nothing about our network."""
    return AppError(
        Code.UNPROCESSABLE,
        "ADDRESS_REFUSED",
        "No public server answers at this address. Use the address of a public web site.",
    )


class Guard:
    """Connects to what may be reached.

    Args:
        allow_hosts: ``host`` or ``host:port`` that may be reached although the address is private, on any port or on that
            one.
        resolver: looks names up.

    Raises:
        ValueError: one of the hosts is none.
    """

    def __init__(self, allow_hosts: Iterable[str] = (), resolver: Resolver = resolve) -> None:
        self._allowed = {_endpoint(entry) for entry in allow_hosts}
        self._resolver = resolver

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Addresses of ``host`` that may be connected to on ``port``.

        Raises:
            AppError: ``ADDRESS_REFUSED`` for a name without addresses, one of whose addresses is not public, or another
                port than those of the web.
        """
        name = host.rstrip(".").lower()
        listed = self.lists(name, port)
        if not listed and port not in _WEB_PORTS:
            raise refused()
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self._resolver(name, port)
        except (OSError, UnicodeError, ValueError):  # TimeoutError is an OSError
            raise refused() from None
        if not found or not (listed or all(is_public(address) for address in found)):
            raise refused()
        return list(found)[:_ADDRESS_LIMIT]

    async def connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to one of the checked addresses of ``host``.

        Raises:
            AppError: ``ADDRESS_REFUSED``.
            OSError: none of the addresses answers.
        """
        failure: OSError = ConnectionRefusedError()
        for address in await self.addresses(host, port):
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(address, port)
            except OSError as error:
                failure = error
                continue
            own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
            if own is None or peer is None:  # it broke in the moment that it was made
                writer.close()
                continue
            if self.leads_back(host, port, own, peer):
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                raise refused()
            return reader, writer
        raise failure

    def leads_back(self, host: str, port: int, own: tuple[str, int], peer: tuple[str, int]) -> bool:
        """Whether a connection ended up at this very machine, by a public address of its own: that leads around its
        firewall.

        Args:
            host, port: what was connected to.
            own, peer: the addresses of both ends.
        """
        return own[0] == peer[0] and not self.lists(host, port)

    def lists(self, host: str, port: int) -> bool:
        """Whether the operator allows it by name, whatever its address."""
        name = host.rstrip(".").lower()
        return not self._allowed.isdisjoint({(name, None), (name, port)})


def _endpoint(entry: str) -> tuple[str, int | None]:
    """``host``, ``host:port`` or ``[v6]:port`` as host and port."""
    parts = urlsplit(f"//{entry.strip()}")
    if not parts.hostname or parts.path or parts.query or parts.username is not None:
        raise ValueError(f"{entry!r} is neither host nor host:port")
    return parts.hostname.rstrip("."), parts.port
