"""Previews of links: the recordings that a link leads to, before any of them is downloaded."""

import asyncio
import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.services.ingest.downloads import Downloads
from soundwright.services.ingest.fetch.fetcher import Entry, Fetcher
from soundwright.services.ingest.links import ShortLink, SpotifyLink, WebLink, parse_link
from soundwright.services.ingest.service import title_of_address
from soundwright.services.ingest.songs import Song

_ENTRY_LIMIT = 50
_DEADLINE_SECONDS = 60.0
_WAITING_LIMIT = 20


@dataclass(frozen=True)
class LinkEntry:
    """A recording behind a link.

    Attributes:
        url: downloads this recording alone.
        duration_seconds: 0 if it is not known.
        track_id: the caller's track of it; empty if there is none.
        problem: why it cannot be downloaded; empty if it can.
    """

    url: str
    title: str
    artist: str
    duration_seconds: float
    track_id: str = ""
    problem: str = ""


@dataclass(frozen=True)
class LinkPreview:
    """What a link leads to.

    Attributes:
        kind: ``track``, ``album`` or ``playlist`` of Spotify; ``link`` for any other link.
        name: of the list; empty for a single recording.
        entries: at most 50.
        entry_count: the number of recordings that were found.
    """

    kind: str
    name: str
    entries: tuple[LinkEntry, ...]
    entry_count: int
    truncated: bool


class LinkPreviews:
    """Looks into links for the current caller.

    Args:
        slot_count: links that are read in parallel. Further requests wait; above 20, they are refused.
        scratch: the folder for the working folders of the processes.
    """

    def __init__(
        self,
        downloads: Downloads,
        fetcher: Fetcher,
        egress_policy: EgressPolicy,
        *,
        max_seconds: float,
        slot_count: int,
        scratch: Path,
    ) -> None:
        self._downloads = downloads
        self._fetcher = fetcher
        self._guard = egress_policy
        self._max_seconds = max_seconds
        self._slots = asyncio.Semaphore(slot_count)
        self._waiting_count = 0
        self._scratch = scratch

    async def look(self, url: str) -> LinkPreview:
        """Return the recordings behind a link.

        Raises ``URL_INVALID``, ``ADDRESS_REFUSED``, ``SPOTIFY_ERROR``, ``SPOTIFY_UNAUTHORIZED``, ``TOO_MANY_PREVIEWS``;
        the errors of :meth:`Fetcher.preview`.
        """
        link = parse_link(url)
        if isinstance(link, SpotifyLink | ShortLink):
            return await self._spotify(url)
        await self._guard.addresses(link.host, link.port)
        return await self._web(link)

    async def _spotify(self, url: str) -> LinkPreview:
        found = await self._downloads.spotify(url)
        entries = [_spotify_entry(song) for song in found.songs[:_ENTRY_LIMIT]]
        sources = [song.source_id for song in found.songs[:_ENTRY_LIMIT]]
        shown = await self._with_tracks(entries, sources)
        return LinkPreview(found.kind, found.name, shown, len(found.songs), found.truncated)

    async def _web(self, link: WebLink) -> LinkPreview:
        if self._waiting_count >= _WAITING_LIMIT:
            raise errors.TOO_MANY_PREVIEWS(retry_after=60)
        self._waiting_count += 1
        try:
            async with self._slots:
                with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
                    found = await self._fetcher.preview(
                        link.url, Path(folder), entry_limit=_ENTRY_LIMIT, deadline_seconds=_DEADLINE_SECONDS
                    )
        finally:
            self._waiting_count -= 1
        if not found.name and len(found.entries) == 1:  # a single recording is downloaded by its own link
            named = [dataclasses.replace(found.entries[0], url=link.url)]
        else:
            named = [dataclasses.replace(entry, url=url) for entry in found.entries if (url := _web_url(entry.url))]
        entries = [self._web_entry(entry) for entry in named]
        shown = await self._with_tracks(entries, [entry.url for entry in entries])
        return LinkPreview("link", found.name, shown, len(shown), found.truncated)

    async def _with_tracks(self, entries: list[LinkEntry], source_ids: list[str]) -> tuple[LinkEntry, ...]:
        track_ids = await self._downloads.track_ids(source_ids)
        return tuple(
            dataclasses.replace(entry, track_id=track_id) for entry, track_id in zip(entries, track_ids, strict=True)
        )

    def _web_entry(self, entry: Entry) -> LinkEntry:
        problem = ""
        if entry.live:
            problem = "This is a live stream. Download its recording after it has ended."
        elif entry.duration_seconds > self._max_seconds:
            problem = "The recording exceeds the maximum length."
        title = entry.title or title_of_address(entry.url)
        return LinkEntry(entry.url, title, entry.artist, entry.duration_seconds, problem=problem)


def _spotify_entry(song: Song) -> LinkEntry:
    return LinkEntry(song.url, song.title, song.artist, song.duration_seconds)


def _web_url(url: str) -> str:
    """Return the canonical form of a web link, or an empty text if it is none."""
    try:
        link = parse_link(url)
    except AppError:
        return ""
    return link.url if isinstance(link, WebLink) else ""
