"""Playlists as documents."""

from __future__ import annotations

import dataclasses

from pydantic import TypeAdapter

from kit.ports import Contains, Doc
from services.library.clip_docs import PLAYLISTS, ClipDocs, insert_new
from services.library.playlists import Playlist

__all__ = ["PlaylistStore"]

_playlist: TypeAdapter[Playlist] = TypeAdapter(Playlist)


class PlaylistStore(ClipDocs):
    async def add_playlist(self, playlist: Playlist) -> bool:
        return await insert_new(self._docs, PLAYLISTS, _doc(playlist))

    async def playlist(self, playlist_id: str) -> Playlist | None:
        doc = await self._docs.get(PLAYLISTS.name, playlist_id)
        return _playlist.validate_python(doc) if doc else None

    async def replace_playlist(self, playlist: Playlist) -> bool:
        return await self._docs.replace(PLAYLISTS.name, _doc(playlist), playlist.revision)

    async def remove_playlist(self, playlist_id: str) -> bool:
        return await self._docs.delete(PLAYLISTS.name, playlist_id)

    async def playlists_of(self, owner_id: str, limit: int) -> list[Playlist]:
        where = {"owner_id": owner_id}
        docs = await self._docs.find(PLAYLISTS.name, where, sort="create_time", descending=True, limit=limit)
        return [_playlist.validate_python(doc) for doc in docs]

    async def count_playlists(self, owner_id: str) -> int:
        return await self._docs.count(PLAYLISTS.name, {"owner_id": owner_id})

    async def remove_everywhere(self, generation_id: str, limit: int) -> bool:
        """Take a clip out of ``limit`` playlists; says whether it is in no others."""
        docs = await self._docs.find(PLAYLISTS.name, {"generation_ids": Contains(generation_id)}, limit=limit)
        for doc in docs:
            playlist: Playlist | None = _playlist.validate_python(doc)
            while playlist is not None and playlist.has(generation_id):
                if await self.replace_playlist(playlist.without(generation_id)):
                    break
                playlist = await self.playlist(playlist.id)
        return len(docs) < limit


def _doc(playlist: Playlist) -> Doc:
    return {
        **dataclasses.asdict(playlist),
        "generation_ids": [entry.generation_id for entry in playlist.entries],  # to find playlists by clip
    }
