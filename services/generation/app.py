"""Builds, starts and stops generation."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

from soundwright.kit.compute import EngineProcesses
from soundwright.kit.engines import ModelAvailability
from soundwright.kit.engines.consents import Consents, ModelProcesses
from soundwright.kit.engines.models_rpc import ModelRpc
from soundwright.kit.errors import AppError
from soundwright.kit.gpu import has_gpu
from soundwright.kit.run import Runtime
from soundwright.kit.worker.worker import job_workers
from soundwright.library.v1 import catalog_service_pb2_grpc, library_service_pb2_grpc
from soundwright.services.generation.batching import Batcher
from soundwright.services.generation.finishing import no_engine, warm_up
from soundwright.services.generation.registry import Registry, build_registry
from soundwright.services.generation.rpc import GenerationRpc
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.generation.worker import GenerationWorker

_JOBS_PER_FILE_PROCESS = 4


@contextlib.asynccontextmanager
async def app(runtime: Runtime[GenerationSettings]) -> AsyncIterator[None]:
    procedural = runtime.settings.generation_engine == "procedural"
    settings = runtime.settings.on(not procedural and await has_gpu(runtime.settings.generation_device))
    process_count, slot_count = settings.generation_process_count, settings.generation_slot_count
    build = functools.partial(build_registry, settings)
    registry = build()
    idle_seconds = settings.engine_idle_seconds
    channel = await runtime.channel("library")
    consents = Consents(library_service_pb2_grpc.AdminServiceStub(channel), registry)
    processes: ModelProcesses[Registry] = ModelProcesses(
        consents, "generation", process_count, build, idle_seconds=idle_seconds
    )
    # Finishing is much faster than generating, so one process serves several engine processes.
    file_process_count = -(-slot_count // _JOBS_PER_FILE_PROCESS)
    file_processes = EngineProcesses("generation-files", file_process_count, no_engine, idle_seconds=idle_seconds)
    batcher = Batcher(
        processes, process_count, settings.generation_batch_size, slot_count > 1, settings.generation_device
    )
    availability = ModelAvailability(registry, processes, is_loading=batcher.is_loading, consents=consents)

    blobs = runtime.blobs()
    bus = await runtime.bus()
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    scratch = runtime.scratch()
    handler = GenerationWorker(
        batcher=batcher,
        registry=registry,
        note=availability.note,
        file_processes=file_processes,
        blobs=blobs,
        catalog=catalog,
        scratch=scratch,
    )
    kind = handler.job_kind(settings)
    workers = job_workers([kind], bus=bus, jobs=jobs, blobs=blobs, settings=settings)
    server = runtime.rpc_server()
    rpc = GenerationRpc(
        bus=bus,
        jobs=jobs,
        kind=kind,
        catalog=catalog,
        blobs=blobs,
        registry=registry,
        availability=availability,
        batcher=batcher,
        file_processes=file_processes,
        scratch=scratch,
        settings=settings,
    )
    server.add(rpc, ModelRpc(registry, availability))
    steps = (functools.partial(_warm_up, availability, batcher), functools.partial(file_processes.run, warm_up))
    async with runtime.serving(server, *workers), runtime.warming_up(*steps):
        yield
    await availability.close()
    await batcher.close()
    await asyncio.to_thread(processes.close)
    await asyncio.to_thread(file_processes.close)


async def _warm_up(availability: ModelAvailability, batcher: Batcher) -> None:
    """Start an engine process and load the default model, before the first job needs them."""
    await availability.warm_up()
    with contextlib.suppress(AppError):
        await batcher.read_device()
