"""What listeners say about clips, as documents: favorites, votes, suggested categories.

The id of each document is made of what there may be only one of, e.g. one vote of a listener on a clip.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic import TypeAdapter

from kit.ports import AtLeast, Doc, OneOf
from services.library.catalog import Generation
from services.library.clip_docs import (
    FAVORITES,
    SUGGESTIONS,
    VOTES,
    ClipDocs,
    insert_new,
    listener_key,
    model_condition,
)
from services.library.favorites import Favorite
from services.library.tags import TagSuggestion
from services.library.votes import Vote

__all__ = ["ListenerStore"]

_PAGE = 500

_favorite: TypeAdapter[Favorite] = TypeAdapter(Favorite)
_vote: TypeAdapter[Vote] = TypeAdapter(Vote)
_suggestion: TypeAdapter[TagSuggestion] = TypeAdapter(TagSuggestion)


class ListenerStore(ClipDocs):
    # favorites

    async def add_favorite(self, favorite: Favorite) -> bool:
        doc = {"id": listener_key(favorite.generation_id, favorite.listener_id), **dataclasses.asdict(favorite)}
        return await insert_new(self._docs, FAVORITES, doc)

    async def remove_favorite(self, generation_id: str, listener_id: str) -> bool:
        return await self._docs.delete(FAVORITES.name, listener_key(generation_id, listener_id))

    async def list_favorites(
        self, listener_id: str, model: str, offset: int, limit: int
    ) -> tuple[list[tuple[Generation, Favorite]], int]:
        where = {"listener_id": listener_id, **model_condition(model)}
        docs = await self._docs.find(
            FAVORITES.name, where, sort="add_time", descending=True, offset=offset, limit=limit
        )
        favorites = await self._with_clips(docs, _favorite.validate_python)
        return favorites, await self._docs.count(FAVORITES.name, where)

    async def favorite_ids(self, listener_id: str, generation_ids: Sequence[str]) -> set[str]:
        return {doc["generation_id"] for doc in await self._those(FAVORITES.name, listener_id, generation_ids)}

    # votes

    async def put_vote(self, vote: Vote) -> None:
        """Store a vote in place of the listener's earlier one."""
        doc = {
            "id": listener_key(vote.generation_id, vote.listener_id),
            **dataclasses.asdict(vote),
            "has_feedback": vote.has_feedback,
            "feedback_time": vote.vote_time if vote.has_feedback else None,
        }
        while True:
            current = await self._docs.get(VOTES.name, doc["id"])
            if current is None:
                if await insert_new(self._docs, VOTES, doc):
                    return
            elif await self._docs.replace(VOTES.name, doc, current["revision"]):
                return

    async def remove_vote(self, generation_id: str, listener_id: str) -> None:
        await self._docs.delete(VOTES.name, listener_key(generation_id, listener_id))

    async def count_votes(self, generation_id: str) -> tuple[int, int]:
        """Up, down."""
        return (
            await self._count_of(VOTES, generation_id, vote=1),
            await self._count_of(VOTES, generation_id, vote=-1),
        )

    async def votes_of(self, listener_id: str, generation_ids: Sequence[str]) -> dict[str, int]:
        docs = await self._those(VOTES.name, listener_id, generation_ids)
        return {doc["generation_id"]: doc["vote"] for doc in docs}

    async def votes_with_feedback(self, generation_id: str) -> AsyncIterator[Vote]:
        where = {"generation_id": generation_id, "feedback_time": AtLeast(0)}
        after: tuple[Any, ...] | None = None
        while True:
            docs = await self._docs.find(VOTES.name, where, sort="feedback_time", limit=_PAGE, after=after)
            for doc in docs:
                yield _vote.validate_python(doc)
            if len(docs) < _PAGE:
                return
            after = (docs[-1]["feedback_time"], docs[-1]["id"])

    async def list_votes(self, listener_id: str, offset: int, limit: int) -> tuple[list[tuple[Generation, Vote]], bool]:
        return await self._latest(VOTES, listener_id, "vote_time", offset, limit, _vote.validate_python)

    # suggested categories

    async def add_suggestion(self, suggestion: TagSuggestion) -> bool:
        key = _suggestion_key(suggestion.generation_id, suggestion.category, suggestion.round, suggestion.listener_id)
        return await insert_new(self._docs, SUGGESTIONS, {"id": key, **dataclasses.asdict(suggestion)})

    async def remove_suggestion(self, generation_id: str, category: str, number: int, listener_id: str) -> bool:
        return await self._docs.delete(SUGGESTIONS.name, _suggestion_key(generation_id, category, number, listener_id))

    async def count_suggestions(self, generation_id: str, category: str, number: int) -> int:
        return await self._count_of(SUGGESTIONS, generation_id, category=category, round=number)

    async def suggestions(self, generation_id: str, limit: int) -> list[TagSuggestion]:
        """Newest first."""
        where = {"generation_id": generation_id}
        docs = await self._docs.find(SUGGESTIONS.name, where, sort="suggest_time", descending=True, limit=limit)
        return [_suggestion.validate_python(doc) for doc in docs]

    async def _those(self, collection: str, listener_id: str, generation_ids: Sequence[str]) -> list[Doc]:
        """The listener's documents on these clips."""
        keys = list({listener_key(generation_id, listener_id) for generation_id in generation_ids})
        return await self._docs.find(collection, {"id": OneOf(keys)}, limit=len(keys))


def _suggestion_key(generation_id: str, category: str, number: int, listener_id: str) -> str:
    return f"{generation_id}/{category}/{number}/{listener_id}"
