"""Routes of the radio: random clips, favorites, top-rated and new clips, playlists and stations."""

import random
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.library.v1 import generation_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.identity import named_user_scope, user_scope
from soundwright.services.gateway.dialects.soundbox.params import (
    Clamped,
    Flag,
    Keyword,
    MinDuration,
    ModelFilter,
    PlaylistId,
    SearchText,
    UserId,
    clean,
    valid_ids,
)
from soundwright.services.gateway.dialects.soundbox.playlists import find_playlist
from soundwright.services.gateway.dialects.soundbox.plays import trending
from soundwright.services.gateway.dialects.soundbox.serializers import clips_to_wire
from soundwright.services.gateway.dialects.soundbox.shapes import Clip, StationTracks, Tracks
from soundwright.services.gateway.openapi.responses import documented

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

Count10 = Annotated[int, Clamped(10, 1, 50), Query(description="The number of clips.")]
Count20 = Annotated[int, Clamped(20, 1, 50), Query(description="The number of clips.")]
Count5 = Annotated[int, Clamped(5, 1, 20), Query(description="The number of clips.")]
Hours = Annotated[int, Clamped(_WEEK_HOURS, 1, 8760), Query(description="The maximum age in hours.")]
Shuffle = Annotated[Flag, Query(description="Whether to shuffle the clips.")]


