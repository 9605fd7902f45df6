"""The end of an HTTP server: running requests continue for the drain time, and new connections are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from soundwright.kit.http_limits import ConnectionGuard, HttpLimits
from soundwright.kit.http_server import serve_http
from tests.servers import free_ports
from tests.waiting import until


class SlowAnswer:
    """An application whose answer has two parts, the second one on request."""

    def __init__(self) -> None:
        self.rest = asyncio.Event()
        self.app = Starlette(routes=[Route("/", self._answer)])

    async def _answer(self, _request: Request) -> StreamingResponse:
        return StreamingResponse(self._parts())

    async def _parts(self) -> AsyncIterator[bytes]:
        yield b"first,"
        await self.rest.wait()
        yield b"second"


async def read_while_the_server_stops(drain_seconds: float, *, release: bool) -> bytes:
    """Return what a client receives whose answer has begun when the server stops."""
    answer = SlowAnswer()
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    received = b""
    async with httpx.AsyncClient(timeout=60) as client, AsyncExitStack() as serving:
        guard = await serving.enter_async_context(ConnectionGuard(HttpLimits()).running())
        stop = await serving.enter_async_context(serve_http(answer.app, f"127.0.0.1:{port}", guard, drain_seconds))
        async with client.stream("GET", url) as response:
            parts = response.aiter_raw()
            received += await anext(parts)
            stop()
            closing = asyncio.create_task(serving.aclose())
            await until(lambda: refuses(url))
            if release:
                answer.rest.set()
            async for part in parts:
                received += part
        await closing
    return received


async def refuses(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    except OSError:
        return True
    writer.close()
    return False


async def test_a_running_request_ends_within_the_drain_time_while_new_ones_are_refused() -> None:
    assert await read_while_the_server_stops(60, release=True) == b"first,second"


async def test_a_request_is_cut_off_when_the_drain_time_is_over() -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await read_while_the_server_stops(0.5, release=False)
