"""Conversion of songs and download specifications between dataclasses and messages."""

from __future__ import annotations

import dataclasses

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import jobs_pb2
from soundwright.services.ingest.service import DownloadSpec
from soundwright.services.ingest.songs import Collection, Song


def spec_to_wire(spec: DownloadSpec) -> jobs_pb2.DownloadSpec:
    """Return the specification of a download job as a message."""
    return jobs_pb2.DownloadSpec(
        track_id=spec.track_id,
        quality=spec.quality,
        url=spec.url,
        song=song_to_wire(spec.song) if spec.song else None,
    )


def spec_from_wire(message: jobs_pb2.DownloadSpec) -> DownloadSpec:
    return DownloadSpec(
        track_id=message.track_id,
        quality=message.quality,
        url=message.url,
        song=_song_from_wire(message.song) if message.HasField("song") else None,
    )


def song_to_wire(song: Song, track_id: str = "") -> pb.Song:
    """Return the message of a song of Spotify's catalog. ``track_id`` is the caller's track of the song, if any."""
    return pb.Song(**dataclasses.asdict(song), track_id=track_id)


def _song_from_wire(message: pb.Song) -> Song:
    return Song(
        spotify_id=message.spotify_id,
        title=message.title,
        artists=tuple(message.artists),
        album=message.album,
        album_artist=message.album_artist,
        cover_url=message.cover_url,
        duration_seconds=message.duration_seconds,
        url=message.url,
        isrc=message.isrc,
        track_number=message.track_number,
        disc_number=message.disc_number,
        release_date=message.release_date,
    )


def skipped_to_wire(collection: Collection) -> list[pb.SkippedEntry]:
    """Return the entries of a collection that cannot be downloaded."""
    return [pb.SkippedEntry(position=s.position, title=s.title, reason=s.reason) for s in collection.skipped]
