"""Votes of listeners and what they say with them. One vote a listener and clip."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.catalog import FAMILIES, Generation, GenerationStore, recount, require_batch, require_generation

__all__ = ["Feedback", "Vote", "VoteStore", "Votes"]

_REASON_LIMIT = 10
_REASON_LENGTH = 50
_NOTES_LENGTH = 1000
_SHOWN_REASONS = 100


@dataclass(frozen=True)
class Vote:
    generation_id: str
    listener_id: str
    vote: int  # 1 up, -1 down
    vote_time: float
    feedback_reasons: list[str] = field(default_factory=list)
    notes: str = ""  # private: for the operator, never shown
    suggested_model: str = ""

    @property
    def has_feedback(self) -> bool:
        return bool(self.feedback_reasons or self.notes or self.suggested_model)


@dataclass(frozen=True)
class Feedback:
    """How often which reason was given with up-votes and with down-votes, and which other model was suggested."""

    positive_reasons: dict[str, int]
    negative_reasons: dict[str, int]
    suggested_models: dict[str, int]
    vote_count: int


class VoteStore(GenerationStore, Protocol):
    async def put_vote(self, vote: Vote) -> None: ...
    async def remove_vote(self, generation_id: str, listener_id: str) -> None: ...
    async def count_votes(self, generation_id: str) -> tuple[int, int]: ...
    async def votes_of(self, listener_id: str, generation_ids: Sequence[str]) -> dict[str, int]: ...
    def votes_with_feedback(self, generation_id: str) -> AsyncIterator[Vote]: ...
    async def list_votes(
        self, listener_id: str, offset: int, limit: int
    ) -> tuple[list[tuple[Generation, Vote]], bool]: ...


class Votes:
    def __init__(self, store: VoteStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def vote(
        self,
        principal: Principal,
        generation_id: str,
        vote: int,
        feedback_reasons: Sequence[str] = (),
        notes: str = "",
        suggested_model: str = "",
    ) -> Generation:
        """Cast the caller's vote in place of an earlier one and its feedback; 0 takes both back.

        Returns:
            The clip with its new counts.

        Raises:
            AppError: ``VOTE_INVALID``, ``TOO_MANY_REASONS``, ``NOTES_TOO_LONG``, ``SUGGESTED_MODEL_INVALID``,
                ``GENERATION_NOT_FOUND``.
        """
        if vote not in (-1, 0, 1):
            raise AppError(Code.INVALID_ARGUMENT, "VOTE_INVALID", "A vote is -1, 0 or 1.")
        if len(feedback_reasons) > _REASON_LIMIT:
            raise AppError(
                Code.INVALID_ARGUMENT, "TOO_MANY_REASONS", f"Give at most {_REASON_LIMIT} reasons with a vote."
            )
        if len(notes) > _NOTES_LENGTH:
            raise AppError(Code.INVALID_ARGUMENT, "NOTES_TOO_LONG", f"Notes have at most {_NOTES_LENGTH} characters.")
        if suggested_model and suggested_model not in FAMILIES:
            raise AppError(
                Code.INVALID_ARGUMENT, "SUGGESTED_MODEL_INVALID", "The suggested model is music or audio, or none."
            )
        await require_generation(self._store, generation_id)
        if vote:
            reasons = [reason.strip()[:_REASON_LENGTH].strip() for reason in feedback_reasons]
            cast = Vote(
                generation_id=generation_id,
                listener_id=principal.id,
                vote=vote,
                vote_time=self._clock.now(),
                feedback_reasons=list(dict.fromkeys(filter(None, reasons))),
                notes=notes.strip(),
                suggested_model=suggested_model,
            )
            await self._store.put_vote(cast)
        else:
            await self._store.remove_vote(generation_id, principal.id)
        try:
            return await recount(self._store, generation_id, ["votes"], self._counted)
        except AppError:
            # A deletion that came between may have looked for votes before this one was there.
            await self._store.remove_vote(generation_id, principal.id)
            raise

    async def _counted(self, generation: Generation) -> Generation:
        up, down = await self._store.count_votes(generation.id)
        return dataclasses.replace(generation, upvote_count=up, downvote_count=down)

    async def own(self, principal: Principal, generation_ids: Sequence[str]) -> dict[str, int]:
        """The caller's votes on these clips; those without one are left out.

        Raises:
            AppError: ``TOO_MANY_IDS``.
        """
        require_batch(generation_ids)
        return await self._store.votes_of(principal.id, generation_ids)

    async def feedback(self, generation_id: str) -> Feedback:
        """
        Raises:
            AppError: ``GENERATION_NOT_FOUND``.
        """
        generation = await require_generation(self._store, generation_id)
        positive, negative, models = Counter[str](), Counter[str](), Counter[str]()
        async for vote in self._store.votes_with_feedback(generation_id):
            (positive if vote.vote > 0 else negative).update(vote.feedback_reasons)
            if vote.suggested_model:
                models[vote.suggested_model] += 1
        return Feedback(
            dict(positive.most_common(_SHOWN_REASONS)),
            dict(negative.most_common(_SHOWN_REASONS)),
            dict(models),
            generation.upvote_count + generation.downvote_count,
        )

    async def list_votes(
        self, principal: Principal, offset: int, limit: int
    ) -> tuple[list[tuple[Generation, Vote]], bool]:
        """The caller's, newest first, and whether there are more."""
        return await self._store.list_votes(principal.id, offset, limit)
