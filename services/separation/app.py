"""Builds, starts and stops separation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from soundwright.library.v1 import job_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2, separation_service_pb2_grpc

from kit.audio import AudioLimits
from kit.compute import ComputeSlots
from kit.errors import AppError
from kit.jobs import JobContext, JobWorker
from kit.log import get_logger
from kit.run import Runtime
from services.separation.engines.demucs import DemucsEngine
from services.separation.engines.dsp import DspEngine
from services.separation.engines.hpss import HpssEngine
from services.separation.pipeline import PipelineWorker
from services.separation.rpc import SeparationRpc
from services.separation.service import DEFAULT_MODEL, Engine, engine_of
from services.separation.settings import SeparationSettings
from services.separation.worker import SeparationWorker

__all__ = ["app"]

# How long a request waits to learn whether a model can be had; a download goes on after that.
_MODEL_WAIT_SECONDS = 8.0
log = get_logger()


@contextlib.asynccontextmanager
async def app(runtime: Runtime[SeparationSettings]) -> AsyncIterator[None]:
    """Separation, for the length of the block."""
    settings = runtime.settings
    demucs = DemucsEngine(
        model_dir=settings.separation_model_dir,
        trusted_sha256=settings.separation_trusted_sha256,
        thread_count=settings.separation_thread_count or None,
        device=settings.separation_device or None,
        batch_size=settings.separation_batch_size,
    )
    engines: dict[str, Engine] = {"demucs": demucs, "dsp": DspEngine()}

    def load(model: str) -> None:
        if engine_of(model) == demucs.name:
            demucs.load(model)

    async def require_model(model: str) -> None:
        if settings.fallback:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(load, model), _MODEL_WAIT_SECONDS)

    blobs = runtime.blobs()
    bus = await runtime.bus()
    channel = await runtime.channel("library")
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    tracks = library_service_pb2_grpc.TrackServiceStub(channel)
    slots = ComputeSlots("separation", settings.separation_slot_count)
    separation = SeparationWorker(
        engines=engines,
        load=load,
        blobs=blobs,
        tracks=tracks,
        slots=slots,
        scratch=runtime.scratch(),
        limits=AudioLimits(max_seconds=settings.max_audio_seconds),
        fallback=settings.fallback,
    )
    pipeline = PipelineWorker(separation, HpssEngine(), blobs, slots, runtime.clock)

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
    rpc = SeparationRpc(bus, jobs, tracks, require_model, settings)
    separation_service_pb2_grpc.add_SeparationServiceServicer_to_server(rpc, server.server)
    server.announce_all(separation_service_pb2)
    async with runtime.serving(server, worker):
        warming = asyncio.create_task(asyncio.to_thread(_warm_up, load))
        try:
            yield
        finally:
            warming.cancel()
    slots.close()


def _warm_up(load: Callable[[str], None]) -> None:
    """Have the default model ready before the first job asks for it."""
    try:
        load(DEFAULT_MODEL)
    except AppError as error:
        log.info("model.not_ready", model=DEFAULT_MODEL, reason=error.reason, error=error.message)
