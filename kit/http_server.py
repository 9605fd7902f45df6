"""Serves ASGI applications over HTTP."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn

from soundwright.kit.http_limits import ConnectionGuard


@contextlib.asynccontextmanager
async def serve_http(
    app: Any, address: str, guard: ConnectionGuard, drain_seconds: float = 3.0, **options: Any
) -> AsyncIterator[Callable[[], None]]:
    """Serve an ASGI application on ``host:port`` or ``unix:path`` while the block runs.

    Yields a function that stops accepting connections. It may be called before the end of the block, for example for
    several servers at once.

    Args:
        guard: limits the connections. It must be running.
        drain_seconds: at the end of the block, running requests may continue for this time.
    """
    where: dict[str, Any]
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        where = {"uds": str(path)}
    else:
        host, _, port = address.rpartition(":")
        where = {"host": host, "port": int(port)}
    config = uvicorn.Config(
        app,
        http=guard.protocol,  # type: ignore[arg-type]  # uvicorn calls it like a class
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=guard.limits.keep_alive_seconds,
        timeout_graceful_shutdown=math.ceil(drain_seconds),
        **where,
        **options,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError(f"could not listen on {address}")
            await asyncio.sleep(0.01)
        yield server.stop
    finally:
        server.stop()
        await task


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signal handling to the component."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    def stop(self) -> None:
        self.should_exit = True
