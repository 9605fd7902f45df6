"""Routes of the shared library of clips."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field, with_config
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.errors import Code, suppressed
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.library.v1 import generation_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.dialects.soundbox.identity import owner_ids, sent_by_user
from soundwright.services.gateway.dialects.soundbox.model_names import MODELS
from soundwright.services.gateway.dialects.soundbox.params import (
    ClipId,
    FamilyFilter,
    HistoryLength,
    Keyword,
    MaxDuration,
    MinDuration,
    ModelFilter,
    PageNumber,
    PageSize,
    Prefix,
    SearchText,
    UserBody,
    UserId,
    json_body,
)
from soundwright.services.gateway.dialects.soundbox.serializers import (
    clip_id,
    clip_to_history,
    clip_to_wire,
    clips_to_wire,
    page_to_wire,
)
from soundwright.services.gateway.dialects.soundbox.shapes import Clip, ClipPage, Done, HistoryEntry
from soundwright.services.gateway.openapi.responses import EXTRA_FIELDS, documented

_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_SORTS = {
    "recent": pb.GENERATION_SORT_RECENT,
    "popular": pb.GENERATION_SORT_POPULAR,
    "rating": pb.GENERATION_SORT_RATING,
}


async def find_clip(clients: Clients, identifier: str) -> generation_pb2.Generation:
    """Return a clip. Raises ``GENERATION_NOT_FOUND``."""
    answer = await clients.catalog.GetGeneration(pb.GetGenerationRequest(generation_id=clip_id(identifier)))
    clip: generation_pb2.Generation = answer.generation
    return clip


@with_config(EXTRA_FIELDS)
class ClipCounts(TypedDict):
    """The number of clips in total and by model."""

    total: Annotated[int, Field(ge=0, examples=[12])]
    music: Annotated[int, Field(ge=0, examples=[7])]
    audio: Annotated[int, Field(ge=0, examples=[5])]


class CountedCategory(TypedDict):
    """A category with its number of clips."""

    display: Annotated[str, Field(examples=["Drum And Bass"])]
    count: Annotated[int, Field(ge=0, examples=[3])]


class Categories(TypedDict):
    """The categories of a model: names and numbers of clips, by key."""

    categories: Annotated[dict[str, str], Field(examples=[{"drum_and_bass": "Drum And Bass"}])]
    categories_with_counts: Annotated[
        dict[str, CountedCategory], Field(examples=[{"drum_and_bass": {"display": "Drum And Bass", "count": 3}}])
    ]


def library_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox library"])
    clients = gateway.clients
    catalog = clients.catalog

    @router.get("/api/library")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(ClipPage)
    async def list_clips(
        page: PageNumber = 1,
        per_page: PageSize = 20,
        model: ModelFilter = "",
        search: SearchText = "",
        sort: Keyword = "recent",
        category: Keyword = "",
        user_id: UserId = "",
        min_duration: MinDuration = 0,
        max_duration: MaxDuration = 0,
        prefix: Prefix = False,
    ) -> Response:
        """List clips. Returns the clips that match all filters. `search` can also be the ID of a clip."""
        if _ID.fullmatch(search):
            return await _clip_by_id(clients, search, page)
        request = pb.ListGenerationsRequest(
            filter=pb.GenerationFilter(
                model=model,
                search=search,
                search_prefix=prefix,
                category=category,
                min_duration_seconds=min_duration,
                max_duration_seconds=max_duration,
            ),
            sort=_SORTS.get(sort, pb.GENERATION_SORT_RECENT),
            page=page,
            page_size=per_page,
        )
        answer = await _list_by_user(clients, user_id, request)
        return JSONResponse(page_to_wire(clips_to_wire(answer.generations), answer.total_count, page, per_page))

    @router.get("/api/library/counts")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(ClipCounts)
    async def count_clips() -> Response:
        """Count clips. Returns the number of clips in total and by model."""
        answer = await catalog.CountGenerations(pb.CountGenerationsRequest())
        return JSONResponse({"total": answer.total_count, "music": 0, "audio": 0, **answer.count_by_model})

    @router.get("/api/library/category-counts")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Annotated[dict[str, int], Field(examples=[{"ambient": 245, "electronic": 0}])])
    async def count_categories(model: FamilyFilter = "") -> Response:
        """Count clips by category. Includes categories without clips."""
        answer = await catalog.CountCategories(pb.CountCategoriesRequest(model=model))
        return JSONResponse(dict(answer.counts))

    @router.get("/api/library/{gen_id}")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Clip, errors.GENERATION_NOT_FOUND)
    async def get_clip(gen_id: ClipId) -> Response:
        """Get a clip."""
        return JSONResponse(clip_to_wire(await find_clip(clients, gen_id)))

    @router.delete("/api/library/{gen_id}", openapi_extra=json_body(UserBody, required=False))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Done, errors.GENERATION_NOT_OWNED, errors.USER_ID_FOREIGN, errors.GENERATION_NOT_FOUND)
    async def delete_clip(request: Request, gen_id: ClipId) -> Response:
        """Delete a clip. Also deletes its files and votes, and removes it from playlists. Only the owner and administrators can
        delete a clip."""
        async with sent_by_user(request, UserBody):
            await catalog.DeleteGeneration(pb.DeleteGenerationRequest(generation_id=clip_id(gen_id)))
        return JSONResponse({"success": True})

    @router.get("/api/categories/{model}")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Categories, errors.MODEL_INVALID)
    async def list_categories(
        model: Annotated[str, Path(description=f"The model: {', '.join(MODELS)}.", examples=["music"])],
    ) -> Response:
        """List the categories of a model. Returns their names and numbers of clips."""
        if model not in MODELS:
            raise errors.MODEL_INVALID()
        family = model.removeprefix("magnet-")
        names = (await catalog.ListCategories(pb.ListCategoriesRequest(model=family))).names
        counts = (await catalog.CountCategories(pb.CountCategoriesRequest(model=family))).counts
        counted = {key: {"display": name, "count": counts.get(key, 0)} for key, name in names.items()}
        return JSONResponse({"categories": dict(names), "categories_with_counts": counted})

    @router.get("/history")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(list[HistoryEntry])
    async def get_history(model: ModelFilter = "", user_id: UserId = "", limit: HistoryLength = 100) -> Response:
        """List the newest clips as an array. Use `/api/library` for filters and pages."""
        request = pb.ListGenerationsRequest(
            filter=pb.GenerationFilter(model=model),
            sort=pb.GENERATION_SORT_RECENT,
            page=1,
            page_size=limit,
            without_total=True,
        )
        answer = await _list_by_user(clients, user_id, request)
        return JSONResponse([clip_to_history(clip) for clip in answer.generations])

    return router


async def _list_by_user(
    clients: Clients, user_id: str, request: pb.ListGenerationsRequest
) -> pb.ListGenerationsResponse:
    """Return the clips of ``user_id``; of all users if it is empty."""
    answer = pb.ListGenerationsResponse()
    for owner_id in owner_ids(user_id):
        request.filter.owner_id = owner_id
        answer = await clients.catalog.ListGenerations(request)
        if answer.generations or answer.total_count:
            break
    return answer


async def _clip_by_id(clients: Clients, identifier: str, page: int) -> Response:
    """Return the search result for the ID of a clip."""
    items = []
    with suppressed(Code.NOT_FOUND):
        items = [clip_to_wire(await find_clip(clients, identifier))]
    shown = items if page == 1 else []
    return JSONResponse({**page_to_wire(shown, len(items), page, 1), "id_search": True})
