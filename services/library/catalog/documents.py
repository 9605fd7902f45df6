"""Documents of the catalog: the collections, and reading and replacing one clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from soundwright.kit.ports import Collection, Doc, Docs, Index, OneOf
from soundwright.services.library.catalog.service import FAMILIES, Generation
from soundwright.services.library.documents import insert_doc_if_absent
from soundwright.services.library.search_terms import facet, text_terms

T = TypeVar("T")

BY_TIME = ("create_time",)
BY_VOTES = ("vote_total", "create_time")
BY_RATING = ("vote_balance", "create_time")
TOP_RATED = ("vote_balance", "upvote_count", "create_time")
BY_PLAYS = ("play_count", "create_time")

GENERATIONS = Collection(
    "generations",
    (
        Index(("terms",), each="terms"),
        *map(Index, (BY_TIME, BY_VOTES, BY_RATING, TOP_RATED, BY_PLAYS)),
        Index(("duration_seconds",)),
    ),
)
DELETIONS = Collection("deleted_generations", (Index(("pending",), present="pending"),))
VOTES = Collection(
    "votes",
    (
        Index(("generation_id", "vote")),
        Index(("generation_id", "feedback_time"), present="feedback_time"),
        Index(("feedback_time",), present="feedback_time"),
        Index(("listener_id", "vote_time")),
        Index(("generation_id", "network"), present="network"),
    ),
)
FAVORITES = Collection(
    "favorites",
    (
        Index(("generation_id",)),
        Index(("listener_id", "add_time")),
        Index(("listener_id", "family", "add_time")),
        Index(("listener_id", "model", "add_time")),
    ),
)
SUGGESTIONS = Collection(
    "tag_suggestions",
    (
        Index(("generation_id", "category", "round")),
        Index(("generation_id", "suggest_time")),
        Index(("network", "suggest_time"), present="network"),
        Index(("listener_id",)),
    ),
)
PLAYLISTS = Collection(
    "playlists",
    (
        Index(("owner_id", "create_time")),
        Index(("owner_id", "slot"), unique=True, present="slot"),
        Index(("generation_ids",), each="generation_ids"),
    ),
)
PLAYS = Collection(
    "plays",
    (Index(("generation_id", "hour")), Index(("generation_id", "source")), Index(("listener_id", "play_time"))),
)
PLAY_HOURS = Collection("play_hours", (Index(("family", "hour", "play_count")), Index(("generation_id", "hour"))))
LISTENERS = Collection("play_listeners", (Index(("generation_id",)),))
COLLECTIONS = (
    GENERATIONS, DELETIONS, VOTES, FAVORITES, SUGGESTIONS, PLAYLISTS, PLAYS, PLAY_HOURS, LISTENERS,
)  # fmt: skip

_generation: TypeAdapter[Generation] = TypeAdapter(Generation)


def model_condition(model: str) -> dict[str, str]:
    """Return the condition of a filter by model. ``music`` and ``audio`` mean the family; empty means no condition."""
    if not model:
        return {}
    return {"family" if model in FAMILIES else "model": model}


def listener_key(generation_id: str, listener_id: str) -> str:
    """Return the ID of a listener's document about a clip, such as a vote."""
    return f"{generation_id}/{listener_id}"


class ClipDocs:
    """Reads and replaces clips. The stores of the catalog build on it."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def generation(self, generation_id: str) -> Generation | None:
        """Return the clip with this id, or None."""
        doc = await self._docs.get(GENERATIONS.name, generation_id)
        return _generation.validate_python(doc) if doc else None

    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Return the clips that exist among these ids, by id."""
        ids = list(dict.fromkeys(generation_ids))
        docs = await self._docs.find(GENERATIONS.name, {"id": OneOf(ids)}, limit=len(ids))
        return {doc["id"]: _generation.validate_python(doc) for doc in docs}

    async def replace_generation(self, generation: Generation) -> bool:
        """Compare-and-set a clip by its revision. Return whether it was replaced."""
        return await self._docs.replace(GENERATIONS.name, clip_doc(generation), generation.revision)

    async def _insert_generation(self, generation: Generation) -> bool:
        """Store a new clip. Return whether it was new."""
        return await insert_doc_if_absent(self._docs, GENERATIONS.name, clip_doc(generation))

    async def _count_of(self, collection: Collection, generation_id: str, **where: Any) -> int:
        return await self._docs.count(collection.name, {"generation_id": generation_id, **where})

    async def _latest(
        self,
        collection: Collection,
        listener_id: str,
        time_field: str,
        offset: int,
        limit: int,
        parse: Callable[[Doc], T],
    ) -> tuple[list[tuple[Generation, T]], bool]:
        """Return a page of a listener's documents, newest first, with their clips, and whether another page follows."""
        docs = await self._docs.find(
            collection.name,
            {"listener_id": listener_id},
            sort=time_field,
            descending=True,
            offset=offset,
            limit=limit + 1,
        )
        return await self._with_clips(docs[:limit], parse), len(docs) > limit

    async def _with_clips(self, docs: Sequence[Doc], parse: Callable[[Doc], T]) -> list[tuple[Generation, T]]:
        """Return documents with the clips they belong to, except documents whose clip is being deleted."""
        clips = await self.generations([doc["generation_id"] for doc in docs])
        return [(clips[doc["generation_id"]], parse(doc)) for doc in docs if doc["generation_id"] in clips]


def clip_doc(generation: Generation) -> Doc:
    """Return the document of a clip, with the values by which it is sorted and the terms by which it is found."""
    vote_total = generation.upvote_count + generation.downvote_count
    terms = text_terms([generation.prompt])
    terms |= {facet("family", generation.family), facet("model", generation.model), facet("owner", generation.owner_id)}
    for category in generation.categories:
        terms |= {facet("category", category), facet("family_category", generation.family, category)}
    if vote_total:
        terms.add(facet("voted"))
    return {
        **dataclasses.asdict(generation),
        "vote_total": vote_total,
        "vote_balance": generation.upvote_count - generation.downvote_count,
        "terms": sorted(terms),
    }
