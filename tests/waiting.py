"""Waiting for conditions. The deadlines stop tests that hang. No test depends on how long a condition takes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
DEADLINE_SECONDS = 120.0
_FIRST_PAUSE_SECONDS = 0.01
_LAST_PAUSE_SECONDS = 0.25
"""Each question costs the stack 10 ms of CPU time, which the awaited work needs, too."""


def _pauses() -> Iterator[float]:
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        yield pause_seconds
        pause_seconds = min(1.5 * pause_seconds, _LAST_PAUSE_SECONDS)


def eventually(condition: Callable[[], T], what: str = "the condition", seconds: float = DEADLINE_SECONDS) -> T:
    """Call ``condition`` until its result is true, and return the result. Blocks the thread.

    Args:
        what: names the condition in the error.

    Raises:
        AssertionError: the result was not true within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    pauses = _pauses()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(next(pauses))
    return value


async def until(
    condition: Callable[[], T | Awaitable[T]], what: str = "the condition", seconds: float = DEADLINE_SECONDS
) -> T:
    """Call ``condition``, which may be a coroutine function, until its result is true, and return the result.

    Args:
        what: names the condition in the error.

    Raises:
        AssertionError: the result was not true within ``seconds``.
    """
    try:
        async with asyncio.timeout(seconds):
            pauses = _pauses()
            while True:
                outcome = condition()
                value = await outcome if inspect.isawaitable(outcome) else outcome
                if value:
                    return value
                await asyncio.sleep(next(pauses))
    except TimeoutError:
        raise AssertionError(f"{what}: not within {seconds:g} s") from None
