"""Builds, starts and stops ingest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from soundwright.ingest.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from soundwright.library.v1 import connection_service_pb2_grpc, library_service_pb2_grpc

from kit.audio import AudioLimits
from kit.compute import ComputeSlots
from kit.jobs import JobWorker
from kit.log import get_logger
from kit.outbound.guard import Guard
from kit.ports import Blobs
from kit.run import Runtime
from services.ingest.downloads import Downloads
from services.ingest.fetch.fetcher import Fetcher
from services.ingest.rpc import IngestRpc
from services.ingest.settings import IngestSettings
from services.ingest.spotify import SpotifyCatalog
from services.ingest.spotify_accounts import SpotifyAccounts
from services.ingest.spotify_tokens import SpotifyTokens
from services.ingest.worker import DownloadWorker

__all__ = ["app"]

_CATALOG_SLOT_COUNT = 4
_PURGE_PAUSE_SECONDS = 3600.0
log = get_logger()


@contextlib.asynccontextmanager
async def app(runtime: Runtime[IngestSettings]) -> AsyncIterator[None]:
    """Ingest, for the length of the block."""
    settings = runtime.settings
    blobs = runtime.blobs()
    bus = await runtime.bus()
    limits = AudioLimits(max_seconds=settings.max_audio_seconds)
    slots = ComputeSlots("ingest", settings.ingest_slot_count)
    download_slots = ComputeSlots("download", settings.download_slot_count)
    catalog_slots = ComputeSlots("catalog", _CATALOG_SLOT_COUNT)
    channel = await runtime.channel("library")
    tracks = library_service_pb2_grpc.TrackServiceStub(channel)
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    guard = Guard(settings.fetch_allow_hosts)
    worker = JobWorker(
        service="ingest",
        bus=bus,
        jobs=jobs,
        blobs=blobs,
        handler=DownloadWorker(
            fetcher=Fetcher(
                guard,
                search_url=settings.fetch_search_url,
                limit_bytes=settings.max_upload_bytes,
                max_seconds=settings.max_audio_seconds,
                deadline_seconds=settings.fetch_seconds,
                idle_seconds=settings.fetch_idle_seconds,
            ),
            guard=guard,
            blobs=blobs,
            tracks=tracks,
            slots=download_slots,
            scratch=runtime.scratch(),
            limits=limits,
        ).handle,
        slot_count=settings.download_slot_count,
        lease_seconds=settings.lease_seconds,
    )
    spotify: dict[str, Any] = {
        "client_id": settings.spotify_client_id,
        "client_secret": settings.spotify_client_secret.get_secret_value(),
        "accounts_url": settings.spotify_accounts_url,
        "api_url": settings.spotify_api_url,
        "timeout_seconds": settings.spotify_timeout_seconds,
    }
    spotify_accounts = SpotifyAccounts(**spotify, clock=runtime.clock)
    connections = connection_service_pb2_grpc.ConnectionServiceStub(channel)
    downloads = Downloads(
        catalog=SpotifyCatalog(
            **spotify,
            patience_seconds=settings.spotify_patience_seconds,
            collection_limit=settings.collection_limit,
        ),
        tokens=SpotifyTokens(spotify_accounts, connections, runtime.clock),
        guard=guard,
        bus=bus,
        jobs=jobs,
        tracks=tracks,
        slots=catalog_slots,
        settings=settings,
    )
    server = runtime.rpc_server()
    rpc = IngestRpc(blobs, tracks, slots, downloads, spotify_accounts, limits, settings.max_upload_bytes)
    ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(rpc, server.server)
    server.announce_all(ingest_service_pb2)
    async with runtime.serving(server, worker):
        purging = asyncio.create_task(_purge(blobs, settings.abandoned_upload_seconds, runtime))
        try:
            yield
        finally:
            purging.cancel()
            await asyncio.gather(purging, return_exceptions=True)
    for pool in (slots, download_slots, catalog_slots):
        pool.close()


async def _purge(blobs: Blobs, age_seconds: float, runtime: Runtime[IngestSettings]) -> None:
    """Remove what uploads that never finished left behind."""
    while True:
        count = await blobs.purge_partial(age_seconds)
        for key in await blobs.keys("uploads/"):
            info = await blobs.stat(key)
            if info is not None and runtime.clock.now() - info.modify_time > age_seconds:
                await blobs.delete(key)
                count += 1
        if count:
            log.info("uploads.purged", count=count)
        await asyncio.sleep(_PURGE_PAUSE_SECONDS)
