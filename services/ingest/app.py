"""Builds, starts and stops ingest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from soundwright.ingest.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2_grpc

from kit.compute import ComputeSlots
from kit.log import get_logger
from kit.ports import Blobs
from kit.run import Runtime
from services.ingest.rpc import IngestRpc
from services.ingest.settings import IngestSettings

__all__ = ["app"]

_PURGE_PAUSE_SECONDS = 3600.0
log = get_logger()


@contextlib.asynccontextmanager
async def app(runtime: Runtime[IngestSettings]) -> AsyncIterator[None]:
    """Ingest, for the length of the block."""
    settings = runtime.settings
    blobs = runtime.blobs()
    slots = ComputeSlots("ingest", settings.ingest_slot_count)
    tracks = library_service_pb2_grpc.TrackServiceStub(await runtime.channel("library"))
    server = runtime.rpc_server()
    rpc = IngestRpc(blobs, tracks, slots, settings)
    ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(rpc, server.server)
    server.announce_all(ingest_service_pb2)
    async with runtime.serving(server):
        purging = asyncio.create_task(_purge(blobs, settings.abandoned_upload_seconds, runtime))
        try:
            yield
        finally:
            purging.cancel()
            await asyncio.gather(purging, return_exceptions=True)
    slots.close()


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
