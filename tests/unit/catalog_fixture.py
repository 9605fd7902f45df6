"""The catalog over a real document store and real files, with a clock that tests set."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kit.adapters.filesystem.blobs import FileBlobs
from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.sqlite.search import SqliteSearch
from kit.errors import AppError
from kit.security.identity import Principal
from services.library.catalog.favorites import Favorites
from services.library.catalog.listener_store import ListenerStore
from services.library.catalog.play_store import PlayStore
from services.library.catalog.playlist_store import PlaylistStore
from services.library.catalog.playlists import Playlists
from services.library.catalog.plays import Plays
from services.library.catalog.service import Catalog, Generation, GenerationFilter, GenerationSort
from services.library.catalog.store import CatalogStore
from services.library.catalog.tags import Tags
from services.library.catalog.totals import Totals
from services.library.catalog.trends import Trends
from services.library.catalog.votes import Votes

ANN = Principal("ann", "user")
BOB = Principal("bob", "user")
GUEST = Principal("anon:guest", "anonymous")
ADMIN = Principal("root", "admin")
LISTENERS = [Principal(f"listener-{number}", "user") for number in range(60)]
HOUR = 3600.0
EVERYTHING = GenerationFilter()


class ManualClock:
    """Starts at the beginning of an hour and of a day (UTC)."""

    def __init__(self) -> None:
        self.time = 20_000 * 24 * HOUR

    def now(self) -> float:
        return self.time


class CatalogFixture:
    def __init__(self, docs: SqliteDocs, blobs: FileBlobs) -> None:
        self.docs = docs
        self.search = SqliteSearch(docs.database)
        self.blobs = blobs
        self.clock = ManualClock()
        self.store = CatalogStore(docs, self.search)
        self.listeners = ListenerStore(docs, self.search)
        self.catalog = Catalog(self.store, blobs, self.clock)
        self.favorites = Favorites(self.listeners, self.clock)
        self.votes = Votes(self.listeners, self.clock)
        self.tags = Tags(self.listeners, self.clock)
        self.playlists = Playlists(PlaylistStore(docs, self.search), self.clock)
        self.plays = Plays(PlayStore(docs, self.search), self.clock)
        self.trends = Trends(PlayStore(docs, self.search), self.clock)
        self.totals = Totals(self.listeners, self.clock)

    async def clip(self, prompt: str = "calm piano", **fields: Any) -> Generation:
        """Store a clip that is one second newer than the previous one."""
        self.clock.time += 1
        plain: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "owner_id": ANN.id,
            "model": "music",
            "duration_seconds": 10.0,
            "create_time": self.clock.now(),
        }
        generation = Generation(prompt=prompt, **{**plain, **fields})
        await self.store.store_generation(generation)
        return await self.catalog.get(generation.id)

    async def now(self, clip: Generation) -> Generation:
        return await self.catalog.get(clip.id)

    async def listed(self, sort: GenerationSort = GenerationSort.RECENT, **conditions: Any) -> list[str]:
        found, total = await self.catalog.list_generations(GenerationFilter(**conditions), sort, 0, 100)
        assert total == len(found)
        return ids(found)


W = TypeVar("W", bound=CatalogFixture)


@contextlib.asynccontextmanager
async def catalog_fixture(folder: Path, kind: type[W] = CatalogFixture) -> AsyncIterator[W]:
    docs = SqliteDocs(folder / "library.db")
    docs.database.writer.execute("PRAGMA synchronous = OFF")  # faster; each test has its own database
    blobs = FileBlobs(folder / "blobs")
    fixture = kind(docs, blobs)
    await fixture.store.prepare()
    try:
        yield fixture
    finally:
        await blobs.close()
        await docs.close()


def ids(generations: Iterable[Generation]) -> list[str]:
    return [generation.id for generation in generations]


async def reason(call: Any) -> str:
    with pytest.raises(AppError) as refusal:
        await call
    return refusal.value.reason
