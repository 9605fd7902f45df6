"""Builds, starts and stops separation."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from soundwright.kit.audio import AudioLimits
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.confined.audio import ConfinedAudio
from soundwright.kit.engines import MeasuredSpeeds, ModelAvailability
from soundwright.kit.engines.consents import Consents, ModelProcesses
from soundwright.kit.engines.models_rpc import ModelRpc
from soundwright.kit.gpu import has_gpu
from soundwright.kit.run import Runtime
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.worker.worker import job_workers
from soundwright.library.v1 import connection_service_pb2_grpc, library_service_pb2_grpc
from soundwright.services.separation.export import ExportWorker
from soundwright.services.separation.lalalai.client import LalalaiClient
from soundwright.services.separation.lalalai.keys import Keys
from soundwright.services.separation.lalalai.tasks import LalalaiTasks
from soundwright.services.separation.lalalai.worker import LalalaiWorker
from soundwright.services.separation.mixdown import no_engine
from soundwright.services.separation.mixes import Mixes
from soundwright.services.separation.pipeline import PipelineWorker
from soundwright.services.separation.registry import Registry, build_registry
from soundwright.services.separation.rpc import SeparationKinds, SeparationRpc
from soundwright.services.separation.settings import SeparationSettings
from soundwright.services.separation.worker import SeparationWorker


@contextlib.asynccontextmanager
async def app(runtime: Runtime[SeparationSettings]) -> AsyncIterator[None]:
    on_gpu = await has_gpu(runtime.settings.separation_device)
    settings = runtime.settings.on(on_gpu)
    build = functools.partial(build_registry, settings)
    registry = build()
    idle_seconds = settings.engine_idle_seconds
    channel = await runtime.channel("library")
    consents = Consents(library_service_pb2_grpc.AdminServiceStub(channel), registry)
    open_processes = functools.partial(ModelProcesses[Registry], consents)
    processes = open_processes(
        "separation",
        settings.separation_slot_count,
        build,
        settings.separation_process_count,
        idle_seconds=idle_seconds,
    )
    pool = functools.partial(EngineProcesses, idle_seconds=idle_seconds)
    # Mixes have their own processes, because callers wait for them and separations take minutes.
    mixing = pool("mixing", settings.separation_mixing_slot_count, no_engine)
    # One conversion at a time, however many jobs wait for lalal.ai or export stems.
    fitting = pool("fitting", 1, no_engine)
    # Jobs occupy the engine processes for minutes, so a requested model is tried in a process of its own. It leaves the
    # memory of the GPU to the jobs.
    on_cpu = settings.model_copy(update={"separation_device": "cpu", "separation_cpu_mode": "exact"})
    try_build = functools.partial(build_registry, on_cpu) if on_gpu else build
    availability = ModelAvailability(
        registry, processes, open_probe=lambda: open_processes("model", 1, try_build), consents=consents
    )
    speeds = MeasuredSpeeds()

    blobs = runtime.blobs()
    bus = await runtime.bus()
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    tracks = library_service_pb2_grpc.TrackServiceStub(channel)
    scratch = runtime.scratch()
    limits = AudioLimits(settings.max_audio_seconds, max_sample_count=settings.max_audio_sample_count)
    separation = SeparationWorker(
        processes=processes, blobs=blobs, tracks=tracks, scratch=scratch, limits=limits, speeds=speeds,
        availability=availability,
    )  # fmt: skip
    reader = ConfinedAudio(limits, settings.separation_mixing_slot_count, scratch)
    mixes = Mixes(processes=mixing, reader=reader, blobs=blobs, tracks=tracks, jobs=jobs, scratch=scratch)
    pipeline = PipelineWorker(separation, processes, blobs, runtime.clock)

    keys = Keys(connection_service_pb2_grpc.ConnectionServiceStub(channel), settings.lalalai_key)
    client = _lalalai_client(settings)
    lalalai = LalalaiWorker(
        client=client, keys=keys, processes=fitting, blobs=blobs, jobs=jobs, tracks=tracks, scratch=scratch,
        limits=limits, settings=settings,
    )  # fmt: skip
    export = ExportWorker(processes=fitting, blobs=blobs, tracks=tracks, jobs=jobs, scratch=scratch, limits=limits)
    kinds = SeparationKinds(
        separation=separation.job_kind(settings),
        pipeline=pipeline.job_kind(settings),
        lalalai=lalalai.job_kind(),
        export=export.job_kind(settings),
    )
    workers = job_workers(
        [kinds.separation, kinds.pipeline, kinds.lalalai, kinds.export],
        bus=bus,
        jobs=jobs,
        blobs=blobs,
        settings=settings,
    )
    server = runtime.rpc_server()
    tasks = LalalaiTasks(client, keys, jobs, lalalai.clean_up)
    gpu = on_gpu or settings.separation_gpu_workers
    rpc = SeparationRpc(bus, jobs, tracks, kinds, registry, availability, speeds, mixes, tasks, settings, gpu)
    server.add(rpc, ModelRpc(registry, availability, speeds))
    async with runtime.serving(server, *workers), runtime.warming_up(availability.warm_up):
        yield
    await availability.close()
    await client.close()
    for each in (processes, mixing, fitting):
        await asyncio.to_thread(each.close)


def _lalalai_client(settings: SeparationSettings) -> LalalaiClient:
    # lalal.ai returns file URLs on its own host, so that host must pass the egress policy.
    egress_policy = EgressPolicy([*settings.fetch_allow_hosts, urlsplit(settings.lalalai_url).netloc])
    return LalalaiClient(
        settings.lalalai_url,
        egress_policy,
        timeout_seconds=settings.lalalai_timeout_seconds,
        transfer_seconds=settings.lalalai_transfer_seconds,
        limit_bytes=settings.max_upload_bytes,
    )
