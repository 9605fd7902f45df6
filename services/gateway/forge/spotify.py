"""Spotify's catalog: what a link leads to, search, one track."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from soundwright.ingest.v1 import ingest_service_pb2 as pb
from starlette.responses import Response

from kit.errors import AppError, Code
from services.gateway.clients import Gateway
from services.gateway.forge.tracks import PageNumber
from services.gateway.forge.wire import data, listing
from services.gateway.params import body_of, body_schema

__all__ = ["skipped_to_wire", "spotify_routes"]

# Spotify may ask us to wait, and a playlist has many pages.
_SECONDS = 120.0
_ID = re.compile(r"[0-9A-Za-z]{1,64}")


class FetchParameters(BaseModel):
    """What to look up."""

    url: str = Field(
        min_length=1, max_length=2000, description="a link to a Spotify track, album or playlist, in any of its forms"
    )


def spotify_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/spotify", tags=["spotify"])
    ingest = gateway.clients.ingest

    @router.post("/fetch", openapi_extra=body_schema(FetchParameters))
    async def fetch(parameters: Annotated[FetchParameters, Depends(body_of(FetchParameters))]) -> Response:
        """The metadata of a track, or of all tracks of an album or playlist."""
        found = await ingest.FetchSpotify(pb.FetchSpotifyRequest(url=parameters.url), timeout=_SECONDS)
        songs = [song_to_wire(song) for song in found.songs]
        if found.kind == "track":
            return data({"type": "track", "track": songs[0]})
        body = {"type": found.kind, "spotify_id": found.id, "name": found.name, "tracks": songs}
        return data(body | skipped_to_wire(found.skipped, found.truncated))

    @router.get("/search")
    async def search(
        q: Annotated[str, Query(min_length=1, max_length=200)],
        page: PageNumber = 1,
        page_size: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> Response:
        """Tracks of Spotify's catalog that fit the words in ``q``."""
        request = pb.SearchSpotifyRequest(query=q, page=page, page_size=page_size)
        found = await ingest.SearchSpotify(request, timeout=_SECONDS)
        return listing([song_to_wire(song) for song in found.songs], page, page_size, found.total_count)

    @router.get("/track/{spotify_id}")
    async def get_track(spotify_id: str) -> Response:
        """The metadata of one track."""
        if not _ID.fullmatch(spotify_id):
            raise AppError(Code.NOT_FOUND, "SPOTIFY_ERROR", "Spotify has no track with this id. Check it.")
        request = pb.FetchSpotifyRequest(url=f"spotify:track:{spotify_id}")
        found = await ingest.FetchSpotify(request, timeout=_SECONDS)
        return data(song_to_wire(found.songs[0]))

    return router


def song_to_wire(song: pb.Song) -> dict[str, Any]:
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