class _ClipSelector:
    """Selects clips for stations."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._catalog = gateway.clients.catalog

    async def sample(
        self, count: int, clip_filter: pb.GenerationFilter, *, exclude: Iterable[str] = (), favorites: bool = False
    ) -> Iterable[generation_pb2.Generation]:
        request = pb.SampleGenerationsRequest(
            filter=clip_filter, count=count, exclude_ids=list(exclude), favorites_only=favorites
        )
        clips: Iterable[generation_pb2.Generation] = (await self._catalog.SampleGenerations(request)).generations
        return clips

    async def top_rated(self, count: int, clip_filter: pb.GenerationFilter) -> Iterable[generation_pb2.Generation]:
        clip_filter.voted_only = True
        clips = await self._first(count, clip_filter, pb.GENERATION_SORT_RATING)
        # Among clips with the same difference of votes, more upvotes win.
        return sorted(clips, key=lambda c: (c.downvote_count - c.upvote_count, -c.upvote_count))

    async def new(
        self, count: int, clip_filter: pb.GenerationFilter, hours: int
    ) -> Iterable[generation_pb2.Generation]:
        clip_filter.min_create_time.FromNanoseconds(int((self._gateway.clock.now() - hours * 3600) * 1e9))
        return await self._first(count, clip_filter, pb.GENERATION_SORT_RECENT)

    async def _first(
        self, count: int, clip_filter: pb.GenerationFilter, sort: pb.GenerationSort.ValueType
    ) -> Iterable[generation_pb2.Generation]:
        request = pb.ListGenerationsRequest(filter=clip_filter, sort=sort, page=1, page_size=count, without_total=True)
        clips: Iterable[generation_pb2.Generation] = (await self._catalog.ListGenerations(request)).generations
        return clips

    async def station(self, name: str, count: int, model: str) -> Iterable[generation_pb2.Generation]:
        clip_filter = pb.GenerationFilter(model=model, search=_WORDS_BY_STATION.get(name, ""))
        match name:
            case "favorites":
                return await self.sample(count, clip_filter, favorites=True)
            case "trending":
                played = await trending(self._gateway, _TRENDING_HOURS, model, count)
                return [entry.generation for entry in played]
            case "top-rated":
                return await self.top_rated(count, clip_filter)
            case "new":
                return await self.new(count, clip_filter, _WEEK_HOURS)
        return await self.sample(count, clip_filter)


class ShuffleFilters(TypedDict):
    """The filters of a random selection."""

    model: str | None
    search: Annotated[str | None, Field(examples=["lofi"])]


class ShuffledTracks(Tracks):
    """Random clips and the filters that they match."""

    filters: ShuffleFilters


class PlaylistTracks(StationTracks):
    """The clips of a playlist."""

    playlist_id: Annotated[str, Field(examples=["pl_0123456789ab"])]
    playlist_name: Annotated[str, Field(examples=["Rainy days"])]


class Station(TypedDict):
    """The clips of a station, and the names of all stations."""

    station: Annotated[str, Field(examples=["shuffle"])]
    queue: list[Clip]
    stations: Annotated[list[str], Field(examples=[["ambient", "lofi"]])]


def radio_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox radio"])
    selector = _ClipSelector(gateway)

    @router.get("/api/radio/shuffle")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(ShuffledTracks)
    async def shuffled_tracks(
        model: ModelFilter = "", search: SearchText = "", count: Count10 = 10, min_duration: MinDuration = 0
    ) -> Response:
        """Get random clips. No clip occurs twice."""
        clip_filter = pb.GenerationFilter(model=model, search=search, min_duration_seconds=min_duration)
        clips = await selector.sample(count, clip_filter)
        return _tracks(clips, filters={"model": model or None, "search": search or None})

    @router.get("/api/radio/next")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Tracks)
    async def next_tracks(
        model: ModelFilter = "",
        search: SearchText = "",
        exclude: Annotated[str, Query(description="The IDs of clips to exclude, separated by commas.")] = "",
        count: Count5 = 5,
        min_duration: MinDuration = 0,
    ) -> Response:
        """Get the next clips. Returns random clips except the excluded ones."""
        names = [clean(name, 64) for name in exclude.split(",")[:_EXCLUDED_LIMIT]]
        clip_filter = pb.GenerationFilter(model=model, search=search, min_duration_seconds=min_duration)
        return _tracks(await selector.sample(count, clip_filter, exclude=sorted(set(valid_ids(names).values()))))

    @router.get("/api/radio/favorites")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(StationTracks, errors.USER_ID_NEEDED, errors.USER_ID_FOREIGN)
    async def favorite_tracks(user_id: UserId = "", model: ModelFilter = "", count: Count10 = 10) -> Response:
        """Get random favorites of the user."""
        with named_user_scope(user_id):
            clips = await selector.sample(count, pb.GenerationFilter(model=model), favorites=True)
        return _tracks(clips, source="favorites")

    @router.get("/api/radio/top-rated")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(StationTracks)
    async def top_rated_tracks(model: ModelFilter = "", count: Count20 = 20, min_duration: MinDuration = 0) -> Response:
        """Get the top-rated clips. Clips without votes are not included."""
        clip_filter = pb.GenerationFilter(model=model, min_duration_seconds=min_duration)
        return _tracks(await selector.top_rated(count, clip_filter), source="top-rated")

    @router.get("/api/radio/new")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(StationTracks)
    async def new_tracks(
        model: ModelFilter = "", hours: Hours = _WEEK_HOURS, count: Count10 = 10, min_duration: MinDuration = 0
    ) -> Response:
        """Get the newest clips."""
        clip_filter = pb.GenerationFilter(model=model, min_duration_seconds=min_duration)
        return _tracks(await selector.new(count, clip_filter, hours), source="new")

    @router.get("/api/radio/playlist/{playlist_id}")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(PlaylistTracks, errors.USER_ID_FOREIGN, errors.PLAYLIST_NOT_FOUND)
    async def playlist_tracks(playlist_id: PlaylistId, user_id: UserId = "", shuffle: Shuffle = False) -> Response:
        """Get the clips of a playlist, in order or shuffled."""
        with user_scope(user_id):
            answer = await find_playlist(gateway, playlist_id)
        clips = [entry.generation for entry in answer.entries]
        if shuffle:
            random.shuffle(clips)
        return _tracks(clips, source="playlist", playlist_id=answer.playlist.id, playlist_name=answer.playlist.name)

    @router.get("/api/radio")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Station, errors.STATION_UNKNOWN, errors.USER_ID_FOREIGN)
    async def station_queue(
        station: Keyword = "shuffle", limit: Count10 = 10, model: ModelFilter = "", user_id: UserId = ""
    ) -> Response:
        """Get the clips of a station. Also returns the names of all stations."""
        stations = [*_WORDS_BY_STATION, *_OTHER_STATIONS]
        name = station or "shuffle"
        if name not in stations:
            raise errors.STATION_UNKNOWN(stations=", ".join(stations))
        with (named_user_scope if name == "favorites" else user_scope)(user_id):
            clips = await selector.station(name, limit, model)
        return JSONResponse({"station": name, "queue": clips_to_wire(clips), "stations": stations})

    return router


def _tracks(clips: Iterable[generation_pb2.Generation], **more: Any) -> Response:
    return JSONResponse({"tracks": clips_to_wire(clips), **more})
