"""RPCs about the models of a service: their facts, the state of their weights, and downloads."""

from __future__ import annotations

from typing import Any

from soundwright.models.v1 import model_pb2

from kit.engines.availability import ModelAvailability
from kit.engines.registry import EngineRegistry
from kit.errors import AppError, Code
from kit.security.identity import require_principal

__all__ = ["described_models", "fetched_model"]


async def described_models(registry: EngineRegistry[Any], availability: ModelAvailability) -> list[model_pb2.Model]:
    """Return all models of a registry with the state of their weights."""
    states = await availability.weights()
    return [
        model_pb2.Model(
            name=declared.name,
            description=declared.description,
            engine=registry.engine(declared.name).name,
            licence=declared.licence,
            source=declared.source,
            size_bytes=declared.size_bytes,
            state=states[declared.name],
            problem=availability.problem(declared.name),
        )
        for declared in registry.declarations()
    ]


async def fetched_model(registry: EngineRegistry[Any], availability: ModelAvailability, name: str) -> model_pb2.Model:
    """Start to download the weights of a model for an administrator, and return the model.

    Raises:
        AppError: ``ROLE_TOO_LOW``; errors of :meth:`ModelAvailability.fetch`.
    """
    if not require_principal().may_administer:
        raise AppError(Code.PERMISSION_DENIED, "ROLE_TOO_LOW", "This operation requires the role of an administrator.")
    await availability.fetch(name)
    return next(model for model in await described_models(registry, availability) if model.name == name)
