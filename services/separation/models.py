"""Which models can be had here."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable

from kit.compute import EngineProcesses, Report
from kit.errors import AppError
from kit.log import get_logger
from services.separation.stems import EngineRoom

__all__ = ["Models"]

# How long a request waits to learn whether a model can be had; a download goes on after that.
_WAIT_SECONDS = 8.0
_FAILURE_SECONDS = 30.0
log = get_logger()


class Models:
    """Tells requests for a model that cannot be had, before there is a job.

    Args:
        build: makes the engines of a process.
        fallback: jobs may fall back on the built-in model, so that every request can be taken.
    """

    def __init__(self, build: Callable[[], EngineRoom], fallback: bool) -> None:
        self._build = build
        self._fallback = fallback
        self._present: set[str] = set()
        self._failures: dict[str, tuple[float, AppError]] = {}
        self._trying: dict[str, asyncio.Task[None]] = {}

    async def require(self, model: str) -> None:
        """
        Raises:
            AppError: ``MODEL_UNAVAILABLE`` or its like.
        """
        if self._fallback or model in self._present:
            return
        until, failure = self._failures.get(model, (0.0, None))
        if failure is not None and time.monotonic() < until:
            raise failure
        if model not in self._trying:
            self._trying[model] = asyncio.create_task(self._try(model))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_SECONDS):
                await asyncio.shield(self._trying[model])

    async def warm_up(self, processes: EngineProcesses[EngineRoom], model: str) -> None:
        """Have a model in memory before the first job asks for it."""
        try:
            await self._load(processes, model)
        except AppError as error:
            log.info("model.not_ready", model=model, reason=error.reason, error=error.message)

    async def _try(self, model: str) -> None:
        """Load the model in a process for this alone: those that compute may be busy for long."""
        processes = EngineProcesses("model", 1, self._build)
        try:
            await self._load(processes, model)
        finally:
            del self._trying[model]
            await asyncio.to_thread(processes.close)

    async def _load(self, processes: EngineProcesses[EngineRoom], model: str) -> None:
        try:
            await processes.run(functools.partial(_load, model=model))
        except AppError as error:
            self._failures[model] = (time.monotonic() + _FAILURE_SECONDS, error)
            raise
        self._present.add(model)

    async def close(self) -> None:
        """Give up what is being tried."""
        trying = list(self._trying.values())
        for task in trying:
            task.cancel()
        await asyncio.gather(*trying, return_exceptions=True)


def _load(room: EngineRoom, _report: Report, *, model: str) -> None:
    room.load(model)
