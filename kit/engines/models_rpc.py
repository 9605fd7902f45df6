"""RPCs about the models of a service: their facts, the state of their weights, and downloads."""

from __future__ import annotations

import asyncio
from typing import Any

from soundwright.kit.engines.availability import ModelAvailability, WeightsState
from soundwright.kit.engines.declaration import ModelDeclaration
from soundwright.kit.engines.hub import fetched_bytes
from soundwright.kit.engines.registry import EngineRegistry
from soundwright.kit.engines.speeds import MeasuredSpeeds
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
            model = _facts(declared, self._registry.engine(declared.name).name, self._speeds)
            state, problem = states[declared.name], self._availability.problem(declared.name)
            model.state, model.problem = state, problem
            model.available = declared.name in usable
            model.needs_consent = self._registry.needs_consent(declared.name)
            model.listed = declared.name in self._registry.model_names
            if not model.available:
                model.unavailable_reason = problem or _REASONS.get(state, "")
            if state is WeightsState.FETCHING and declared.size_bytes is not None:
                model.fetched_bytes = await asyncio.to_thread(fetched_bytes, declared.source, declared.files)
            found.append(model)
        return found


def _facts(declared: ModelDeclaration, engine: str, speeds: MeasuredSpeeds) -> model_pb2.Model:
    return model_pb2.Model(
        name=declared.name,
        description=declared.description,
        engine=engine,
        architecture=declared.architecture,
        outputs=declared.outputs,
        licence=declared.licence,
        code_licence=declared.code_licence,
        weights_licence=declared.weights_licence,
        licence_note=declared.licence_note,
        source=declared.source,
        size_bytes=declared.size_bytes,
        files=[
            model_pb2.ModelFile(
                name=file.name, size_bytes=file.size_bytes, sha256=file.sha256 or "", mirrors=file.mirrors
            )
            for file in declared.files
        ],
        scores=[
            model_pb2.ModelScore(stem=score.stem, sdr_db=score.sdr_db, test_set=score.test_set, source=score.source)
            for score in declared.scores
        ],
        memory_bytes=declared.memory_bytes,
        device_memory_bytes=declared.device_memory_bytes,
        measured_speed=speeds.get(declared.name),
    )
