"""RPCs about the models of a service: their facts, the state of their weights, and downloads."""

from __future__ import annotations

import asyncio
from typing import Any

from soundwright.models.v1 import model_pb2

from kit.engines.availability import ModelAvailability, WeightsState
from kit.engines.declaration import ModelDeclaration
from kit.engines.registry import EngineRegistry
from kit.engines.speeds import MeasuredSpeeds
from kit.hub import fetched_bytes
from kit.security.identity import require_administrator

__all__ = ["described_models", "fetched_model"]

_REASONS = {
    WeightsState.MISSING: "The weights are not on this server. An administrator can fetch them.",
    WeightsState.FETCHING: "The weights are being downloaded. Try again in a few minutes.",
    WeightsState.NOT_INSTALLED: "The libraries of the engine are not installed on this server.",
}


async def described_models(
    registry: EngineRegistry[Any], availability: ModelAvailability, speeds: MeasuredSpeeds | None = None
) -> list[model_pb2.Model]:
    """Return all models of a registry with what is known about them and the state of their weights."""
    states, usable = await availability.weights(), await availability.usable()
    found = []
    for declared in registry.declarations():
        model = _facts(declared, registry.engine(declared.name).name, speeds or MeasuredSpeeds())
        state, problem = states[declared.name], availability.problem(declared.name)
        model.state, model.problem = state, problem
        model.available = declared.name in usable
        model.needs_consent = registry.needs_consent(declared.name)
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


async def fetched_model(
    registry: EngineRegistry[Any], availability: ModelAvailability, name: str, *, allow: bool = False
) -> model_pb2.Model:
    """Start to download the weights of a model for an administrator, and return the model.

    Args:
        allow: see :meth:`ModelAvailability.fetch`.

    Raises:
        AppError: ``ROLE_TOO_LOW``; errors of :meth:`ModelAvailability.fetch`.
    """
    require_administrator()
    await availability.fetch(name, allow=allow)
    return next(model for model in await described_models(registry, availability) if model.name == name)
