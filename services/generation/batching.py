"""Combines takes that wait for an engine process into batches."""

import asyncio
import contextlib
import functools
import math
import time
from collections.abc import AsyncIterator
from typing import cast

from soundwright.kit.compute import EngineProcesses, Report
from soundwright.kit.engines import ModelSelection
from soundwright.kit.errors import AppError
from soundwright.kit.metrics import BATCH_TAKES
from soundwright.services.generation.engines.device import Device, cuda_device
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.takes import Batch, MadeTake, TakeOrder, make_takes

_GATHER_SECONDS = 0.1  # variations of one request arrive one after the other
_DEVICE_SECONDS = 2.0


class Place:
    """A take that waits or is in a batch.

    Attributes:
        share: ratio of the work of its batch that is done; None while it waits, 0 while the model loads.
    """

    def __init__(self, model: str, order: TakeOrder, alone: bool) -> None:
        self.model = model
        self.order = order
        self.alone = alone
        self.share: float | None = None
        self.wanted = True
        self.outcome: asyncio.Future[tuple[ModelSelection, MadeTake]] = asyncio.get_running_loop().create_future()

    def fits(self, other: "Place") -> bool:
        """Return whether the two takes may be in one batch."""
        return not (self.alone or other.alone) and (self.model, self.order.take.duration_seconds) == (
            other.model,
            other.order.take.duration_seconds,
        )

    async def made(self, timeout_seconds: float) -> bool:
        """Wait up to ``timeout_seconds`` and return whether the take is made. Raises the error of its batch."""
        await asyncio.wait({self.outcome}, timeout=timeout_seconds)
        if not self.outcome.done():
            return False
        self.outcome.result()
        return True


class _Abandoned(Exception):
    """All takes of the batch were cancelled."""


class Batcher:
    """Sends takes to engine processes. Waiting takes of one model and length form a batch.

    Batches start in the order in which takes arrive. If several processes are free, waiting takes are divided among them
    instead of forming one batch.

    Args:
        gathers: whether to wait briefly for further takes. Not useful if only one job runs at a time.
        device_name: see :func:`soundwright.services.generation.engines.device.cuda_device`.
    """

    def __init__(
        self,
        processes: EngineProcesses[Registry],
        process_count: int,
        batch_size: int,
        gathers: bool,
        device_name: str = "",
    ) -> None:
        self._processes = processes
        self._process_count = process_count
        self._batch_size = batch_size
        self._gathers = gathers
        self._device_name = device_name
        self._device: Device | None = None
        self._device_time = -math.inf  # monotonic seconds at which the device was read
        self._waiting: list[Place] = []
        self._running: list[list[Place]] = []
        self._batch_tasks: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def is_loading(self, model: str) -> bool:
        return any(batch[0].model == model and batch[0].share == 0.0 for batch in self._running)

    async def read_device(self) -> Device | None:
        """Return the GPU of the engine processes, at most two seconds old; during a batch, as it was before.

        Starts an engine process if there is none yet. Returns None if there is no GPU.
        """
        if not self.is_busy and time.monotonic() - self._device_time > _DEVICE_SECONDS:
            self._device_time = time.monotonic()  # before the wait, so that a busy process is not asked again at once
            work = functools.partial(_read_device, name=self._device_name)
            self._device = await self._processes.run(work, is_use=False)
        return self._device

    async def device(self) -> Device | None:
        """Return the GPU as :meth:`read_device` does. Returns it as it was last known if that takes longer than two seconds,
        or if no engine process runs.

        Returns None if no GPU was found before; a GPU does not appear later.
        """
        if self._device is not None and self._processes.is_running:
            with contextlib.suppress(TimeoutError, AppError):
                async with asyncio.timeout(_DEVICE_SECONDS):
                    await self.read_device()
        return self._device

    @contextlib.asynccontextmanager
    async def place(self, model: str, order: TakeOrder, *, alone: bool = False) -> AsyncIterator[Place]:
        """Queue a take. Leaving the block cancels it.

        Cancelling a take does not affect the others of its batch. A batch without takes stops.

        Args:
            alone: do not combine it with other takes, for example because an earlier attempt crashed the process.
        """
        place = Place(model, order, alone)
        self._waiting.append(place)
        if len(self._batch_tasks) < self._process_count:
            self._batch_tasks.add(asyncio.create_task(self._serve()))
        try:
            yield place
        finally:
            place.wanted = False
            if place in self._waiting:
                self._waiting.remove(place)
            if place.outcome.done() and not place.outcome.cancelled():
                place.outcome.exception()  # marks the exception as retrieved; no task waits for it any more
            place.outcome.cancel()

    async def close(self) -> None:
        batch_tasks = list(self._batch_tasks)
        for batch_task in batch_tasks:
            batch_task.cancel()
        await asyncio.gather(*batch_tasks, return_exceptions=True)

    async def _serve(self) -> None:
        """Make batches until no take waits."""
        try:
            while self._waiting:
                if self._gathers:
                    await asyncio.sleep(_GATHER_SECONDS)
                if batch := self._next_batch():
                    await self._make(batch)
        finally:
            # Without an await after the last check, so that a take that arrives now starts a batch task of its own.
            self._batch_tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next_batch(self) -> list[Place]:
        """Return the oldest waiting take and the takes that fit in its batch, at most the share of this batch task."""
        if not self._waiting:
            return []
        first = self._waiting[0]
        fitting = [first, *(place for place in self._waiting[1:] if place.fits(first))]
        free_count = max(1, self._process_count - len(self._running))
        batch = fitting[: min(self._batch_size, -(-len(fitting) // free_count))]
        self._waiting = [place for place in self._waiting if place not in batch]
        return batch

    async def _make(self, batch: list[Place]) -> None:
        def report(share: float) -> None:
            if not any(place.wanted for place in batch):
                raise _Abandoned
            for place in batch:
                place.share = share

        self._running.append(batch)
        BATCH_TAKES.labels(batch[0].model).observe(len(batch))
        for place in batch:
            place.share = 0.0  # the process may have to start first
        work = functools.partial(
            make_takes, model=batch[0].model, orders=[place.order for place in batch], device_name=self._device_name
        )
        try:
            done: Batch = await self._processes.run(work, report)
        except Exception as error:
            for place in batch:
                if not place.outcome.done():
                    place.outcome.set_exception(error)
            return
        finally:
            self._running.remove(batch)
        self._device = done.device
        for place, take in zip(batch, done.takes, strict=True):
            if not place.outcome.done():
                place.outcome.set_result((done.selection, take))


def _read_device(_registry: Registry, _report: Report, *, name: str) -> Device | None:
    return cuda_device(name)
