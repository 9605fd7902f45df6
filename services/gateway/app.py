"""Builds, starts and stops the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from soundwright.library.v1 import job_pb2
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from kit import infra, rpc
from kit.compute import ComputeSlots
from kit.errors import AppError
from kit.run import Runtime, serve_http
from services.gateway.auth import Authenticator, Browsers
from services.gateway.clients import Clients, Gateway, open_channels
from services.gateway.dialect import Dialect
from services.gateway.document import Site
from services.gateway.edge import Edge
from services.gateway.forge import FORGE, forge_routes
from services.gateway.guard import Guard
from services.gateway.health import Health
from services.gateway.limits import RateClass, RateLimiter
from services.gateway.ops import ops_routes
from services.gateway.pipeline import PIPELINE, pipeline_health_routes, pipeline_job_view, pipeline_routes
from services.gateway.problem import problem_of
from services.gateway.reference import serve_reference
from services.gateway.settings import GatewaySettings
from services.gateway.socket import OPERATIONS, Doorkeeper, JobFeed, SocketProtocol, Sockets, channels_endpoint
from services.gateway.soundbox import SOUNDBOX, job_routes, job_view, soundbox_routes
from services.gateway.uploads import Uploads
from services.gateway.web import PAGES, live_endpoint, page_routes

__all__ = ["app", "build"]

_SERVER: dict[str, Any] = {
    "http": "httptools",
    "ws": "none",
    "server_header": False,
    "proxy_headers": False,
    "timeout_keep_alive": 75,  # well above any pause between two polls, so that no connection closes under a request
}
_SOCKETS: dict[str, Any] = {
    "ws": SocketProtocol,
    "ws_max_size": 64 * 1024,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "ws_per_message_deflate": False,  # messages are short, and unpacking is work that a client could make us do
}
_HEALTH_TIMEOUT_SECONDS = 1.0
_ENCODING_SLOT_COUNT = 2


@contextlib.asynccontextmanager
async def app(runtime: Runtime[GatewaySettings]) -> AsyncIterator[None]:
    """The gateway with all its listeners, for the length of the block."""
    settings = runtime.settings
    channels = await open_channels(runtime)
    clients = Clients.over(channels)
    blobs = runtime.blobs()
    health = Health(
        {name: functools.partial(rpc.healthy, channel, _HEALTH_TIMEOUT_SECONDS) for name, channel in channels.items()}
    )
    # Readiness asks for what every request needs; one more missing component degrades some routes, not all.
    runtime.check("library", lambda: health.serves("library"))
    encoding_slots = ComputeSlots("gateway", _ENCODING_SLOT_COUNT)
    gateway = Gateway(
        settings=settings,
        clients=clients,
        blobs=blobs,
        uploads=Uploads(
            clients.ingest,
            blobs,
            settings.max_upload_bytes,
            settings.upload_idle_seconds,
            settings.finish_upload_seconds,
        ),
        health=health,
        clock=runtime.clock,
        scratch=runtime.scratch(),
        encoding_slots=encoding_slots,
    )
    limiter = RateLimiter(
        {
            RateClass.NORMAL: settings.rate_normal_per_minute,
            RateClass.HEAVY: settings.rate_heavy_per_minute,
            RateClass.POLLING: settings.rate_polling_per_minute,
            RateClass.FILES: settings.rate_files_per_minute,
            RateClass.REPORTS: settings.rate_reports_per_minute,
            RateClass.PAGES: settings.rate_pages_per_minute,
        },
        runtime.clock,
    )
    authenticator = Authenticator(clients.accounts, settings.open_access)
    views = {job_pb2.JOB_KIND_PIPELINE: pipeline_job_view(gateway), job_pb2.JOB_KIND_GENERATION: job_view}
    listeners: list[tuple[int, Sequence[Dialect], list[APIRouter]]] = [
        (
            settings.gateway_port,
            (FORGE, PIPELINE, SOUNDBOX, PAGES),
            [
                forge_routes(gateway),
                pipeline_routes(gateway, views),
                soundbox_routes(gateway),
                page_routes(gateway),
            ],
        ),
        (settings.soundbox_port, (SOUNDBOX,), [job_routes(gateway), soundbox_routes(gateway)]),
        (
            settings.pipeline_port,
            (PIPELINE,),
            [
                pipeline_health_routes(gateway),
                pipeline_routes(gateway, {job_pb2.JOB_KIND_PIPELINE: views[job_pb2.JOB_KIND_PIPELINE]}),
            ],
        ),
    ]
    feed = JobFeed(functools.partial(infra.open_bus, settings, runtime.name), clients, settings.socket_poll_seconds)
    doorkeeper = Doorkeeper(authenticator, clients.accounts, Browsers(settings), settings)
    endpoints = {
        "/socket/websocket": channels_endpoint(doorkeeper, clients, feed, settings.socket_topic_limit),
        "/live/websocket": live_endpoint(doorkeeper, clients, feed, settings),
    }
    looking = asyncio.create_task(health.run(settings.health_seconds))
    try:
        async with contextlib.AsyncExitStack() as stack:
            for port, dialects, routers in listeners:
                if port:
                    spoken = {path: OPERATIONS[path] for path in endpoints} if FORGE in dialects else {}
                    site = build(dialects, [*routers, ops_routes(runtime)], authenticator, limiter, settings, spoken)
                    address = f"{settings.gateway_host}:{port}"
                    options = _SERVER
                    if FORGE in dialects:
                        site, options = (
                            Sockets(site, endpoints, doorkeeper, limiter, feed, settings),
                            _SERVER | _SOCKETS,
                        )
                        await stack.enter_async_context(site.running())
                    await stack.enter_async_context(serve_http(site, address, **options))
            yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        encoding_slots.close()


def build(
    dialects: Sequence[Dialect],
    routers: Sequence[APIRouter],
    authenticator: Authenticator,
    limiter: RateLimiter,
    settings: GatewaySettings,
    sockets: Mapping[str, dict[str, Any]] | None = None,
) -> ASGIApp:
    """One listener's application. The first dialect answers for paths that no dialect claims."""
    site = Site(
        dialects,
        sockets or {},
        title="Soundwright",
        summary="A self-hosted platform for AI audio.",
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # that would come from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=dict.fromkeys((AppError, HTTPException, RequestValidationError, Exception), _refuse),
    )
    for router in routers:
        site.include_router(router)
    serve_reference(site)
    return Edge(Guard(site, authenticator, limiter, Browsers(settings), settings.trusted_proxy), dialects)


async def _refuse(request: Request, error: Exception) -> Response:
    dialect: Dialect = request.scope["dialect"]
    return dialect.render(problem_of(error))
