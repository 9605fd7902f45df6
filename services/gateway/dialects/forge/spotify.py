"""Spotify's catalog: metadata of links and tracks, and search."""

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.kit import errors
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, listing, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data, Page
from soundwright.services.gateway.openapi.responses import Seconds, Uuid, documented
from soundwright.services.gateway.wire.parameters import PageNumber, body_of, body_schema

# Includes waits that Spotify's rate limit requires, and the pages of long playlists.
_TIMEOUT_SECONDS = 120.0
_ID = re.compile(r"[0-9A-Za-z]{1,64}")


class FetchParameters(BaseModel):
    """The link to look up."""

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="Link or URI of a Spotify track, album or playlist.",
        examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"],
    )


class Song(TypedDict):
    """A track of Spotify's catalog."""

    id: Annotated[Uuid | None, Field(description="Your track of this song. Null if you have none.")]
    spotify_id: Annotated[str, Field(examples=["4uLU6hMCjMI75M1A2tKUQC"])]
    title: Annotated[str, Field(examples=["Blinding Lights"])]
    artist: Annotated[str, Field(description="The names of all artists.", examples=["The Weeknd"])]
    artists: Annotated[list[str], Field(examples=[["The Weeknd"]])]
    album: Annotated[str | None, Field(examples=["After Hours"])]
    album_artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    album_art_url: Annotated[str | None, Field(examples=["https://i.scdn.co/image/ab67616d0000b273"])]
    duration: Annotated[int, Field(ge=0, description="Length in whole seconds.", examples=[200])]
    duration_seconds: Seconds
    spotify_url: Annotated[str, Field(examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"])]
    isrc: Annotated[str | None, Field(examples=["USUG11904206"])]
    track_number: Annotated[int | None, Field(examples=[9])]
    disc_number: Annotated[int | None, Field(examples=[1])]
    release_date: Annotated[str | None, Field(description="A date, month or year.", examples=["2020-03-20"])]


class Skipped(TypedDict):
    """An entry of an album or playlist that cannot be downloaded."""

    position: Annotated[int, Field(description="Position in the list, starting at 1.", examples=[3])]
    title: Annotated[str | None, Field(examples=["A podcast"])]
    reason: Annotated[str, Field(examples=["episode"])]


class FetchedTrack(TypedDict):
    """A track of Spotify's catalog."""

    type: Literal["track"]
    track: Song


class FetchedList(TypedDict):
    """An album or playlist of Spotify's catalog."""

    type: Annotated[Literal["album", "playlist"], Field(examples=["album"])]
    spotify_id: Annotated[str, Field(examples=["4yP0hdKOZPNshxUOjY0cZj"])]
    name: Annotated[str, Field(examples=["After Hours"])]
    tracks: list[Song]
    skipped: list[Skipped]
    truncated: Annotated[bool, Field(description="Whether the list has more entries than the limit.")]


_AWAY = (errors.SPOTIFY_BUSY, errors.SPOTIFY_AWAY, errors.SPOTIFY_UNAUTHORIZED)


def spotify_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/spotify", tags=["forge spotify"])
    ingest = gateway.clients.ingest

    @router.post("/fetch", openapi_extra=body_schema(FetchParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[FetchedTrack | FetchedList],
        errors.URL_INVALID,
        errors.ADDRESS_REFUSED,
        errors.VALIDATION_ERROR,
        errors.SPOTIFY_NOT_FOUND,
        *_AWAY,
    )
    async def fetch_from_spotify(parameters: Annotated[FetchParameters, Depends(body_of(FetchParameters))]) -> Response:
        """Get the metadata of a track, or of all tracks of an album or playlist."""
        found = await ingest.FetchSpotify(pb.FetchSpotifyRequest(url=parameters.url), timeout=_TIMEOUT_SECONDS)
        songs = [song_to_wire(song) for song in found.songs]
        if found.kind == "track":
            return data({"type": "track", "track": songs[0]})
        body = {"type": found.kind, "spotify_id": found.id, "name": found.name, "tracks": songs}
        return data(body | skipped_to_wire(found.skipped, found.truncated))

    @router.get("/search")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[Song]], errors.VALIDATION_ERROR, *_AWAY)
    async def search_spotify(
        q: Annotated[
            str, Query(min_length=1, max_length=200, description="Search text.", examples=["blinding lights"])
        ],
        page: PageNumber = 1,
        page_size: Annotated[int, Query(ge=1, le=50, description="Number of entries on a page.")] = 10,
    ) -> Response:
        """Search tracks in Spotify's catalog."""
        request = pb.SearchSpotifyRequest(query=q, page=page, page_size=page_size)
        found = await ingest.SearchSpotify(request, timeout=_TIMEOUT_SECONDS)
        return listing([song_to_wire(song) for song in found.songs], page, page_size, found.total_count)

    @router.get("/track/{spotify_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Song], errors.SPOTIFY_NOT_FOUND, *_AWAY)
    async def get_spotify_track(
        spotify_id: Annotated[str, Path(description="The track's Spotify ID.", examples=["4uLU6hMCjMI75M1A2tKUQC"])],
    ) -> Response:
        """Get the metadata of a track in Spotify's catalog."""
        if not _ID.fullmatch(spotify_id):
            raise errors.SPOTIFY_NOT_FOUND("Spotify has no track with this id. Check it.")
        request = pb.FetchSpotifyRequest(url=f"spotify:track:{spotify_id}")
        found = await ingest.FetchSpotify(request, timeout=_TIMEOUT_SECONDS)
        return data(song_to_wire(found.songs[0]))

    return router


def song_to_wire(song: pb.Song) -> Song:
    """Return the JSON of a song. ``id`` is the caller's track of the song, or null."""
    return shaped(
        song,
        Song,
        id=song.track_id or None,
        artist=", ".join(song.artists),
        album_art_url=song.cover_url or None,
        duration=round(song.duration_seconds),
        spotify_url=song.url,
    )


def skipped_to_wire(skipped: Any, truncated: bool) -> dict[str, Any]:
    """Return the fields ``skipped`` and ``truncated`` of an album or playlist."""
    return {"skipped": [shaped(entry, Skipped) for entry in skipped], "truncated": truncated}
