"""Builds, starts and stops the gateway."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.types import ASGIApp

from soundwright.kit import infra, rpc
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.http_limits import ConnectionGuard, HttpLimits
from soundwright.kit.http_server import serve_http
from soundwright.kit.ports import Bus
from soundwright.kit.run import Runtime
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.callers.authenticator import Authenticator
from soundwright.services.gateway.callers.browsers import Browsers
from soundwright.services.gateway.callers.dialect import Dialect, ServedDialect
from soundwright.services.gateway.callers.host_policy import HostPolicy
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.channels import (
    SOCKET_OPERATIONS,
    JobFeed,
    SocketAuthenticator,
    SocketProtocol,
    Sockets,
)
from soundwright.services.gateway.clients import Clients, Gateway, open_channels
from soundwright.services.gateway.dialects.forge import FORGE, final_push, forge_routes
from soundwright.services.gateway.dialects.pipeline import (
    PIPELINE,
    pipeline_job_view,
    pipeline_only_routes,
    pipeline_routes,
)
from soundwright.services.gateway.dialects.soundbox import SOUNDBOX, job_view, soundbox_only_routes, soundbox_routes
from soundwright.services.gateway.edge.access_control import AccessControl
from soundwright.services.gateway.edge.health import Health
from soundwright.services.gateway.edge.request_log import RequestLog
from soundwright.services.gateway.edge.route_table import Dispatch, RouteTable
from soundwright.services.gateway.files.pending_files import PendingFiles
from soundwright.services.gateway.files.playback import Playback
from soundwright.services.gateway.files.reencoding import Reencoder
from soundwright.services.gateway.files.uploads import Uploads
from soundwright.services.gateway.openapi.document import DocumentedApp
from soundwright.services.gateway.openapi.reference import serve_reference
from soundwright.services.gateway.settings import GatewaySettings
from soundwright.services.gateway.web import PAGES, page_routes

_NO_SOCKETS: dict[str, Any] = {"ws": "none"}
_SOCKETS: dict[str, Any] = {
    "ws": SocketProtocol,
    "ws_max_size": 64 * 1024,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "ws_per_message_deflate": False,  # messages are short, and a client could exhaust the CPU with compressed data
}
_HEALTH_TIMEOUT_SECONDS = 5.0
_ANSWER_SECONDS = 5.0  # the application answers in the format of the dialect before the server does
_ENCODING_SLOT_COUNT = 2


@contextlib.asynccontextmanager
async def app(runtime: Runtime[GatewaySettings]) -> AsyncIterator[None]:
    settings = runtime.settings
    channels = await open_channels(runtime)
    clients = Clients.over(channels)
    blobs = runtime.blobs()
    health = Health(
        {name: functools.partial(rpc.healthy, channel, _HEALTH_TIMEOUT_SECONDS) for name, channel in channels.items()}
    )
    encoding_slots = ComputeSlots("gateway", _ENCODING_SLOT_COUNT)
    playback = Playback(blobs, encoding_slots)
    pending_files = PendingFiles(settings.conversion_limits)
    gateway = Gateway(
        settings=settings,
        clients=clients,
        blobs=blobs,
        uploads=Uploads(
            clients.ingest,
            clients.storage,
            blobs,
            settings.max_upload_bytes,
            settings.upload_idle_seconds,
            settings.finish_upload_seconds,
        ),
        health=health,
        clock=runtime.clock,
        pending_files=pending_files,
        reencoder=Reencoder(
            blobs,
            encoding_slots,
            pending_files,
            runtime.scratch(),
            settings.max_audio_seconds,
            settings.max_audio_sample_count,
        ),
        playback=playback,
    )
    # The gateway serves without the broker, too.
    connecting: asyncio.Task[Bus] = asyncio.create_task(infra.open_bus(settings, runtime.name))
    limiter = RateLimiter(
        {rate_class: getattr(settings, f"rate_{rate_class}_per_minute") for rate_class in RateClass},
        runtime.clock,
        lambda: connecting.result() if connecting.done() else None,
    )
    authenticator = Authenticator(clients.accounts, settings.open_access, settings.secrets())
    # GET /job/{id} of the default listener serves the jobs of two dialects.
    views = {job_pb2.JOB_KIND_PIPELINE: pipeline_job_view(gateway), job_pb2.JOB_KIND_GENERATION: job_view}
    # To add a dialect, add its registration here.
    served_dialects = (
        ServedDialect(FORGE, forge_routes(gateway)),
        ServedDialect(PIPELINE, pipeline_routes(gateway, views), settings.pipeline_port, pipeline_only_routes(gateway)),
        ServedDialect(SOUNDBOX, soundbox_routes(gateway), settings.soundbox_port, soundbox_only_routes(gateway)),
        ServedDialect(PAGES, page_routes(gateway)),
    )
    listeners: list[tuple[int, Sequence[Dialect], Sequence[APIRouter]]] = [
        (settings.gateway_port, [one.dialect for one in served_dialects], [one.routes for one in served_dialects])
    ]
    listeners += [(one.own_port, [one.dialect], [one.own_routes]) for one in served_dialects if one.own_routes]
    feed = JobFeed(connecting, clients, settings.socket_poll_seconds)
    socket_authenticator = SocketAuthenticator(
        authenticator, clients.accounts, Browsers(settings), HostPolicy(settings), settings
    )
    health_task = asyncio.create_task(health.run(settings.health_seconds))
    try:
        async with contextlib.AsyncExitStack() as stack:
            guard = await stack.enter_async_context(ConnectionGuard(http_limits(settings)).running())
            stops = []
            for port, dialects, routers in listeners:
                if port:
                    is_default = port == settings.gateway_port
                    sockets = SOCKET_OPERATIONS if is_default else {}
                    site = build(dialects, routers, authenticator, limiter, settings, sockets)
                    if is_default:
                        site = Sockets(site, socket_authenticator, limiter, clients, feed, final_push, settings)
                        await stack.enter_async_context(site.running())
                    options = _SOCKETS if is_default else _NO_SOCKETS
                    address = f"{settings.gateway_host}:{port}"
                    serving = serve_http(site, address, guard, settings.drain_seconds, **options)
                    stops.append(await stack.enter_async_context(serving))
            for stop in stops:
                stack.callback(stop)  # all listeners drain at the same time
            yield
    finally:
        health_task.cancel()
        connecting.cancel()
        await asyncio.gather(health_task, connecting, return_exceptions=True)
        if not connecting.cancelled():
            await connecting.result().close()
        playback.close()
        encoding_slots.close()


def http_limits(settings: GatewaySettings) -> HttpLimits:
    """Return the limits of connections. Behind a trusted proxy, all connections come from its address."""
    return HttpLimits(
        head_seconds=settings.head_seconds,
        body_idle_seconds=settings.upload_idle_seconds + _ANSWER_SECONDS,
        unread_seconds=settings.unread_seconds,
        connection_count=settings.connection_limit,
        address_count=0 if settings.trusted_proxy else settings.connection_address_limit,
    )


def build(
    dialects: Sequence[Dialect],
    routers: Sequence[APIRouter],
    authenticator: Authenticator,
    limiter: RateLimiter,
    settings: GatewaySettings,
    sockets: Mapping[str, dict[str, Any]] | None = None,
) -> ASGIApp:
    """Return the application of one listener. The first dialect renders errors for paths that no dialect owns.

    Raises ``RuntimeError``: a route does not declare its access.
    """
    site = DocumentedApp(
        dialects,
        sockets or {},
        title="Soundwright",
        summary="A self-hosted platform for AI audio.",
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # FastAPI's page loads Swagger UI from the internet; serve_reference does not
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        site.routes.extend(router.routes)
    serve_reference(site)
    routes = RouteTable(site.routes, dialects)
    hosts = HostPolicy(settings)
    control = AccessControl(
        Dispatch(routes), routes, authenticator, limiter, Browsers(settings), hosts, settings.trusted_proxy
    )
    return RequestLog(control, dialects, hosts)
