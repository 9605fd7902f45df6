"""Category suggestions of listeners. When three listeners agree, the category of the clip changes.

Suggestions for a category of a clip are collected in rounds. All suggestions of a round are the same: to add the
category if the clip lacks it, or to remove it if the clip has it. The third suggestion ends the round: one compare-and-set
changes the category and increases the round number. So parallel suggestions change the category once, and suggestions of
an earlier round have no effect.

Callers without an account choose their names. So on the clip of an account, those of one address count as one listener, and an
address can make 30 suggestions an hour.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import AtLeast, Clock
from soundwright.kit.security.identity import Principal, is_anonymous_id
from soundwright.services.library.catalog.categories import CATEGORIES
from soundwright.services.library.catalog.records import Clip, TagSuggestion
from soundwright.services.library.catalog.service import require_clip

if TYPE_CHECKING:
    from soundwright.services.library.catalog.listener_store import ListenerStore

THRESHOLD = 3
"""The number of listeners who must agree."""

_KEYS = frozenset(category for family in CATEGORIES.values() for category in family)
_LIST_LIMIT = 1000
_NETWORK_LIMIT = 30
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class TagOutcome:
    """The state of a round after a suggestion, and the categories of the clip."""

    consensus_reached: bool
    suggestion_count: int
    categories: list[str]


@dataclass(frozen=True)
class TagSuggestions:
    """The suggestion counts per category, the suggestions of the caller, and the categories of the clip."""

    additions: dict[str, int]
    removals: dict[str, int]
    own_additions: list[str]
    own_removals: list[str]
    categories: list[str]


class Tags:
    """Collects suggestions and applies decisions."""

    def __init__(self, store: "ListenerStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def suggest(self, principal: Principal, clip_id: str, category: str, remove: bool) -> TagOutcome:
        """Suggest to add a category to a clip, or to remove it.

        Raises ``CATEGORY_UNKNOWN``; ``GENERATION_NOT_FOUND``; ``TAG_PRESENT`` or ``TAG_ABSENT`` if the change has no
        effect; ``ALREADY_SUGGESTED`` if the caller has suggested it in this round; ``TOO_MANY_SUGGESTIONS``.
        """
        if category not in _KEYS:
            raise errors.CATEGORY_UNKNOWN()
        clip = await require_clip(self._store, clip_id)
        _require_effect(clip, category, remove)
        round_number = clip.tag_rounds.get(category, 0)
        now, network = self._clock.now(), principal.network or None
        suggestion = TagSuggestion(clip_id, category, round_number, remove, principal.id, now, network)
        added = await self._store.suggestions.add(suggestion)
        lately = {"network": network, "suggest_time": AtLeast(now - _HOUR_SECONDS)}
        try:
            if network and await self._store.suggestions.count(lately) > _NETWORK_LIMIT:
                raise errors.TOO_MANY_SUGGESTIONS(
                    "Too many suggestions came from your address in the last hour. Try again in an hour, or log in."
                )
            # Also after a repeated suggestion: the process may have stopped between the third one and the decision.
            clip = await self._decide(clip_id, category, round_number, remove)
        except AppError:
            await self._store.suggestions.delete(suggestion.id)
            raise
        decided = clip.tag_rounds.get(category, 0) > round_number
        if not (added or decided):
            raise errors.ALREADY_SUGGESTED()
        count = await self._count(clip, category, round_number)
        return TagOutcome(decided, count, clip.categories)

    async def _decide(self, clip_id: str, category: str, round_number: int, remove: bool) -> Clip:
        """Apply the decision if enough listeners agree. Return the current clip."""
        while True:
            clip = await require_clip(self._store, clip_id)
            if clip.tag_rounds.get(category, 0) != round_number:
                return clip
            if await self._count(clip, category, round_number) < THRESHOLD:
                return clip
            others = [present for present in clip.categories if present != category]
            decided = dataclasses.replace(
                clip,
                categories=others if remove else [*others, category],
                tag_rounds={**clip.tag_rounds, category: round_number + 1},
            )
            if await self._store.clips.replace(decided):
                return decided

    async def _count(self, clip: Clip, category: str, round_number: int) -> int:
        """Return how many listeners suggest the change."""
        by_network = not is_anonymous_id(clip.owner_id)
        return await self._store.count_suggestions(clip.id, category, round_number, by_network=by_network)

    async def withdraw(self, principal: Principal, clip_id: str, category: str, remove: bool) -> None:
        """Remove the caller's suggestion in the current round.

        Raises ``GENERATION_NOT_FOUND``, ``SUGGESTION_NOT_FOUND``.
        """
        clip = await require_clip(self._store, clip_id)
        own = TagSuggestion(clip_id, category, clip.tag_rounds.get(category, 0), remove, principal.id, suggest_time=0.0)
        is_open = remove is (category in clip.categories)
        if not is_open or not await self._store.suggestions.delete(own.id):
            raise errors.SUGGESTION_NOT_FOUND()

    async def suggestions(self, principal: Principal, clip_id: str) -> TagSuggestions:
        """Return the suggestions for a clip: those of the current round and of the last decided round.

        Raises ``GENERATION_NOT_FOUND``.
        """
        clip = await require_clip(self._store, clip_id)
        latest = await self._store.suggestions.find(
            {"clip_id": clip_id}, sort="suggest_time", descending=True, limit=_LIST_LIMIT
        )
        recent = [
            suggestion for suggestion in latest if suggestion.round >= clip.tag_rounds.get(suggestion.category, 0) - 1
        ]
        additions = [suggestion for suggestion in recent if not suggestion.remove]
        removals = [suggestion for suggestion in recent if suggestion.remove]
        return TagSuggestions(
            additions=_counts(additions),
            removals=_counts(removals),
            own_additions=[s.category for s in additions if s.listener_id == principal.id],
            own_removals=[s.category for s in removals if s.listener_id == principal.id],
            categories=clip.categories,
        )


def _counts(suggestions: Sequence[TagSuggestion]) -> dict[str, int]:
    return dict(Counter(suggestion.category for suggestion in suggestions).most_common())


def _require_effect(clip: Clip, category: str, remove: bool) -> None:
    present = category in clip.categories
    if present and not remove:
        raise errors.TAG_PRESENT()
    if remove and not present:
        raise errors.TAG_ABSENT()
