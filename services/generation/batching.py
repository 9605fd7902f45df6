"""Takes that wait for an engine, put together into batches."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import cast

from kit.compute import EngineProcesses
from services.generation.engines.device import Device
from services.generation.takes import Batch, Choice, EngineRoom, MadeTake, TakeOrder, make_takes

__all__ = ["Batcher", "Place"]

_GATHER_SECONDS = 0.1  # variations of one request arrive one after the other


class Place:
    """A take's place in the queue and then in a batch.

    Attributes:
        share: of its batch's work; None while it waits, 0 while the model is loaded.
    """

    def __init__(self, model: str, order: TakeOrder, alone: bool) -> None:
        self.model = model
        self.order = order
        self.alone = alone
        self.share: float | None = None
        self.wanted = True
        self.outcome: asyncio.Future[tuple[Choice, MadeTake]] = asyncio.get_running_loop().create_future()

    def fits(self, other: Place) -> bool:
        """Whether the two may be computed together."""
        return not (self.alone or other.alone) and (self.model, self.order.take.duration_seconds) == (
            other.model,
            other.order.take.duration_seconds,
        )

    async def made(self, timeout_seconds: float) -> bool:
        """Wait for the take, but not longer than that; whether it is there. Its failure is raised."""
        await asyncio.wait({self.outcome}, timeout=timeout_seconds)
        if not self.outcome.done():
            return False
        self.outcome.result()
        return True


class _Abandoned(Exception):
    """Nobody wants any take of the batch any more."""


class Batcher:
    """Hands takes to engine processes: those of one model and length that wait at the same time go together.

    Takes are begun in the order in which they came. Where several processes are free, waiting takes are shared out among
    them instead of queueing up in one batch.

    Args:
        processes: where takes are made.
        process_count: how many of them there are.
        batch_size: takes in a batch at most.
        gathers: whether to wait a moment for takes that arrive together; pointless where only one job runs at a time.
    """

    def __init__(
        self, processes: EngineProcesses[EngineRoom], process_count: int, batch_size: int, gathers: bool
    ) -> None:
        self._processes = processes
        self._process_count = process_count
        self._batch_size = batch_size
        self._gathers = gathers
        self._waiting: list[Place] = []
        self._running: list[list[Place]] = []
        self._lanes: set[asyncio.Task[None]] = set()
        self.device: Device | None = None

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def is_loading(self, model: str) -> bool:
        return any(batch[0].model == model and batch[0].share == 0.0 for batch in self._running)

    @contextlib.asynccontextmanager
    async def place(self, model: str, order: TakeOrder, *, alone: bool = False) -> AsyncIterator[Place]:
        """A place for a take, for the length of the block; leaving the block gives it up.

        Giving up a place does not disturb the others of its batch; when all have given up, the batch stops.

        Args:
            alone: do not compute it together with others, e.g. because it may be what ended a process before.
        """
        place = Place(model, order, alone)
        self._waiting.append(place)
        if len(self._lanes) < self._process_count:
            self._lanes.add(asyncio.create_task(self._serve()))
        try:
            yield place
        finally:
            place.wanted = False
            if place in self._waiting:
                self._waiting.remove(place)
            if place.outcome.done() and not place.outcome.cancelled():
                place.outcome.exception()  # it was seen, or is of no interest any more
            place.outcome.cancel()

    async def close(self) -> None:
        lanes = list(self._lanes)
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)

    async def _serve(self) -> None:
        """Work until nobody waits."""
        try:
            while self._waiting:
                if self._gathers:
                    await asyncio.sleep(_GATHER_SECONDS)
                if batch := self._next_batch():
                    await self._make(batch)
        finally:
            # Here and now: whoever comes after the last look at those who wait must not count on this lane.
            self._lanes.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next_batch(self) -> list[Place]:
        """The place that waited longest and those that fit it, as many as are this lane's share."""
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
        for place in batch:
            place.share = 0.0  # the process may have to start first
        work = functools.partial(make_takes, model=batch[0].model, orders=[place.order for place in batch])
        try:
            done: Batch = await self._processes.run(work, report)
        except Exception as error:
            for place in batch:
                if not place.outcome.done():
                    place.outcome.set_exception(error)
            return
        finally:
            self._running.remove(batch)
        self.device = done.device
        for place, take in zip(batch, done.takes, strict=True):
            if not place.outcome.done():
                place.outcome.set_result((done.choice, take))
