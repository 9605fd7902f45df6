"""Metadata of recordings before they are downloaded."""

import uuid
from dataclasses import dataclass

_NAMESPACE = uuid.UUID("8f0cf2c4-3b5a-4e0e-9a55-5d1c5f1f6a54")


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
        """The Spotify URI, which identifies the source of a track."""
        return f"spotify:track:{self.spotify_id}"


@dataclass(frozen=True)
class Skipped:
    """An entry of an album or playlist that cannot be downloaded, and the reason."""

    position: int
    title: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """A track, album or playlist. ``truncated``: it has more entries than the limit."""

    kind: str
    id: str
    name: str
    songs: tuple[Song, ...]
    skipped: tuple[Skipped, ...] = ()
    truncated: bool = False


def track_id_of(owner_id: str, source_id: str) -> str:
    """Return the ID of the track for a source in the library of an owner.

    The ID is derived from both, so that importing a source again does not create a second track.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{owner_id}\n{source_id}"))
