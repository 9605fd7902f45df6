"""Categories that listeners suggest. Three different listeners who agree decide.

Suggestions for one category of one clip come in rounds. In a round, all suggest the same: to add the category if the
clip lacks it, to remove it if not. The round ends with the decision: category and number of the round change in one
compare-and-set, so that a decision is carried out exactly once, however many agree at the same moment, and suggestions
of a round that is over cannot bring about another.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.catalog import Generation, GenerationStore, require_generation
from services.library.categories import CATEGORIES

__all__ = ["THRESHOLD", "TagOutcome", "TagStore", "TagSuggestion", "TagSuggestions", "Tags"]

THRESHOLD = 3
_KEYS = frozenset(category for family in CATEGORIES.values() for category in family)
_SHOWN = 1000


@dataclass(frozen=True)
class TagSuggestion:
    generation_id: str
    category: str
    round: int  # decisions on this category before this one
    remove: bool
    listener_id: str
    suggest_time: float


@dataclass(frozen=True)
class TagOutcome:
    consensus_reached: bool
    suggestion_count: int
    categories: list[str]


@dataclass(frozen=True)
class TagSuggestions:
    """How many suggest what, the caller's own, and the clip's categories."""

    additions: dict[str, int]
    removals: dict[str, int]
    own_additions: list[str]
    own_removals: list[str]
    categories: list[str]


class TagStore(GenerationStore, Protocol):
    async def add_suggestion(self, suggestion: TagSuggestion) -> bool: ...
    async def remove_suggestion(self, generation_id: str, category: str, number: int, listener_id: str) -> bool: ...
    async def count_suggestions(self, generation_id: str, category: str, number: int) -> int: ...
    async def suggestions(self, generation_id: str, limit: int) -> Sequence[TagSuggestion]: ...


class Tags:
    def __init__(self, store: TagStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def suggest(self, principal: Principal, generation_id: str, category: str, remove: bool) -> TagOutcome:
        """Suggest that a clip gets a category of any model, or loses one.

        Raises:
            AppError: ``CATEGORY_UNKNOWN``, ``GENERATION_NOT_FOUND``, ``TAG_PRESENT`` or ``TAG_ABSENT`` when there is
                nothing to change, ``ALREADY_SUGGESTED`` by the caller.
        """
        if category not in _KEYS:
            raise AppError(
                Code.INVALID_ARGUMENT, "CATEGORY_UNKNOWN", "There is no such category. Choose one of the list."
            )
        generation = await require_generation(self._store, generation_id)
        _require_sense(generation, category, remove)
        number = generation.tag_rounds.get(category, 0)
        added = await self._store.add_suggestion(
            TagSuggestion(generation_id, category, number, remove, principal.id, self._clock.now())
        )
        try:
            # Also for a repeated suggestion: a crash may have come between the third one and its effect.
            generation = await self._decide(generation_id, category, number, remove)
        except AppError:
            await self._store.remove_suggestion(generation_id, category, number, principal.id)
            raise
        decided = generation.tag_rounds.get(category, 0) > number
        if not (added or decided):
            raise AppError(Code.CONFLICT, "ALREADY_SUGGESTED", "You have suggested this before.")
        count = await self._store.count_suggestions(generation_id, category, number)
        return TagOutcome(decided, count, generation.categories)

    async def _decide(self, generation_id: str, category: str, number: int, remove: bool) -> Generation:
        while True:
            generation = await require_generation(self._store, generation_id)
            if generation.tag_rounds.get(category, 0) != number:
                return generation
            if await self._store.count_suggestions(generation_id, category, number) < THRESHOLD:
                return generation
            others = [present for present in generation.categories if present != category]
            decided = dataclasses.replace(
                generation,
                categories=others if remove else [*others, category],
                tag_rounds={**generation.tag_rounds, category: number + 1},
            )
            if await self._store.replace_generation(decided):
                return decided

    async def withdraw(self, principal: Principal, generation_id: str, category: str, remove: bool) -> None:
        """Take back the caller's own suggestion, as long as nothing is decided.

        Raises:
            AppError: ``GENERATION_NOT_FOUND``, ``SUGGESTION_NOT_FOUND``.
        """
        generation = await require_generation(self._store, generation_id)
        number = generation.tag_rounds.get(category, 0)
        open_round = remove is (category in generation.categories)
        if not open_round or not await self._store.remove_suggestion(generation_id, category, number, principal.id):
            raise AppError(Code.NOT_FOUND, "SUGGESTION_NOT_FOUND", "You have no such suggestion that is still open.")

    async def suggestions(self, principal: Principal, generation_id: str) -> TagSuggestions:
        """What is suggested for a clip, and for each category what led to the last decision.

        Raises:
            AppError: ``GENERATION_NOT_FOUND``.
        """
        generation = await require_generation(self._store, generation_id)
        shown = [
            suggestion
            for suggestion in await self._store.suggestions(generation_id, _SHOWN)
            if suggestion.round >= generation.tag_rounds.get(suggestion.category, 0) - 1
        ]
        additions = [suggestion for suggestion in shown if not suggestion.remove]
        removals = [suggestion for suggestion in shown if suggestion.remove]
        return TagSuggestions(
            additions=_counts(additions),
            removals=_counts(removals),
            own_additions=[s.category for s in additions if s.listener_id == principal.id],
            own_removals=[s.category for s in removals if s.listener_id == principal.id],
            categories=generation.categories,
        )


def _counts(suggestions: Sequence[TagSuggestion]) -> dict[str, int]:
    return dict(Counter(suggestion.category for suggestion in suggestions).most_common())


def _require_sense(generation: Generation, category: str, remove: bool) -> None:
    present = category in generation.categories
    if present and not remove:
        raise AppError(Code.CONFLICT, "TAG_PRESENT", "The generation is in this category already.")
    if remove and not present:
        raise AppError(Code.CONFLICT, "TAG_ABSENT", "The generation is not in this category.")
