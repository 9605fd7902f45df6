"""The egress policy and the download proxy, with real sockets."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import pytest

from soundwright.kit.errors import AppError
from soundwright.kit.security.egress_client import read_web
from soundwright.kit.security.egress_policy import EgressPolicy, is_public, resolve
from soundwright.services.ingest.fetch.proxy import FetchProxy
from tests.simulators.media_site import MediaSite

PUBLIC = "93.184.215.14"


class FakeResolver:
    """A resolver that returns the given answers in turn. The last answer is repeated."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def is_refused(egress_policy: EgressPolicy, host: str, port: int = 443) -> bool:
    try:
        await egress_policy.addresses(host, port)
    except AppError as error:
        return error.reason == "ADDRESS_REFUSED"
    return False


PUBLIC_ADDRESSES = f"{PUBLIC} 1.1.1.1 100.63.255.255 172.32.0.1 2606:4700::1111 64:ff9b::101:101"
OTHER_ADDRESSES = """
    127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
    100.127.255.255 192.0.0.8 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
    255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:1.1.1.1 ::ffff:169.254.169.254
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::101:101 100::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 fc00::1
    fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 no-address
"""


@pytest.mark.parametrize(
    ("address", "public"),
    [(each, True) for each in PUBLIC_ADDRESSES.split()] + [(each, False) for each in OTHER_ADDRESSES.split()],
)
def test_only_public_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


NOTATIONS = "127.0.0.1 localhost 2130706433 0x7f000001 0x7f.0.0.1 017700000001 0177.0.0.1 127.1 0"


@pytest.mark.parametrize(
    "host",
    [
        *NOTATIONS.split(), "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "fe80::1", "", ".", f"{'a' * 64}.example",
        "a\x00b.org",
    ],
)  # fmt: skip
async def test_private_hosts_are_refused_in_any_notation(host: str) -> None:
    assert await is_refused(EgressPolicy(), host)
    if host in ("0x7f000001", "2130706433"):  # which the resolver of the system accepts
        assert await resolve(host, 80) == ["127.0.0.1"]


async def test_all_addresses_of_a_name_are_checked_at_every_use() -> None:
    for answers, refused in (([PUBLIC], False), (["10.0.0.1"], True), ([PUBLIC, "10.0.0.1"], True), ([], True)):
        assert await is_refused(EgressPolicy(resolver=FakeResolver(answers)), "example.org") is refused
    egress_policy = EgressPolicy(resolver=FakeResolver([PUBLIC], ["127.0.0.1"]))
    assert not await is_refused(egress_policy, "rebinding.example")
    assert await is_refused(egress_policy, "rebinding.example")


async def test_unknown_and_private_names_raise_the_same_error() -> None:
    async def nothing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    answers = []
    for resolver in (nothing, FakeResolver(["10.0.0.1"])):
        with pytest.raises(AppError) as caught:
            await EgressPolicy(resolver=resolver).addresses("intranet", 443)
        answers.append((caught.value.code, caught.value.reason, caught.value.message, caught.value.meta))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("port", "refused"), [(80, False), (443, False), (8443, False), (22, True), (6379, True), (0, True)]
)
async def test_only_web_ports_are_allowed(port: int, refused: bool) -> None:
    assert await is_refused(EgressPolicy(resolver=FakeResolver([PUBLIC])), "example.org", port) is refused


async def test_allowed_hosts() -> None:
    egress_policy = EgressPolicy(["media.internal", "10.1.2.3:9000", "[fd00::5]:81"], FakeResolver(["10.0.0.1"]))
    for host, port in (("media.internal", 1234), ("Media.Internal.", 443), ("10.1.2.3", 9000), ("fd00::5", 81)):
        assert not await is_refused(egress_policy, host, port)
    for host, port in (("10.1.2.3", 9001), ("other.internal", 443)):
        assert await is_refused(egress_policy, host, port)
    # The allow list contains the name, so its address is still refused.
    assert await is_refused(EgressPolicy(["127.0.0.1"]), "2130706433")


