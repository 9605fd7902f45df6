"""A TCP proxy that adds faults between a client and a server, and counts what the server sends."""

import asyncio
import contextlib
import itertools
import random
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.servers import free_ports

T = TypeVar("T")
_CHUNK_BYTES = 1 << 16
_KINDS = {"latency", "bandwidth", "timeout", "limit_data"}


@dataclass(frozen=True)
class _Fault:
    kind: str
    upstream: bool
    attributes: dict[str, int]


class Proxy:
    """One address that forwards to a server. It works in the event loop of its :class:`FaultProxy`.

    Attributes:
        address: ``host:port`` for clients.
        sent_bytes: what the server has sent through it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, upstream: str) -> None:
        self._loop = loop
        self._upstream = upstream
        (self._port,) = free_ports(1)
        self.address = f"127.0.0.1:{self._port}"
        self.sent_bytes = 0
        self._faults: dict[str, _Fault] = {}
        self._names = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self.restore()

    def cut(self) -> None:
        """Close all connections, and refuse new ones until :meth:`restore`."""
        self._do(self._cut())

    def restore(self) -> None:
        """Remove all faults and accept connections."""
        self._do(self._restore())

    def add(self, kind: str, *, upstream: bool = False, **attributes: int) -> str:
        """Add a fault and return its name. It also affects open connections.

        Args:
            kind: ``latency`` (``latency``, ``jitter`` in ms), ``bandwidth`` (``rate`` in KB/s), ``timeout`` (stops all data;
                connections close when the fault is removed) or ``limit_data`` (``bytes``, then the connection closes).
            upstream: the fault affects what clients send. Otherwise it affects what the server sends.
        """
        assert kind in _KINDS, kind

        async def add() -> str:
            name = f"{kind}-{next(self._names)}"
            self._faults[name] = _Fault(kind, upstream, attributes)
            return name

        return self._do(add())

    def remove(self, name: str) -> None:
        """Remove a fault by the name that :meth:`add` returned."""
        self._do(self._remove(name))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _cut(self) -> None:
        if self._server is not None:
            # First those that were just accepted get their transports, which a closed server would leave open.
            for listener in self._server.sockets:
                self._loop.remove_reader(listener.fileno())
            await asyncio.sleep(0)
            self._server.close()
            self._server = None
        await self._close_connections()

    async def _restore(self) -> None:
        for name in list(self._faults):
            await self._remove(name)
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def _remove(self, name: str) -> None:
        if self._faults.pop(name).kind == "timeout":
            await self._close_connections()

    async def _close_connections(self) -> None:
        closing = list(self._connections.values())
        for connection in closing:
            connection.cancel()
        await asyncio.gather(*closing, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # cut since
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections[writer] = task
        writers = [writer]
        try:
            host, _, port = self._upstream.rpartition(":")
            server_reader, server_writer = await asyncio.open_connection(host, int(port))
            writers.append(server_writer)
            pumps = [
                asyncio.create_task(self._pump(reader, server_writer, upstream=True)),
                asyncio.create_task(self._pump(server_reader, writer, upstream=False)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            for each in writers:
                each.transport.abort()
        finally:
            del self._connections[writer]
            for each in writers:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upstream: bool) -> None:
        """Forward one direction of a connection until it ends or a fault ends it."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        receiving = asyncio.create_task(self._receive(reader, chunks))
        try:
            passed: dict[str, int] = {}  # by name of a fault
            while True:
                time, data = await chunks.get()
                if not data:
                    return
                ends = False
                for name, fault in list(self._faults.items()):
                    if fault.upstream != upstream:
                        continue
                    limit = fault.attributes
                    if fault.kind == "timeout":
                        await asyncio.Event().wait()  # the connection closes when the fault is removed
                    elif fault.kind == "latency":
                        jitter = limit.get("jitter", 0)
                        seconds = (limit["latency"] + random.randint(-jitter, jitter)) / 1000
                        await asyncio.sleep(time + seconds - self._loop.time())
                    elif fault.kind == "bandwidth":
                        await asyncio.sleep(len(data) / (1000 * limit["rate"]))
                    else:
                        data = data[: limit["bytes"] - passed.get(name, 0)]
                        passed[name] = passed.get(name, 0) + len(data)
                        ends = ends or passed[name] >= limit["bytes"]
                self.sent_bytes += 0 if upstream else len(data)
                with contextlib.suppress(OSError):
                    writer.write(data)
                    await writer.drain()
                if ends:
                    return
        finally:
            receiving.cancel()

    async def _receive(self, reader: asyncio.StreamReader, chunks: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(_CHUNK_BYTES)
            except OSError:
                data = b""
            await chunks.put((self._loop.time(), data))


class FaultProxy:
    """Forwards any number of addresses."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._proxies: list[Proxy] = []

    def proxy(self, upstream: str) -> Proxy:
        """Forward a new address to ``upstream``, ``host:port``."""
        self._proxies.append(Proxy(self._loop, upstream))
        return self._proxies[-1]

    def close(self) -> None:
        for proxy in self._proxies:
            proxy.cut()


@contextlib.contextmanager
def fault_proxy() -> Iterator[FaultProxy]:
    """Run proxies for the length of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault proxy")
    thread.start()
    try:
        with contextlib.closing(FaultProxy(loop)) as faults:
            yield faults
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
