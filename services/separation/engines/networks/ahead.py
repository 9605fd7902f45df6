"""Computes in worker threads ahead of the thread that needs the results."""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Passed = Callable[[], None]
"""Called by work after each of its parts. It raises if the result is not needed any more."""


class _Stopped(Exception):
    """Nobody waits for the result."""


def in_order(
    work: Callable[[Item, Passed], Result], items: Iterable[Item], worker_count: int
) -> Generator[Result | None]:
    """Yield the results for all items in their order, and None for each part of the work.

    While the caller uses a result, the next ones are computed, and the next item is read. At most ``worker_count`` items
    are computed and one more waits. If the caller closes the iterator, work ends at its next part.
    """
    stopped = threading.Event()
    waiting: deque[tuple[Future[Result], SimpleQueue[bool]]] = deque()

    def run(item: Item, parts: SimpleQueue[bool]) -> Result:
        def passed() -> None:
            if stopped.is_set():
                raise _Stopped
            parts.put(True)

        try:
            return work(item, passed)
        finally:
            parts.put(False)

    def first() -> Iterator[Result | None]:
        future, parts = waiting.popleft()
        while parts.get():
            yield None
        yield future.result()

    with ThreadPoolExecutor(worker_count, thread_name_prefix="compute") as pool:
        try:
            for item in items:
                parts: SimpleQueue[bool] = SimpleQueue()
                context = contextvars.copy_context()
                waiting.append((pool.submit(context.run, run, item, parts), parts))
                if len(waiting) > worker_count:
                    yield from first()
            while waiting:
                yield from first()
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
