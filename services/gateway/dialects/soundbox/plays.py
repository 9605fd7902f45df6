"""Routes of play counts, trending clips and the history of a user."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.identity import sent_by_user, user_scope
from soundwright.services.gateway.dialects.soundbox.params import (
    Clamped,
    ClipId,
    ModelFilter,
    Text,
    UserBody,
    UserId,
    json_body,
)
from soundwright.services.gateway.dialects.soundbox.serializers import clip_id, clip_to_wire, time_to_wire
from soundwright.services.gateway.dialects.soundbox.shapes import Clip, Count, Done, SpacedTime
from soundwright.services.gateway.openapi.responses import documented

_NAME_LIMIT = 50
_SESSION_LIMIT = 100

Limit20 = Annotated[int, Clamped(20, 1, 100), Query(description="The maximum number of items.")]
Limit50 = Annotated[int, Clamped(50, 1, 100), Query(description="The maximum number of items.")]
Offset = Annotated[int, Clamped(0, 0, 1_000_000), Query(description="The number of items to skip.")]
Hours = Annotated[int, Clamped(24, 1, 720), Query(description="The length of the period in hours.")]


class PlayBody(UserBody):
    """The context of a play."""

    source: Text = Field("", description="Where the clip was played, for example radio, library or playlist.")
    session_id: Text = Field("", description="Identifies a listener without a `user_id`.")


class Played(Done):
    """The play counts of a clip."""

    play_count: Count
    unique_plays: Annotated[Count, Field(examples=[5])]


class PlayStats(TypedDict):
    """The play statistics of a clip, in total, by source and by day."""

    play_count: Count
    unique_plays: Annotated[Count, Field(examples=[5])]
    by_source: Annotated[dict[str, int], Field(examples=[{"radio": 12}])]
    daily: Annotated[dict[str, int], Field(examples=[{"2026-03-04": 12}])]


class PlayedClip(Clip):
    """A clip with its number of plays."""

    plays: Count


class MostPlayed(TypedDict):
    """The most played clips, in descending order."""

    tracks: list[PlayedClip]


class Trending(MostPlayed):
    """The most played clips of a recent period."""

    hours: Annotated[int, Field(examples=[24])]


class Play(Clip):
    """A play by the user."""

    source: Annotated[str | None, Field(examples=["radio"])]
    played_at: SpacedTime | None


class Vote(Clip):
    """A vote by the user."""

    vote: Annotated[int, Field(ge=-1, le=1, examples=[1])]
    voted_at: SpacedTime | None


H = TypeVar("H")


class History(TypedDict, Generic[H]):
    """A part of the history of a user."""

    history: list[H]
    limit: Annotated[int, Field(examples=[50])]
    offset: Annotated[int, Field(examples=[0])]
    has_more: bool


async def trending(gateway: Gateway, hours: int, model: str, limit: int) -> Sequence[pb.PlayedGeneration]:
    """Return the most played clips of the last ``hours``."""
    request = pb.ListMostPlayedRequest(model=model, limit=limit)
    request.min_play_time.FromNanoseconds(int((gateway.clock.now() - hours * 3600) * 1e9))
    played: Sequence[pb.PlayedGeneration] = (await gateway.clients.catalog.ListMostPlayed(request)).played
    return played


def play_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox plays"])
    catalog = gateway.clients.catalog

    @router.post("/api/track/{gen_id}/play", openapi_extra=json_body(PlayBody, required=False))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Played, errors.USER_ID_FOREIGN, errors.GENERATION_NOT_FOUND)
    async def record_play(request: Request, gen_id: ClipId) -> Response:
        """Record a play of a clip. Returns the play counts of the clip."""
        async with sent_by_user(request, PlayBody) as given:
            answer = await catalog.RecordPlay(
                pb.RecordPlayRequest(
                    generation_id=clip_id(gen_id),
                    source=given.source[:_NAME_LIMIT],
                    session_id=given.session_id[:_SESSION_LIMIT],
                )
            )
        return JSONResponse({"success": True, "play_count": answer.play_count, "unique_plays": answer.listener_count})

    @router.get("/api/track/{gen_id}/stats")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(PlayStats, errors.GENERATION_NOT_FOUND)
    async def get_play_stats(gen_id: ClipId) -> Response:
        """Get play statistics of a clip. Returns the counts in total, by source and by day."""
        answer = await catalog.GetPlayStats(pb.GetPlayStatsRequest(generation_id=clip_id(gen_id)))
        return JSONResponse(
            {
                "play_count": answer.play_count,
                "unique_plays": answer.listener_count,
                "by_source": dict(answer.by_source),
                "daily": dict(sorted(answer.by_day.items())),
            }
        )

    @router.get("/api/trending")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Trending)
    async def list_trending(hours: Hours = 24, limit: Limit20 = 20, model: ModelFilter = "") -> Response:
        """List trending clips. Returns the most played clips of the last `hours`."""
        return JSONResponse({"tracks": _counted(await trending(gateway, hours, model, limit)), "hours": hours})

    @router.get("/api/most-played")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(MostPlayed)
    async def list_most_played(limit: Limit50 = 50, model: ModelFilter = "") -> Response:
        """List the most played clips of all time."""
        answer = await catalog.ListMostPlayed(pb.ListMostPlayedRequest(model=model, limit=limit))
        return JSONResponse({"tracks": _counted(answer.played)})

    @router.get("/api/history/plays")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(History[Play], errors.USER_ID_FOREIGN)
    async def own_plays(user_id: UserId = "", limit: Limit50 = 50, offset: Offset = 0) -> Response:
        """List plays of the user. The most recent come first."""
        with user_scope(user_id):
            answer = await catalog.ListPlays(pb.ListPlaysRequest(offset=offset, limit=limit))
        items: list[Play] = [
            {
                **clip_to_wire(play.generation),
                "source": play.source or None,
                "played_at": time_to_wire(play, "play_time", " "),
            }
            for play in answer.plays
        ]
        return JSONResponse(_history(items, limit, offset, answer.has_more))

    @router.get("/api/history/votes")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(History[Vote], errors.USER_ID_FOREIGN)
    async def own_votes(user_id: UserId = "", limit: Limit50 = 50, offset: Offset = 0) -> Response:
        """List votes of the user. The most recent come first."""
        with user_scope(user_id):
            answer = await catalog.ListVotes(pb.ListVotesRequest(offset=offset, limit=limit))
        items: list[Vote] = [
            {**clip_to_wire(cast.generation), "vote": cast.vote, "voted_at": time_to_wire(cast, "vote_time", " ")}
            for cast in answer.votes
        ]
        return JSONResponse(_history(items, limit, offset, answer.has_more))

    return router


def _counted(played: Sequence[pb.PlayedGeneration]) -> list[PlayedClip]:
    return [{**clip_to_wire(entry.generation), "plays": entry.play_count} for entry in played]


def _history(items: list[H], limit: int, offset: int, has_more: bool) -> History[H]:
    return {"history": items, "limit": limit, "offset": offset, "has_more": has_more}
