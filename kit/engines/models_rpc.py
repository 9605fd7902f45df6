"""RPCs about the models of a service: their facts, the state of their weights, and downloads."""

import asyncio
from typing import Any

from soundwright.kit.engines.availability import ModelAvailability, WeightsState
from soundwright.kit.engines.hub import fetched_bytes
from soundwright.kit.engines.registry import EngineRegistry
from soundwright.kit.engines.speeds import MeasuredSpeeds
from soundwright.kit.messages import to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_administrator
from soundwright.models.v1 import model_pb2, model_service_pb2_grpc
from soundwright.models.v1 import model_service_pb2 as pb

_REASONS = {
    WeightsState.MISSING: "The weights are not on this server. An administrator can fetch them.",
    WeightsState.FETCHING: "The weights are being downloaded. Try again in a minute.",
    WeightsState.NOT_INSTALLED: "The libraries of the engine are not installed on this server.",
}


class ModelRpc(model_service_pb2_grpc.ModelServiceServicer):
    """Serves the models of a registry."""

    def __init__(
        self, registry: EngineRegistry[Any], availability: ModelAvailability, speeds: MeasuredSpeeds | None = None
    ) -> None:
        self._registry = registry
        self._availability = availability
        self._speeds = speeds or MeasuredSpeeds()

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=await self._models())

    async def FetchModel(self, request: pb.FetchModelRequest, context: Context) -> pb.FetchModelResponse:
        require_administrator()
        await self._availability.fetch(request.name, allow=request.allow)
        return pb.FetchModelResponse(model=next(each for each in await self._models() if each.name == request.name))

    async def _models(self) -> list[model_pb2.Model]:
        states, usable = await self._availability.weights(), await self._availability.usable()
        found = []
        for declared in self._registry.declarations():
            state, problem = states[declared.name], self._availability.problem(declared.name)
            model = to_wire(
                declared,
                model_pb2.Model,
                engine=self._registry.engine(declared.name).name,
                state=state,
                problem=problem,
                available=declared.name in usable,
                needs_consent=self._registry.needs_consent(declared.name),
                listed=declared.name in self._registry.model_names,
                measured_speed=self._speeds.get(declared.name),
            )
            if not model.available:
                model.unavailable_reason = problem or _REASONS.get(state, "")
            if state is WeightsState.FETCHING and declared.size_bytes is not None:
                model.fetched_bytes = await asyncio.to_thread(fetched_bytes, declared.source, declared.files)
            found.append(model)
        return found
