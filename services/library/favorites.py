"""Clips that listeners keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError
from kit.identity import Principal
from kit.ports import Clock
from services.library.catalog import Generation, GenerationStore, require_batch, require_generation

__all__ = ["Favorite", "FavoriteStore", "Favorites"]


@dataclass(frozen=True)
class Favorite:
    generation_id: str
    listener_id: str
    family: str
    model: str
    add_time: float


class FavoriteStore(GenerationStore, Protocol):
    async def add_favorite(self, favorite: Favorite) -> bool: ...
    async def remove_favorite(self, generation_id: str, listener_id: str) -> bool: ...
    async def list_favorites(
        self, listener_id: str, model: str, offset: int, limit: int
    ) -> tuple[list[tuple[Generation, Favorite]], int]: ...
    async def favorite_ids(self, listener_id: str, generation_ids: Sequence[str]) -> set[str]: ...


class Favorites:
    def __init__(self, store: FavoriteStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, principal: Principal, generation_id: str) -> bool:
        """Says whether it is a new one.

        Raises:
            AppError: ``GENERATION_NOT_FOUND``.
        """
        generation = await require_generation(self._store, generation_id)
        added = await self._store.add_favorite(
            Favorite(generation_id, principal.id, generation.family, generation.model, self._clock.now())
        )
        try:
            # A deletion that came between may have looked for favorites before this one was there.
            await require_generation(self._store, generation_id)
        except AppError:
            await self._store.remove_favorite(generation_id, principal.id)
            raise
        return added

    async def remove(self, principal: Principal, generation_id: str) -> bool:
        """Says whether it was one."""
        return await self._store.remove_favorite(generation_id, principal.id)

    async def list_favorites(
        self, principal: Principal, model: str, offset: int, limit: int
    ) -> tuple[list[tuple[Generation, Favorite]], int]:
        """The caller's, newest first, and how many there are. ``model`` is that of a filter of clips."""
        return await self._store.list_favorites(principal.id, model, offset, limit)

    async def among(self, principal: Principal, generation_ids: Sequence[str]) -> list[str]:
        """Those of the ids, in order, that are the caller's favorites.

        Raises:
            AppError: ``TOO_MANY_IDS``.
        """
        require_batch(generation_ids)
        kept = await self._store.favorite_ids(principal.id, generation_ids)
        return [generation_id for generation_id in generation_ids if generation_id in kept]
