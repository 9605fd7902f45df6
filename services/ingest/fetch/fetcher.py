"""Starts, watches and stops download processes."""

import asyncio
import contextlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from soundwright.kit import errors
from soundwright.kit.confined.process import Confinement, ProcessDied, run_confined
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.text import one_line
from soundwright.services.ingest.fetch.proxy import FetchProxy

_FETCH = "soundwright.services.ingest.fetch.child:fetch"
_READY = "soundwright.services.ingest.fetch.child:ready"
_PREVIEW = "soundwright.services.ingest.fetch.child:preview"
_PREVIEW_BYTES = 16 << 20  # web pages, and the beginning of a recording
_OVERHEAD_BYTES = 16 << 20  # web pages, and the beginning of the recording, which is read twice
_DURATION_LIMIT_SECONDS = 1e7
log = get_logger()

_FAILURES = {
    "no_match": errors.NO_MATCH,
    "unsupported": errors.MEDIA_UNSUPPORTED,
    "several": errors.MEDIA_SEVERAL,
    "unavailable": errors.MEDIA_UNAVAILABLE,
    "live": errors.MEDIA_LIVE,
    "too_long": errors.RECORDING_TOO_LONG,
    "too_large": errors.RECORDING_TOO_LARGE,
    "unreadable": errors.RECORDING_UNREADABLE,
    "storage": errors.STORAGE_FULL,
    "network": errors.FETCH_INTERRUPTED,
}


@dataclass(frozen=True)
class Fetched:
    """A downloaded file that is not validated yet, and the metadata from its site.

    Attributes:
        direct: whether the address was that of a file, not of a page.
    """

    path: Path
    title: str
    artist: str
    album: str
    cover_url: str
    extractor: str
    direct: bool


@dataclass(frozen=True)
class Entry:
    """A recording that a link leads to. ``duration_seconds`` is 0 if it is not known."""

    url: str
    title: str
    artist: str
    duration_seconds: float
    live: bool


@dataclass(frozen=True)
class Preview:
    """What a link contains.

    Attributes:
        name: of the list; empty for a single recording.
    """

    name: str
    entries: tuple[Entry, ...]
    truncated: bool


