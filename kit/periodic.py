"""Work that a component repeats in the background."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger

log = get_logger()


@contextlib.contextmanager
def failures_logged(event: str, **fields: object) -> Iterator[None]:
    """Log an error of the block, and continue behind the block."""
    try:
        yield
    except AppError as error:
        log.warning(event, reason=error.reason, error=error.message, **fields)
    except Exception:
        log.exception(event, **fields)


async def every(
    seconds: float,
    failed_event: str,
    work: Callable[[], Awaitable[object]],
    *,
    first_seconds: float = 0.0,
    wake: asyncio.Event | None = None,
) -> None:
    """Do ``work`` again and again until cancelled. Log its errors as ``failed_event``.

    Args:
        seconds: the pause between two rounds.
        wake: ends a pause when it is set.
    """
    wake = wake or asyncio.Event()
    await asyncio.sleep(first_seconds)
    while True:
        wake.clear()
        with failures_logged(failed_event):
            await work()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()
