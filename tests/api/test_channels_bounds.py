"""What one socket, one caller and all of them together may cost. A gateway with tight limits serves the same stack."""

# Calls over HTTP are short, and nothing else is to be done meanwhile.

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator

import httpx
import pytest
import websockets
from gateway_process import GatewayProcess
from phoenix_client import Phoenix, opened, refused, socket_url
from stories import ANALYSE, encoded, song, started, upload

from tests.stacks import Stack
from tests.waiting import eventually


@pytest.fixture(scope="module")
def gateway(stack: Stack) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stack,
        socket_limit="6",
        socket_caller_limit="4",
        socket_topic_limit="2",
        socket_idle_seconds="5",
        socket_stall_seconds="1",
        socket_poll_seconds="0.2",
        # There is no broker: everything that is told here was read in the ledger.
        nats_url="nats://127.0.0.1:9",
    ) as process:
        yield process


def narrow_connection(base_url: str) -> socket.socket:
    """A connection on which little waits to be read: the system would else take in many megabytes for a slow reader."""
    address = httpx.URL(base_url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # before it connects, or it has no effect
    connection.connect((address.host, address.port))
    connection.setblocking(False)
    return connection


async def test_the_end_arrives_although_every_event_is_lost(
    gateway: GatewayProcess, stack: Stack, admin: httpx.Client
) -> None:
    job_id = started(admin, ANALYSE, upload(admin, encoded(song(2.0)))["id"])
    async with opened(gateway.base_url, stack.token) as socket:
        phoenix = Phoenix(socket)
        assert (await phoenix.join(f"jobs:{job_id}"))["status"] == "ok"
        told = await phoenix.follow(f"jobs:{job_id}")
        assert told[-2][1]["status"] == "completed"
        assert told[-1][0] == "job:completed"


async def test_sockets_are_counted_by_caller_and_all_together(
    gateway: GatewayProcess, stack: Stack, other: httpx.Client
) -> None:
    url = socket_url(gateway.base_url, vsn="2.0.0", token=stack.token)
    stranger = str(other.headers["authorization"]).removeprefix("Bearer ")
    async with contextlib.AsyncExitStack() as held:
        for _ in range(4):
            await held.enter_async_context(opened(gateway.base_url, stack.token))
        assert await refused(url) == 429
        for _ in range(2):
            await held.enter_async_context(opened(gateway.base_url, stranger))
        assert gateway.metric("soundwright_sockets_open") == 6
        assert await refused(socket_url(gateway.base_url, vsn="2.0.0")) == 503
    eventually(lambda: gateway.metric("soundwright_sockets_open") == 0)
    assert await refused(url) == 101


async def test_a_client_that_says_nothing_is_closed(gateway: GatewayProcess, stack: Stack) -> None:
    # Its library answers pings; the protocol asks for more than that.
    async with opened(gateway.base_url, stack.token) as socket:
        assert await Phoenix(socket).closed() == 1002


@pytest.mark.parametrize("frames", ["pings", "fragments"])
async def test_a_flood_of_frames_that_are_no_messages_is_closed(
    gateway: GatewayProcess, stack: Stack, frames: str
) -> None:
    async with opened(gateway.base_url, stack.token, ping_interval=None) as socket:
        phoenix = Phoenix(socket)
        for _ in range(3):
            await asyncio.gather(*[socket.ping() for _ in range(900)])
            assert await phoenix.quiet()
        with contextlib.suppress(websockets.ConnectionClosed):
            if frames == "pings":
                await asyncio.gather(*[socket.ping() for _ in range(1100)])
            else:
                await socket.send(["[", *[""] * 1100])
        assert await phoenix.closed() in (1008, 1006)  # 1006: frames that nobody read reset the connection


async def test_a_client_that_does_not_read_is_closed_and_others_are_served(
    gateway: GatewayProcess, stack: Stack
) -> None:
    before = gateway.metric('soundwright_sockets_closed_total{reason="too slow"}')
    # Answers name the topic, so each of these asks for as much as it sends.
    request = json.dumps([None, "1", "x" * 60_000, "ping", {}])
    options = {"max_queue": 1, "ping_interval": None, "close_timeout": 0.1}
    slow = await opened(gateway.base_url, stack.token, sock=narrow_connection(gateway.base_url), **options)

    async def flood() -> None:
        while True:
            await slow.send(request)

    flooding = asyncio.create_task(flood())
    async with opened(gateway.base_url, stack.token) as bystander:
        phoenix = Phoenix(bystander)
        async with asyncio.timeout(60):
            while gateway.metric('soundwright_sockets_closed_total{reason="too slow"}') == before:
                assert await phoenix.quiet()
                await asyncio.wait({flooding}, timeout=0.2)
        assert await phoenix.quiet()
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    slow.transport.abort()  # to close it in good order it would have to read


async def test_a_gateway_that_stops_says_so(stack: Stack) -> None:
    with GatewayProcess(stack) as gateway:
        async with opened(gateway.base_url, stack.token) as socket:
            assert await Phoenix(socket).quiet()
            await asyncio.to_thread(gateway.stop)
            assert await Phoenix(socket).closed() == 1012
