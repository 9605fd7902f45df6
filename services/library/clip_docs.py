"""Documents of the catalog: what is stored, and reading and replacing one clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from kit.errors import AppError
from kit.ports import AtLeast, Collection, Contains, Doc, Docs, Index, OneOf
from services.library.catalog import FAMILIES, Generation

__all__ = [
    "COLLECTIONS",
    "DELETIONS",
    "FAVORITES",
    "GENERATIONS",
    "LISTENERS",
    "PLAYLISTS",
    "PLAYS",
    "PLAY_HOURS",
    "SUGGESTIONS",
    "VOTES",
    "ClipDocs",
    "duration_condition",
    "insert_new",
    "listener_key",
    "model_condition",
]

T = TypeVar("T")
_LENGTHS = (15, 30, 60, 120)

# Whatever lists are filtered by is tallied or an array: then the store knows which clips meet it without looking at them,
# and an index of each order is all that a page needs besides.
GENERATIONS = Collection(
    "generations",
    (
        Index(("create_time",)),
        Index(("vote_total", "create_time")),
        Index(("vote_balance", "create_time")),
        Index(("vote_balance", "upvote_count", "create_time")),
        Index(("play_count", "create_time")),
        Index(("duration_seconds",)),
        Index(("categories", "create_time"), each="categories"),
        Index(("long_as", "create_time"), each="long_as"),
    ),
    text="prompt",
    tallies=(("family",), ("model",), ("owner_id",), ("voted",), ("family", "categories")),
)
DELETIONS = Collection("deleted_generations", (Index(("pending",), present="pending"),))
VOTES = Collection(
    "votes",
    (
        Index(("generation_id", "vote")),
        Index(("generation_id", "feedback_time"), present="feedback_time"),
        Index(("listener_id", "vote_time")),
    ),
    tallies=(("has_feedback",),),
)
FAVORITES = Collection(
    "favorites",
    (Index(("generation_id",)), Index(("add_time",))),
    tallies=(("listener_id",), ("family",), ("model",)),
)
SUGGESTIONS = Collection(
    "tag_suggestions", (Index(("generation_id", "category", "round")), Index(("generation_id", "suggest_time")))
)
PLAYLISTS = Collection(
    "playlists", (Index(("owner_id", "create_time")), Index(("generation_ids",), each="generation_ids"))
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


def duration_condition(min_seconds: float) -> dict[str, Any]:
    """The condition that a filter by length sets; zero: none."""
    if not min_seconds > 0:
        return {}
    # That a clip is as long as a usual limit is known without looking at it.
    limit = max((limit for limit in _LENGTHS if limit <= min_seconds), default=0)
    exact = {} if limit == min_seconds else {"duration_seconds": AtLeast(min_seconds)}
    return {**({"long_as": Contains(str(limit))} if limit else {}), **exact}


def model_condition(model: str) -> dict[str, Any]:
    """The condition that a filter by model sets: ``music`` and ``audio`` mean the family; empty: none."""
    if not model:
        return {}
    return {"family" if model in FAMILIES else "model": model}


def listener_key(generation_id: str, listener_id: str) -> str:
    """The id of a document that a listener has one of for a clip."""
    return f"{generation_id}/{listener_id}"


async def insert_new(docs: Docs, collection: Collection, doc: Doc) -> bool:
    """Insert the document unless there is one with its id; says whether it did."""
    try:
        await docs.insert(collection.name, doc)
    except AppError as error:
        if error.reason != "DOC_EXISTS":
            raise
        return False
    return True


class ClipDocs:
    """Reads and replaces clips; the stores of the catalog build on it."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def generation(self, generation_id: str) -> Generation | None:
        doc = await self._docs.get(GENERATIONS.name, generation_id)
        return _generation.validate_python(doc) if doc else None

    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Those that there are, by id."""
        ids = list(dict.fromkeys(generation_ids))
        return {generation.id: generation for generation in await self._find({"id": OneOf(ids)}, limit=len(ids))}

    async def replace_generation(self, generation: Generation) -> bool:
        return await self._docs.replace(GENERATIONS.name, _doc(generation), generation.revision)

    async def _insert_generation(self, generation: Generation) -> bool:
        return await insert_new(self._docs, GENERATIONS, _doc(generation))

    async def _find(self, where: dict[str, Any], **options: Any) -> list[Generation]:
        docs = await self._docs.find(GENERATIONS.name, where, **options)
        return [_generation.validate_python(doc) for doc in docs]

    async def _sample(self, where: dict[str, Any], **options: Any) -> list[Generation]:
        docs = await self._docs.sample(GENERATIONS.name, where, **options)
        return [_generation.validate_python(doc) for doc in docs]

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
        """A listener's documents, newest first, with their clips, and whether there are more behind them."""
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
        """Documents that name a clip, with their clips; those whose clip is being deleted are left out."""
        clips = await self.generations([doc["generation_id"] for doc in docs])
        return [(clips[doc["generation_id"]], parse(doc)) for doc in docs if doc["generation_id"] in clips]


def _doc(generation: Generation) -> Doc:
    total = generation.upvote_count + generation.downvote_count
    return {
        **dataclasses.asdict(generation),
        "family": generation.family,
        "vote_total": total,
        "vote_balance": generation.upvote_count - generation.downvote_count,
        "voted": bool(total),
        "long_as": [str(limit) for limit in _LENGTHS if generation.duration_seconds >= limit],
    }
