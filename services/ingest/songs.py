"""What is known about a recording before it is here: as a catalog describes it, or as a link alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

__all__ = ["Collection", "Skipped", "Song", "one_line", "track_id_of"]

_NAMESPACE = uuid.UUID("8f0cf2c4-3b5a-4e0e-9a55-5d1c5f1f6a54")

_TEXT_LIMIT = 500


@dataclass(frozen=True)
class Song:
    """A recording in Spotify's catalog."""

    spotify_id: str
    title: str
    artists: tuple[str, ...]
    album: str
    album_artist: str
    cover_url: str
    duration_seconds: float
    url: str
    isrc: str = ""
    track_number: int = 0
    disc_number: int = 0
    release_date: str = ""

    @property
    def artist(self) -> str:
        return ", ".join(self.artists)

    @property
    def source_id(self) -> str:
        return f"spotify:track:{self.spotify_id}"


@dataclass(frozen=True)
class Skipped:
    """An entry of an album or playlist that cannot be had, and why."""

    position: int
    title: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """A track, album or playlist. ``truncated``: there are more entries than are read at once."""

    kind: str
    id: str
    name: str
    songs: tuple[Song, ...]
    skipped: tuple[Skipped, ...] = ()
    truncated: bool = False


def one_line(text: str) -> str:
    """What somebody else calls something: what of it can be seen, of bounded length."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_TEXT_LIMIT]


def track_id_of(owner_id: str, source_id: str) -> str:
    """The id of the track that ``source_id`` becomes in this owner's library, the same each time: no import happens twice."""
    return str(uuid.uuid5(_NAMESPACE, f"{owner_id}\n{source_id}"))
