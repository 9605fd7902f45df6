"""The shared library of clips."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field, with_config
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.library.v1 import generation_pb2
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import OPEN, answers
from services.gateway.clients import Clients, Gateway
from services.gateway.soundbox.identity import acting, owners
from services.gateway.soundbox.params import (
    MODELS,
    ClipId,
    FamilyFilter,
    HistoryLength,
    ModelFilter,
    PageNumber,
    PageSize,
    SearchWords,
    UserBody,
    UserId,
    Word,
    body,
    json_values,
    refusal,
    user_of,
)
from services.gateway.soundbox.shapes import Clip, ClipPage, Done, HistoryEntry
from services.gateway.soundbox.wire import clip_id, clip_to_history, clip_to_wire, clips_to_wire, page_to_wire

__all__ = ["find_clip", "library_routes"]

_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_SORTS = {
    "recent": pb.GENERATION_SORT_RECENT,
    "popular": pb.GENERATION_SORT_POPULAR,
    "rating": pb.GENERATION_SORT_RATING,
}


async def find_clip(clients: Clients, identifier: str) -> generation_pb2.Generation:
    """
    Raises:
        AppError: ``GENERATION_NOT_FOUND``.
    """
    answer = await clients.catalog.GetGeneration(pb.GetGenerationRequest(generation_id=clip_id(identifier)))
    clip: generation_pb2.Generation = answer.generation
    return clip


@with_config(OPEN)
class ClipCounts(TypedDict):
    """How many clips there are, altogether and of each model."""

    total: Annotated[int, Field(ge=0, examples=[12])]
    music: Annotated[int, Field(ge=0, examples=[7])]
    audio: Annotated[int, Field(ge=0, examples=[5])]


class CountedCategory(TypedDict):
    display: Annotated[str, Field(examples=["Drum And Bass"])]
    count: Annotated[int, Field(ge=0, examples=[3])]


class Categories(TypedDict):
    """How categories are shown, by key."""

    categories: Annotated[dict[str, str], Field(examples=[{"drum_and_bass": "Drum And Bass"}])]
    categories_with_counts: Annotated[
        dict[str, CountedCategory], Field(examples=[{"drum_and_bass": {"display": "Drum And Bass", "count": 3}}])
    ]


def library_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox library"])
    clients = gateway.clients
    catalog = clients.catalog

    async def list_of(user_id: str, request: pb.ListGenerationsRequest) -> pb.ListGenerationsResponse:
        """The clips of whoever is meant by ``user_id``, or of all."""
        answer = pb.ListGenerationsResponse()
        for owner_id in owners(user_id):
            request.filter.owner_id = owner_id
            answer = await catalog.ListGenerations(request)
            if answer.generations or answer.total_count:
                break
        return answer

    @router.get("/api/library")
    @answers(ClipPage)
    async def list_clips(
        page: PageNumber = 1,
        per_page: PageSize = 20,
        model: ModelFilter = "",
        search: SearchWords = "",
        sort: Word = "recent",
        category: Word = "",
        user_id: UserId = "",
    ) -> Response:
        """Clips that meet all conditions. What is searched for may also be the id of one."""
        if _ID.fullmatch(search):
            return await _clip_by_id(clients, search, page)
        request = pb.ListGenerationsRequest(
            filter=pb.GenerationFilter(model=model, search=search, category=category),
            sort=_SORTS.get(sort, pb.GENERATION_SORT_RECENT),
            page=page,
            page_size=per_page,
        )
        answer = await list_of(user_id, request)
        return JSONResponse(page_to_wire(clips_to_wire(answer.generations), answer.total_count, page, per_page))

    @router.get("/api/library/counts")
    @answers(ClipCounts)
    async def count_clips() -> Response:
        """How many clips there are, altogether and of each model."""
        answer = await catalog.CountGenerations(pb.CountGenerationsRequest())
        return JSONResponse({"total": answer.total_count, "music": 0, "audio": 0, **answer.count_by_model})

    @router.get("/api/library/category-counts")
    @answers(Annotated[dict[str, int], Field(examples=[{"ambient": 245, "electronic": 0}])])
    async def count_categories(model: FamilyFilter = "") -> Response:
        """How many clips each category has, those that have none included."""
        answer = await catalog.CountCategories(pb.CountCategoriesRequest(model=model))
        return JSONResponse(dict(answer.counts))

    @router.get("/api/library/{gen_id}")
    @answers(Clip, refusals.GENERATION_NOT_FOUND)
    async def get_clip(gen_id: ClipId) -> Response:
        """One clip."""
        return JSONResponse(clip_to_wire(await find_clip(clients, gen_id)))

    @router.delete("/api/library/{gen_id}", openapi_extra=body(UserBody, required=False))
    @answers(Done, refusals.GENERATION_NOT_OWNED, refusals.USER_ID_FOREIGN, refusals.GENERATION_NOT_FOUND)
    async def delete_clip(request: Request, gen_id: ClipId) -> Response:
        """Delete a clip of yours; an administrator may delete any. Its files, votes and places in lists go with it."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            await catalog.DeleteGeneration(pb.DeleteGenerationRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True})

    @router.get("/api/categories/{model}")
    @answers(Categories, refusals.MODEL_INVALID)
    async def list_categories(
        model: Annotated[str, Path(description=", ".join(MODELS), examples=["music"])],
    ) -> Response:
        """The categories of a model, with how they are shown and how many clips they have."""
        if model not in MODELS:
            raise refusal("Invalid model type")
        family = model.removeprefix("magnet-")
        names = (await catalog.ListCategories(pb.ListCategoriesRequest(model=family))).names
        counts = (await catalog.CountCategories(pb.CountCategoriesRequest(model=family))).counts
        counted = {key: {"display": name, "count": counts.get(key, 0)} for key, name in names.items()}
        return JSONResponse({"categories": dict(names), "categories_with_counts": counted})

    @router.get("/history")
    @answers(list[HistoryEntry])
    async def get_history(model: ModelFilter = "", user_id: UserId = "", limit: HistoryLength = 100) -> Response:
        """The newest clips as a bare list. /api/library can do more."""
        request = pb.ListGenerationsRequest(
            filter=pb.GenerationFilter(model=model),
            sort=pb.GENERATION_SORT_RECENT,
            page=1,
            page_size=limit,
            without_total=True,
        )
        answer = await list_of(user_id, request)
        return JSONResponse([clip_to_history(clip) for clip in answer.generations])

    return router


async def _clip_by_id(clients: Clients, identifier: str, page: int) -> Response:
    try:
        items = [clip_to_wire(await find_clip(clients, identifier))]
    except AppError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        items = []
    shown = items if page == 1 else []
    return JSONResponse({**page_to_wire(shown, len(items), page, 1), "id_search": True})
