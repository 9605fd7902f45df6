"""Documents of the catalog: the collections, and reading and replacing one clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from kit.ports import Collection, Doc, Docs, Index, OneOf, Search, SearchQuery
from services.library.catalog.clip_search import CLIPS, GENERATIONS, ClipSearch
from services.library.catalog.service import FAMILIES, Generation
from services.library.documents import insert_doc_if_absent

__all__ = [
    "COLLECTIONS",
    "DELETIONS",
    "FAVORITES",
    "LISTENERS",
    "PLAYLISTS",
    "PLAYS",
    "PLAY_HOURS",
    "SUGGESTIONS",
    "VOTES",
    "ClipDocs",
    "listener_key",
    "model_condition",
]

T = TypeVar("T")

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
    """Reads, searches and replaces clips. The stores of the catalog build on it."""

    def __init__(self, docs: Docs, search: Search) -> None:
        self._docs = docs
        self._search = search
        self._entries = ClipSearch(docs, search)

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
        doc = _doc(generation)
        if not await self._docs.replace(GENERATIONS.name, doc, generation.revision):
            return False
        await self._entries.update({**doc, "revision": generation.revision + 1})
        return True

    async def _insert_generation(self, generation: Generation) -> bool:
        """Store a new clip so that it can be found. Return whether it was new."""
        doc = _doc(generation)
        if not await insert_doc_if_absent(self._docs, GENERATIONS.name, doc):
            # Whoever has inserted it may not have written its search entry yet.
            if stored := await self._docs.get(GENERATIONS.name, generation.id):
                await self._entries.update(stored)
            return False
        await self._entries.update({**doc, "revision": 1})
        return True

    async def _find(
        self, query: SearchQuery, order: tuple[str, ...], offset: int, limit: int
    ) -> tuple[list[Generation], int]:
        """Return a page of the matching clips, highest first, and the number of all matching clips."""
        page = await self._search.find(CLIPS.name, query, order=order, descending=True, offset=offset, limit=limit)
        return await self._found(page.ids), page.total

    async def _sample(self, query: SearchQuery, count: int) -> list[Generation]:
        """Return a random sample of the matching clips."""
        return await self._found(await self._search.sample(CLIPS.name, query, count))

    async def _found(self, ids: Sequence[str]) -> list[Generation]:
        """Return the clips that a search found, in order. Entries of clips that do not exist are removed."""
        clips = await self.generations(ids)
        if deleted := [clip_id for clip_id in ids if clip_id not in clips]:
            await self._entries.remove(deleted)
        return [clips[clip_id] for clip_id in ids if clip_id in clips]

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


def _doc(generation: Generation) -> Doc:
    return {**dataclasses.asdict(generation), "search_pending": True}
