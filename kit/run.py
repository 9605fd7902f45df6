"""Running a component: settings, signals, probes, shared resources and an orderly stop."""

import asyncio
import contextlib
import functools
import gc
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc
import uvloop
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from soundwright.kit import infra, log, rpc, tracing
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.errors import DATA_DAMAGED_STATUS, AppError
from soundwright.kit.http_limits import ConnectionGuard, HttpLimits
from soundwright.kit.http_server import serve_http
from soundwright.kit.ports import Blobs, Bus, Docs
from soundwright.kit.readiness import Check, Readiness
from soundwright.kit.scratch import process_folder
from soundwright.kit.security.identity import Signer
from soundwright.kit.settings import Settings, SettingsError, load
from soundwright.kit.worker.worker import JobWorker

S = TypeVar("S", bound=Settings)
T = TypeVar("T")
logger = log.get_logger()
_PREPARE_PAUSE_LIMIT_SECONDS = 15.0
_RPC_GRACE_SECONDS = 5.0
_OPS_CONNECTION_LIMIT = 200
_WARM_UP_PAUSE_SECONDS = 3.0
_DATA_DAMAGED = ("STORE_DAMAGED", "STORE_MISSING")
# A thread of a store waits this long for a busy event loop, several times per operation. The default is ten times as long.
_SWITCH_SECONDS = 0.0005


class Runtime(Generic[S]):
    """The resources of a component. Everything opened here is closed when the component stops."""

    def __init__(self, name: str, settings: S) -> None:
        self.name = name
        self.settings = settings
        self.clock = SystemClock()
        self.signer = Signer(name, settings.signing_keys(name), self.clock)
        self.stopping = asyncio.Event()
        self.readiness = Readiness(self.stopping)
        self._stack = contextlib.AsyncExitStack()

    def check(self, name: str, check: Check) -> None:
        """Add a dependency to ``/readyz``. The methods that open a shared resource add its check themselves."""
        self.readiness.add(name, check)

    async def channel(self, component: str) -> grpc.aio.Channel:
        """Open a gRPC channel to another component.

        The library is a dependency of all components. Without another one, only some requests fail.
        """
        channel = self._channel(component)
        if component == "library":
            self.check("library", functools.partial(rpc.require_serving, channel))
        return channel

    def _channel(self, component: str) -> grpc.aio.Channel:
        address, certificates = self.settings.grpc_address(component), self.settings.certificates
        self._require_encryption(address, f"SOUNDWRIGHT_{component.upper()}_ADDR")
        channel = rpc.connect(component, address, self.signer, self.settings.rpc_timeout_seconds, certificates)
        self._stack.push_async_callback(channel.close)
        return channel

    async def bus(self, *, manages_streams: bool = False) -> Bus:
        """Open the message bus, and make its connection a readiness check.

        Args:
            manages_streams: create the streams of the broker, and bring existing ones to the current configuration.
        """
        bus = await infra.open_bus(self.settings, self.name, manages_streams=manages_streams)
        self._stack.push_async_callback(bus.close)
        self.check("broker", bus.check)
        return bus

    def blobs(self) -> Blobs:
        """Open the file store, make it a readiness check, and prepare it as soon as it answers."""
        blobs = infra.open_blobs(self.settings)
        self._stack.push_async_callback(blobs.close)
        self.check("blobs", blobs.check)
        preparing = asyncio.create_task(_prepare(blobs))
        self._stack.callback(preparing.cancel)
        return blobs

    def docs(self) -> Docs:
        """Open the document store, and make it a readiness check."""
        docs = infra.open_docs(self.settings)
        self._stack.push_async_callback(docs.close)
        self.check("documents", docs.check)
        return docs

    def scratch(self) -> Path:
        """Create an empty folder for this process's temporary files, and remove the folders of dead processes."""
        return self._stack.enter_context(process_folder(self.settings.scratch_dir(self.name)))

    def rpc_server(
        self, authenticate_token: rpc.AuthenticateToken | None = None, admit: rpc.Admit | None = None
    ) -> rpc.RpcServer:
        """Build this component's gRPC server.

        Args:
            authenticate_token: resolves API tokens; by default, the library does.
            admit: raises an error for callers that the component refuses.
        """
        settings = self.settings
        address = settings.grpc_bind or settings.grpc_address(self.name)
        self._require_encryption(address, "SOUNDWRIGHT_GRPC_BIND")
        self._require_encryption(settings.grpc_token_bind, "SOUNDWRIGHT_GRPC_TOKEN_BIND")
        lookup = authenticate_token or rpc.token_lookup(self._channel("library"))
        limits = rpc.RateLimits(
            settings.rate_heavy_per_minute, settings.rate_polling_per_minute, settings.rate_normal_per_minute
        )
        return rpc.RpcServer(
            address, self.signer, lookup, settings.certificates, settings.grpc_token_bind, limits, admit
        )

    def _require_encryption(self, address: str, setting: str) -> None:
        """
        Raises ``SettingsError``: calls over ``address`` would leave this host unencrypted.
        """
        if self.settings.certificates.configured or self.settings.service_mesh or rpc.is_local(address):
            return
        raise SettingsError(
            f"{setting}: gRPC to other hosts over {address} needs certificates. Set SOUNDWRIGHT_TLS_CA_FILE, "
            "SOUNDWRIGHT_TLS_CERT_FILE and SOUNDWRIGHT_TLS_KEY_FILE. If a service mesh encrypts and authenticates the "
            "connections between components, set SOUNDWRIGHT_SERVICE_MESH=true instead."
        )

    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enter a context that ends when the component stops."""
        return await self._stack.enter_async_context(resource)

    async def close(self) -> None:
        """Close everything that was opened here, in reverse order."""
        await self._stack.aclose()

    @contextlib.asynccontextmanager
    async def serving(self, server: rpc.RpcServer, *workers: JobWorker) -> AsyncIterator[None]:
        """Answer RPCs, and run ``workers``, while the block runs. The gRPC health follows the readiness checks.

        At the end, running jobs and calls may continue for ``SOUNDWRIGHT_DRAIN_SECONDS``.
        If a worker fails, the component stops, and its supervisor restarts it.
        """
        await server.start()
        working = [asyncio.create_task(worker.run(self.stopping)) for worker in workers]
        for task in working:
            task.add_done_callback(lambda _task: self.stopping.set())
        await server.set_serving(True)
        self.readiness.listen(server.set_ready)
        try:
            yield
        finally:
            drained = time.monotonic() + self.settings.drain_seconds
            await server.set_serving(False)
            try:
                if working:
                    self.stopping.set()
                    await asyncio.wait(working)
                    for task in working:
                        task.result()
            finally:
                await server.stop(max(_RPC_GRACE_SECONDS, drained - time.monotonic()))

    @contextlib.asynccontextmanager
    async def warming_up(self, *steps: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
        """Run ``steps`` while the block runs, unless settings say otherwise. They load what the first job would have to load.

        They begin after a pause, because the other components of the machine start at the same time.
        """

        async def run() -> None:
            if self.settings.warm_up:
                await asyncio.sleep(_WARM_UP_PAUSE_SECONDS)
                await asyncio.gather(*(step() for step in steps))

        task = asyncio.create_task(run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _prepare(blobs: Blobs) -> None:
    """Prepare the file store, again and again until it succeeds. Requests that need the store get 503 until then."""
    pause_seconds = 1.0
    while True:
        try:
            await blobs.prepare()
            logger.info("blobs.ready")
            return
        except AppError as error:
            logger.error("blobs.not_ready", reason=error.reason, error=error.message, retry_seconds=pause_seconds)
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _PREPARE_PAUSE_LIMIT_SECONDS)


App = Callable[[Runtime[S]], AbstractAsyncContextManager[None]]


def run_component(name: str, kind: type[S], app: App[S], *, starts_processes: bool) -> None:
    """Run one component until it receives SIGINT or SIGTERM. Blocks.

    If it cannot start, for example without its document store, it logs the reason and exits. Its supervisor restarts it,
    unless the exit status is ``DATA_DAMAGED_STATUS``.

    Args:
        starts_processes: False: the component runs on uvloop, which is faster than asyncio's event loop. Processes that
            uvloop forks are aborted by gRPC.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.disable()  # almost all objects of the start live as long as the process
    settings = load(kind)
    log.configure(name, level=settings.log_level, fmt=settings.log_format)
    settings.prepare_folders()
    try:
        with asyncio.Runner(loop_factory=None if starts_processes else uvloop.new_event_loop) as runner:
            runner.run(_run(name, settings, app))
    except AppError as error:
        logger.error("component.failed", reason=error.reason, error=error.message)
        sys.exit(DATA_DAMAGED_STATUS if error.reason in _DATA_DAMAGED else 1)


