"""Connections of gRPC: plain over Unix sockets, mutual TLS over TCP, with certificates that are read again on change."""

import asyncio
import ipaddress
import re
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

import grpc

from soundwright.kit.reloaded import Reloaded
from soundwright.kit.rpc.options import CLIENT_OPTIONS
from soundwright.kit.security.certificates import CertificateFiles, Certificates

RETIRED_CHANNEL_SECONDS = 61 * 60.0
"""How long a replaced connection stays open for its calls: longer than each time limit in ``proto/``."""


def is_local(address: str) -> bool:
    """Return whether ``address`` stays on this host: a Unix socket, loopback addresses with ports, or no address."""
    if not address or address.startswith("unix:"):
        return True
    targets = re.sub(r"^(ipv4:|ipv6:|dns:(//[^/]*/)?)", "", address).split(",")
    return all(_is_loopback(target.rpartition(":")[0].strip("[]")) for target in targets)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(server: grpc.aio.Server, address: str, certificates: Certificates, *, any_client: bool = False) -> None:
    """Make ``server`` listen on ``address``. With certificates, a TCP address uses TLS.

    Args:
        any_client: do not ask clients for a certificate.

    Raises ``CertificateError``: the certificates cannot be used.
    """
    if address.startswith("unix:") or not certificates.configured:
        server.add_insecure_port(address)
        return
    configuration = certificates.reloaded(
        lambda files: grpc.ssl_server_certificate_configuration([(files.key, files.cert)], files.ca)
    )
    credentials = grpc.dynamic_ssl_server_credentials(
        configuration.current,
        configuration.changed,  # type: ignore[arg-type]  # called before each handshake; None: no change
        require_client_authentication=not any_client,
    )
    server.add_secure_port(address, credentials)


def open_channel(component: str, address: str, certificates: Certificates) -> grpc.aio.Channel:
    """Return a channel to ``component`` at ``address``. With certificates, a TCP address uses mutual TLS.

    Raises ``CertificateError``: the certificates cannot be used.
    """
    if address.startswith("unix:") or not certificates.configured:
        return grpc.aio.insecure_channel(address, options=CLIENT_OPTIONS)
    # Certificates name components, so addresses can be anything: a service of Kubernetes, an IP address, a tunnel.
    options = (*CLIENT_OPTIONS, ("grpc.ssl_target_name_override", component))

    def connect(files: CertificateFiles) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(files.ca, files.key, files.cert)
        return grpc.aio.secure_channel(address, credentials, options=options)

    return _ReloadingChannel(certificates.reloaded(connect))


def peer_names(connection: Mapping[str, Iterable[bytes]]) -> frozenset[str] | None:
    """Return the names in the certificate of the client, empty if it has none; None if the connection is not TLS.

    Args:
        connection: the ``auth_context()`` of a call.
    """
    if b"ssl" not in connection.get("transport_security_type", ()):
        return None
    return frozenset(name.decode() for name in connection.get("x509_subject_alternative_name", ()))


class DelegatingChannel(grpc.aio.Channel):
    """A channel that makes its calls on another one, which can change."""

    @property
    def current(self) -> grpc.aio.Channel:
        raise NotImplementedError

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        return lambda *call, **details: self.current.unary_unary(*arguments, **options)(*call, **details)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        return lambda *call, **details: self.current.unary_stream(*arguments, **options)(*call, **details)

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        return lambda *call, **details: self.current.stream_unary(*arguments, **options)(*call, **details)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        return lambda *call, **details: self.current.stream_stream(*arguments, **options)(*call, **details)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.current.get_state(try_to_connect)

    def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> Coroutine[Any, Any, None]:
        return self.current.wait_for_state_change(last_observed_state)

    def channel_ready(self) -> Coroutine[Any, Any, None]:
        return self.current.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        await self.current.close(grace)

    async def __aenter__(self) -> "DelegatingChannel":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


class _ReloadingChannel(DelegatingChannel):
    """A channel that continues on a new connection when the certificates change.

    gRPC's client credentials never change, so each change opens another channel. Calls that run stay on theirs.
    """

    def __init__(self, source: Reloaded[grpc.aio.Channel]) -> None:
        self._source = source
        self._channel = source.current
        self._retired: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> grpc.aio.Channel:
        if (renewed := self._source.changed()) is not None:
            retiring = asyncio.create_task(_close_later(self._channel))
            self._retired.add(retiring)
            retiring.add_done_callback(self._retired.discard)
            self._channel = renewed
        return self._channel

    async def close(self, grace: float | None = None) -> None:
        for task in tuple(self._retired):
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        await self._channel.close(grace)


async def _close_later(channel: grpc.aio.Channel) -> None:
    """Close a channel when its calls have ended."""
    try:
        await asyncio.sleep(RETIRED_CHANNEL_SECONDS)
    finally:
        await channel.close()
