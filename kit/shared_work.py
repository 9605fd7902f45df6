"""Work that concurrent callers share: the first call for a key starts it, and the others wait for the same result."""

import asyncio
import functools
from collections.abc import Callable, Coroutine

from soundwright.kit import errors


class SingleFlight:
    """Computations by key. No caller can cancel one.

    Args:
        what: what is computed, for the sentence of the refusal.
        limit: number of keys that may be under way at a time.
    """

    def __init__(self, what: str, limit: int) -> None:
        self._what = what
        self._limit = limit
        self._running: dict[str, asyncio.Task[None]] = {}

    def close(self) -> None:
        for task in self._running.values():
            task.cancel()

    async def run(self, key: str, start: Callable[[], Coroutine[None, None, None]]) -> None:
        """Wait for the work of a key. If none is under way, start it.

        Raises ``TOO_MANY_CONVERSIONS``; the errors of the work.
        """
        task = self._running.get(key)
        if task is None:
            if len(self._running) >= self._limit:
                raise errors.TOO_MANY_CONVERSIONS(
                    f"The server is computing too many {self._what} at the moment. Try again in a minute."
                )
            task = self._running[key] = asyncio.create_task(start())
            task.add_done_callback(functools.partial(self._forget, key))
        await asyncio.shield(task)

    def _forget(self, key: str, task: asyncio.Task[None]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # each caller who still waits gets it
