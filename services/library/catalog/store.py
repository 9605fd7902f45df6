"""The catalog's queries: lists, random samples, counts, insertion and deletion of clips."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from soundwright.kit.ports import AllOf, AtLeast, Contains, Docs, LessThan, OneOf
from soundwright.services.library.catalog.categories import CATEGORIES, categorise
from soundwright.services.library.catalog.documents import (
    BY_RATING,
    BY_TIME,
    BY_VOTES,
    CLIPS,
    COLLECTIONS,
    DELETIONS,
    FAVORITES,
    LISTENERS,
    PLAY_HOURS,
    PLAYS,
    SUGGESTIONS,
    TOP_RATED,
    VOTES,
    ClipDocs,
    model_condition,
)
from soundwright.services.library.catalog.playlist_store import PlaylistStore
from soundwright.services.library.catalog.records import FAMILIES, Clip, ClipFilter, ClipSort, Deletion
from soundwright.services.library.search_terms import any_phrase, facet
from soundwright.services.library.table import Table

_ORDERS = {ClipSort.RECENT: BY_TIME, ClipSort.POPULAR: BY_VOTES, ClipSort.RATING: BY_RATING}
# A random sample of favorites considers the newest of a listener, up to this many.
_FAVORITE_LIMIT = 5000
_REMOVAL_BATCH = 500


class CatalogStore(ClipDocs):
    """Clips, their deletion, and the counts of the catalog."""

    def __init__(self, docs: Docs) -> None:
        super().__init__(docs)
        self.deletions = Table(docs, DELETIONS, Deletion)
        self._playlists = PlaylistStore(docs)

    async def prepare(self) -> None:
        for collection in COLLECTIONS:
            await self._docs.ensure(collection)

    async def store_clip(self, clip: Clip) -> None:
        """Store a new clip, in the categories that its prompt suggests.

        Repeated calls are safe: a stored clip keeps its votes, and a deleted clip stays deleted.
        """
        if await self.deletions.get(clip.id):
            return
        clip = dataclasses.replace(
            clip,
            categories=categorise(clip.prompt, clip.model),
            upvote_count=0,
            downvote_count=0,
            rating=None,
            play_count=0,
            listener_count=0,
            tag_rounds={},
            recounts={},
        )
        # Another process may have stored and deleted the clip since the look-up above.
        if await self.clips.add(clip) and await self.deletions.get(clip.id):
            await self.clips.delete(clip.id)

    async def list_clips(self, chosen: ClipFilter, sort: ClipSort, offset: int, limit: int) -> tuple[list[Clip], int]:
        """Return a page of the matching clips, and the number of all matching clips."""
        order = TOP_RATED if chosen.voted_only and sort is ClipSort.RATING else _ORDERS[sort]
        docs, total = await self._docs.page(
            CLIPS.name, _where(chosen), sort=order, descending=True, limit=limit, offset=offset
        )
        return self.clips.records(docs), total

    async def sample_clips(
        self, chosen: ClipFilter, count: int, exclude_ids: Sequence[str], favorites_of: str | None
    ) -> list[Clip]:
        """Return a random sample of the matching clips. ``favorites_of`` limits it to the favorites of a listener."""
        where = _where(chosen)
        if favorites_of is not None:
            of_listener = {"listener_id": favorites_of, **model_condition(chosen.model)}
            favorites = await self._docs.find(
                FAVORITES.name, of_listener, sort="add_time", descending=True, limit=_FAVORITE_LIMIT
            )
            where["id"] = OneOf([doc["clip_id"] for doc in favorites])
        excluded = set(exclude_ids)
        # A sample without some of its clips is a sample of the other clips.
        drawn = await self._docs.sample(CLIPS.name, where, count + len(excluded))
        kept = [doc for doc in drawn if doc["id"] not in excluded][:count]
        return self.clips.records(kept)

    async def count_by_family(self) -> dict[str, int]:
        terms = {family: facet("family", family) for family in FAMILIES}
        counts = await self._docs.count_each(CLIPS.name, "terms", list(terms.values()))
        return {family: counts[term] for family, term in terms.items()}

    async def count_by_category(self) -> dict[tuple[str, str], int]:
        terms = {
            (family, category): facet("family_category", family, category)
            for family in FAMILIES
            for category in CATEGORIES[family]
        }
        counts = await self._docs.count_each(CLIPS.name, "terms", list(terms.values()))
        return {key: counts[term] for key, term in terms.items()}

    async def remove_belongings(self, clip_id: str) -> bool:
        """Delete up to 500 votes, plays and other documents about a clip. Return whether none is left."""
        left = _REMOVAL_BATCH
        for collection in (VOTES, FAVORITES, SUGGESTIONS, LISTENERS, PLAY_HOURS, PLAYS):
            for doc in await self._docs.find(collection.name, {"clip_id": clip_id}, limit=left):
                await self._docs.delete(collection.name, doc["id"])
                left -= 1
        return await self._playlists.remove_everywhere(clip_id, left)


def _where(chosen: ClipFilter) -> dict[str, Any]:
    facets = model_condition(chosen.model)
    if chosen.category:
        facets["category"] = chosen.category
    if chosen.owner_id:
        facets["owner"] = chosen.owner_id
    terms: list[Any] = [Contains(facet(name, value)) for name, value in facets.items()]
    if chosen.voted_only:
        terms.append(Contains(facet("voted")))
    if chosen.search.strip():
        terms.append(any_phrase(chosen.search, prefix=chosen.search_prefix))
    durations: list[Any] = []
    if chosen.min_duration_seconds > 0:
        durations.append(AtLeast(chosen.min_duration_seconds))
    if chosen.max_duration_seconds > 0:
        durations.append(LessThan(math.nextafter(chosen.max_duration_seconds, math.inf)))
    where: dict[str, Any] = {"terms": AllOf(terms)} if terms else {}
    if durations:
        where["duration_seconds"] = AllOf(durations)
    if chosen.min_create_time is not None:
        where["create_time"] = AtLeast(chosen.min_create_time)
    return where
