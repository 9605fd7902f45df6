"""Queries on favorites, votes and category suggestions of listeners."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from soundwright.kit.ports import AtLeast, Doc, Docs
from soundwright.services.library.catalog.documents import FAVORITES, SUGGESTIONS, VOTES, ClipDocs, model_condition
from soundwright.services.library.catalog.records import Clip, Favorite, TagSuggestion, Vote, VoteTotals, listener_key
from soundwright.services.library.table import Table

_PAGE_SIZE = 500


class ListenerStore(ClipDocs):
    """Favorites, votes and suggestions in the document store."""

    def __init__(self, docs: Docs) -> None:
        super().__init__(docs)
        self.favorites = Table(docs, FAVORITES, Favorite, _doc)
        self.votes = Table(docs, VOTES, Vote, _vote_doc)
        self.suggestions = Table(docs, SUGGESTIONS, TagSuggestion, _doc)

    async def list_favorites(
        self, listener_id: str, model: str, offset: int, limit: int
    ) -> tuple[list[tuple[Clip, Favorite]], int]:
        """Return a page of a listener's favorites with their clips, newest first, and the total count."""
        where = {"listener_id": listener_id, **model_condition(model)}
        found, total = await self.favorites.page(where, sort="add_time", descending=True, offset=offset, limit=limit)
        return await self._with_clips(found), total

    async def filter_favorites(self, listener_id: str, clip_ids: Sequence[str]) -> set[str]:
        found = await self.favorites.by_ids(listener_key(clip_id, listener_id) for clip_id in clip_ids)
        return {favorite.clip_id for favorite in found.values()}

    async def put_vote(self, vote: Vote) -> None:
        """Store a vote, in place of the listener's earlier vote on the clip."""
        stored = False
        while not stored:
            current = await self.votes.get(vote.id)
            stored = await self.votes.put(dataclasses.replace(vote, revision=current.revision if current else 0))

    async def count_votes(self, clip_id: str) -> tuple[int, int]:
        upvotes = await self.votes.count({"clip_id": clip_id, "vote": 1})
        return upvotes, await self.votes.count({"clip_id": clip_id, "vote": -1})

    async def vote_totals(self) -> VoteTotals:
        """Return the numbers of all votes and favorites. This takes time in proportion to them."""
        return VoteTotals(
            votes=await self.votes.count({}),
            favorites=await self.favorites.count({}),
            feedbacks=await self.votes.count({"feedback_time": AtLeast(0)}),
        )

    async def get_votes(self, listener_id: str, clip_ids: Sequence[str]) -> dict[str, int]:
        found = await self.votes.by_ids(listener_key(clip_id, listener_id) for clip_id in clip_ids)
        return {vote.clip_id: vote.vote for vote in found.values()}

    async def list_votes(self, listener_id: str, offset: int, limit: int) -> tuple[list[tuple[Clip, Vote]], bool]:
        """Return a page of a listener's votes with their clips, newest first, and whether more follow."""
        return await self._latest(self.votes, listener_id, "vote_time", offset, limit)

    async def count_suggestions(
        self, clip_id: str, category: str, round_number: int, *, by_network: bool = False
    ) -> int:
        """Return the number of suggestions for a category in a round.

        Args:
            by_network: those of listeners without a registered account behind the same address count as one.
        """
        where = {"clip_id": clip_id, "category": category, "round": round_number}
        if not by_network:
            return await self.suggestions.count(where)
        found = await self.suggestions.find(where, limit=_PAGE_SIZE)
        return len({each.network or each.listener_id for each in found})


def _doc(record: Any) -> Doc:
    return {"id": record.id, **dataclasses.asdict(record)}


def _vote_doc(vote: Vote) -> Doc:
    return {**_doc(vote), "feedback_time": vote.vote_time if vote.has_feedback else None}
