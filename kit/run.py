"""Running a component: what every process has in common, from settings to a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Generic, TypeVar

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kit import infra, log, rpc
from kit.adapters.clock import SystemClock
from kit.identity import Principal, Signer
from kit.jobs import JobWorker
from kit.ports import Blobs, Bus, Docs
from kit.settings import Settings, load

__all__ = ["Runtime", "run_component", "serve_http"]

S = TypeVar("S", bound=Settings)
Check = Callable[[], Awaitable[bool]]
logger = log.get_logger()


class Runtime(Generic[S]):
    """What a component is given to build itself from. Everything opened here is closed when the component stops."""

    def __init__(self, name: str, settings: S) -> None:
        self.name = name
        self.settings = settings
        self.clock = SystemClock()
        self.signer = Signer(settings.signing_key(), self.clock)
        self.service = Principal(id=f"service:{name}", role="service")
        self.stopping = asyncio.Event()
        self._checks: dict[str, Check] = {}
        self._stack = contextlib.AsyncExitStack()

    def check(self, name: str, check: Check) -> None:
        """Add a condition without which the component is not ready."""
        self._checks[name] = check

    async def failing(self) -> list[str]:
        """Names of the conditions that do not hold; ``stopping`` once the component is told to stop."""
        results = await asyncio.gather(*(check() for check in self._checks.values()), return_exceptions=True)
        failing = [name for name, result in zip(self._checks, results, strict=True) if result is not True]
        return [*(["stopping"] if self.stopping.is_set() else []), *failing]

    async def channel(self, component: str) -> Any:
        """A gRPC channel to another component."""
        channel = rpc.connect(
            self.settings.grpc_address(component), self.signer, self.service, self.settings.rpc_timeout_seconds
        )
        self._stack.push_async_callback(channel.close)
        return channel

    async def bus(self) -> Bus:
        bus = await infra.open_bus(self.settings, self.name)
        self._stack.push_async_callback(bus.close)
        self.check("broker", bus.connected)
        return bus

    def blobs(self) -> Blobs:
        blobs = infra.open_blobs(self.settings)
        self._stack.push_async_callback(blobs.close)
        return blobs

    def docs(self) -> Docs:
        docs = infra.open_docs(self.settings)
        self._stack.push_async_callback(docs.close)
        return docs

    def scratch(self) -> Path:
        """An empty folder for this process's temporary files. What dead processes of the component left is removed."""
        folder = self.settings.scratch_dir(self.name)
        for left in folder.glob("*"):
            if not _alive(left.name):
                shutil.rmtree(left, ignore_errors=True)
        path = folder / str(os.getpid())
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        self._stack.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def rpc_server(self) -> rpc.RpcServer:
        address = self.settings.grpc_bind or self.settings.grpc_address(self.name)
        return rpc.RpcServer(address, self.signer)

    async def close(self) -> None:
        await self._stack.aclose()

    @contextlib.asynccontextmanager
    async def serving(self, server: rpc.RpcServer, *workers: JobWorker) -> AsyncIterator[None]:
        """Answer RPCs, and run jobs if there are workers, for the length of the block.

        A component one of whose workers ends by an error stops, so that its supervisor starts it anew.
        """
        await server.start()
        working = [asyncio.create_task(worker.run(self.stopping)) for worker in workers]
        for task in working:
            task.add_done_callback(lambda _task: self.stopping.set())
        await server.set_serving(True)
        try:
            yield
        finally:
            await server.set_serving(False)
            try:
                if working:
                    self.stopping.set()
                    await asyncio.wait(working)
                    for task in working:
                        task.result()
            finally:
                await server.stop()


def _alive(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


App = Callable[[Runtime[S]], AbstractAsyncContextManager[None]]


def run_component(name: str, kind: type[S], app: App[S]) -> None:
    """Run one component until it is told to stop. Blocks."""
    settings = load(kind)
    log.configure(name, level=settings.log_level, fmt=settings.log_format)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(_run(name, settings, app))


async def _run(name: str, settings: S, app: App[S]) -> None:
    runtime = Runtime(name, settings)
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, runtime.stopping.set)
    try:
        async with _ops_server(runtime), app(runtime):
            logger.info("component.ready")
            await runtime.stopping.wait()
            logger.info("component.stopping")
    finally:
        await runtime.close()


@contextlib.asynccontextmanager
async def _ops_server(runtime: Runtime[Any]) -> AsyncIterator[None]:
    """``/metrics``, ``/livez`` and ``/readyz``, apart from what the component serves."""

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def livez(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        failing = await runtime.failing()
        return JSONResponse({"ready": not failing, "failing": failing}, status_code=503 if failing else 200)

    app = Starlette(routes=[Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)])
    async with serve_http(app, runtime.settings.ops_address(runtime.name)):
        yield


@contextlib.asynccontextmanager
async def serve_http(app: Any, address: str, **options: Any) -> AsyncIterator[None]:
    """Serve an ASGI application on ``host:port`` or ``unix:path`` for the length of the block."""
    where: dict[str, Any]
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        where = {"uds": str(path)}
    else:
        host, _, port = address.rpartition(":")
        where = {"host": host, "port": int(port)}
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=3, **where, **options
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError(f"could not listen on {address}")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """Leaves the process's signals to the component."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
