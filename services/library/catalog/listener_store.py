"""Queries on favorites, votes and category suggestions of listeners.

The document IDs are built from the values that must be unique, for example the clip and the listener of a vote.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence

from pydantic import TypeAdapter

from soundwright.kit.ports import AtLeast, Doc, OneOf
from soundwright.services.library.catalog.documents import (
    FAVORITES,
    SUGGESTIONS,
    VOTES,
    ClipDocs,
    listener_key,
    model_condition,
)
from soundwright.services.library.catalog.records import Clip, Favorite, TagSuggestion, Vote, VoteTotals
from soundwright.services.library.documents import insert_doc_if_absent, walk

_PAGE_SIZE = 500

_favorite: TypeAdapter[Favorite] = TypeAdapter(Favorite)
_vote: TypeAdapter[Vote] = TypeAdapter(Vote)
_suggestion: TypeAdapter[TagSuggestion] = TypeAdapter(TagSuggestion)


class ListenerStore(ClipDocs):
    """Favorites, votes and suggestions in the document store."""

    # favorites

    async def add_favorite(self, favorite: Favorite) -> bool:
        """Store a favorite. Return False if it already exists."""
        doc = {"id": listener_key(favorite.clip_id, favorite.listener_id), **dataclasses.asdict(favorite)}
        return await insert_doc_if_absent(self._docs, FAVORITES.name, doc)

    async def remove_favorite(self, clip_id: str, listener_id: str) -> bool:
        """Delete a favorite. Return False if it does not exist."""
        return await self._docs.delete(FAVORITES.name, listener_key(clip_id, listener_id))

    async def list_favorites(
        self, listener_id: str, model: str, offset: int, limit: int
    ) -> tuple[list[tuple[Clip, Favorite]], int]:
        """Return a page of a listener's favorites with their clips, newest first, and the total count."""
        where = {"listener_id": listener_id, **model_condition(model)}
        docs = await self._docs.find(
            FAVORITES.name, where, sort="add_time", descending=True, offset=offset, limit=limit
        )
        favorites = await self._with_clips(docs, _favorite.validate_python)
        return favorites, await self._docs.count(FAVORITES.name, where)

    async def filter_favorites(self, listener_id: str, clip_ids: Sequence[str]) -> set[str]:
        return {doc["clip_id"] for doc in await self._find_by_listener(FAVORITES.name, listener_id, clip_ids)}

    # votes

    async def put_vote(self, vote: Vote) -> None:
        """Store a vote, in place of the listener's earlier vote on the clip."""
        doc = {
            "id": listener_key(vote.clip_id, vote.listener_id),
            **dataclasses.asdict(vote),
            "feedback_time": vote.vote_time if vote.has_feedback else None,
        }
        while True:
            current = await self._docs.get(VOTES.name, doc["id"])
            if current is None:
                if await insert_doc_if_absent(self._docs, VOTES.name, doc):
                    return
            elif await self._docs.replace(VOTES.name, doc, current["revision"]):
                return

    async def remove_vote(self, clip_id: str, listener_id: str) -> None:
        """Delete the vote of a listener on a clip, if it exists."""
        await self._docs.delete(VOTES.name, listener_key(clip_id, listener_id))

    async def count_votes(self, clip_id: str) -> tuple[int, int]:
        """Return the number of upvotes and of downvotes of a clip."""
        return (
            await self._count_of(VOTES, clip_id, vote=1),
            await self._count_of(VOTES, clip_id, vote=-1),
        )

    async def count_votes_of_network(self, clip_id: str, network: str) -> int:
        """Return the number of votes on a clip by listeners without a registered account behind an address."""
        return await self._count_of(VOTES, clip_id, network=network)

    async def vote_totals(self) -> VoteTotals:
        """Return the numbers of all votes and favorites. This takes time in proportion to them."""
        return VoteTotals(
            votes=await self._docs.count(VOTES.name, {}),
            favorites=await self._docs.count(FAVORITES.name, {}),
            feedbacks=await self._docs.count(VOTES.name, {"feedback_time": AtLeast(0)}),
        )

    async def get_votes(self, listener_id: str, clip_ids: Sequence[str]) -> dict[str, int]:
        """Return a listener's votes on these clips, by clip ID."""
        docs = await self._find_by_listener(VOTES.name, listener_id, clip_ids)
        return {doc["clip_id"]: doc["vote"] for doc in docs}

    async def iter_votes_with_feedback(self, clip_id: str) -> AsyncIterator[Vote]:
        """Yield the votes on a clip that have feedback, oldest first."""
        where = {"clip_id": clip_id, "feedback_time": AtLeast(0)}
        async for doc in walk(self._docs, VOTES.name, where, ("feedback_time",)):
            yield _vote.validate_python(doc)

    async def list_votes(self, listener_id: str, offset: int, limit: int) -> tuple[list[tuple[Clip, Vote]], bool]:
        """Return a page of a listener's votes with their clips, newest first, and whether more follow."""
        return await self._latest(VOTES, listener_id, "vote_time", offset, limit, _vote.validate_python)

    # category suggestions

    async def add_suggestion(self, suggestion: TagSuggestion) -> bool:
        """Store a suggestion. Return False if it already exists."""
        key = _suggestion_key(suggestion.clip_id, suggestion.category, suggestion.round, suggestion.listener_id)
        return await insert_doc_if_absent(self._docs, SUGGESTIONS.name, {"id": key, **dataclasses.asdict(suggestion)})

    async def remove_suggestion(self, clip_id: str, category: str, round_number: int, listener_id: str) -> bool:
        """Delete a suggestion. Return False if it does not exist."""
        key = _suggestion_key(clip_id, category, round_number, listener_id)
        return await self._docs.delete(SUGGESTIONS.name, key)

    async def count_suggestions(
        self, clip_id: str, category: str, round_number: int, *, by_network: bool = False
    ) -> int:
        """Return the number of suggestions for a category in a round.

        Args:
            by_network: those of listeners without a registered account behind the same address count as one.
        """
        where = {"clip_id": clip_id, "category": category, "round": round_number}
        if not by_network:
            return await self._docs.count(SUGGESTIONS.name, where)
        docs = await self._docs.find(SUGGESTIONS.name, where, limit=_PAGE_SIZE)
        return len({doc.get("network") or doc["listener_id"] for doc in docs})

    async def count_suggestions_since(self, network: str, time: float) -> int:
        """Return the number of suggestions by listeners without a registered account behind an address."""
        return await self._docs.count(SUGGESTIONS.name, {"network": network, "suggest_time": AtLeast(time)})

    async def list_suggestions(self, clip_id: str, limit: int) -> list[TagSuggestion]:
        """Return the suggestions for a clip, newest first."""
        where = {"clip_id": clip_id}
        docs = await self._docs.find(SUGGESTIONS.name, where, sort="suggest_time", descending=True, limit=limit)
        return [_suggestion.validate_python(doc) for doc in docs]

    async def _find_by_listener(self, collection: str, listener_id: str, clip_ids: Sequence[str]) -> list[Doc]:
        """Return the documents of a listener for these clips."""
        keys = list({listener_key(clip_id, listener_id) for clip_id in clip_ids})
        return await self._docs.find(collection, {"id": OneOf(keys)}, limit=len(keys))


def _suggestion_key(clip_id: str, category: str, round_number: int, listener_id: str) -> str:
    return f"{clip_id}/{category}/{round_number}/{listener_id}"
