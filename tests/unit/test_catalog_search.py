"""The search index of clips stays true to the documents, whatever comes between the two writes."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from catalog_fixture import ANN, BOB, LISTENERS, CatalogFixture, catalog_fixture, reason

from kit.adapters.sqlite import search as sqlite_search
from kit.errors import AppError, Code
from kit.ports import SearchQuery
from services.library.catalog.clip_search import BY_TIME, CLIPS
from services.library.catalog.service import GenerationFilter, GenerationSort
from services.library.catalog.store import CatalogStore


@pytest_asyncio.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[CatalogFixture]:
    async with catalog_fixture(tmp_path) as fixture:
        yield fixture


async def pending(fixture: CatalogFixture) -> list[str]:
    return [doc["id"] for doc in await fixture.docs.find("generations", {"search_pending": True})]


async def entries(fixture: CatalogFixture) -> list[str]:
    """Return the ids in the index, whether or not there is a document."""
    return (await fixture.search.find(CLIPS.name, SearchQuery(), order=BY_TIME)).ids


def failing(error: Exception) -> Any:
    async def put(*_: Any) -> int:
        raise error

    return put


async def test_a_new_clip_that_was_not_indexed_before_a_crash_is_found_after_the_next_start(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fixture.search, "put", failing(RuntimeError("killed")))
        with pytest.raises(RuntimeError, match="killed"):
            await fixture.clip("lo-fi rain")
    (clip_id,) = await pending(fixture)
    assert await fixture.listed() == []
    await CatalogStore(fixture.docs, fixture.search).prepare()
    assert await fixture.listed(search="rain") == [clip_id]
    assert await pending(fixture) == []


async def test_a_change_that_was_not_indexed_before_a_crash_is_repaired_by_the_sweeper(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await fixture.clip(), await fixture.clip()
    await fixture.store.repair_search()
    with monkeypatch.context() as patch:
        patch.setattr(fixture.search, "put", failing(RuntimeError("killed")))
        with pytest.raises(RuntimeError, match="killed"):
            await fixture.votes.vote(BOB, first.id, 1)
    assert await pending(fixture) == [first.id]
    assert await fixture.listed(GenerationSort.POPULAR) == [second.id, first.id]
    assert await fixture.store.repair_search() == 1
    assert await fixture.listed(GenerationSort.POPULAR) == [first.id, second.id]
    assert await fixture.store.repair_search() == 0


async def test_a_failure_of_the_index_does_not_fail_the_write(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await fixture.clip()
    with monkeypatch.context() as patch:
        patch.setattr(fixture.search, "put", failing(AppError(Code.STORAGE_FULL, "STORAGE_FULL", "full")))
        assert (await fixture.votes.vote(BOB, clip.id, 1)).upvote_count == 1
    assert await fixture.listed(voted_only=True) == []
    await fixture.store.repair_search()
    assert await fixture.listed(voted_only=True) == [clip.id]


async def test_repair_clears_markers_once_for_all_writes(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    for listener in LISTENERS[:3]:
        await fixture.votes.vote(listener, clip.id, 1)
    assert await pending(fixture) == [clip.id]
    assert await fixture.store.repair_search() == 0  # the entry is current
    assert await pending(fixture) == []
    assert (await fixture.now(clip)).upvote_count == 3
    assert (await fixture.votes.vote(BOB, clip.id, -1)).upvote_count == 3
    assert await fixture.listed(GenerationSort.RATING) == [clip.id]


async def test_a_write_during_a_repair_stays_pending(fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await fixture.clip()
    put, voted = fixture.search.put, False

    async def vote_first(*arguments: Any) -> int:
        nonlocal voted
        if not voted:
            voted = True
            await fixture.votes.vote(BOB, clip.id, 1)
        return await put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(fixture.search, "put", vote_first)
        await fixture.store.repair_search()
    assert await pending(fixture) == [clip.id]
    assert await fixture.listed(voted_only=True) == [clip.id]  # the older revision did not replace the newer one
    await fixture.store.repair_search()
    assert await pending(fixture) == []


async def test_a_clip_that_is_deleted_while_it_is_indexed_leaves_no_entry(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await fixture.clip()
    put = fixture.search.put

    async def deleted_first(*arguments: Any) -> int:
        await fixture.catalog.delete(ANN, clip.id)
        return await put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(fixture.search, "put", deleted_first)
        await fixture.catalog.rate(clip.id, 3)
    assert await entries(fixture) == []
    assert await fixture.catalog.count_by_model() == (0, {"music": 0, "audio": 0})


async def test_an_entry_without_a_document_is_removed_when_it_is_found(fixture: CatalogFixture) -> None:
    clip, other = await fixture.clip(), await fixture.clip()
    await fixture.docs.delete("generations", clip.id)
    found, _ = await fixture.catalog.list_generations(GenerationFilter(), GenerationSort.RECENT, 0, 10)
    assert [clip.id for clip in found] == [other.id]
    assert await entries(fixture) == [other.id]
    assert await fixture.catalog.count_by_model() == (1, {"music": 1, "audio": 0})


async def test_clips_of_an_existing_library_are_indexed_at_the_first_start(fixture: CatalogFixture) -> None:
    clips = [await fixture.clip(f"rain {number}", model=("music", "audio")[number % 2]) for number in range(5)]
    docs = fixture.docs
    for clip in clips:  # as an earlier version stored them
        doc = await docs.get("generations", clip.id)
        assert doc is not None
        earlier = {key: value for key, value in doc.items() if key != "search_pending"}
        assert await docs.replace("generations", {**earlier, "family": "x", "vote_total": 3}, doc["revision"])
    await docs.database.write(lambda connection: connection.execute('DELETE FROM "search indexes"').close())
    assert await pending(fixture) == []
    store = CatalogStore(docs, sqlite_search.SqliteSearch(docs.database))
    await store.prepare()
    found, total = await store.list_generations(GenerationFilter(search="rain"), GenerationSort.RECENT, 0, 10)
    assert ([clip.id for clip in found], total) == ([clip.id for clip in reversed(clips)], 5)
    assert await store.count_by_family() == {"music": 3, "audio": 2}


async def test_an_index_of_another_format_is_rebuilt(fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await fixture.clip("rain")
    await fixture.store.repair_search()
    await fixture.search.remove(CLIPS.name, [clip.id])
    await fixture.store.prepare()
    assert await fixture.listed() == []  # a complete index is not rebuilt
    monkeypatch.setattr(sqlite_search, "_FORMAT", sqlite_search._FORMAT + 1)
    await fixture.store.prepare()
    assert await fixture.listed(search="rain") == [clip.id]


async def test_a_rebuild_that_was_interrupted_is_finished(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await fixture.clip("rain")
    await fixture.store.repair_search()
    monkeypatch.setattr(sqlite_search, "_FORMAT", sqlite_search._FORMAT + 1)
    with monkeypatch.context() as patch:
        patch.setattr(fixture.search, "put", failing(RuntimeError("killed")))
        with pytest.raises(RuntimeError, match="killed"):
            await fixture.store.prepare()
    await fixture.store.prepare()
    assert await fixture.listed(search="rain") == [clip.id]


async def test_a_sample_of_favorites_meets_every_condition(fixture: CatalogFixture) -> None:
    wanted = await fixture.clip("lo-fi rain", duration_seconds=60.0)
    others = [await fixture.clip("piano", duration_seconds=60.0), await fixture.clip("rain", duration_seconds=5.0)]
    for clip in (wanted, *others):
        await fixture.favorites.add(ANN, clip.id)
    await fixture.clip("rain", duration_seconds=60.0)  # not a favorite
    chosen = GenerationFilter(search="rain", min_duration_seconds=30.0)
    assert [clip.id for clip in await fixture.catalog.sample(ANN, chosen, 10, [], True)] == [wanted.id]
    assert await fixture.catalog.sample(ANN, chosen, 10, [wanted.id], True) == []
    assert await fixture.catalog.sample(BOB, chosen, 10, [], True) == []


async def test_repair_changes_nothing_but_the_marker(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    await fixture.store.repair_search()
    before = await fixture.now(clip)
    assert dataclasses.replace(before, revision=0) == dataclasses.replace(clip, revision=0)
    await fixture.catalog.delete(ANN, clip.id)
    assert await reason(fixture.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"
    assert await fixture.store.repair_search() == 0
