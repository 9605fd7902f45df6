"""What a listener likes to find again."""

from __future__ import annotations

from fastapi import APIRouter, Request
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response

from services.gateway.clients import Gateway
from services.gateway.soundbox.examples import CLIP, PAGE, described
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import (
    IdsBody,
    ModelFilter,
    PageNumber,
    PageSize,
    UserBody,
    UserId,
    fitted,
    json_values,
    known_ids,
    user_of,
)
from services.gateway.soundbox.wire import clip_id, clip_to_wire, page_to_wire, time_to_wire

__all__ = ["favorite_routes"]

_LISTED = {**PAGE, "items": [{**CLIP, "favorited_at": "2026-03-04 18:30:00"}]}


def favorite_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox favorites"])
    catalog = gateway.clients.catalog

    @router.get("/api/favorites", **described(_LISTED))
    async def list_favorites(
        user_id: UserId = "", page: PageNumber = 1, per_page: PageSize = 20, model: ModelFilter = ""
    ) -> Response:
        """Your favorites, the latest first."""
        with acting(user_id, named=True):
            answer = await catalog.ListFavorites(pb.ListFavoritesRequest(page=page, page_size=per_page, model=model))
        items = [
            {**clip_to_wire(favorite.generation), "favorited_at": time_to_wire(favorite, "add_time", " ")}
            for favorite in answer.favorites
        ]
        return JSONResponse(page_to_wire(items, answer.total_count, page, per_page))

    @router.post("/api/favorites/check", **described({"abc": True, "def": False, "favorites": ["abc"]}, IdsBody))
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

    @router.post(
        "/api/favorites/{gen_id}", **described({"success": True, "favorited": True, "was_new": True}, UserBody)
    )
    async def add_favorite(request: Request, gen_id: str) -> Response:
        """Make a clip a favorite of yours."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            answer = await catalog.AddFavorite(pb.AddFavoriteRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True, "favorited": True, "was_new": answer.added})

    @router.delete(
        "/api/favorites/{gen_id}",
        **described({"success": True, "favorited": False, "was_removed": True}, UserBody, body_required=False),
    )
    async def remove_favorite(request: Request, gen_id: str) -> Response:
        """Make a clip a favorite no longer; one that was none stays none."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            answer = await catalog.RemoveFavorite(pb.RemoveFavoriteRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True, "favorited": False, "was_removed": answer.removed})

    return router
