"""Builds, starts and stops generation."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

from soundwright.generation.v1 import generation_service_pb2, generation_service_pb2_grpc
from soundwright.library.v1 import catalog_service_pb2_grpc, library_service_pb2_grpc

from kit.compute import EngineProcesses
from kit.jobs import JobWorker
from kit.run import Runtime
from services.generation.batching import Batcher
from services.generation.finishing import no_engine, warm_up
from services.generation.models import Models
from services.generation.rpc import GenerationRpc
from services.generation.settings import GenerationSettings
from services.generation.takes import build_engines
from services.generation.worker import GenerationWorker

__all__ = ["app"]

_JOBS_PER_FILE_PROCESS = 4


@contextlib.asynccontextmanager
async def app(runtime: Runtime[GenerationSettings]) -> AsyncIterator[None]:
    """Generation, for the length of the block."""
    settings = runtime.settings
    process_count, slot_count = settings.generation_process_count, settings.generation_slot_count
    processes = EngineProcesses("generation", process_count, functools.partial(build_engines, settings))
    # Finishing takes a small part of the time that making a take does: one process keeps up with a few jobs.
    file_processes = EngineProcesses("generation-files", -(-slot_count // _JOBS_PER_FILE_PROCESS), no_engine)
    batcher = Batcher(processes, process_count, settings.generation_batch_size, gathers=slot_count > 1)
    models = Models(processes, batcher, settings)

    blobs = runtime.blobs()
    bus = await runtime.bus()
    channel = await runtime.channel("library")
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    scratch = runtime.scratch()
    handler = GenerationWorker(
        batcher=batcher, note=models.note, file_processes=file_processes, blobs=blobs, catalog=catalog, scratch=scratch
    )
    worker = JobWorker(
        service="generation",
        bus=bus,
        jobs=jobs,
        blobs=blobs,
        handler=handler.handle,
        slot_count=slot_count,
        lease_seconds=settings.lease_seconds,
    )
    server = runtime.rpc_server()
    rpc = GenerationRpc(
        bus=bus, jobs=jobs, catalog=catalog, blobs=blobs, models=models, file_processes=file_processes, scratch=scratch,
        settings=settings,
    )  # fmt: skip
    generation_service_pb2_grpc.add_GenerationServiceServicer_to_server(rpc, server.server)
    server.announce_all(generation_service_pb2)
    async with runtime.serving(server, worker):
        warming = [asyncio.create_task(models.warm_up()), asyncio.create_task(file_processes.run(warm_up))]
        try:
            yield
        finally:
            for task in warming:
                task.cancel()
            await asyncio.gather(*warming, return_exceptions=True)
    await models.close()
    await batcher.close()
    await asyncio.to_thread(processes.close)
    await asyncio.to_thread(file_processes.close)
