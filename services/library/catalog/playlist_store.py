"""Queries on playlists."""

import dataclasses

from soundwright.kit.ports import Contains, Doc, Docs
from soundwright.services.library.catalog.documents import PLAYLISTS, ClipDocs
from soundwright.services.library.catalog.records import Playlist
from soundwright.services.library.table import Table


class PlaylistStore(ClipDocs):
    """Playlists in the document store."""

    def __init__(self, docs: Docs) -> None:
        super().__init__(docs)
        self.playlists = Table(docs, PLAYLISTS, Playlist, _doc)

    async def remove_everywhere(self, clip_id: str, limit: int) -> bool:
        """Remove a clip from up to ``limit`` playlists. Return False if more playlists may contain it."""
        found = await self.playlists.find({"clip_ids": Contains(clip_id)}, limit=limit)
        for playlist in found:
            await self.playlists.change(playlist.id, lambda current: current.without(clip_id))
        return len(found) < limit


def _doc(playlist: Playlist) -> Doc:
    return {
        **dataclasses.asdict(playlist),
        "clip_ids": [entry.clip_id for entry in playlist.entries],  # indexed, to find the playlists of a clip
    }
