"""Favorite clips of listeners."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.catalog.records import Clip, Favorite, listener_key
from soundwright.services.library.catalog.service import require_batch, require_clip

if TYPE_CHECKING:
    from soundwright.services.library.catalog.listener_store import ListenerStore


class Favorites:
    """Manages favorites."""

    def __init__(self, store: "ListenerStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, principal: Principal, clip_id: str) -> bool:
        """Add a clip to the caller's favorites. Return False if it was a favorite already.

        Raises ``GENERATION_NOT_FOUND``.
        """
        clip = await require_clip(self._store, clip_id)
        favorite = Favorite(clip_id, principal.id, clip.family, clip.model, self._clock.now())
        added = await self._store.favorites.add(favorite)
        try:
            # A parallel deletion of the clip may have searched for favorites before this one was stored.
            await require_clip(self._store, clip_id)
        except AppError:
            await self._store.favorites.delete(favorite.id)
            raise
        return added

    async def remove(self, principal: Principal, clip_id: str) -> bool:
        """Remove a clip from the caller's favorites. Return False if it was no favorite."""
        return await self._store.favorites.delete(listener_key(clip_id, principal.id))

    async def list_favorites(
        self, principal: Principal, model: str, offset: int, limit: int
    ) -> tuple[list[tuple[Clip, Favorite]], int]:
        """Return a page of the caller's favorites with their clips, newest first, and the total count.

        Args:
            model: return only clips of this model or family; empty for all.
        """
        return await self._store.list_favorites(principal.id, model, offset, limit)

    async def among(self, principal: Principal, clip_ids: Sequence[str]) -> list[str]:
        """Return the IDs that are favorites of the caller, in the given order. Raises ``TOO_MANY_IDS``."""
        require_batch(clip_ids)
        favorites = await self._store.filter_favorites(principal.id, clip_ids)
        return [clip_id for clip_id in clip_ids if clip_id in favorites]
