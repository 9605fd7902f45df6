"""Builds, starts and stops generation."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from soundwright.generation.v1 import generation_service_pb2, generation_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2_grpc

from kit.compute import ComputeSlots
from kit.jobs import JobWorker
from kit.run import Runtime
from services.generation.engines.procedural.engine import ProceduralEngine
from services.generation.rpc import GenerationRpc
from services.generation.settings import GenerationSettings
from services.generation.worker import GenerationWorker

__all__ = ["app"]


@contextlib.asynccontextmanager
async def app(runtime: Runtime[GenerationSettings]) -> AsyncIterator[None]:
    """Generation, for the length of the block."""
    settings = runtime.settings
    blobs = runtime.blobs()
    bus = await runtime.bus()
    jobs = library_service_pb2_grpc.JobServiceStub(await runtime.channel("library"))
    slots = ComputeSlots("generation", settings.generation_slot_count)
    handler = GenerationWorker(ProceduralEngine(), blobs, slots, runtime.scratch())
    worker = JobWorker(
        service="generation",
        bus=bus,
        jobs=jobs,
        blobs=blobs,
        handler=handler.handle,
        slot_count=settings.generation_slot_count,
        lease_seconds=settings.lease_seconds,
    )
    server = runtime.rpc_server()
    rpc = GenerationRpc(bus, jobs, settings)
    generation_service_pb2_grpc.add_GenerationServiceServicer_to_server(rpc, server.server)
    server.announce_all(generation_service_pb2)
    async with runtime.serving(server, worker):
        yield
    slots.close()
