"""Builds, starts and stops ingest."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

from soundwright.kit.audio import AudioLimits
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.confined.audio import ConfinedAudio
from soundwright.kit.log import get_logger
from soundwright.kit.periodic import every, failures_logged
from soundwright.kit.ports import Blobs, Clock
from soundwright.kit.run import Runtime
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.worker.worker import job_workers
from soundwright.library.v1 import connection_service_pb2_grpc, library_service_pb2_grpc
from soundwright.services.ingest.direct_uploads import DIRECT_FOLDER, DirectUploads
from soundwright.services.ingest.downloads import Downloads
from soundwright.services.ingest.fetch.fetcher import Fetcher, warm_up
from soundwright.services.ingest.previews import LinkPreviews
from soundwright.services.ingest.rpc import IngestRpc
from soundwright.services.ingest.settings import IngestSettings
from soundwright.services.ingest.spotify import SpotifyCatalog
from soundwright.services.ingest.spotify_accounts import SpotifyAccounts
from soundwright.services.ingest.spotify_tokens import SpotifyTokens
from soundwright.services.ingest.worker import DownloadWorker

_CATALOG_SLOT_COUNT = 4
_PURGE_PAUSE_SECONDS = 3600.0
log = get_logger()


@contextlib.asynccontextmanager
async def app(runtime: Runtime[IngestSettings]) -> AsyncIterator[None]:
    settings = runtime.settings
    blobs = runtime.blobs()
    bus = await runtime.bus()
    limits = AudioLimits(settings.max_audio_seconds, max_sample_count=settings.max_audio_sample_count)
    scratch = runtime.scratch()
    reader = ConfinedAudio(limits, settings.ingest_slot_count, scratch)
    catalog_slots = ComputeSlots("catalog", _CATALOG_SLOT_COUNT)
    channel = await runtime.channel("library")
    tracks = library_service_pb2_grpc.TrackServiceStub(channel)
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    egress_policy = EgressPolicy(settings.fetch_allow_hosts)
    fetcher = Fetcher(
        egress_policy,
        search_url=settings.fetch_search_url,
        limit_bytes=settings.max_upload_bytes,
        max_seconds=settings.max_audio_seconds,
        deadline_seconds=settings.fetch_seconds,
        idle_seconds=settings.fetch_idle_seconds,
    )
    kind = DownloadWorker(
        fetcher=fetcher,
        egress_policy=egress_policy,
        blobs=blobs,
        tracks=tracks,
        reader=ConfinedAudio(limits, settings.ingest_slot_count, scratch),
        scratch=scratch,
    ).job_kind(settings)
    workers = job_workers([kind], bus=bus, jobs=jobs, blobs=blobs, settings=settings)
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
            **spotify, call_limit_seconds=settings.spotify_patience_seconds, collection_limit=settings.collection_limit
        ),
        tokens=SpotifyTokens(spotify_accounts, connections, runtime.clock),
        egress_policy=egress_policy,
        bus=bus,
        jobs=jobs,
        kind=kind,
        tracks=tracks,
        slots=catalog_slots,
        settings=settings,
    )
    server = runtime.rpc_server()
    direct = DirectUploads(blobs, runtime.clock, settings.max_upload_bytes, settings.abandoned_upload_seconds)
    previews = LinkPreviews(
        downloads,
        fetcher,
        egress_policy,
        max_seconds=settings.max_audio_seconds,
        slot_count=settings.download_slot_count,
        scratch=scratch,
    )
    rpc = IngestRpc(
        blobs,
        tracks,
        direct,
        reader,
        downloads,
        previews,
        spotify_accounts,
        bool(settings.spotify_client_id),
        settings.max_upload_bytes,
        scratch,
    )
    server.add(rpc)
    async with runtime.serving(server, *workers), runtime.warming_up(functools.partial(warm_up, scratch)):
        purging = asyncio.create_task(
            every(_PURGE_PAUSE_SECONDS, "uploads.not_purged", functools.partial(purge, blobs, direct, runtime.clock))
        )
        try:
            yield
        finally:
            purging.cancel()
            await asyncio.gather(purging, return_exceptions=True)
    catalog_slots.close()


async def purge(blobs: Blobs, direct: DirectUploads, clock: Clock) -> int:
    """Delete the files of abandoned uploads. Return their number."""
    count = 0
    with failures_logged("uploads.parts_not_purged"):
        count = await blobs.purge_partial(direct.keep_seconds)
    async for key, info in blobs.scan("uploads/"):
        if clock.now() - info.modify_time > direct.keep_seconds:
            with failures_logged("uploads.not_purged", key=key):
                await (direct.abandon(key) if key.startswith(DIRECT_FOLDER) else blobs.delete(key))
                count += 1
    if count:
        log.info("uploads.purged", count=count)
    return count
