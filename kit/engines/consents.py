"""Weights without a stated licence that administrators have allowed. The library keeps the record."""

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

from soundwright.kit.compute import EngineProcesses, Report, Work
from soundwright.kit.engines.declaration import ModelDeclaration
from soundwright.kit.engines.registry import EngineRegistry
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.security.identity import principal_scope
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc

_FRESH_SECONDS = 1.0
_WAIT_SECONDS = 5.0
E = TypeVar("E")
T = TypeVar("T")
log = get_logger()


def terms(declared: ModelDeclaration) -> str:
    """Return what the authors of a model say about the licence of its weights."""
    return f"{declared.licence}. {declared.licence_note}".strip()


class Consents:
    """Keeps a registry informed of the models that administrators have allowed. ``library`` is where the record is."""

    def __init__(self, library: library_service_pb2_grpc.AdminServiceStub, registry: EngineRegistry[Any]) -> None:
        self._library = library
        self._registry = registry
        self._read_time = float("-inf")
        self._reading = asyncio.Lock()

    async def refresh(self) -> frozenset[str]:
        """Return the models that are allowed, as the library knew them at most a second ago.

        If the library does not answer, the last answer counts.
        """
        async with self._reading:
            if time.monotonic() - self._read_time > _FRESH_SECONDS:
                await self._read()
        return self._registry.allowed

    async def allow(self, model: str) -> None:
        """Record that the caller, an administrator, allows a model. Raises ``ROLE_TOO_LOW``; ``MODEL_UNKNOWN``."""
        declared = self._registry.declaration(model)
        await self._library.AllowModel(library_service_pb2.AllowModelRequest(model=model, terms=terms(declared)))
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        request = library_service_pb2.ListAllowedModelsRequest()
        try:
            with principal_scope(None):  # callers need not be administrators
                answer = await self._library.ListAllowedModels(request, timeout=_WAIT_SECONDS)
        except AppError as error:
            log.warning("consents.unknown", reason=error.reason)
        else:
            self._registry.allowed = frozenset(answer.models)
        self._read_time = time.monotonic()


class ModelProcesses(EngineProcesses[E]):
    """Engine processes whose registries learn before each work which models are allowed.

    Args:
        arguments: see :class:`EngineProcesses`.
    """

    def __init__(self, consents: Consents, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._consents = consents

    async def run(self, work: Work[E, T], report: Report = lambda share: None, **options: Any) -> T:
        """See :meth:`EngineProcesses.run`."""
        informed: Callable[[E, Report], T] = functools.partial(_informed, await self._consents.refresh(), work)
        return await super().run(informed, report, **options)


def _informed(allowed: frozenset[str], work: Callable[[Any, Report], T], registry: Any, report: Report) -> T:
    registry.allowed = allowed
    return work(registry, report)
