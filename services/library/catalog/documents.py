"""Documents of the catalog: the collections, and the table of clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from soundwright.kit.ports import Collection, Doc, Docs, Index
from soundwright.services.library.catalog.records import FAMILIES, Clip
from soundwright.services.library.search_terms import facet, text_terms
from soundwright.services.library.table import Table

T = TypeVar("T")

BY_TIME = ("create_time",)
BY_VOTES = ("vote_total", "create_time")
BY_RATING = ("vote_balance", "create_time")
TOP_RATED = ("vote_balance", "upvote_count", "create_time")
BY_PLAYS = ("play_count", "create_time")

CLIPS = Collection(
    "clips",
    (
        Index(("terms",), each="terms"),
        *map(Index, (BY_TIME, BY_VOTES, BY_RATING, TOP_RATED, BY_PLAYS)),
        Index(("duration_seconds",)),
    ),
)
DELETIONS = Collection("deleted_clips", (Index(("pending",), present="pending"),))
VOTES = Collection(
    "votes",
    (
        Index(("clip_id", "vote")),
        Index(("clip_id", "feedback_time"), present="feedback_time"),
        Index(("feedback_time",), present="feedback_time"),
        Index(("listener_id", "vote_time")),
        Index(("clip_id", "network"), present="network"),
    ),
)
FAVORITES = Collection(
    "favorites",
    (
        Index(("clip_id",)),
        Index(("listener_id", "add_time")),
        Index(("listener_id", "family", "add_time")),
        Index(("listener_id", "model", "add_time")),
    ),
)
SUGGESTIONS = Collection(
    "tag_suggestions",
    (
        Index(("clip_id", "category", "round")),
        Index(("clip_id", "suggest_time")),
        Index(("network", "suggest_time"), present="network"),
        Index(("listener_id",)),
    ),
)
PLAYLISTS = Collection(
    "playlists",
    (
        Index(("owner_id", "create_time")),
        Index(("owner_id", "slot"), unique=True, present="slot"),
        Index(("clip_ids",), each="clip_ids"),
    ),
)
PLAYS = Collection(
    "plays",
    (Index(("clip_id", "hour")), Index(("clip_id", "source")), Index(("listener_id", "play_time"))),
)
PLAY_HOURS = Collection("play_hours", (Index(("family", "hour", "play_count")), Index(("clip_id", "hour"))))
LISTENERS = Collection("play_listeners", (Index(("clip_id",)),))
COLLECTIONS = (
    CLIPS, DELETIONS, VOTES, FAVORITES, SUGGESTIONS, PLAYLISTS, PLAYS, PLAY_HOURS, LISTENERS,
)  # fmt: skip


def model_condition(model: str) -> dict[str, str]:
    """Return the condition of a filter by model. ``music`` and ``audio`` mean the family; empty means no condition."""
    if not model:
        return {}
    return {"family" if model in FAMILIES else "model": model}


def listener_key(clip_id: str, listener_id: str) -> str:
    """Return the ID of a listener's document about a clip, such as a vote."""
    return f"{clip_id}/{listener_id}"


class ClipDocs:
    """The clips. The stores of the catalog build on it."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs
        self.clips = Table(docs, CLIPS, Clip, clip_doc)

    async def _count_of(self, collection: Collection, clip_id: str, **where: Any) -> int:
        return await self._docs.count(collection.name, {"clip_id": clip_id, **where})

    async def _latest(
        self,
        collection: Collection,
        listener_id: str,
        time_field: str,
        offset: int,
        limit: int,
        parse: Callable[[Doc], T],
    ) -> tuple[list[tuple[Clip, T]], bool]:
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

    async def _with_clips(self, docs: Sequence[Doc], parse: Callable[[Doc], T]) -> list[tuple[Clip, T]]:
        """Return documents with the clips they belong to, except documents whose clip is being deleted."""
        clips = await self.clips.by_ids(doc["clip_id"] for doc in docs)
        return [(clips[doc["clip_id"]], parse(doc)) for doc in docs if doc["clip_id"] in clips]


def clip_doc(clip: Clip) -> Doc:
    """Return the document of a clip, with the values by which it is sorted and the terms by which it is found."""
    vote_total = clip.upvote_count + clip.downvote_count
    terms = text_terms([clip.prompt])
    terms |= {facet("family", clip.family), facet("model", clip.model), facet("owner", clip.owner_id)}
    for category in clip.categories:
        terms |= {facet("category", category), facet("family_category", clip.family, category)}
    if vote_total:
        terms.add(facet("voted"))
    return {
        **dataclasses.asdict(clip),
        "vote_total": vote_total,
        "vote_balance": clip.upvote_count - clip.downvote_count,
        "terms": sorted(terms),
    }
