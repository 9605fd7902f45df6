"""A catalog over the real document store and real files, and a clock set by hand."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kit.adapters.blobs_file import FileBlobs
from kit.adapters.docs_sqlite import SqliteDocs
from kit.errors import AppError
from kit.identity import Principal
from services.library.catalog import Catalog, Generation, GenerationFilter, GenerationSort
from services.library.catalog_store import CatalogStore
from services.library.favorites import Favorites
from services.library.listener_store import ListenerStore
from services.library.play_store import PlayStore
from services.library.playlist_store import PlaylistStore
from services.library.playlists import Playlists
from services.library.plays import Plays
from services.library.tags import Tags
from services.library.trends import Trends
from services.library.votes import Votes

ANN = Principal("ann", "user")
BOB = Principal("bob", "user")
GUEST = Principal("anon:guest", "anonymous")
ADMIN = Principal("root", "admin")
LISTENERS = [Principal(f"listener-{number}", "user") for number in range(60)]
HOUR = 3600.0
EVERYTHING = GenerationFilter()


class HandClock:
    """Starts at the beginning of an hour and of a day (UTC)."""

    def __init__(self) -> None:
        self.time = 20_000 * 24 * HOUR

    def now(self) -> float:
        return self.time


class World:
    def __init__(self, docs: SqliteDocs, blobs: FileBlobs) -> None:
        self.docs = docs
        self.blobs = blobs
        self.clock = HandClock()
        self.store = CatalogStore(docs)
        self.listeners = ListenerStore(docs)
        self.catalog = Catalog(self.store, blobs, self.clock)
        self.favorites = Favorites(self.listeners, self.clock)
        self.votes = Votes(self.listeners, self.clock)
        self.tags = Tags(self.listeners, self.clock)
        self.playlists = Playlists(PlaylistStore(docs), self.clock)
        self.plays = Plays(PlayStore(docs), self.clock)
        self.trends = Trends(PlayStore(docs), self.clock)

    async def clip(self, prompt: str = "calm piano", **fields: Any) -> Generation:
        """A new clip in the catalog, a second younger than the one before."""
        self.clock.time += 1
        plain: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "owner_id": ANN.id,
            "model": "music",
            "duration_seconds": 10.0,
            "create_time": self.clock.now(),
        }
        generation = Generation(prompt=prompt, **{**plain, **fields})
        await self.store.file_generation(generation)
        return await self.catalog.get(generation.id)

    async def now(self, clip: Generation) -> Generation:
        return await self.catalog.get(clip.id)

    async def listed(self, sort: GenerationSort = GenerationSort.RECENT, **conditions: Any) -> list[str]:
        found = await self.catalog.list_generations(GenerationFilter(**conditions), sort, 0, 100)
        assert await self.catalog.count(GenerationFilter(**conditions)) == len(found)
        return ids(found)


W = TypeVar("W", bound=World)


@contextlib.asynccontextmanager
async def opened(folder: Path, kind: type[W] = World) -> AsyncIterator[W]:
    docs = SqliteDocs(folder / "library.db")
    docs._writer.execute("PRAGMA synchronous = OFF")  # many small worlds
    blobs = FileBlobs(folder / "blobs")
    world = kind(docs, blobs)
    await world.store.prepare()
    try:
        yield world
    finally:
        await blobs.close()
        await docs.close()


def ids(generations: Iterable[Generation]) -> list[str]:
    return [generation.id for generation in generations]


async def reason(call: Any) -> str:
    with pytest.raises(AppError) as refusal:
        await call
    return refusal.value.reason