async def test_connections_use_the_checked_address() -> None:
    """The name resolves to another address the second time. Servers listen on the same port of both."""
    with MediaSite("127.0.0.2") as checked, MediaSite("127.0.0.3", checked.port) as rebound:
        checked.file("/", b"checked")
        rebound.file("/", b"rebound")

        def rebinding() -> EgressPolicy:
            return EgressPolicy(["rebinding.example"], FakeResolver(["127.0.0.2"], ["127.0.0.3"]))

        url = f"http://rebinding.example:{checked.port}/"
        assert await read_web(rebinding(), url, limit_bytes=100, seconds=60) == (url, b"checked")
        async with (
            FetchProxy(rebinding(), 1 << 20, 60.0) as proxy,
            through(proxy, "rebinding.example", checked.port) as (_, reader, writer),
        ):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"checked")


async def test_a_connection_that_is_reset_at_once_has_failed() -> None:
    """After a reset, the kernel may no longer know the address of the peer."""

    def reset_all(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=reset_all, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        egress_policy = EgressPolicy(["127.0.0.1"])
        for _ in range(100):
            with pytest.raises(ConnectionError):
                await read_web(egress_policy, f"http://127.0.0.1:{port}/", limit_bytes=100, seconds=60)
            with contextlib.suppress(OSError):
                _, writer = await egress_policy.connect("127.0.0.1", port)
                writer.close()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_an_address_that_swallows_packets_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundwright.kit.security.egress_client.ADDRESS_SECONDS", 0.2)
    with MediaSite() as site, socket.create_server(("127.0.0.2", site.port), backlog=0), contextlib.ExitStack() as full:
        for _ in range(3):  # the kernel drops what does not fit into the backlog
            waiting = full.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", site.port))
        site.file("/", b"found")
        policy = EgressPolicy(["slow.example"], FakeResolver(["127.0.0.2", "127.0.0.1"]))
        url = f"http://slow.example:{site.port}/"
        assert (await read_web(policy, url, limit_bytes=100, seconds=10))[1] == b"found"


async def test_connections_to_the_own_public_address_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback address represents a public address of this machine."""
    with MediaSite() as site:
        url = site.file("/", b"inside")
        monkeypatch.setattr("soundwright.kit.security.egress_policy.is_public", lambda address: True)
        monkeypatch.setattr("soundwright.kit.security.egress_policy._WEB_PORTS", {site.port})
        assert not await is_refused(EgressPolicy(), "127.0.0.1", site.port)
        with pytest.raises(AppError, match="ADDRESS_REFUSED"):
            await EgressPolicy().connect("127.0.0.1", site.port)
        with pytest.raises(AppError, match="ADDRESS_REFUSED"):
            await read_web(EgressPolicy(), url, limit_bytes=100, seconds=60)
        assert site.seen == []
        assert (await read_web(EgressPolicy([site.address]), url, limit_bytes=100, seconds=60))[1] == b"inside"


async def test_redirects_to_private_addresses_are_refused() -> None:
    with MediaSite() as site, MediaSite() as inside:
        secret = inside.file("/secret", b"secret")
        target = site.file("/target", b"target")
        egress_policy = EgressPolicy([site.address])

        async def read(url: str, limit_bytes: int = 100) -> bytes:
            return (await read_web(egress_policy, url, limit_bytes=limit_bytes, seconds=60))[1]

        assert await read(site.redirect("/good", target)) == b"target"
        assert await read(site.redirect("/relative", "/target")) == b"target"
        for bad in (secret, "file:///etc/passwd", "http://localhost/", f"http://user:pw@{site.address}/target"):
            with pytest.raises(AppError, match="ADDRESS_REFUSED"):
                await read(site.redirect("/bad", bad))
        assert inside.seen == []
        for bad in (site.redirect("/loop", f"{site.url}/loop"), site.status("/500", 500), f"{site.url}/nothing"):
            with pytest.raises(OSError):
                await read(bad)
        with pytest.raises(OSError):
            await read(target, limit_bytes=5)
        with pytest.raises(OSError):
            await read(site.endless("/endless", b"x" * 1000))


@contextlib.asynccontextmanager
async def through(
    proxy: FetchProxy, host: str, port: int, token: str | None = None
) -> AsyncIterator[tuple[int, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect through the proxy. Return its reply code, or -1 if it closed the connection, and the streams."""
    parts = urlsplit(proxy.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        user, password = (parts.username or "").encode(), (token or parts.password or "").encode()
        writer.write(b"\x05\x02\x00\x02")
        assert await reader.readexactly(2) == b"\x05\x02"  # a password is required
        writer.write(bytes((1, len(user))) + user + bytes((len(password),)) + password)
        if (await reader.readexactly(2))[1] != 0:
            yield -1, reader, writer
            return
        name = host.encode()
        writer.write(bytes((5, 1, 0, 3, len(name))) + name + port.to_bytes(2, "big"))
        yield (await reader.readexactly(10))[1], reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_the_proxy_forwards_allowed_connections_until_its_block_ends() -> None:
    with MediaSite() as site:
        site.file("/a", b"sound")
        async with FetchProxy(EgressPolicy([site.address]), 1 << 20, 60.0) as proxy:
            async with through(proxy, "127.0.0.1", site.port) as (code, reader, writer):
                assert code == 0
                writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert (await reader.read()).endswith(b"sound")
            assert proxy.refusal is None
            assert proxy.received_bytes > 5
        parts = urlsplit(proxy.url)
        with pytest.raises(OSError):
            await asyncio.open_connection(parts.hostname, parts.port)


async def test_the_proxy_refuses_other_connections() -> None:
    with MediaSite() as inside:
        async with FetchProxy(EgressPolicy(), 1 << 20, 60.0) as proxy:
            for host in ("127.0.0.1", "localhost", "0x7f.1", "\u0000", "169.254.169.254"):
                async with through(proxy, host, inside.port) as (code, _, _):
                    assert code == 2
            assert proxy.refusal is not None
            assert proxy.refusal.reason == "ADDRESS_REFUSED"
        assert inside.seen == []


async def test_the_proxy_requires_its_password() -> None:
    with MediaSite() as site:
        async with FetchProxy(EgressPolicy([site.address]), 1 << 20, 60.0) as proxy:
            async with through(proxy, "127.0.0.1", site.port, token="guessed") as (code, reader, writer):
                assert code == -1
                writer.write(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + site.port.to_bytes(2, "big"))
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
            # A client without a password is rejected.
            parts = urlsplit(proxy.url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(b"\x05\x01\x00")
            assert await reader.read() == b"\x05\xff"
            writer.close()
            await writer.wait_closed()


async def test_the_proxy_limits_the_transferred_bytes() -> None:
    with MediaSite() as site:
        site.endless("/endless", b"x" * 10_000)
        async with FetchProxy(EgressPolicy([site.address]), 200_000, 60.0) as proxy:
            async with through(proxy, "127.0.0.1", site.port) as (_, reader, writer):
                writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
                with contextlib.suppress(OSError):
                    while await reader.read(65_536):
                        pass
            assert proxy.exceeded
            assert proxy.received_bytes <= 200_000 + (1 << 16)
            parts = urlsplit(proxy.url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            with contextlib.suppress(OSError):
                assert await reader.read() == b""  # nothing more is forwarded
            writer.close()


async def test_the_proxy_closes_idle_connections() -> None:
    with MediaSite() as site:
        site.stalling("/stalling", b"x" * 100)
        async with (
            FetchProxy(EgressPolicy([site.address]), 1 << 20, 0.3) as proxy,
            through(proxy, "127.0.0.1", site.port) as (_, reader, writer),
        ):
            writer.write(b"GET /stalling HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.read()).endswith(b"x" * 50)
