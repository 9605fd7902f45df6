"""Which models can be had here, and how they are."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import time

from kit.compute import EngineProcesses, Report
from kit.errors import AppError
from kit.log import get_logger
from services.generation.batching import Batcher
from services.generation.engines.device import Device
from services.generation.service import DEFAULT_MODEL
from services.generation.settings import GenerationSettings
from services.generation.takes import Choice, EngineRoom, audiocraft_is_installed

__all__ = ["ModelState", "Models"]

# How long a request waits to learn whether a model can be had; a download goes on after that.
_WAIT_SECONDS = 8.0
_FAILURE_SECONDS = 30.0
_LOOK_SECONDS = 2.0
log = get_logger()


class ModelState(enum.Enum):
    """How a model is, as clients are told."""

    PENDING = "pending"  # nobody asked for it yet
    LOADING = "loading"
    READY = "ready"  # a request for it can be taken
    ERROR = "error"  # it could not be had the last time


class Models:
    """Knows what requests can be taken, and tells those that cannot before there is a job.

    Args:
        processes: where models are loaded.
        batcher: knows what is going on there.
        settings: of generation.
    """

    def __init__(self, processes: EngineProcesses[EngineRoom], batcher: Batcher, settings: GenerationSettings) -> None:
        self._processes = processes
        self._batcher = batcher
        self._fallback = settings.fallback
        self._needs_weights = settings.generation_engine != "procedural"
        self._is_installed = audiocraft_is_installed()
        self._present: set[str] = set()
        self._failures: dict[str, tuple[float, AppError]] = {}
        self._trying: dict[str, asyncio.Task[None]] = {}
        self._looked_at = 0.0

    async def require(self, model: str) -> None:
        """
        Raises:
            AppError: ``MODEL_UNAVAILABLE`` or its like, when requests for the model cannot be taken.
        """
        if self._fallback or not self._needs_weights or model in self._present:
            return
        until, failure = self._failures.get(model, (0.0, None))
        if failure is None or time.monotonic() >= until:
            await asyncio.wait({self._try(model)}, timeout=_WAIT_SECONDS)
            until, failure = self._failures.get(model, (0.0, None))
        if failure is not None and time.monotonic() < until:
            raise failure

    def note(self, model: str, choice: Choice) -> None:
        """A job found out who makes the model here."""
        if not choice.degraded:
            self._present.add(model)
            self._failures.pop(model, None)

    def state(self, model: str) -> ModelState:
        if not self._needs_weights or model in self._present:
            return ModelState.READY
        if self._is_installed and (model in self._trying or self._batcher.is_loading(model)):
            return ModelState.LOADING
        if self._fallback:
            return ModelState.READY
        return ModelState.ERROR if model in self._failures or not self._is_installed else ModelState.PENDING

    @property
    def is_busy(self) -> bool:
        """Whether takes are being made."""
        return self._batcher.is_busy

    async def device(self) -> Device | None:
        """The graphics processor, if there is one: as it was a moment ago, or when the work in progress began."""
        known = self._batcher.device
        if known is not None and not self._batcher.is_busy and time.monotonic() - self._looked_at > _LOOK_SECONDS:
            with contextlib.suppress(TimeoutError, AppError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    self._batcher.device = await self._processes.run(_look)
                self._looked_at = time.monotonic()
        return self._batcher.device

    async def warm_up(self) -> None:
        """Have the process, and the default model if it is one that must be loaded, ready before the first job."""
        with contextlib.suppress(AppError):
            if self._needs_weights and self._is_installed:
                # They are loaded when a job asks for them, but a request for them can be taken.
                self._present |= await self._processes.run(_at_hand)
                await self._try(DEFAULT_MODEL)
            self._batcher.device = await self._processes.run(_look)

    async def close(self) -> None:
        """Give up what is being tried."""
        trying = list(self._trying.values())
        for task in trying:
            task.cancel()
        await asyncio.gather(*trying, return_exceptions=True)

    def _try(self, model: str) -> asyncio.Task[None]:
        if model not in self._trying:
            task = asyncio.create_task(self._load(model))
            task.add_done_callback(lambda _task: self._trying.pop(model, None))
            self._trying[model] = task
        return self._trying[model]

    async def _load(self, model: str) -> None:
        try:
            self.note(model, await self._processes.run(functools.partial(_choose, model=model)))
        except AppError as error:
            self._present.discard(model)
            self._failures[model] = (time.monotonic() + _FAILURE_SECONDS, error)
            log.info("model.not_ready", model=model, reason=error.reason, error=error.message)


def _choose(room: EngineRoom, _report: Report, *, model: str) -> Choice:
    return room.choose(model)


def _at_hand(room: EngineRoom, _report: Report) -> frozenset[str]:
    return room.at_hand()


def _look(room: EngineRoom, _report: Report) -> Device | None:
    return room.device()
