"""Votes and feedback of listeners. A listener has at most one vote per clip."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import AtLeast, Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.catalog.records import FAMILIES, Clip, Vote, listener_key
from soundwright.services.library.catalog.service import recount, require_batch, require_clip

if TYPE_CHECKING:
    from soundwright.services.library.catalog.listener_store import ListenerStore

_NETWORK_LIMIT = 10  # votes on a clip
_REASON_LIMIT = 10
_REASON_LIMIT_CHARS = 50
_NOTES_LIMIT_CHARS = 1000
_SUMMARY_REASON_LIMIT = 100


@dataclass(frozen=True)
class Feedback:
    """A summary of the feedback on a clip: the count of each reason and of each suggested model."""

    positive_reasons: dict[str, int]
    negative_reasons: dict[str, int]
    suggested_models: dict[str, int]
    vote_count: int


class Votes:
    """Manages votes and their counts."""

    def __init__(self, store: "ListenerStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def vote(
        self,
        principal: Principal,
        clip_id: str,
        vote: int,
        feedback_reasons: Sequence[str] = (),
        notes: str = "",
        suggested_model: str = "",
    ) -> Clip:
        """Store the caller's vote in place of an earlier one, and return the clip with its new counts.

        Args:
            vote: 1, -1, or 0 to remove the vote and its feedback.

        Raises ``VOTE_INVALID``, ``TOO_MANY_REASONS``, ``NOTES_TOO_LONG``, ``SUGGESTED_MODEL_INVALID``,
        ``GENERATION_NOT_FOUND``; ``TOO_MANY_VOTES`` if callers with invented names have voted from this address.
        """
        if vote not in (-1, 0, 1):
            raise errors.VOTE_INVALID()
        if len(feedback_reasons) > _REASON_LIMIT:
            raise errors.TOO_MANY_REASONS(limit=_REASON_LIMIT)
        if len(notes) > _NOTES_LIMIT_CHARS:
            raise errors.NOTES_TOO_LONG(limit=_NOTES_LIMIT_CHARS)
        if suggested_model and suggested_model not in FAMILIES:
            raise errors.SUGGESTED_MODEL_INVALID()
        await require_clip(self._store, clip_id)
        if vote:
            reasons = [reason.strip()[:_REASON_LIMIT_CHARS].strip() for reason in feedback_reasons]
            new_vote = Vote(
                clip_id=clip_id,
                listener_id=principal.id,
                vote=vote,
                vote_time=self._clock.now(),
                feedback_reasons=list(dict.fromkeys(filter(None, reasons))),
                notes=notes.strip(),
                suggested_model=suggested_model,
                network=principal.network or None,
            )
            await self._store.put_vote(new_vote)
            await self._limit_network(new_vote)
        else:
            await self._store.votes.delete(listener_key(clip_id, principal.id))
        try:
            return await recount(self._store, clip_id, ["votes"], self._with_counts)
        except AppError:
            # A parallel deletion of the clip may have searched for votes before this one was stored.
            await self._store.votes.delete(listener_key(clip_id, principal.id))
            raise

    async def _limit_network(self, vote: Vote) -> None:
        """Remove a new vote if there are too many of its network."""
        if vote.network is None:
            return
        of_network = {"clip_id": vote.clip_id, "network": vote.network}
        if await self._store.votes.count(of_network) > _NETWORK_LIMIT:
            await self._store.votes.delete(vote.id)
            raise errors.TOO_MANY_VOTES(limit=_NETWORK_LIMIT)

    async def _with_counts(self, clip: Clip) -> Clip:
        upvotes, downvotes = await self._store.count_votes(clip.id)
        return dataclasses.replace(clip, upvote_count=upvotes, downvote_count=downvotes)

    async def own(self, principal: Principal, clip_ids: Sequence[str]) -> dict[str, int]:
        """Return the caller's votes by clip ID, without the clips that the caller did not vote on.

        Raises ``TOO_MANY_IDS``.
        """
        require_batch(clip_ids)
        return await self._store.get_votes(principal.id, clip_ids)

    async def feedback(self, clip_id: str) -> Feedback:
        """Return a summary of the feedback on a clip. Raises ``GENERATION_NOT_FOUND``."""
        clip = await require_clip(self._store, clip_id)
        positive, negative, models = Counter[str](), Counter[str](), Counter[str]()
        with_feedback = {"clip_id": clip_id, "feedback_time": AtLeast(0)}
        async for vote in self._store.votes.walk(with_feedback, ("feedback_time",)):
            (positive if vote.vote > 0 else negative).update(vote.feedback_reasons)
            if vote.suggested_model:
                models[vote.suggested_model] += 1
        return Feedback(
            dict(positive.most_common(_SUMMARY_REASON_LIMIT)),
            dict(negative.most_common(_SUMMARY_REASON_LIMIT)),
            dict(models),
            clip.upvote_count + clip.downvote_count,
        )

    async def list_votes(self, principal: Principal, offset: int, limit: int) -> tuple[list[tuple[Clip, Vote]], bool]:
        """Return a page of the caller's votes with their clips, newest first, and whether more follow."""
        return await self._store.list_votes(principal.id, offset, limit)
