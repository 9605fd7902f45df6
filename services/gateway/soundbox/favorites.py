"""What a listener likes to find again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response

from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import (
    ClipId,
    IdsBody,
    ModelFilter,
    PageNumber,
    PageSize,
    UserBody,
    UserId,
    body,
    fitted,
    json_values,
    known_ids,
    user_of,
)
from services.gateway.soundbox.shapes import Clip, Done, Paged, SpacedTime
from services.gateway.soundbox.wire import clip_id, clip_to_wire, page_to_wire, time_to_wire

__all__ = ["favorite_routes"]


class Favorite(Clip):
    favorited_at: SpacedTime | None


class Favorited(Done):
    favorited: Annotated[bool, Field(examples=[True])]
    was_new: Annotated[bool, Field(examples=[True])]


class Unfavorited(Done):
    favorited: bool
    was_removed: Annotated[bool, Field(examples=[True])]


_Checked = Annotated[
    dict[str, bool | list[str]],
    Field(
        description="Whether each clip is a favorite of yours; under `favorites` those alone that are.",
        examples=[{"7f0c2a9e41d84b6fb1a35d90c2e8f714": True, "favorites": ["7f0c2a9e41d84b6fb1a35d90c2e8f714"]}],
    ),
]


def favorite_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox favorites"])
    catalog = gateway.clients.catalog

    @router.get("/api/favorites")
    @answers(Paged[Favorite], refusals.USER_ID_NEEDED, refusals.USER_ID_FOREIGN)
    async def list_favorites(
        user_id: UserId = "", page: PageNumber = 1, per_page: PageSize = 20, model: ModelFilter = ""
    ) -> Response:
        """Your favorites, the latest first."""
        with acting(user_id, named=True):
            answer = await catalog.ListFavorites(pb.ListFavoritesRequest(page=page, page_size=per_page, model=model))
        items: list[Favorite] = [
            {**clip_to_wire(favorite.generation), "favorited_at": time_to_wire(favorite, "add_time", " ")}
            for favorite in answer.favorites
        ]
        return JSONResponse(page_to_wire(items, answer.total_count, page, per_page))

    @router.post("/api/favorites/check", openapi_extra=body(IdsBody))
    @answers(_Checked, refusals.USER_ID_FOREIGN)
    async def check_favorites(request: Request) -> Response:
        """Which of several clips are favorites of yours."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            given = fitted(IdsBody, values).generation_ids
            ids = known_ids(given)
            answer = await catalog.CheckFavorites(pb.CheckFavoritesRequest(generation_ids=sorted(set(ids.values()))))
        favorites = set(answer.favorite_ids)
        found = {name: ids.get(name) in favorites for name in given}
        return JSONResponse({**found, "favorites": [name for name in found if found[name]]})

    @router.post("/api/favorites/{gen_id}", openapi_extra=body(UserBody))
    @answers(Favorited, refusals.USER_ID_FOREIGN, refusals.GENERATION_NOT_FOUND)
    async def add_favorite(request: Request, gen_id: ClipId) -> Response:
        """Make a clip a favorite of yours."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            answer = await catalog.AddFavorite(pb.AddFavoriteRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True, "favorited": True, "was_new": answer.added})

    @router.delete("/api/favorites/{gen_id}", openapi_extra=body(UserBody, required=False))
    @answers(Unfavorited, refusals.USER_ID_FOREIGN, refusals.GENERATION_NOT_FOUND)
    async def remove_favorite(request: Request, gen_id: ClipId) -> Response:
        """Make a clip a favorite no longer; one that was none stays none."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            answer = await catalog.RemoveFavorite(pb.RemoveFavoriteRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True, "favorited": False, "was_removed": answer.removed})

    return router
