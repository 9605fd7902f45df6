"""The catalog's queries: lists, random choices, counts, filing and deletion of clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from kit.ports import AtLeast, Contains, Docs, OneOf
from services.library.catalog import (
    CatalogCounts,
    Deletion,
    Generation,
    GenerationFilter,
    GenerationSort,
    PlayTotals,
)
from services.library.categories import categorise
from services.library.clip_docs import (
    COLLECTIONS,
    DELETIONS,
    FAVORITES,
    GENERATIONS,
    LISTENERS,
    PLAY_HOURS,
    PLAYS,
    SUGGESTIONS,
    VOTES,
    ClipDocs,
    duration_condition,
    insert_new,
    listener_key,
    model_condition,
)
from services.library.playlist_store import PlaylistStore

__all__ = ["CatalogStore"]

_ORDERS = {
    GenerationSort.RECENT: ("create_time",),
    GenerationSort.POPULAR: ("vote_total", "create_time"),
    GenerationSort.RATING: ("vote_balance", "create_time"),
}
_FAVORITE_POOL = 500
_REMOVAL_BATCH = 500

_deletion: TypeAdapter[Deletion] = TypeAdapter(Deletion)


class CatalogStore(ClipDocs):
    def __init__(self, docs: Docs) -> None:
        super().__init__(docs)
        self._playlists = PlaylistStore(docs)

    async def prepare(self) -> None:
        for collection in COLLECTIONS:
            await self._docs.ensure(collection)

    async def file_generation(self, generation: Generation) -> None:
        """Take a new clip into the catalog, under the categories that its prompt suggests.

        May be repeated: a clip that is filed already stays as it is, with its votes, and one that was deleted
        stays deleted.
        """
        if await self._docs.get(DELETIONS.name, generation.id):
            return
        filed = dataclasses.replace(
            generation,
            categories=categorise(generation.prompt, generation.model),
            upvote_count=0,
            downvote_count=0,
            rating=None,
            play_count=0,
            listener_count=0,
            tag_rounds={},
            plays=PlayTotals(),
            recounts={},
        )
        # Between the question above and the insert, it may have been filed and deleted by others.
        if await self._insert_generation(filed) and await self._docs.get(DELETIONS.name, generation.id):
            await self.remove_generation(generation.id)

    async def list_generations(
        self, chosen: GenerationFilter, sort: GenerationSort, offset: int, limit: int
    ) -> list[Generation]:
        order = _ORDERS[sort]
        if chosen.voted_only and sort is GenerationSort.RATING:
            order = ("vote_balance", "upvote_count", "create_time")
        return await self._find(
            _where(chosen), text=chosen.search, sort=order, descending=True, offset=offset, limit=limit
        )

    async def count_generations(self, chosen: GenerationFilter) -> int:
        return await self._docs.count(GENERATIONS.name, _where(chosen), text=chosen.search)

    async def sample_generations(
        self, chosen: GenerationFilter, count: int, exclude_ids: Sequence[str], favorites_of: str | None
    ) -> list[Generation]:
        where = _where(chosen)
        if favorites_of is None:
            return await self._sample(where, text=chosen.search, count=count, exclude=exclude_ids)
        model = model_condition(chosen.model)
        # What more there is to meet is looked at in a random choice of them: still each has the same chance.
        pool = count if where == model and not chosen.search.strip() else _FAVORITE_POOL
        kept = await self._docs.sample(
            FAVORITES.name,
            {"listener_id": favorites_of, **model},
            count=pool,
            exclude=[listener_key(generation_id, favorites_of) for generation_id in exclude_ids],
        )
        drawn = [doc["generation_id"] for doc in kept]
        clips = {
            clip.id: clip for clip in await self._find({**where, "id": OneOf(drawn)}, text=chosen.search, limit=pool)
        }
        return [clips[clip_id] for clip_id in drawn if clip_id in clips][:count]

    async def count_by_family(self) -> dict[str, int]:
        return {family: count for (family,), count in (await self._docs.tally(GENERATIONS.name, ("family",))).items()}

    async def count_by_category(self) -> dict[tuple[str, str], int]:
        """By family and category."""
        tally = await self._docs.tally(GENERATIONS.name, ("family", "categories"))
        return {(family, category): count for (family, category), count in tally.items()}

    async def counts(self) -> CatalogCounts:
        votes = await self._docs.tally(VOTES.name, ("has_feedback",))
        return CatalogCounts(
            generations=sum((await self.count_by_family()).values()),
            votes=sum(votes.values()),
            favorites=sum((await self._docs.tally(FAVORITES.name, ("model",))).values()),
            feedbacks=votes.get((True,), 0),
        )

    # ---------------------------------------------------------------------------------------------------- deletion

    async def deletion(self, generation_id: str) -> Deletion | None:
        doc = await self._docs.get(DELETIONS.name, generation_id)
        return _deletion.validate_python(doc) if doc else None

    async def pending_deletions(self, limit: int) -> list[Deletion]:
        docs = await self._docs.find(DELETIONS.name, {"pending": True}, limit=limit)
        return [_deletion.validate_python(doc) for doc in docs]

    async def begin_deletion(self, deletion: Deletion) -> None:
        await insert_new(self._docs, DELETIONS, dataclasses.asdict(deletion))

    async def end_deletion(self, deletion: Deletion) -> None:
        current = await self.deletion(deletion.id)
        if current is not None:
            done = dataclasses.replace(current, pending=None)
            await self._docs.replace(DELETIONS.name, dataclasses.asdict(done), current.revision)

    async def remove_generation(self, generation_id: str) -> None:
        await self._docs.delete(GENERATIONS.name, generation_id)

    async def remove_belongings(self, generation_id: str) -> bool:
        """Remove what listeners said about a clip, up to some hundreds of documents; says whether all is gone."""
        left = _REMOVAL_BATCH
        for collection in (VOTES, FAVORITES, SUGGESTIONS, LISTENERS, PLAY_HOURS, PLAYS):
            for doc in await self._docs.find(collection.name, {"generation_id": generation_id}, limit=left):
                await self._docs.delete(collection.name, doc["id"])
                left -= 1
        return await self._playlists.remove_everywhere(generation_id, left)


def _where(chosen: GenerationFilter) -> dict[str, Any]:
    where = {**model_condition(chosen.model), **duration_condition(chosen.min_duration_seconds)}
    if chosen.category:
        where["categories"] = Contains(chosen.category)
    if chosen.owner_id:
        where["owner_id"] = chosen.owner_id
    if chosen.min_create_time is not None:
        where["create_time"] = AtLeast(chosen.min_create_time)
    if chosen.voted_only:
        where["voted"] = True
    return where
