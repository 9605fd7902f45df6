"""Routes of the favorites of a user."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from soundwright.kit import errors
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.identity import named_user_scope, sent_by_user
from soundwright.services.gateway.dialects.soundbox.params import (
    ClipId,
    IdsBody,
    ModelFilter,
    PageNumber,
    PageSize,
    UserBody,
    UserId,
    json_body,
    valid_ids,
)
from soundwright.services.gateway.dialects.soundbox.serializers import clip_id, clip_to_wire, page_to_wire, time_to_wire
from soundwright.services.gateway.dialects.soundbox.shapes import Clip, Done, Paged, SpacedTime
from soundwright.services.gateway.openapi.responses import documented


class Favorite(Clip):
    """A clip among the favorites of a user."""

    favorited_at: SpacedTime | None


class Favorited(Done):
    """The result of adding a favorite."""

    favorited: Annotated[bool, Field(examples=[True])]
    was_new: Annotated[bool, Field(examples=[True])]


class Unfavorited(Done):
    """The result of removing a favorite."""

    favorited: bool
    was_removed: Annotated[bool, Field(examples=[True])]


_FavoriteChecks = Annotated[
    dict[str, bool | list[str]],
    Field(
        description="Whether each clip is a favorite of the user. `favorites` lists the ones that are.",
        examples=[{"7f0c2a9e41d84b6fb1a35d90c2e8f714": True, "favorites": ["7f0c2a9e41d84b6fb1a35d90c2e8f714"]}],
    ),
]


def favorite_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox favorites"])
    catalog = gateway.clients.catalog

    @router.get("/api/favorites")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Paged[Favorite], errors.USER_ID_NEEDED, errors.USER_ID_FOREIGN)
    async def list_favorites(
        user_id: UserId = "", page: PageNumber = 1, per_page: PageSize = 20, model: ModelFilter = ""
    ) -> Response:
        """List favorites. The most recently added come first."""
        with named_user_scope(user_id):
            answer = await catalog.ListFavorites(pb.ListFavoritesRequest(page=page, page_size=per_page, model=model))
        items: list[Favorite] = [
            {**clip_to_wire(favorite.generation), "favorited_at": time_to_wire(favorite, "add_time", " ")}
            for favorite in answer.favorites
        ]
        return JSONResponse(page_to_wire(items, answer.total_count, page, per_page))

    @router.post("/api/favorites/check", openapi_extra=json_body(IdsBody))
    @access(Access.OPEN, RateClass.POLLING)
    @documented(_FavoriteChecks, errors.USER_ID_FOREIGN)
    async def check_favorites(request: Request) -> Response:
        """Check favorites. Returns which of the given clips are favorites of the user."""
        async with sent_by_user(request, IdsBody, is_named=True) as sent:
            given = sent.generation_ids
            ids = valid_ids(given)
            answer = await catalog.CheckFavorites(pb.CheckFavoritesRequest(generation_ids=sorted(set(ids.values()))))
        favorites = set(answer.favorite_ids)
        found = {name: ids.get(name) in favorites for name in given}
        return JSONResponse({**found, "favorites": [name for name in found if found[name]]})

    @router.post("/api/favorites/{gen_id}", openapi_extra=json_body(UserBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Favorited, errors.USER_ID_FOREIGN, errors.GENERATION_NOT_FOUND)
    async def add_favorite(request: Request, gen_id: ClipId) -> Response:
        """Add a favorite. Has no effect if the clip is already a favorite."""
        async with sent_by_user(request, UserBody, is_named=True):
            answer = await catalog.AddFavorite(pb.AddFavoriteRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True, "favorited": True, "was_new": answer.added})

    @router.delete("/api/favorites/{gen_id}", openapi_extra=json_body(UserBody, required=False))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Unfavorited, errors.USER_ID_FOREIGN, errors.GENERATION_NOT_FOUND)
    async def remove_favorite(request: Request, gen_id: ClipId) -> Response:
        """Remove a favorite. Has no effect if the clip is not a favorite."""
        async with sent_by_user(request, UserBody, is_named=True):
            answer = await catalog.RemoveFavorite(pb.RemoveFavoriteRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True, "favorited": False, "was_removed": answer.removed})

    return router
