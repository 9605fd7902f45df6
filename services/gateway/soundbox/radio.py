"""Endless music: chosen by chance, by taste, by age or by a station's words."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.library.v1 import generation_pb2
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import (
    Clamped,
    ModelFilter,
    PlaylistId,
    SearchWords,
    UserId,
    Word,
    clean,
    known_ids,
    refusal,
)
from services.gateway.soundbox.playlists import find_playlist
from services.gateway.soundbox.plays import trending
from services.gateway.soundbox.shapes import Clip, StationTracks, Tracks
from services.gateway.soundbox.wire import clips_to_wire

__all__ = ["radio_routes"]

_WORDS_BY_STATION = {
    "ambient": "ambient soundscape atmospheric drone",
    "lofi": "lo-fi lofi chillhop",
    "retro": "chiptune 8-bit retro arcade",
    "piano": "piano keys",
    "happy": "happy cheerful bouncy cute",
    "dreamy": "dreamy warm ethereal",
}
_OTHER_STATIONS = ("favorites", "trending", "top-rated", "new", "shuffle")
_WEEK_HOURS = 168
_TRENDING_HOURS = 24
_EXCLUDED_LIMIT = 500

Count10 = Annotated[int, Clamped(10, 1, 50), Query(description="how many")]
Count20 = Annotated[int, Clamped(20, 1, 50), Query(description="how many")]
Count5 = Annotated[int, Clamped(5, 1, 20), Query(description="how many")]
Hours = Annotated[int, Clamped(_WEEK_HOURS, 1, 8760), Query(description="hours: how old at most")]
MinDuration = Annotated[int, Clamped(0, 0, 3600), Query(description="seconds; shorter clips are left out")]
Flag = Annotated[
    bool, BeforeValidator(lambda value: str(value).lower() in ("1", "true", "yes", "on")), Query(description="mix them")
]


class _Programme:
    """Where the tracks of each kind of station come from."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._catalog = gateway.clients.catalog

    async def sample(
        self, count: int, chosen: pb.GenerationFilter, *, exclude: Iterable[str] = (), favorites: bool = False
    ) -> Iterable[generation_pb2.Generation]:
        request = pb.SampleGenerationsRequest(
            filter=chosen, count=count, exclude_ids=list(exclude), favorites_only=favorites
        )
        clips: Iterable[generation_pb2.Generation] = (await self._catalog.SampleGenerations(request)).generations
        return clips

    async def top_rated(self, count: int, chosen: pb.GenerationFilter) -> Iterable[generation_pb2.Generation]:
        chosen.voted_only = True
        clips = await self._first(count, chosen, pb.GENERATION_SORT_RATING)
        # Of two with the same difference, the one that more people liked.
        return sorted(clips, key=lambda c: (c.downvote_count - c.upvote_count, -c.upvote_count))

    async def new(self, count: int, chosen: pb.GenerationFilter, hours: int) -> Iterable[generation_pb2.Generation]:
        chosen.min_create_time.FromNanoseconds(int((self._gateway.clock.now() - hours * 3600) * 1e9))
        return await self._first(count, chosen, pb.GENERATION_SORT_RECENT)

    async def _first(
        self, count: int, chosen: pb.GenerationFilter, sort: pb.GenerationSort
    ) -> Iterable[generation_pb2.Generation]:
        request = pb.ListGenerationsRequest(filter=chosen, sort=sort, page=1, page_size=count, without_total=True)
        clips: Iterable[generation_pb2.Generation] = (await self._catalog.ListGenerations(request)).generations
        return clips

    async def station(self, name: str, count: int, model: str) -> Iterable[generation_pb2.Generation]:
        chosen = pb.GenerationFilter(model=model, search=_WORDS_BY_STATION.get(name, ""))
        match name:
            case "favorites":
                return await self.sample(count, chosen, favorites=True)
            case "trending":
                played = await trending(self._gateway, _TRENDING_HOURS, model, count)
                return [entry.generation for entry in played]
            case "top-rated":
                return await self.top_rated(count, chosen)
            case "new":
                return await self.new(count, chosen, _WEEK_HOURS)
        return await self.sample(count, chosen)


class ShuffleFilters(TypedDict):
    model: Annotated[str | None, Field(examples=[None])]
    search: Annotated[str | None, Field(examples=["lofi"])]


class ShuffledTracks(Tracks):
    """Clips by chance, and what they were chosen by."""

    filters: ShuffleFilters


