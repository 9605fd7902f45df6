"""Batches that several jobs share, so that a GPU computes full ones although jobs begin and end at any time."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soundwright.kit.errors import AppError
from soundwright.services.separation.engines.networks.batch_size import OUT_OF_MEMORY, BatchSize
from soundwright.services.separation.service import Samples

Rows = tuple[int, ...] | None
"""Indices of the outputs that a job needs; None: all."""


class SharedBatches:
    """Computes a network for items of several threads (continuous batching). Safe to use from several threads.

    No thread belongs to it. Of the threads that wait for items, one computes the next batch for all of them. Batches have
    the items that wait longest, of one shape and with the same outputs.

    Args:
        infer: computes outputs, float32 [items, stems, channels, frames], for inputs, float32 [items, channels, frames]. It
            is called by one thread at a time.
        size: the number of items in a batch. A batch for which ``infer`` raises ``OUT_OF_MEMORY`` is computed in halves.
    """

    def __init__(self, infer: Callable[[Samples, Rows], Samples], size: BatchSize) -> None:
        self._infer = infer
        self._size = size
        self._waiting: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._is_computing = False

    def run(self, inputs: Samples, rows: Rows) -> Iterator[Samples]:
        """Yield the outputs of the items in their order, float32 [items, stems, channels, frames], as they are done.

        Args:
            inputs: float32 [items, channels, frames].

        Raises:
            AppError: ``OUT_OF_MEMORY`` if a single item does not fit.
            Exception: other errors of ``infer``. They end those callers only whose items were in the batch.
        """
        items = [_Item(each, rows) for each in inputs]
        with self._changed:
            self._waiting += items
        done = 0
        try:
            while done < len(items):
                self._wait_for(items[done])
                end = done
                while end < len(items) and items[end].is_done:
                    end += 1
                yield np.stack([item.result() for item in items[done:end]])
                done = end
        finally:
            with self._changed:  # a caller that stops leaves nothing to compute
                for item in items:
                    item.is_wanted = False
                self._waiting = deque(item for item in self._waiting if item.is_wanted)

    def _wait_for(self, item: "_Item") -> None:
        """Return when an item is done. Meanwhile compute batches, unless another thread does."""
        while True:
            with self._changed:
                while self._is_computing and not item.is_done:
                    self._changed.wait()
                if item.is_done:
                    return
                batch = self._next_batch()
                self._is_computing = True
            try:
                self._compute(batch)
            finally:
                with self._changed:
                    self._is_computing = False
                    self._changed.notify_all()

    def _next_batch(self) -> "list[_Item]":
        """Take the items of the next batch. At least one waits that is wanted."""
        wanted = [item for item in self._waiting if item.is_wanted]
        batch = [item for item in wanted if item.kind == wanted[0].kind][: self._size.limit]
        taken = set(map(id, batch))
        self._waiting = deque(item for item in wanted if id(item) not in taken)
        return batch

    def _compute(self, batch: "Sequence[_Item]") -> None:
        try:
            outputs = self._infer(np.stack([item.input for item in batch]), batch[0].rows)
        except BaseException as error:
            if len(batch) > 1 and isinstance(error, AppError) and error.reason == OUT_OF_MEMORY:
                self._size.halve(len(batch))
                with self._changed:
                    self._waiting.extendleft(reversed(batch))
                return
            for item in batch:
                item.error = error
        else:
            for item, output in zip(batch, outputs, strict=True):
                item.output = output


@dataclass(eq=False)
class _Item:
    input: Samples
    rows: Rows
    output: Samples | None = None
    error: BaseException | None = None
    is_wanted: bool = True

    @property
    def kind(self) -> Hashable:
        """Items of one kind fit into one batch."""
        return self.input.shape, self.rows

    @property
    def is_done(self) -> bool:
        return self.output is not None or self.error is not None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.output
