"""Files that a thread opens, because a slow disk must not stop the event loop."""

import asyncio
from pathlib import Path
from typing import IO


async def open_in_thread(path: Path, mode: str, buffering: int = -1) -> IO[bytes]:
    """Open a file as ``Path.open`` does, with a binary mode.

    A cancelled call ends when the thread has ended, and leaves no open file.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(path.open, mode, buffering))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        for file in await asyncio.gather(opening, return_exceptions=True):
            if not isinstance(file, BaseException):
                file.close()
        raise
