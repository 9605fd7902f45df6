"""The gRPC service of the agents: converts messages and calls the domain."""

import json
from typing import TYPE_CHECKING

from soundwright.analysis.v1 import agent_service_pb2 as pb
from soundwright.analysis.v1 import agent_service_pb2_grpc
from soundwright.kit.messages import from_wire
from soundwright.kit.ports import Clock
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_administrator
from soundwright.services.analysis.agents.orchestrator import Orchestrator, Question
from soundwright.services.analysis.agents.replies import ProviderState

if TYPE_CHECKING:
    from soundwright.services.analysis.agents.llm import LanguageModel

_CHECK_SECONDS = 10.0


class AgentRpc(agent_service_pb2_grpc.AgentServiceServicer):
    def __init__(self, orchestrator: Orchestrator, model: "LanguageModel | None", clock: Clock) -> None:
        self._orchestrator = orchestrator
        self._model = model
        self._clock = clock

    async def Chat(self, request: pb.ChatRequest, context: Context) -> pb.ChatResponse:
        answered = await self._orchestrator.answer(
            from_wire(request, Question, track_ids=tuple(dict.fromkeys(request.track_ids)))
        )
        return pb.ChatResponse(
            conversation=answered.conversation,
            answer=answered.message,
            data_json=json.dumps(answered.data, ensure_ascii=False),
            input_token_count=answered.input_token_count,
            output_token_count=answered.output_token_count,
        )

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(model=self._model.name if self._model else "")

    async def CheckProviders(self, request: pb.CheckProvidersRequest, context: Context) -> pb.CheckProvidersResponse:
        require_administrator()
        return pb.CheckProvidersResponse(providers=[await self._provider()])

    async def _provider(self) -> pb.Provider:
        provider = pb.Provider(name="llm")
        if self._model is None:
            state = ProviderState("not_configured", "Set SOUNDWRIGHT_LLM_MODEL, and SOUNDWRIGHT_LLM_URL or _LLM_KEY.")
        else:
            provider.url_host, provider.model = self._model.host, self._model.name
            state = await self._model.check(_CHECK_SECONDS)
        provider.status, provider.detail = state.status, state.detail
        if state.latency_seconds is not None:
            provider.latency_seconds = state.latency_seconds
        provider.check_time.FromMicroseconds(round(self._clock.now() * 1e6))
        return provider
