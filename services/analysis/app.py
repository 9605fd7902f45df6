"""Builds, starts and stops analysis."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from soundwright.analysis.v1 import analysis_service_pb2_grpc
from soundwright.kit.audio import AudioLimits
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.run import Runtime
from soundwright.kit.worker.worker import job_workers
from soundwright.library.v1 import conversation_service_pb2_grpc, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2_grpc
from soundwright.services.analysis.agent_rpc import AgentRpc
from soundwright.services.analysis.agents.orchestrator import Bounds, Orchestrator
from soundwright.services.analysis.agents.toolbox import Toolbox
from soundwright.services.analysis.agents.tools import Tools
from soundwright.services.analysis.engines.librosa_engine import warm_up
from soundwright.services.analysis.registry import build_registry
from soundwright.services.analysis.rpc import AnalysisRpc
from soundwright.services.analysis.settings import AnalysisSettings
from soundwright.services.analysis.spectrograms import Spectrograms
from soundwright.services.analysis.worker import AnalysisWorker

if TYPE_CHECKING:
    from soundwright.services.analysis.agents.llm import LanguageModel


@contextlib.asynccontextmanager
async def app(runtime: Runtime[AnalysisSettings]) -> AsyncIterator[None]:
    settings = runtime.settings
    blobs = runtime.blobs()
    bus = await runtime.bus()
    channel = await runtime.channel("library")
    jobs = library_service_pb2_grpc.JobServiceStub(channel)
    tracks = library_service_pb2_grpc.TrackServiceStub(channel)
    slots = ComputeSlots("analysis", settings.analysis_slot_count)
    limits = AudioLimits(settings.max_audio_seconds, max_sample_count=settings.max_audio_sample_count)
    registry = build_registry(settings.analysis_whisper_dir)
    handler = AnalysisWorker(registry, blobs, tracks, slots, limits)
    kind = handler.job_kind(settings)
    workers = job_workers([kind], bus=bus, jobs=jobs, blobs=blobs, settings=settings)
    server = runtime.rpc_server()
    spectrograms = Spectrograms(blobs, limits, runtime.scratch())
    server.add(AnalysisRpc(bus, jobs, tracks, kind, spectrograms, registry))
    model = _language_model(settings)
    tools = Tools(
        tracks,
        separation_service_pb2_grpc.SeparationServiceStub(await runtime.channel("separation")),
        analysis_service_pb2_grpc.AnalysisServiceStub(await runtime.channel("analysis")),
    )
    orchestrator = Orchestrator(
        Toolbox(tools.all),
        model,
        conversation_service_pb2_grpc.ConversationServiceStub(channel),
        Bounds(settings.agent_tool_limit, settings.agent_seconds, settings.agent_history_limit),
    )
    server.add(AgentRpc(orchestrator, model, runtime.clock))
    async with runtime.serving(server, *workers), runtime.warming_up(lambda: slots.run(warm_up)):
        with contextlib.closing(spectrograms):
            yield
    slots.close()
    if model is not None:
        await model.close()


def _language_model(settings: AnalysisSettings) -> "LanguageModel | None":
    if not settings.has_model:
        return None
    from soundwright.services.analysis.agents.llm import LanguageModel  # the client library is slow to import

    return LanguageModel(
        settings.llm_url, settings.llm_key.get_secret_value(), settings.llm_model, settings.llm_timeout_seconds
    )
