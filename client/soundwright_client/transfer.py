"""What both clients share: addresses, pauses, files that report their progress, and names of downloads."""

from __future__ import annotations

import email.message
import importlib.metadata
import random
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx

Progress = Callable[[int, "int | None"], object]
"""Is called with the bytes that were transferred, and all bytes, or None if the server does not say."""

USER_AGENT = f"soundwright-client/{importlib.metadata.version('soundwright-client')}"
CHANNEL_PAUSE_SECONDS = 10.0  # between requests for the state of a job whose channel is silent
PROGRESS_PAUSE_SECONDS = 0.5  # at least, before one that its progress causes
_ATTEMPT_COUNT = 6
_FIRST_PAUSE_SECONDS = 0.5
_POLL_SECONDS = (0.2, 3.0)
_POLL_GROWTH = 1.3


def attempts() -> Iterator[float | None]:
    """Yield the pause after each attempt of a request, in seconds: about 16 in all; None for the last attempt."""
    for number in range(_ATTEMPT_COUNT - 1):
        yield _FIRST_PAUSE_SECONDS * 2**number * random.uniform(0.8, 1.2)
    yield None


def polling_pauses() -> Iterator[float]:
    """Yield the pauses between requests for the state of a job: short ones first, then one every 3 seconds."""
    pause, longest = _POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * _POLL_GROWTH, longest)


def segment(identifier: str) -> str:
    """Return an ID as one segment of a path. What can be no ID becomes ``-``, which the server does not know."""
    return identifier if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", identifier) else "-"


def next_page(response: httpx.Response) -> str | None:
    """Return the path of the next page of a list."""
    return response.links.get("next", {}).get("url")


class MediaFile:
    """A file that reports how much of it was read. It can be sent again, from its beginning."""

    def __init__(self, file: BinaryIO, progress: Progress | None) -> None:
        self._file, self._progress = file, progress
        self._size = file.seek(0, 2)
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        if self._progress is not None:
            self._progress(self._file.tell(), self._size)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def local_name(response: httpx.Response) -> str:
    """Return the filename that the server proposes, without anything that would lead to another folder."""
    header = email.message.Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    proposed = header.get_filename() or response.url.path.rpartition("/")[2]
    return re.sub(r"[\x00-\x1f\x7f/\\:*?\"<>|]", "_", proposed).strip(". ") or "download"


def write_partial(target: Path) -> Path:
    """Return the file to write before it gets the name ``target``, in the same folder, which is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.partial")
