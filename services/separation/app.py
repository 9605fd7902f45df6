"""Builds, starts and stops separation."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

from soundwright.library.v1 import job_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2, separation_service_pb2_grpc

from kit.audio import AudioLimits
from kit.compute import EngineProcesses
from kit.jobs import JobContext, JobWorker
from kit.run import Runtime
from services.separation.mixdown import no_engine
from services.separation.mixes import Mixes
from services.separation.models import Models
from services.separation.pipeline import PipelineWorker
from services.separation.rpc import SeparationRpc
from services.separation.service import DEFAULT_MODEL
from services.separation.settings import SeparationSettings
from services.separation.stems import build_engines
from services.separation.worker import SeparationWorker

__all__ = ["app"]


@contextlib.asynccontextmanager
async def app(runtime: Runtime[SeparationSettings]) -> AsyncIterator[None]:
    """Separation, for the length of the block."""
    settings = runtime.settings
    build = functools.partial(build_engines, settings)
    processes = EngineProcesses("separation", settings.separation_slot_count, build)
    # Of its own, as somebody waits for a mix: it must not stand behind an hour of separation.
    mixing = EngineProcesses("mixing", settings.separation_mixing_slot_count, no_engine)
    models = Models(build, settings.fallback)

    blobs = runtime.blobs()
    bus = await runtime.bus()
    channel = await runtime.channel("library")
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    tracks = library_service_pb2_grpc.TrackServiceStub(channel)
    scratch = runtime.scratch()
    limits = AudioLimits(max_seconds=settings.max_audio_seconds)
    separation = SeparationWorker(processes=processes, blobs=blobs, tracks=tracks, scratch=scratch, limits=limits)
    mixes = Mixes(processes=mixing, blobs=blobs, tracks=tracks, scratch=scratch, limits=limits)
    pipeline = PipelineWorker(separation, processes, blobs, runtime.clock)

    async def handle(context: JobContext) -> job_pb2.JobResult:
        if context.job.kind == job_pb2.JOB_KIND_PIPELINE:
            return await pipeline.handle(context)
        return await separation.handle(context)

    worker = JobWorker(
        service="separation",
        bus=bus,
        jobs=jobs,
        blobs=blobs,
        handler=handle,
        slot_count=settings.separation_slot_count,
        lease_seconds=settings.lease_seconds,
    )
    server = runtime.rpc_server()
    rpc = SeparationRpc(bus, jobs, tracks, models.require, mixes, settings)
    separation_service_pb2_grpc.add_SeparationServiceServicer_to_server(rpc, server.server)
    server.announce_all(separation_service_pb2)
    async with runtime.serving(server, worker):
        warming = asyncio.create_task(models.warm_up(processes, DEFAULT_MODEL))
        try:
            yield
        finally:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
    await models.close()
    for pool in (processes, mixing):
        await asyncio.to_thread(pool.close)
