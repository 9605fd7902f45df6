"""The catalog's queries: lists, random samples, counts, insertion and deletion of clips."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence

from pydantic import TypeAdapter

from kit.ports import Docs, Search, SearchQuery
from services.library.catalog.categories import categorise
from services.library.catalog.clip_search import BY_RATING, BY_TIME, BY_VOTES, CLIPS, GENERATIONS, TOP_RATED
from services.library.catalog.documents import (
    COLLECTIONS,
    DELETIONS,
    FAVORITES,
    LISTENERS,
    PLAY_HOURS,
    PLAYS,
    SUGGESTIONS,
    VOTES,
    ClipDocs,
    model_condition,
)
from services.library.catalog.playlist_store import PlaylistStore
from services.library.catalog.service import (
    Deletion,
    Generation,
    GenerationFilter,
    GenerationSort,
)
from services.library.documents import insert_doc_if_absent, walk

__all__ = ["CatalogStore"]

_ORDERS = {
    GenerationSort.RECENT: BY_TIME,
    GenerationSort.POPULAR: BY_VOTES,
    GenerationSort.RATING: BY_RATING,
}
# A random sample of favorites considers the newest of a listener, up to this many.
_FAVORITE_LIMIT = 5000
_REMOVAL_BATCH = 500

_deletion: TypeAdapter[Deletion] = TypeAdapter(Deletion)


class CatalogStore(ClipDocs):
    """Clips, their deletion, and the counts of the catalog."""

    def __init__(self, docs: Docs, search: Search) -> None:
        super().__init__(docs, search)
        self._playlists = PlaylistStore(docs, search)

    async def prepare(self) -> None:
        """Create the collections and the search index."""
        for collection in COLLECTIONS:
            await self._docs.ensure(collection)
        await self._entries.prepare()

    async def repair_search(self) -> int:
        """Write the search entries that are missing after a crash. Return their number."""
        return await self._entries.repair()

    async def store_generation(self, generation: Generation) -> None:
        """Store a new clip, in the categories that its prompt suggests.

        Repeated calls are safe: a stored clip keeps its votes, and a deleted clip stays deleted.
        """
        if await self._docs.get(DELETIONS.name, generation.id):
            return
        clip = dataclasses.replace(
            generation,
            categories=categorise(generation.prompt, generation.model),
            upvote_count=0,
            downvote_count=0,
            rating=None,
            play_count=0,
            listener_count=0,
            tag_rounds={},
            recounts={},
        )
        # Another process may have stored and deleted the clip since the look-up above.
        if await self._insert_generation(clip) and await self._docs.get(DELETIONS.name, generation.id):
            await self.remove_generation(generation.id)

    async def list_generations(
        self, chosen: GenerationFilter, sort: GenerationSort, offset: int, limit: int
    ) -> tuple[list[Generation], int]:
        """Return a page of the matching clips, and the number of all matching clips."""
        order = TOP_RATED if chosen.voted_only and sort is GenerationSort.RATING else _ORDERS[sort]
        return await self._find(_query(chosen), order, offset, limit)

    async def sample_generations(
        self, chosen: GenerationFilter, count: int, exclude_ids: Sequence[str], favorites_of: str | None
    ) -> list[Generation]:
        """Return a random sample of the matching clips. ``favorites_of`` limits it to the favorites of a listener."""
        query = dataclasses.replace(_query(chosen), exclude_ids=exclude_ids)
        if favorites_of is not None:
            where = {"listener_id": favorites_of, **model_condition(chosen.model)}
            favorites = await self._docs.find(
                FAVORITES.name, where, sort="add_time", descending=True, limit=_FAVORITE_LIMIT
            )
            query = dataclasses.replace(query, only_ids=[doc["generation_id"] for doc in favorites])
        return await self._sample(query, count)

    async def count_by_family(self) -> dict[str, int]:
        """Return the number of clips of each family."""
        counts = await self._search.facet_counts(CLIPS.name, ("family",))
        return {family: count for (family,), count in counts.items()}

    async def count_by_category(self) -> dict[tuple[str, str], int]:
        """Return the number of clips for each family and category."""
        counts = await self._search.facet_counts(CLIPS.name, ("family", "category"))
        return {(family, category): count for (family, category), count in counts.items()}

    # ---------------------------------------------------------------------------------------------------- deletion

    async def deletion(self, generation_id: str) -> Deletion | None:
        """Return the record of a deletion, or None."""
        doc = await self._docs.get(DELETIONS.name, generation_id)
        return _deletion.validate_python(doc) if doc else None

    async def pending_deletions(self) -> AsyncIterator[Deletion]:
        """Yield deletions that are not complete."""
        async for doc in walk(self._docs, DELETIONS.name, {"pending": True}):
            yield _deletion.validate_python(doc)

    async def begin_deletion(self, deletion: Deletion) -> None:
        """Store the record of a deletion, unless it exists."""
        await insert_doc_if_absent(self._docs, DELETIONS.name, dataclasses.asdict(deletion))

    async def end_deletion(self, deletion: Deletion) -> None:
        """Mark a deletion as complete."""
        current = await self.deletion(deletion.id)
        if current is not None:
            done = dataclasses.replace(current, pending=None)
            await self._docs.replace(DELETIONS.name, dataclasses.asdict(done), current.revision)

    async def remove_generation(self, generation_id: str) -> None:
        """Delete the document of a clip and its search entry."""
        await self._docs.delete(GENERATIONS.name, generation_id)
        await self._entries.remove([generation_id])

    async def remove_belongings(self, generation_id: str) -> bool:
        """Delete up to 500 votes, plays and other documents about a clip. Return whether none is left."""
        left = _REMOVAL_BATCH
        for collection in (VOTES, FAVORITES, SUGGESTIONS, LISTENERS, PLAY_HOURS, PLAYS):
            for doc in await self._docs.find(collection.name, {"generation_id": generation_id}, limit=left):
                await self._docs.delete(collection.name, doc["id"])
                left -= 1
        return await self._playlists.remove_everywhere(generation_id, left)


def _query(chosen: GenerationFilter) -> SearchQuery:
    facets = model_condition(chosen.model)
    if chosen.category:
        facets["category"] = chosen.category
    if chosen.owner_id:
        facets["owner_id"] = chosen.owner_id
    if chosen.voted_only:
        facets["voted"] = "true"
    minimums: dict[str, float] = {}
    if chosen.min_create_time is not None:
        minimums["create_time"] = chosen.min_create_time
    if chosen.min_duration_seconds > 0:
        minimums["duration_seconds"] = chosen.min_duration_seconds
    maximums = {"duration_seconds": chosen.max_duration_seconds} if chosen.max_duration_seconds > 0 else {}
    return SearchQuery(chosen.search, chosen.search_prefix, facets, minimums, maximums)
