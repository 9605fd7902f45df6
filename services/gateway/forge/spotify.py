"""Spotify's catalog: what a link leads to, search, one track."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from soundwright.ingest.v1 import ingest_service_pb2 as pb
from starlette.responses import Response
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import Seconds, Uuid, answers
from services.gateway.clients import Gateway
from services.gateway.forge.shapes import Data, Page
from services.gateway.forge.tracks import PageNumber
from services.gateway.forge.wire import data, listing
from services.gateway.params import body_of, body_schema

__all__ = ["Skipped", "skipped_to_wire", "spotify_routes"]

# Spotify may ask us to wait, and a playlist has many pages.
_SECONDS = 120.0
_ID = re.compile(r"[0-9A-Za-z]{1,64}")


class FetchParameters(BaseModel):
    """What to look up."""

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="a link to a Spotify track, album or playlist, in any of its forms",
        examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"],
    )


class Song(TypedDict):
    """A track of Spotify's catalog."""

    id: Annotated[Uuid | None, Field(description="your track that came of it")]
    spotify_id: Annotated[str, Field(examples=["4uLU6hMCjMI75M1A2tKUQC"])]
    title: Annotated[str, Field(examples=["Blinding Lights"])]
    artist: Annotated[str, Field(description="all of them", examples=["The Weeknd"])]
    artists: Annotated[list[str], Field(examples=[["The Weeknd"]])]
    album: Annotated[str | None, Field(examples=["After Hours"])]
    album_artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    album_art_url: Annotated[str | None, Field(examples=["https://i.scdn.co/image/ab67616d0000b273"])]
    duration: Annotated[int, Field(ge=0, description="whole seconds", examples=[200])]
    duration_seconds: Seconds
    spotify_url: Annotated[str, Field(examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"])]
    isrc: Annotated[str | None, Field(examples=["USUG11904206"])]
    track_number: Annotated[int | None, Field(examples=[9])]
    disc_number: Annotated[int | None, Field(examples=[1])]
    release_date: Annotated[str | None, Field(description="as exact as it is known", examples=["2020-03-20"])]


class Skipped(TypedDict):
    """What of an album or playlist is left out, and why."""

    position: Annotated[int, Field(description="in the list, from 1", examples=[3])]
    title: Annotated[str | None, Field(examples=["A podcast"])]
    reason: Annotated[str, Field(examples=["episode"])]


class FetchedTrack(TypedDict):
    """What a link to a track leads to."""

    type: Literal["track"]
    track: Song


class FetchedList(TypedDict):
    """What a link to an album or playlist leads to."""

    type: Annotated[Literal["album", "playlist"], Field(examples=["album"])]
    spotify_id: Annotated[str, Field(examples=["4yP0hdKOZPNshxUOjY0cZj"])]
    name: Annotated[str, Field(examples=["After Hours"])]
    tracks: list[Song]
    skipped: list[Skipped]
    truncated: Annotated[bool, Field(description="the list goes on, but we do not")]


_AWAY = (refusals.SPOTIFY_BUSY, refusals.SPOTIFY_AWAY, refusals.SPOTIFY_UNAUTHORIZED)


def spotify_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/spotify", tags=["forge spotify"])
    ingest = gateway.clients.ingest

    @router.post("/fetch", openapi_extra=body_schema(FetchParameters))
    @answers(
        Data[FetchedTrack | FetchedList],
        refusals.URL_INVALID,
        refusals.VALIDATION_ERROR,
        refusals.SPOTIFY_NOT_FOUND,
        *_AWAY,
    )
    async def fetch_from_spotify(parameters: Annotated[FetchParameters, Depends(body_of(FetchParameters))]) -> Response:
        """The metadata of a track, or of all tracks of an album or playlist."""
        found = await ingest.FetchSpotify(pb.FetchSpotifyRequest(url=parameters.url), timeout=_SECONDS)
        songs = [song_to_wire(song) for song in found.songs]
        if found.kind == "track":
            return data({"type": "track", "track": songs[0]})
        body = {"type": found.kind, "spotify_id": found.id, "name": found.name, "tracks": songs}
        return data(body | skipped_to_wire(found.skipped, found.truncated))

    @router.get("/search")
    @answers(Page[list[Song]], refusals.VALIDATION_ERROR, *_AWAY)
    async def search_spotify(
        q: Annotated[str, Query(min_length=1, max_length=200, description="words", examples=["blinding lights"])],
        page: PageNumber = 1,
        page_size: Annotated[int, Query(ge=1, le=50, description="entries on a page")] = 10,
    ) -> Response:
        """Tracks of Spotify's catalog that fit the words in ``q``."""
        request = pb.SearchSpotifyRequest(query=q, page=page, page_size=page_size)
        found = await ingest.SearchSpotify(request, timeout=_SECONDS)
        return listing([song_to_wire(song) for song in found.songs], page, page_size, found.total_count)

    @router.get("/track/{spotify_id}")
    @answers(Data[Song], refusals.SPOTIFY_NOT_FOUND, *_AWAY)
    async def get_spotify_track(
        spotify_id: Annotated[str, Path(description="Spotify's own id.", examples=["4uLU6hMCjMI75M1A2tKUQC"])],
    ) -> Response:
        """The metadata of one track."""
        if not _ID.fullmatch(spotify_id):
            raise AppError(Code.NOT_FOUND, "SPOTIFY_ERROR", "Spotify has no track with this id. Check it.")
        request = pb.FetchSpotifyRequest(url=f"spotify:track:{spotify_id}")
        found = await ingest.FetchSpotify(request, timeout=_SECONDS)
        return data(song_to_wire(found.songs[0]))

    return router


def song_to_wire(song: pb.Song) -> Song:
    """A song; ``id`` is that of the caller's track that came of it, null as long as there is none."""
    return {
        "id": song.track_id or None,
        "spotify_id": song.spotify_id,
        "title": song.title,
        "artist": ", ".join(song.artists),
        "artists": list(song.artists),
        "album": song.album or None,
        "album_artist": song.album_artist or None,
        "album_art_url": song.cover_url or None,
        "duration": round(song.duration_seconds),
        "duration_seconds": song.duration_seconds,
        "spotify_url": song.url,
        "isrc": song.isrc or None,
        "track_number": song.track_number or None,
        "disc_number": song.disc_number or None,
        "release_date": song.release_date or None,
    }


def skipped_to_wire(skipped: Any, truncated: bool) -> dict[str, Any]:
    """What of an album or playlist is left out, and why."""
    entries = [{"position": entry.position, "title": entry.title or None, "reason": entry.reason} for entry in skipped]
    return {"skipped": entries, "truncated": truncated}
