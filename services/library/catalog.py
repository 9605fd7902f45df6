"""The catalog of generated clips: what it knows of a clip, and who may do what with it.

All clips are public to whoever may call. What listeners say about a clip lies in documents of its own (votes,
favorites, suggestions, plays); what the clip itself shows of that, its counts and categories, is worked out anew from
those documents with each change and stored by compare-and-set, so that a crash in between is made good by the next
change and no change is ever lost to another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Blobs, Clock
from services.library import categories

__all__ = [
    "FAMILIES",
    "Catalog",
    "CatalogCounts",
    "Deletion",
    "Generation",
    "GenerationFilter",
    "GenerationSort",
    "GenerationStore",
    "PlayTotals",
    "change_generation",
    "generation_not_found",
    "recount",
    "require_batch",
    "require_generation",
]

FAMILIES = tuple(categories.CATEGORIES)
_BATCH_LIMIT = 100
_SAMPLE_LIMIT = 100
_EXCLUDE_LIMIT = 500
_RESUME_BATCH = 20
_RATINGS = range(1, 6)


@dataclass(frozen=True)
class PlayTotals:
    """Plays of a clip that are added up for good: those before an hour, counted since 1970."""

    count: int = 0
    until_hour: int = 0


@dataclass(frozen=True)
class Generation:
    """A clip that was generated from words. It has the id of the job that made it.

    What follows ``create_time`` is the library's to fill in; filing a clip overrules whatever a worker sent.
    """

    id: str
    owner_id: str
    prompt: str
    model: str  # as asked for: music, audio, magnet-music, magnet-audio
    duration_seconds: float
    is_loop: bool = False
    seed: int = 0
    quality_score: int | None = None  # 0 to 100; None: could not be measured
    quality_issues: list[str] = field(default_factory=list)
    quality_accepted: bool = True
    retry_count: int = 0
    engine: str = ""
    engine_model: str = ""
    degraded: bool = False
    sample_rate_hz: int = 0
    channel_count: int = 0
    audio_blob_key: str = ""
    spectrogram_blob_key: str = ""  # empty: none was made
    audio_size_bytes: int = 0
    continued_from_id: str = ""
    priority: str = ""
    create_time: float = 0.0
    categories: list[str] = field(default_factory=list)  # best first
    upvote_count: int = 0
    downvote_count: int = 0
    rating: int | None = None  # 1 to 5
    play_count: int = 0
    listener_count: int = 0
    tag_rounds: dict[str, int] = field(default_factory=dict)  # category: how often listeners have added or removed it
    plays: PlayTotals = PlayTotals()
    recounts: dict[str, int] = field(default_factory=dict)  # what was counted: how often
    revision: int = 0

    @property
    def family(self) -> str:
        """``music`` or ``audio``."""
        return categories.family(self.model)


class GenerationSort(StrEnum):
    """Highest first; equal ones newest first."""

    RECENT = "recent"
    POPULAR = "popular"  # most votes, up and down
    RATING = "rating"  # most up-votes above down-votes


@dataclass(frozen=True)
class GenerationFilter:
    """All conditions that are given hold.

    ``model``: ``music`` and ``audio`` mean the family, with ``magnet-music`` or ``magnet-audio`` in it.
    """

    model: str = ""
    search: str = ""
    category: str = ""
    owner_id: str = ""
    min_create_time: float | None = None
    min_duration_seconds: float = 0.0
    voted_only: bool = False


@dataclass(frozen=True)
class CatalogCounts:
    generations: int
    votes: int
    favorites: int
    feedbacks: int


@dataclass(frozen=True)
class Deletion:
    """The record of a clip that was taken out of the catalog. While it is pending, something of the clip may be left."""

    id: str
    owner_id: str
    blob_keys: list[str]
    delete_time: float
    pending: bool | None = True  # None keeps it out of the index
    revision: int = 0


class GenerationStore(Protocol):
    """One clip, read and compared-and-set."""

    async def generation(self, generation_id: str) -> Generation | None: ...
    async def replace_generation(self, generation: Generation) -> bool: ...


class CatalogStore(GenerationStore, Protocol):
    async def list_generations(
        self, chosen: GenerationFilter, sort: GenerationSort, offset: int, limit: int
    ) -> list[Generation]: ...
    async def count_generations(self, chosen: GenerationFilter) -> int: ...
    async def sample_generations(
        self, chosen: GenerationFilter, count: int, exclude_ids: Sequence[str], favorites_of: str | None
    ) -> list[Generation]: ...
    async def count_by_family(self) -> dict[str, int]: ...
    async def count_by_category(self) -> dict[tuple[str, str], int]: ...
    async def counts(self) -> CatalogCounts: ...
    async def deletion(self, generation_id: str) -> Deletion | None: ...
    async def pending_deletions(self, limit: int) -> list[Deletion]: ...
    async def begin_deletion(self, deletion: Deletion) -> None: ...
    async def remove_generation(self, generation_id: str) -> None: ...
    async def remove_belongings(self, generation_id: str) -> bool: ...
    async def end_deletion(self, deletion: Deletion) -> None: ...


def generation_not_found() -> AppError:
    return AppError(
        Code.NOT_FOUND, "GENERATION_NOT_FOUND", "There is no such generation. Check the id; it may have been deleted."
    )


async def require_generation(store: GenerationStore, generation_id: str) -> Generation:
    """
    Raises:
        AppError: ``GENERATION_NOT_FOUND``.
    """
    generation = await store.generation(generation_id)
    if generation is None:
        raise generation_not_found()
    return generation


def require_batch(generation_ids: Sequence[str]) -> None:
    """
    Raises:
        AppError: ``TOO_MANY_IDS``.
    """
    if len(generation_ids) > _BATCH_LIMIT:
        raise AppError(Code.INVALID_ARGUMENT, "TOO_MANY_IDS", f"Ask for at most {_BATCH_LIMIT} generations at once.")


async def change_generation(
    store: GenerationStore, generation_id: str, change: Callable[[Generation], Generation]
) -> Generation:
    """Read, change, compare-and-set; again if somebody came between.

    Raises:
        AppError: ``GENERATION_NOT_FOUND``.
    """
    while True:
        generation = await require_generation(store, generation_id)
        changed = change(generation)
        if changed == generation:
            return generation
        if await store.replace_generation(changed):
            return dataclasses.replace(changed, revision=generation.revision + 1)


async def recount(
    store: GenerationStore,
    generation_id: str,
    what: Sequence[str],
    count: Callable[[Generation], Awaitable[Generation]],
) -> Generation:
    """Store on the clip what ``count`` finds in other documents, at least as new as this call.

    The clip is replaced even when nothing changed: otherwise a slower count that began earlier could still be stored
    over it. A count that was read before the call and stored twice since began after the call, so it need not be
    made again: however many listeners come at once, none counts more than a few times.

    Args:
        what: names of what ``count`` counts, all of it.

    Raises:
        AppError: ``GENERATION_NOT_FOUND``.
    """
    first = (await require_generation(store, generation_id)).recounts
    while True:
        generation = await require_generation(store, generation_id)
        recounts = generation.recounts
        if all(recounts.get(name, 0) >= first.get(name, 0) + 2 for name in what):
            return generation
        counted = dataclasses.replace(
            await count(generation), recounts={**recounts, **{name: recounts.get(name, 0) + 1 for name in what}}
        )
        if await store.replace_generation(counted):
            return dataclasses.replace(counted, revision=generation.revision + 1)


class Catalog:
    """The clips."""

    def __init__(self, store: CatalogStore, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def get(self, generation_id: str) -> Generation:
        """
        Raises:
            AppError: ``GENERATION_NOT_FOUND``.
        """
        return await require_generation(self._store, generation_id)

    async def list_generations(
        self, chosen: GenerationFilter, sort: GenerationSort, offset: int, limit: int
    ) -> list[Generation]:
        return await self._store.list_generations(chosen, sort, offset, limit)

    async def count(self, chosen: GenerationFilter) -> int:
        return await self._store.count_generations(chosen)

    async def sample(
        self, principal: Principal, chosen: GenerationFilter, count: int, exclude_ids: Sequence[str], favorites: bool
    ) -> list[Generation]:
        """A random choice without repetition, of the caller's favorites if ``favorites``.

        Raises:
            AppError: ``TOO_MANY_IDS``.
        """
        if len(exclude_ids) > _EXCLUDE_LIMIT:
            raise AppError(
                Code.INVALID_ARGUMENT, "TOO_MANY_IDS", f"At most {_EXCLUDE_LIMIT} generations can be left out at once."
            )
        size = min(_SAMPLE_LIMIT, max(1, count))
        return await self._store.sample_generations(chosen, size, exclude_ids, principal.id if favorites else None)

    async def count_by_model(self) -> tuple[int, dict[str, int]]:
        """How many clips there are, and how many a filter by ``music`` and by ``audio`` finds."""
        by_family = await self._store.count_by_family()
        return sum(by_family.values()), {family: by_family.get(family, 0) for family in FAMILIES}

    async def count_categories(self, model: str) -> dict[str, int]:
        """For every category of ``music`` or ``audio``, or of both (empty), how many clips are in it.

        Raises:
            AppError: ``MODEL_NOT_FOUND``.
        """
        families = (model,) if model else FAMILIES
        counts = {category: 0 for family in families for category in self.categories(family)}
        for (family, category), count in (await self._store.count_by_category()).items():
            if category in counts and family in families:
                counts[category] += count
        return counts

    def categories(self, model: str) -> dict[str, str]:
        """Display names of the categories of ``music`` or ``audio`` by key.

        Raises:
            AppError: ``MODEL_NOT_FOUND``.
        """
        if model not in categories.CATEGORIES:
            raise AppError(Code.NOT_FOUND, "MODEL_NOT_FOUND", "Categories exist for the models music and audio.")
        return dict(categories.CATEGORIES[model])

    async def counts(self) -> CatalogCounts:
        return await self._store.counts()

    async def rate(self, generation_id: str, rating: int | None) -> Generation:
        """Set the clip's one rating, whoever calls; None takes it back.

        Raises:
            AppError: ``RATING_INVALID``, ``GENERATION_NOT_FOUND``.
        """
        if rating is not None and rating not in _RATINGS:
            raise AppError(Code.INVALID_ARGUMENT, "RATING_INVALID", "A rating is a whole number from 1 to 5, or none.")
        return await change_generation(
            self._store, generation_id, lambda generation: dataclasses.replace(generation, rating=rating)
        )

    async def set_spectrogram(self, generation_id: str, blob_key: str) -> Generation:
        """
        Raises:
            AppError: ``GENERATION_NOT_FOUND``.
        """
        return await change_generation(
            self._store,
            generation_id,
            lambda generation: dataclasses.replace(generation, spectrogram_blob_key=blob_key),
        )

    # ---------------------------------------------------------------------------------------------------- deletion

    async def delete(self, principal: Principal, generation_id: str) -> None:
        """Take a clip out of the catalog, with its files and all that listeners said about it.

        It is gone when the first step is done; the rest is taken up again by :meth:`resume_deletions`, or by asking
        again, if a crash comes between.

        Raises:
            AppError: ``GENERATION_NOT_FOUND``, or ``GENERATION_NOT_OWNED`` unless an administrator asks.
        """
        generation = await self._store.generation(generation_id)
        if generation is not None:
            keys = [key for key in (generation.audio_blob_key, generation.spectrogram_blob_key) if key]
            deletion = Deletion(generation.id, generation.owner_id, keys, self._clock.now())
        else:
            begun = await self._store.deletion(generation_id)
            if begun is None or not begun.pending:
                raise generation_not_found()
            deletion = begun
        if not (principal.is_admin or principal.id == deletion.owner_id):
            raise AppError(
                Code.PERMISSION_DENIED,
                "GENERATION_NOT_OWNED",
                "Only its owner or an administrator may delete a generation.",
            )
        await self._store.begin_deletion(deletion)
        await self._finish(deletion)

    async def resume_deletions(self) -> int:
        """Go on with deletions that were not finished; says with how many."""
        pending = await self._store.pending_deletions(_RESUME_BATCH)
        for deletion in pending:
            await self._finish(deletion)
        return len(pending)

    async def _finish(self, deletion: Deletion) -> None:
        await self._store.remove_generation(deletion.id)
        for key in deletion.blob_keys:
            await self._blobs.delete(key)
        if await self._store.remove_belongings(deletion.id):
            await self._store.end_deletion(deletion)