async def _run(name: str, settings: S, app: App[S]) -> None:
    runtime = Runtime(name, settings)
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, runtime.stopping.set)
    if settings.otlp_endpoint:
        tracing.start(name, settings.otlp_endpoint, settings.trace_ratio)
    try:
        async with _ops_server(runtime), app(runtime), runtime.readiness.running():
            _freeze_garbage_collector()
            runtime.readiness.started()
            logger.info("component.ready")
            await runtime.stopping.wait()
            logger.info("component.stopping")
    finally:
        await runtime.close()
        await asyncio.to_thread(tracing.stop())


def _freeze_garbage_collector() -> None:
    """Exempt all objects that exist now, which live as long as the process, from garbage collection.

    Otherwise each full collection visits all modules, routes and message types: a third of the time of a short request.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


@contextlib.asynccontextmanager
async def _ops_server(runtime: Runtime[Any]) -> AsyncIterator[None]:
    """Serve ``/metrics``, ``/livez`` and ```/readyz``` on the component's operations address."""

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def livez(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        report = runtime.readiness.report()
        return JSONResponse(report, status_code=200 if report["ready"] else 503)

    app = Starlette(routes=[Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)])
    async with (
        ConnectionGuard(HttpLimits(connection_count=_OPS_CONNECTION_LIMIT)).running() as guard,
        serve_http(app, runtime.settings.ops_address(runtime.name), guard, ws="none"),
    ):
        yield