class PlaylistTracks(StationTracks):
    """A playlist to play."""

    playlist_id: Annotated[str, Field(examples=["pl_0123456789ab"])]
    playlist_name: Annotated[str, Field(examples=["Rainy days"])]


class Station(TypedDict):
    """What a station plays, and which stations there are."""

    station: Annotated[str, Field(examples=["shuffle"])]
    queue: list[Clip]
    stations: Annotated[list[str], Field(examples=[["ambient", "lofi"]])]


def radio_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox radio"])
    programme = _Programme(gateway)

    @router.get("/api/radio/shuffle")
    @answers(ShuffledTracks)
    async def shuffled_tracks(
        model: ModelFilter = "", search: SearchWords = "", count: Count10 = 10, min_duration: MinDuration = 0
    ) -> Response:
        """Clips by chance, none twice."""
        chosen = pb.GenerationFilter(model=model, search=search, min_duration_seconds=min_duration)
        clips = await programme.sample(count, chosen)
        return _tracks(clips, filters={"model": model or None, "search": search or None})

    @router.get("/api/radio/next")
    @answers(Tracks)
    async def next_tracks(
        model: ModelFilter = "",
        search: SearchWords = "",
        exclude: Annotated[str, Query(description="ids to skip, with commas between")] = "",
        count: Count5 = 5,
        min_duration: MinDuration = 0,
    ) -> Response:
        """What to play next: clips by chance, without those that were played."""
        names = [clean(name, 64) for name in exclude.split(",")[:_EXCLUDED_LIMIT]]
        chosen = pb.GenerationFilter(model=model, search=search, min_duration_seconds=min_duration)
        return _tracks(await programme.sample(count, chosen, exclude=sorted(set(known_ids(names).values()))))

    @router.get("/api/radio/favorites")
    @answers(StationTracks, refusals.USER_ID_NEEDED, refusals.USER_ID_FOREIGN)
    async def favorite_tracks(user_id: UserId = "", model: ModelFilter = "", count: Count10 = 10) -> Response:
        """Your favorites by chance."""
        with acting(user_id, named=True):
            clips = await programme.sample(count, pb.GenerationFilter(model=model), favorites=True)
        return _tracks(clips, source="favorites")

    @router.get("/api/radio/top-rated")
    @answers(StationTracks)
    async def top_rated_tracks(model: ModelFilter = "", count: Count20 = 20, min_duration: MinDuration = 0) -> Response:
        """Clips with votes, the best liked first."""
        chosen = pb.GenerationFilter(model=model, min_duration_seconds=min_duration)
        return _tracks(await programme.top_rated(count, chosen), source="top-rated")

    @router.get("/api/radio/new")
    @answers(StationTracks)
    async def new_tracks(
        model: ModelFilter = "", hours: Hours = _WEEK_HOURS, count: Count10 = 10, min_duration: MinDuration = 0
    ) -> Response:
        """The latest clips."""
        chosen = pb.GenerationFilter(model=model, min_duration_seconds=min_duration)
        return _tracks(await programme.new(count, chosen, hours), source="new")

    @router.get("/api/radio/playlist/{playlist_id}")
    @answers(PlaylistTracks, refusals.USER_ID_FOREIGN, refusals.PLAYLIST_NOT_FOUND)
    async def playlist_tracks(playlist_id: PlaylistId, user_id: UserId = "", shuffle: Flag = False) -> Response:
        """A playlist, in its order or mixed."""
        with acting(user_id):
            answer = await find_playlist(gateway, playlist_id)
        clips = [entry.generation for entry in answer.entries]
        if shuffle:
            random.shuffle(clips)
        return _tracks(clips, source="playlist", playlist_id=answer.playlist.id, playlist_name=answer.playlist.name)

    @router.get("/api/radio")
    @answers(Station, refusals.STATION_UNKNOWN, refusals.USER_ID_FOREIGN)
    async def station_queue(
        station: Word = "shuffle", limit: Count10 = 10, model: ModelFilter = "", user_id: UserId = ""
    ) -> Response:
        """What a station plays, and which stations there are."""
        stations = [*_WORDS_BY_STATION, *_OTHER_STATIONS]
        name = station or "shuffle"
        if name not in stations:
            raise refusal(f"Unknown station. There are: {', '.join(stations)}")
        with acting(user_id, named=name == "favorites"):
            clips = await programme.station(name, limit, model)
        return JSONResponse({"station": name, "queue": clips_to_wire(clips), "stations": stations})

    return router


def _tracks(clips: Iterable[generation_pb2.Generation], **more: Any) -> Response:
    return JSONResponse({"tracks": clips_to_wire(clips), **more})
