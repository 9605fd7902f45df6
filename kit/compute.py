"""Where computing happens: in a bounded number of threads, never on the event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ComputeSlots"]

T = TypeVar("T")


class ComputeSlots:
    """A named pool of compute threads: one for a GPU, as many as sensible for a CPU."""

    def __init__(self, name: str, slot_count: int) -> None:
        self.slot_count = slot_count
        self._executor = ThreadPoolExecutor(slot_count, thread_name_prefix=f"compute-{name}")

    async def run(self, function: Callable[[], T]) -> T:
        """Run ``function`` in a slot. Cancelling the wait does not stop the function: tell it by other means."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: context.run(function))

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
