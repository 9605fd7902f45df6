"""Playlists. One document each, so that adding, removing and ordering are one compare-and-set."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.catalog import Generation, GenerationStore, require_generation

__all__ = ["Entry", "Playlist", "PlaylistStore", "Playlists"]

_NAME_LENGTH = 100
_DESCRIPTION_LENGTH = 500
_ENTRY_LIMIT = 500
_PLAYLIST_LIMIT = 100


@dataclass(frozen=True)
class Entry:
    generation_id: str
    duration_seconds: float
    add_time: float


@dataclass(frozen=True)
class Playlist:
    id: str
    owner_id: str
    name: str
    description: str
    is_public: bool
    create_time: float
    update_time: float
    entries: list[Entry] = field(default_factory=list)
    revision: int = 0

    @property
    def duration_seconds(self) -> float:
        return sum(entry.duration_seconds for entry in self.entries)

    def has(self, generation_id: str) -> bool:
        return any(entry.generation_id == generation_id for entry in self.entries)

    def without(self, generation_id: str) -> Playlist:
        kept = [entry for entry in self.entries if entry.generation_id != generation_id]
        return dataclasses.replace(self, entries=kept)


class PlaylistStore(GenerationStore, Protocol):
    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]: ...
    async def add_playlist(self, playlist: Playlist) -> bool: ...
    async def playlist(self, playlist_id: str) -> Playlist | None: ...
    async def replace_playlist(self, playlist: Playlist) -> bool: ...
    async def remove_playlist(self, playlist_id: str) -> bool: ...
    async def playlists_of(self, owner_id: str, limit: int) -> list[Playlist]: ...
    async def count_playlists(self, owner_id: str) -> int: ...


class Playlists:
    def __init__(self, store: PlaylistStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, principal: Principal, name: str, description: str, is_public: bool) -> Playlist:
        """
        Raises:
            AppError: ``PLAYLIST_NAME_INVALID``, ``DESCRIPTION_TOO_LONG``, ``TOO_MANY_PLAYLISTS``.
        """
        name, description = _name(name), _description(description)
        if await self._store.count_playlists(principal.id) >= _PLAYLIST_LIMIT:
            raise AppError(
                Code.CONFLICT,
                "TOO_MANY_PLAYLISTS",
                f"You have {_PLAYLIST_LIMIT} playlists, which is as many as there can be. Delete one first.",
            )
        now = self._clock.now()
        while True:
            playlist_id = f"pl_{secrets.token_hex(6)}"
            playlist = Playlist(playlist_id, principal.id, name, description, is_public, now, now)
            if await self._store.add_playlist(playlist):
                return playlist

    async def get(self, principal: Principal, playlist_id: str) -> tuple[Playlist, list[tuple[Generation, Entry]]]:
        """The playlist, if it is the caller's or public, and its clips in order.

        Raises:
            AppError: ``PLAYLIST_NOT_FOUND``.
        """
        playlist = await self._visible(principal, playlist_id)
        clips = await self._store.generations([entry.generation_id for entry in playlist.entries])
        # A clip that is being deleted may still have its place.
        return playlist, [(clips[e.generation_id], e) for e in playlist.entries if e.generation_id in clips]

    async def list_playlists(self, principal: Principal) -> list[Playlist]:
        """The caller's, newest first."""
        return await self._store.playlists_of(principal.id, _PLAYLIST_LIMIT)

    async def update(
        self, principal: Principal, playlist_id: str, name: str | None, description: str | None, is_public: bool | None
    ) -> Playlist:
        """Change what is given.

        Raises:
            AppError: ``PLAYLIST_NAME_INVALID``, ``DESCRIPTION_TOO_LONG``, ``PLAYLIST_NOT_FOUND``,
                ``PLAYLIST_NOT_OWNED``.
        """
        given = {
            "name": None if name is None else _name(name),
            "description": None if description is None else _description(description),
            "is_public": is_public,
        }
        changes = {key: value for key, value in given.items() if value is not None}
        return await self._change(
            principal,
            playlist_id,
            lambda playlist: dataclasses.replace(playlist, **changes),  # type: ignore[arg-type]
        )

    async def delete(self, principal: Principal, playlist_id: str) -> None:
        """
        Raises:
            AppError: ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``.
        """
        await self._owned(principal, playlist_id)
        if not await self._store.remove_playlist(playlist_id):
            raise _not_found()

    async def add(self, principal: Principal, playlist_id: str, generation_id: str) -> int:
        """Put a clip at the end; says at which position, from 0.

        Raises:
            AppError: ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``, ``GENERATION_NOT_FOUND``,
                ``ALREADY_IN_PLAYLIST``, ``PLAYLIST_FULL``.
        """
        await self._owned(principal, playlist_id)
        generation = await require_generation(self._store, generation_id)
        entry = Entry(generation_id, generation.duration_seconds, self._clock.now())

        def change(playlist: Playlist) -> Playlist:
            if playlist.has(generation_id):
                raise AppError(Code.CONFLICT, "ALREADY_IN_PLAYLIST", "The generation is in this playlist already.")
            if len(playlist.entries) >= _ENTRY_LIMIT:
                raise AppError(
                    Code.CONFLICT,
                    "PLAYLIST_FULL",
                    f"A playlist holds at most {_ENTRY_LIMIT} generations. Remove one first, or start another.",
                )
            return dataclasses.replace(playlist, entries=[*playlist.entries, entry])

        changed = await self._change(principal, playlist_id, change)
        try:
            # A deletion that came between may have looked for its places before this one was there.
            await require_generation(self._store, generation_id)
        except AppError:
            await self._change(principal, playlist_id, lambda playlist: playlist.without(generation_id))
            raise
        return len(changed.entries) - 1

    async def remove(self, principal: Principal, playlist_id: str, generation_id: str) -> None:
        """
        Raises:
            AppError: ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``, ``NOT_IN_PLAYLIST``.
        """

        def change(playlist: Playlist) -> Playlist:
            if not playlist.has(generation_id):
                raise AppError(Code.NOT_FOUND, "NOT_IN_PLAYLIST", "The generation is not in this playlist.")
            return playlist.without(generation_id)

        await self._change(principal, playlist_id, change)

    async def reorder(self, principal: Principal, playlist_id: str, generation_ids: Sequence[str]) -> None:
        """Put all of the playlist in a new order.

        Raises:
            AppError: ``PLAYLIST_NOT_FOUND``, ``PLAYLIST_NOT_OWNED``, ``ORDER_INVALID``.
        """
        playlist = await self._owned(principal, playlist_id)
        clips = await self._store.generations([entry.generation_id for entry in playlist.entries])

        def change(playlist: Playlist) -> Playlist:
            # What cannot be seen any more (see ``get``) cannot be named either.
            seen = {e.generation_id: e for e in playlist.entries if e.generation_id in clips}
            if len(generation_ids) != len(seen) or set(generation_ids) != set(seen):
                raise AppError(
                    Code.INVALID_ARGUMENT,
                    "ORDER_INVALID",
                    "Name every generation of the playlist once, in the new order. Load the playlist again: it may "
                    "have changed.",
                )
            return dataclasses.replace(playlist, entries=[seen[generation_id] for generation_id in generation_ids])

        await self._change(principal, playlist_id, change)

    async def _visible(self, principal: Principal, playlist_id: str) -> Playlist:
        playlist = await self._store.playlist(playlist_id)
        # That there is a private one is nobody else's business.
        if playlist is None or not (playlist.is_public or playlist.owner_id == principal.id):
            raise _not_found()
        return playlist

    async def _owned(self, principal: Principal, playlist_id: str) -> Playlist:
        playlist = await self._visible(principal, playlist_id)
        if playlist.owner_id != principal.id:
            raise AppError(Code.PERMISSION_DENIED, "PLAYLIST_NOT_OWNED", "This playlist belongs to somebody else.")
        return playlist

    async def _change(self, principal: Principal, playlist_id: str, change: Callable[[Playlist], Playlist]) -> Playlist:
        """Read, change, compare-and-set; again if somebody came between."""
        while True:
            playlist = await self._owned(principal, playlist_id)
            changed = change(playlist)
            if changed == playlist:
                return playlist
            # The time that the clock shows never takes an update back.
            changed = dataclasses.replace(changed, update_time=max(playlist.update_time, self._clock.now()))
            if await self._store.replace_playlist(changed):
                return changed


def _name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= _NAME_LENGTH:
        raise AppError(
            Code.INVALID_ARGUMENT, "PLAYLIST_NAME_INVALID", f"A playlist has a name of 1 to {_NAME_LENGTH} characters."
        )
    return name


def _description(description: str) -> str:
    description = description.strip()
    if len(description) > _DESCRIPTION_LENGTH:
        raise AppError(
            Code.INVALID_ARGUMENT,
            "DESCRIPTION_TOO_LONG",
            f"A description has at most {_DESCRIPTION_LENGTH} characters.",
        )
    return description


def _not_found() -> AppError:
    return AppError(
        Code.NOT_FOUND, "PLAYLIST_NOT_FOUND", "There is no such playlist, or it is not public. Check the id."
    )
