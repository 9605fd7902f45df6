"""The search index of clips, and how it stays true to the documents.

A write to a clip takes two steps: the document, with ``search_pending`` set, and then its entry in the index. If the
process stops between the two, :meth:`ClipSearch.repair` finds the marker and writes the entry. It also clears the markers
of completed writes, one compare-and-set for all writes to a clip since the last round, so a write has no third step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import TypeAdapter

from kit.errors import AppError
from kit.log import get_logger
from kit.ports import Collection, Doc, Docs, Index, OneOf, Search, SearchEntry, SearchIndex
from services.library.catalog.service import Generation

__all__ = ["BY_PLAYS", "BY_RATING", "BY_TIME", "BY_VOTES", "CLIPS", "GENERATIONS", "TOP_RATED", "ClipSearch"]

BY_TIME = ("create_time",)
BY_VOTES = ("vote_total", "create_time")
BY_RATING = ("vote_balance", "create_time")
TOP_RATED = ("vote_balance", "upvote_count", "create_time")
BY_PLAYS = ("play_count", "create_time")
_BY_DURATION = ("duration_seconds",)
_BATCH = 200

CLIPS = SearchIndex(
    "generations",
    facets=("family", "model", "owner_id", "category", "voted"),
    orders=(BY_TIME, BY_VOTES, BY_RATING, TOP_RATED, BY_PLAYS, _BY_DURATION),
    counted=(("family",), ("family", "category")),
)
GENERATIONS = Collection("generations", (Index(("search_pending",), present="search_pending"), Index(("create_time",))))

_generation: TypeAdapter[Generation] = TypeAdapter(Generation)
log = get_logger()


class ClipSearch:
    """Writes the search entries of clips."""

    def __init__(self, docs: Docs, search: Search) -> None:
        self._docs = docs
        self._search = search

    async def prepare(self) -> None:
        """Create the index, fill it if it is new or its definition changed, and repair it."""
        if not await self._search.ensure(CLIPS):
            entries = await self._for_each_page({}, self._put)
            await self._search.complete(CLIPS.name)
            log.info("search.rebuilt", index=CLIPS.name, entries=entries)
        await self.repair()

    async def repair(self) -> int:
        """Write missing entries of clips that are marked as pending, and clear the markers.

        Returns:
            The number of entries that were missing or out of date.
        """
        return await self._for_each_page({"search_pending": True}, self._settle)

    async def update(self, doc: Doc) -> None:
        """Write the entry of a document that was stored as pending. A failure is left to :meth:`repair`."""
        try:
            await self._put([doc])
        except AppError as error:
            log.warning("search.update_failed", generation_id=doc["id"], reason=error.reason)

    async def remove(self, generation_ids: Sequence[str]) -> None:
        """Remove the entries of clips that were deleted."""
        await self._search.remove(CLIPS.name, generation_ids)

    async def _for_each_page(self, where: dict[str, Any], action: Callable[[list[Doc]], Awaitable[int]]) -> int:
        """Call ``action`` with pages of documents. Return the sum of the results."""
        total, after = 0, None
        while page := await self._docs.find(GENERATIONS.name, where, limit=_BATCH, after=after):
            total += await action(page)
            after = (page[-1]["id"], page[-1]["id"])
        return total

    async def _settle(self, docs: Sequence[Doc]) -> int:
        written = await self._put(docs)
        for doc in docs:
            # If another write came first, the document is pending again and the compare-and-set fails.
            await self._docs.replace(GENERATIONS.name, {**doc, "search_pending": None}, doc["revision"])
        return written

    async def _put(self, docs: Sequence[Doc]) -> int:
        """Write the entries of documents, but not of those that were deleted in the meantime.

        Returns:
            The number of entries that were written.
        """
        written = await self._search.put(CLIPS.name, [_entry(doc) for doc in docs])
        ids = [doc["id"] for doc in docs]
        left = {doc["id"] for doc in await self._docs.find(GENERATIONS.name, {"id": OneOf(ids)}, limit=len(ids))}
        if deleted := [doc_id for doc_id in ids if doc_id not in left]:
            await self.remove(deleted)
        return written


def _entry(doc: Doc) -> SearchEntry:
    clip = _generation.validate_python(doc)
    vote_total = clip.upvote_count + clip.downvote_count
    return SearchEntry(
        id=clip.id,
        revision=clip.revision,
        text=clip.prompt,
        facets={
            "family": (clip.family,),
            "model": (clip.model,),
            "owner_id": (clip.owner_id,),
            "category": clip.categories,
            "voted": ("true",) if vote_total else (),
        },
        sort_keys={
            "create_time": clip.create_time,
            "vote_total": vote_total,
            "vote_balance": clip.upvote_count - clip.downvote_count,
            "upvote_count": clip.upvote_count,
            "play_count": clip.play_count,
            "duration_seconds": clip.duration_seconds,
        },
    )
