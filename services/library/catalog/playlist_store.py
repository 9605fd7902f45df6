"""Queries on playlists."""

from __future__ import annotations

import dataclasses

from pydantic import TypeAdapter

from soundwright.kit.ports import Contains, Doc
from soundwright.services.library.catalog.documents import PLAYLISTS, ClipDocs
from soundwright.services.library.catalog.records import Playlist
from soundwright.services.library.documents import insert_in_slot

_playlist: TypeAdapter[Playlist] = TypeAdapter(Playlist)


class PlaylistStore(ClipDocs):
    """Playlists in the document store."""

    async def add_playlist(self, playlist: Playlist, limit: int) -> bool:
        """Store a new playlist. Return False if its owner has ``limit`` playlists."""
        owner = {"owner_id": playlist.owner_id}
        return await insert_in_slot(self._docs, PLAYLISTS.name, _doc(playlist), owner, limit)

    async def get_playlist(self, playlist_id: str) -> Playlist | None:
        """Return a playlist, or None."""
        doc = await self._docs.get(PLAYLISTS.name, playlist_id)
        return _playlist.validate_python(doc) if doc else None

    async def replace_playlist(self, playlist: Playlist) -> bool:
        """Replace a playlist. Return False if it was changed or deleted."""
        return await self._docs.replace(PLAYLISTS.name, _doc(playlist), playlist.revision)

    async def remove_playlist(self, playlist_id: str) -> bool:
        """Delete a playlist. Return False if it does not exist."""
        return await self._docs.delete(PLAYLISTS.name, playlist_id)

    async def list_playlists(self, owner_id: str, limit: int) -> list[Playlist]:
        """Return the playlists of an account, newest first."""
        where = {"owner_id": owner_id}
        docs = await self._docs.find(PLAYLISTS.name, where, sort="create_time", descending=True, limit=limit)
        return [_playlist.validate_python(doc) for doc in docs]

    async def remove_everywhere(self, clip_id: str, limit: int) -> bool:
        """Remove a clip from up to ``limit`` playlists. Return False if more playlists may contain it."""
        docs = await self._docs.find(PLAYLISTS.name, {"clip_ids": Contains(clip_id)}, limit=limit)
        for doc in docs:
            playlist: Playlist | None = _playlist.validate_python(doc)
            while playlist is not None and playlist.has(clip_id):
                if await self.replace_playlist(playlist.without(clip_id)):
                    break
                playlist = await self.get_playlist(playlist.id)
        return len(docs) < limit


def _doc(playlist: Playlist) -> Doc:
    return {
        **dataclasses.asdict(playlist),
        "clip_ids": [entry.clip_id for entry in playlist.entries],  # indexed, to find the playlists of a clip
    }
