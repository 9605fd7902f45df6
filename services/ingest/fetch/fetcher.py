"""Starts, watches and ends fetching processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from kit.errors import AppError, Code
from kit.log import get_logger
from kit.outbound.guard import Guard
from services.ingest.fetch.proxy import FetchProxy

__all__ = ["Fetched", "Fetcher"]

_COMMAND = (sys.executable, "-I", "-m", "services.ingest.fetch.child")
_LOOK_SECONDS = 0.2
_LINE_LIMIT_BYTES = 1 << 20
_OVERHEAD_BYTES = 16 << 20  # pages around a recording, and its beginning, which is read twice
log = get_logger()

_FAILURES = {
    "no_match": (
        Code.UNPROCESSABLE,
        "NO_MATCH",
        "No recording was found that fits the track's title, artist and length.",
    ),
    "unsupported": (
        Code.UNPROCESSABLE,
        "MEDIA_UNSUPPORTED",
        "There is no recording at this address that can be fetched. Use the address of a single track or audio file.",
    ),
    "several": (
        Code.UNPROCESSABLE,
        "MEDIA_SEVERAL",
        "There are several recordings at this address. Use the address of one of them.",
    ),
    "unavailable": (
        Code.UNPROCESSABLE,
        "MEDIA_UNAVAILABLE",
        "The site does not hand this recording out: it is gone, private, or not available here.",
    ),
    "live": (Code.UNPROCESSABLE, "MEDIA_LIVE", "This is a live stream. Use its recording once it has ended."),
    "too_long": (Code.UNPROCESSABLE, "AUDIO_TOO_LONG", "The recording is longer than what is accepted here."),
    "too_large": (Code.TOO_LARGE, "TOO_LARGE", "The recording is larger than what is accepted here."),
    "unreadable": (Code.UNPROCESSABLE, "AUDIO_UNREADABLE", "What came from this address is no sound that can be read."),
    "storage": (Code.STORAGE_FULL, "STORAGE_FULL", "There is no room for the recording; please try again later."),
    "network": (
        Code.UNAVAILABLE,
        "FETCH_INTERRUPTED",
        "The site broke the connection off or answered with an error. Try again later.",
    ),
}
_CRASHED = (Code.INTERNAL, "FETCH_CRASHED", "Something went wrong on our side while fetching. Please try again.")


@dataclass(frozen=True)
class Fetched:
    """A file that came from outside, not yet looked at, and what its site says about it."""

    path: Path
    title: str
    artist: str
    album: str
    cover_url: str
    extractor: str
    direct: bool


class Fetcher:
    """Fetches recordings, each in a process of its own.

    Args:
        guard: decides what may be reached.
        search_url: what is asked for candidates; ``{query}`` stands for the query.
        limit_bytes: size of a recording.
        max_seconds: length of a recording.
        deadline_seconds: for one fetch.
        idle_seconds: a connection on which nothing arrives is given up.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        search_url: str,
        limit_bytes: int,
        max_seconds: float,
        deadline_seconds: float,
        idle_seconds: float,
    ) -> None:
        self._guard = guard
        self._search_url = search_url
        self._limit_bytes = limit_bytes
        self._max_seconds = max_seconds
        self._deadline_seconds = deadline_seconds
        self._idle_seconds = idle_seconds

    async def fetch_link(self, url: str, folder: Path, report: Callable[[float], None]) -> Fetched:
        """Fetch the recording at ``url``.

        Args:
            folder: where the file may lie; nothing else may be in it.
            report: told the share that is done, at least five times a second; what it raises ends the fetch.

        Raises:
            AppError: ``ADDRESS_REFUSED``, ``TOO_LARGE``, ``FETCH_TIMEOUT`` or one of the reasons above.
        """
        return await self._fetch({"url": url}, folder, report)

    async def fetch_match(
        self, title: str, artists: Sequence[str], duration_seconds: float, folder: Path, report: Callable[[float], None]
    ) -> Fetched:
        """Search for a recording and fetch the best match. See :meth:`fetch_link`."""
        query = " ".join([*artists[:1], "-", title]) if artists else title
        is_address = self._search_url.startswith(("http://", "https://"))
        search_url = self._search_url.replace("{query}", quote(query, safe="") if is_address else query)
        wanted = {"title": title, "artists": list(artists), "duration_seconds": duration_seconds}
        return await self._fetch({"wanted": wanted, "search_url": search_url}, folder, report)

    async def _fetch(self, request: dict[str, Any], folder: Path, report: Callable[[float], None]) -> Fetched:
        traffic_bytes = 2 * self._limit_bytes + _OVERHEAD_BYTES
        async with FetchProxy(self._guard, traffic_bytes, self._idle_seconds) as proxy:
            request |= {
                "proxy_url": proxy.url,
                "proxy_port": urlsplit(proxy.url).port,
                "limit_bytes": self._limit_bytes,
                "max_seconds": self._max_seconds,
                "seconds": self._deadline_seconds,
            }
            answer: dict[str, Any] = {}
            try:
                async with asyncio.timeout(self._deadline_seconds), _process(request, folder) as messages:
                    async for message in messages:
                        if message is not None and "share" not in message:
                            answer = message
                        share = float((message or {}).get("share") or 0.0)
                        report(max(0.0, min(1.0, share)))
            except TimeoutError:
                # Not to be repeated: a site that sends drop by drop would hold a slot several times over.
                raise AppError(
                    Code.UNPROCESSABLE, "FETCH_TIMEOUT", "The site sends the recording too slowly. Try another source."
                ) from None
            if proxy.exceeded:
                raise _failure("too_large")
            result = answer.get("result")
            if result is None:
                kind = str(answer.get("error") or "crashed")
                log.warning("fetch.failed", kind=kind, detail=_harmless(str(answer.get("detail") or "")))
                # A site may well name an address of ours and have another one besides; it counts when nothing came.
                raise proxy.refusal or _failure(kind)
        texts = {name: str(result.get(name) or "") for name in ("title", "artist", "album", "cover_url", "extractor")}
        return Fetched(path=folder / "media", direct=bool(result.get("direct")), **texts)


@contextlib.asynccontextmanager
async def _process(request: dict[str, Any], folder: Path) -> AsyncIterator[AsyncIterator[dict[str, Any] | None]]:
    """A fetching process for the length of the block; then it is gone, with all that it may have started."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
        env={"HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "PATH": ""},
        start_new_session=True,
        limit=_LINE_LIMIT_BYTES,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        async with contextlib.aclosing(_messages(process.stdout)) as messages:
            yield messages
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdin.close()
        await process.wait()


async def _messages(stdout: asyncio.StreamReader) -> AsyncGenerator[dict[str, Any] | None, None]:
    """What the process says, and None whenever it says nothing for a while."""
    while True:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                line = await stdout.readline()
        except TimeoutError:
            yield None
            continue
        except ValueError:  # a line without end
            return
        if not line:
            return
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                yield message


def _harmless(detail: str) -> str:
    """What yt-dlp says, without what addresses may hold: credentials, signatures."""
    return re.sub(r"([a-z0-9+]+://)(?:[^\s/@]*@)?([^\s?#]*)(?:[?#]\S*)?", r"\1\2", detail, flags=re.IGNORECASE)


def _failure(kind: str) -> AppError:
    return AppError(*_FAILURES.get(kind, _CRASHED))
