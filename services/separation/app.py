"""Builds, starts and stops separation."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from soundwright.library.v1 import connection_service_pb2_grpc, job_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2, separation_service_pb2_grpc

from kit.audio import AudioLimits
from kit.compute import EngineProcesses
from kit.jobs import JobContext, JobWorker
from kit.outbound.guard import Guard
from kit.run import Runtime
from services.separation.lalalai.client import LalalaiClient
from services.separation.lalalai.keys import Keys
from services.separation.lalalai.tasks import LalalaiTasks
from services.separation.lalalai.worker import LalalaiWorker
from services.separation.mixdown import no_engine
from services.separation.mixes import Mixes
from services.separation.models import Models
from services.separation.pipeline import PipelineWorker
from services.separation.rpc import SeparationRpc
from services.separation.service import DEFAULT_MODEL, LALALAI
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
    # What comes from lalal.ai is converted in turn, however many jobs wait there.
    fitting = EngineProcesses("fitting", 1, no_engine)
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
    keys = Keys(connection_service_pb2_grpc.ConnectionServiceStub(channel), settings.lalalai_key)
    client = _lalalai_client(settings)
    lalalai = LalalaiWorker(
        client=client, keys=keys, processes=fitting, blobs=blobs, jobs=jobs, tracks=tracks, scratch=scratch,
        limits=limits, settings=settings,
    )  # fmt: skip
    # A queue and slots of its own: its jobs wait for somebody else, and must not stand in the way of those that compute.
    lalalai_worker = JobWorker(
        service=LALALAI,
        bus=bus,
        jobs=jobs,
        blobs=blobs,
        handler=lalalai.handle,
        slot_count=settings.separation_lalalai_slot_count,
        lease_seconds=settings.lease_seconds,
        ended=lalalai.tidy,
    )
    server = runtime.rpc_server()
    tasks = LalalaiTasks(client, keys, jobs, lalalai.tidy)
    rpc = SeparationRpc(bus, jobs, tracks, models.require, mixes, tasks, settings)
    separation_service_pb2_grpc.add_SeparationServiceServicer_to_server(rpc, server.server)
    server.announce_all(separation_service_pb2)
    async with runtime.serving(server, worker, lalalai_worker):
        warming = asyncio.create_task(models.warm_up(processes, DEFAULT_MODEL))
        try:
            yield
        finally:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
    await models.close()
    await client.close()
    for pool in (processes, mixing, fitting):
        await asyncio.to_thread(pool.close)


def _lalalai_client(settings: SeparationSettings) -> LalalaiClient:
    # Whoever says where lalal.ai is also means the files there.
    guard = Guard([*settings.fetch_allow_hosts, urlsplit(settings.lalalai_url).netloc])
    return LalalaiClient(
        settings.lalalai_url,
        guard,
        timeout_seconds=settings.lalalai_timeout_seconds,
        transfer_seconds=settings.lalalai_transfer_seconds,
        limit_bytes=settings.max_upload_bytes,
    )
