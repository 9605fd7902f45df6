"""Documents of the catalog: the collections, and the table of clips."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

from soundwright.kit.ports import Collection, Doc, Docs, Index
from soundwright.services.library.catalog.records import FAMILIES, Clip, Favorite, Play, Vote
from soundwright.services.library.search_terms import facet, text_terms
from soundwright.services.library.table import Table

T = TypeVar("T", Favorite, Vote, Play)

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
        Index(("network",), present="network"),
        Index(("clip_ids",), each="clip_ids"),
    ),
)
PLAYS = Collection(
    "plays", (Index(("clip_id", "hour")), Index(("clip_id", "source")), Index(("listener_id", "play_time")))
)
PLAY_HOURS = Collection("play_hours", (Index(("family", "hour", "play_count")), Index(("clip_id", "hour"))))
LISTENERS = Collection("play_listeners", (Index(("clip_id",)), Index(("clip_id", "network"), present="network")))
COLLECTIONS = (
    CLIPS, DELETIONS, VOTES, FAVORITES, SUGGESTIONS, PLAYLISTS, PLAYS, PLAY_HOURS, LISTENERS,
)  # fmt: skip


def model_condition(model: str) -> dict[str, str]:
    """Return the condition of a filter by model. ``music`` and ``audio`` mean the family; empty means no condition."""
    if not model:
        return {}
    return {"family" if model in FAMILIES else "model": model}


class ClipDocs:
    """The clips. The stores of the catalog build on it."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs
        self.clips = Table(docs, CLIPS, Clip, clip_doc)

    async def _latest(
        self, table: Table[T], listener_id: str, time_field: str, offset: int, limit: int
    ) -> tuple[list[tuple[Clip, T]], bool]:
        """Return a page of a listener's records, newest first, with their clips, and whether another page follows."""
        own = {"listener_id": listener_id}
        found = await table.find(own, sort=time_field, descending=True, offset=offset, limit=limit + 1)
        return await self._with_clips(found[:limit]), len(found) > limit

    async def _with_clips(self, records: Sequence[T]) -> list[tuple[Clip, T]]:
        """Return records with the clips they belong to, except those whose clip is being deleted."""
        clips = await self.clips.by_ids(record.clip_id for record in records)
        return [(clips[record.clip_id], record) for record in records if record.clip_id in clips]


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
