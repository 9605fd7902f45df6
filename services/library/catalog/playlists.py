"""Playlists. Each is one document, so that adding, removing and reordering are one compare-and-set."""

import dataclasses
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import NETWORK_SHARE, Principal
from soundwright.services.library.access import owns
from soundwright.services.library.catalog.records import Clip, Entry, Playlist
from soundwright.services.library.catalog.service import require_clip

if TYPE_CHECKING:
    from soundwright.services.library.catalog.playlist_store import PlaylistStore

_NAME_LIMIT_CHARS = 100
_DESCRIPTION_LIMIT_CHARS = 500
_ENTRY_LIMIT = 500
_PLAYLIST_LIMIT = 100


class Playlists:
    """Manages playlists."""

    def __init__(self, store: "PlaylistStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, principal: Principal, name: str, description: str, is_public: bool) -> Playlist:
        """Create an empty playlist.

        Raises ``PLAYLIST_NAME_INVALID``, ``DESCRIPTION_TOO_LONG``, ``TOO_MANY_PLAYLISTS``.
        """
        name, description = _checked_name(name), _checked_description(description)
        now = self._clock.now()
        playlist = Playlist(
            f"pl_{secrets.token_hex(6)}", principal.id, name, description, is_public, now, now,
            creator_key=principal.creator_key or None, network=principal.network or None,
        )  # fmt: skip
        # Callers without an account choose their names, so those of one address have a limit together.
        limit = NETWORK_SHARE * _PLAYLIST_LIMIT
        if playlist.network and await self._store.playlists.count({"network": playlist.network}) >= limit:
            raise errors.TOO_MANY_PLAYLISTS(limit=limit)
        if not await self._store.playlists.add_in_slot(playlist, {"owner_id": principal.id}, _PLAYLIST_LIMIT):
            raise errors.TOO_MANY_PLAYLISTS(limit=_PLAYLIST_LIMIT)
        return playlist

    async def get(self, principal: Principal, playlist_id: str) -> tuple[Playlist, list[tuple[Clip, Entry]]]:
        """Return a playlist of the caller, or a public one, with its clips in order. Raises ``PLAYLIST_NOT_FOUND``."""
        playlist = await self._get_visible(principal, playlist_id)
        clips = await self._store.clips.by_ids(entry.clip_id for entry in playlist.entries)
        # The deletion of a clip removes it before its entries, so skip entries without a clip.
        return playlist, [(clips[e.clip_id], e) for e in playlist.entries if e.clip_id in clips]

    async def list_playlists(self, principal: Principal) -> list[Playlist]:
        """Return the caller's playlists, newest first."""
        own = {"owner_id": principal.id}
        found = await self._store.playlists.find(own, sort="create_time", descending=True, limit=_PLAYLIST_LIMIT)
        return [playlist for playlist in found if playlist.is_visible_to(principal)]

    async def update(
        self, principal: Principal, playlist_id: str, name: str | None, description: str | None, is_public: bool | None
    ) -> Playlist:
        """Change the fields that are not None.

        Raises ``PLAYLIST_NAME_INVALID``, ``DESCRIPTION_TOO_LONG``, ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``.
        """
        given = {
            "name": None if name is None else _checked_name(name),
            "description": None if description is None else _checked_description(description),
            "is_public": is_public,
        }
        changes = {key: value for key, value in given.items() if value is not None}
        return await self._change(
            principal,
            playlist_id,
            lambda playlist: dataclasses.replace(playlist, **changes),  # type: ignore[arg-type]
        )

    async def delete(self, principal: Principal, playlist_id: str) -> None:
        """Delete a playlist of the caller. Raises ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``."""
        await self._get_own(principal, playlist_id)
        if not await self._store.playlists.delete(playlist_id):
            raise errors.PLAYLIST_NOT_FOUND()

    async def add(self, principal: Principal, playlist_id: str, clip_id: str) -> int:
        """Append a clip, and return its position, counted from 0.

        Raises ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``, ``GENERATION_NOT_FOUND``, ``ALREADY_IN_PLAYLIST``,
        ``PLAYLIST_FULL``.
        """
        await self._get_own(principal, playlist_id)
        clip = await require_clip(self._store, clip_id)
        entry = Entry(clip_id, clip.duration_seconds, self._clock.now())

        def change(playlist: Playlist) -> Playlist:
            if playlist.has(clip_id):
                raise errors.ALREADY_IN_PLAYLIST()
            if len(playlist.entries) >= _ENTRY_LIMIT:
                raise errors.PLAYLIST_FULL(limit=_ENTRY_LIMIT)
            return dataclasses.replace(playlist, entries=[*playlist.entries, entry])

        changed = await self._change(principal, playlist_id, change)
        try:
            # A parallel deletion of the clip may have searched for playlists before this entry was stored.
            await require_clip(self._store, clip_id)
        except AppError:
            await self._change(principal, playlist_id, lambda playlist: playlist.without(clip_id))
            raise
        return len(changed.entries) - 1

    async def remove(self, principal: Principal, playlist_id: str, clip_id: str) -> None:
        """Remove a clip from a playlist. Raises ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``, ``NOT_IN_PLAYLIST``."""

        def change(playlist: Playlist) -> Playlist:
            if not playlist.has(clip_id):
                raise errors.NOT_IN_PLAYLIST()
            return playlist.without(clip_id)

        await self._change(principal, playlist_id, change)

    async def reorder(self, principal: Principal, playlist_id: str, clip_ids: Sequence[str]) -> None:
        """Reorder a playlist. ``clip_ids`` must name every clip of it once.

        Raises ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``, ``ORDER_INVALID``.
        """
        playlist = await self._get_own(principal, playlist_id)
        ids = {entry.clip_id for entry in playlist.entries}
        deleted = ids - (await self._store.clips.by_ids(ids)).keys()

        def change(playlist: Playlist) -> Playlist:
            # Entries that ``get`` skips, because their clip was deleted, are dropped. One that was added meanwhile is not.
            visible = {e.clip_id: e for e in playlist.entries if e.clip_id not in deleted}
            if len(clip_ids) != len(visible) or set(clip_ids) != set(visible):
                raise errors.ORDER_INVALID()
            return dataclasses.replace(playlist, entries=[visible[clip_id] for clip_id in clip_ids])

        await self._change(principal, playlist_id, change)

    async def _get_visible(self, principal: Principal, playlist_id: str) -> Playlist:
        playlist = await self._store.playlists.get(playlist_id)
        # Private playlists of others are reported as missing, so that their existence is not revealed.
        if playlist is None or not playlist.is_visible_to(principal):
            raise errors.PLAYLIST_NOT_FOUND()
        return playlist

    async def _get_own(self, principal: Principal, playlist_id: str) -> Playlist:
        playlist = await self._get_visible(principal, playlist_id)
        if not owns(principal, playlist.owner_id, playlist.creator_key):
            raise errors.PLAYLIST_NOT_OWNED()
        return playlist

    async def _change(self, principal: Principal, playlist_id: str, change: Callable[[Playlist], Playlist]) -> Playlist:
        """Replace a playlist by ``change(playlist)``. Repeat if another request changed it in between."""
        while True:
            playlist = await self._get_own(principal, playlist_id)
            changed = change(playlist)
            if changed == playlist:
                return playlist
            # The update time must not decrease, even if the clocks of processes differ.
            changed = dataclasses.replace(changed, update_time=max(playlist.update_time, self._clock.now()))
            if await self._store.playlists.replace(changed):
                return changed


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= _NAME_LIMIT_CHARS:
        raise errors.PLAYLIST_NAME_INVALID(limit=_NAME_LIMIT_CHARS)
    return name


def _checked_description(description: str) -> str:
    description = description.strip()
    if len(description) > _DESCRIPTION_LIMIT_CHARS:
        raise errors.DESCRIPTION_TOO_LONG(limit=_DESCRIPTION_LIMIT_CHARS)
    return description