class Fetcher:
    """Downloads recordings, each in a separate process.

    Args:
        egress_policy: decides which addresses may be reached.
        search_url: yt-dlp search or URL that returns candidates. ``{query}`` is replaced by the query.
        idle_seconds: a connection that transfers no data for this time is closed.
    """

    def __init__(
        self,
        egress_policy: EgressPolicy,
        *,
        search_url: str,
        limit_bytes: int,
        max_seconds: float,
        deadline_seconds: float,
        idle_seconds: float,
    ) -> None:
        self._guard = egress_policy
        self._search_url = search_url
        self._limit_bytes = limit_bytes
        self._max_seconds = max_seconds
        self._deadline_seconds = deadline_seconds
        self._idle_seconds = idle_seconds

    async def fetch_link(self, url: str, folder: Path, report: Callable[[float], None]) -> Fetched:
        """Download the recording at ``url``.

        Args:
            report: called at least five times per second with the share that is done, 0 to 1. An exception that it
                raises ends the download.

        Raises ``ADDRESS_REFUSED``, ``TOO_LARGE``, ``FETCH_TIMEOUT`` or a reason in ``_FAILURES``.
        """
        return await self._fetch({"url": url}, folder, report)

    async def fetch_match(
        self, title: str, artists: Sequence[str], duration_seconds: float, folder: Path, report: Callable[[float], None]
    ) -> Fetched:
        """Search for a recording and download the best match. See :meth:`fetch_link`."""
        query = " ".join([*artists[:1], "-", title]) if artists else title
        is_address = self._search_url.startswith(("http://", "https://"))
        search_url = self._search_url.replace("{query}", quote(query, safe="") if is_address else query)
        wanted = {"title": title, "artists": list(artists), "duration_seconds": duration_seconds}
        return await self._fetch({"wanted": wanted, "search_url": search_url}, folder, report)

    async def preview(self, url: str, folder: Path, *, entry_limit: int, deadline_seconds: float) -> Preview:
        """Return the recordings behind ``url`` without downloading them.

        Args:
            folder: an empty folder for the process.
            entry_limit: number of entries of a list after which it is truncated.

        Raises the errors of :meth:`fetch_link`.
        """
        confinement = Confinement(folder, cpu_seconds=deadline_seconds, file_bytes=_PREVIEW_BYTES)
        request = {"url": url, "entry_limit": entry_limit}
        found = await self._call(_PREVIEW, request, confinement, _PREVIEW_BYTES, deadline_seconds)
        try:
            entries = tuple(_entry(entry) for entry in found["entries"][:entry_limit])
            return Preview(one_line(str(found["name"])), entries, bool(found["truncated"]))
        except (KeyError, TypeError, ValueError):
            raise _failure("crashed") from None

    async def _fetch(self, request: dict[str, Any], folder: Path, report: Callable[[float], None]) -> Fetched:
        request |= {"limit_bytes": self._limit_bytes, "max_seconds": self._max_seconds}
        traffic_bytes = 2 * self._limit_bytes + _OVERHEAD_BYTES
        confinement = Confinement(folder, cpu_seconds=self._deadline_seconds, file_bytes=self._limit_bytes)
        result = await self._call(_FETCH, request, confinement, traffic_bytes, self._deadline_seconds, report)
        texts = {name: str(result.get(name) or "") for name in ("title", "artist", "album", "cover_url", "extractor")}
        return Fetched(path=folder / "media", direct=bool(result.get("direct")), **texts)

    async def _call(
        self,
        function: str,
        request: dict[str, Any],
        confinement: Confinement,
        traffic_bytes: int,
        deadline_seconds: float,
        report: Callable[[float], None] = lambda share: None,
    ) -> dict[str, Any]:
        """Return the result of a function of the child, which runs with a proxy of its own."""
        async with FetchProxy(self._guard, traffic_bytes, self._idle_seconds) as proxy:
            request |= {"proxy_url": proxy.url}
            confinement = replace(confinement, tcp_port=urlsplit(proxy.url).port)
            try:
                async with asyncio.timeout(deadline_seconds):
                    answer = await run_confined(function, request, confinement, report)
            except ProcessDied as died:
                answer = {"error": "crashed", "detail": died.detail}
            except TimeoutError:
                # Not retryable: a site that sends very slowly would occupy a slot several times.
                raise errors.FETCH_TIMEOUT() from None
            if proxy.exceeded:
                raise _failure("too_large")
            result = answer.get("result")
            if result is None:
                kind = str(answer.get("error") or "crashed")
                log.warning("fetch.failed", kind=kind, detail=_harmless(str(answer.get("detail") or "")))
                # A blocked address counts only if the download failed: a site may offer several addresses.
                raise proxy.refusal or _failure(kind)
        return dict(result)


async def warm_up(scratch: Path) -> None:
    """Load what all downloads and uploads need. The first of them would wait for it, on a busy machine for half a minute."""
    with (
        tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as folder,
        contextlib.suppress(ProcessDied),
    ):
        await run_confined(_READY, {}, Confinement(Path(folder)))


def _entry(found: Mapping[str, Any]) -> Entry:
    duration_seconds = float(found["duration_seconds"])
    return Entry(
        url=str(found["url"]),
        title=one_line(str(found["title"])),
        artist=one_line(str(found["artist"])),
        duration_seconds=duration_seconds if 0 < duration_seconds < _DURATION_LIMIT_SECONDS else 0.0,
        live=bool(found["live"]),
    )


def _harmless(detail: str) -> str:
    """Remove credentials and query strings from addresses in a message of yt-dlp."""
    return re.sub(r"([a-z0-9+]+://)(?:[^\s/@]*@)?([^\s?#]*)(?:[?#]\S*)?", r"\1\2", detail, flags=re.IGNORECASE)


def _failure(kind: str) -> AppError:
    return _FAILURES.get(kind, errors.FETCH_CRASHED)()
