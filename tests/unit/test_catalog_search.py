"""The search index of clips stays true to the documents, whatever comes between the two writes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from library import ANN, BOB, LISTENERS, Library, dying, interrupted, reason

from kit.adapters.sqlite import search as sqlite_search
from kit.errors import AppError, Code
from kit.ports import SearchQuery
from services.library.catalog.clip_search import BY_TIME, CLIPS
from services.library.catalog.service import GenerationFilter, GenerationSort
from services.library.catalog.store import CatalogStore


async def pending(library: Library) -> list[str]:
    return [doc["id"] for doc in await library.docs.find("generations", {"search_pending": True})]


async def entries(library: Library) -> list[str]:
    """Return the ids in the index, whether or not there is a document."""
    return (await library.search.find(CLIPS.name, SearchQuery(), order=BY_TIME)).ids


async def test_a_new_clip_that_was_not_indexed_before_a_crash_is_found_after_the_next_start(library: Library) -> None:
    with dying(library.search, "put"):
        await library.clip("lo-fi rain")
    (clip_id,) = await pending(library)
    assert await library.listed() == []
    await CatalogStore(library.docs, library.search).prepare()
    assert await library.listed(search="rain") == [clip_id]
    assert await pending(library) == []


async def test_a_change_that_was_not_indexed_before_a_crash_is_repaired_by_the_sweeper(library: Library) -> None:
    first, second = await library.clip(), await library.clip()
    await library.clips.repair_search()
    with dying(library.search, "put"):
        await library.votes.vote(BOB, first.id, 1)
    assert await pending(library) == [first.id]
    assert await library.listed(GenerationSort.POPULAR) == [second.id, first.id]
    assert await library.clips.repair_search() == 1
    assert await library.listed(GenerationSort.POPULAR) == [first.id, second.id]
    assert await library.clips.repair_search() == 0


async def test_a_failure_of_the_index_does_not_fail_the_write(library: Library) -> None:
    clip = await library.clip()
    with interrupted(library.search, "put", AppError(Code.STORAGE_FULL, "STORAGE_FULL", "full")):
        assert (await library.votes.vote(BOB, clip.id, 1)).upvote_count == 1
    assert await library.listed(voted_only=True) == []
    await library.clips.repair_search()
    assert await library.listed(voted_only=True) == [clip.id]


async def test_repair_clears_markers_once_for_all_writes(library: Library) -> None:
    clip = await library.clip()
    for listener in LISTENERS[:3]:
        await library.votes.vote(listener, clip.id, 1)
    assert await pending(library) == [clip.id]
    assert await library.clips.repair_search() == 0  # the entry is current
    assert await pending(library) == []
    assert (await library.catalog.get(clip.id)).upvote_count == 3
    assert (await library.votes.vote(BOB, clip.id, -1)).upvote_count == 3
    assert await library.listed(GenerationSort.RATING) == [clip.id]


async def test_a_write_during_a_repair_stays_pending(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await library.clip()
    put, voted = library.search.put, False

    async def vote_first(*arguments: Any) -> int:
        nonlocal voted
        if not voted:
            voted = True
            await library.votes.vote(BOB, clip.id, 1)
        return await put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(library.search, "put", vote_first)
        await library.clips.repair_search()
    assert await pending(library) == [clip.id]
    assert await library.listed(voted_only=True) == [clip.id]  # the older revision did not replace the newer one
    await library.clips.repair_search()
    assert await pending(library) == []


async def test_a_clip_that_is_deleted_while_it_is_indexed_leaves_no_entry(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await library.clip()
    put = library.search.put

    async def deleted_first(*arguments: Any) -> int:
        await library.catalog.delete(ANN, clip.id)
        return await put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(library.search, "put", deleted_first)
        await library.catalog.rate(clip.id, 3)
    assert await entries(library) == []
    assert await library.catalog.count_by_model() == (0, {"music": 0, "audio": 0})


async def test_an_entry_without_a_document_is_removed_when_it_is_found(library: Library) -> None:
    clip, other = await library.clip(), await library.clip()
    await library.docs.delete("generations", clip.id)
    found, _ = await library.catalog.list_generations(GenerationFilter(), GenerationSort.RECENT, 0, 10)
    assert [clip.id for clip in found] == [other.id]
    assert await entries(library) == [other.id]
    assert await library.catalog.count_by_model() == (1, {"music": 1, "audio": 0})


async def test_clips_of_an_existing_library_are_indexed_at_the_first_start(library: Library) -> None:
    clips = [await library.clip(f"rain {number}", model=("music", "audio")[number % 2]) for number in range(5)]
    docs = library.docs
    for clip in clips:  # as an earlier version stored them
        doc = await docs.get("generations", clip.id)
        assert doc is not None
        earlier = {key: value for key, value in doc.items() if key != "search_pending"}
        assert await docs.replace("generations", {**earlier, "family": "x", "vote_total": 3}, doc["revision"])
    await docs.database.write(lambda connection: connection.execute('DELETE FROM "search indexes"').close())
    assert await pending(library) == []
    store = CatalogStore(docs, sqlite_search.SqliteSearch(docs.database))
    await store.prepare()
    found, total = await store.list_generations(GenerationFilter(search="rain"), GenerationSort.RECENT, 0, 10)
    assert ([clip.id for clip in found], total) == ([clip.id for clip in reversed(clips)], 5)
    assert await store.count_by_family() == {"music": 3, "audio": 2}


async def test_an_index_of_another_format_is_rebuilt(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await library.clip("rain")
    await library.clips.repair_search()
    await library.search.remove(CLIPS.name, [clip.id])
    await library.clips.prepare()
    assert await library.listed() == []  # a complete index is not rebuilt
    monkeypatch.setattr(sqlite_search, "_FORMAT", sqlite_search._FORMAT + 1)
    await library.clips.prepare()
    assert await library.listed(search="rain") == [clip.id]


async def test_a_rebuild_that_was_interrupted_is_finished(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await library.clip("rain")
    await library.clips.repair_search()
    monkeypatch.setattr(sqlite_search, "_FORMAT", sqlite_search._FORMAT + 1)
    with dying(library.search, "put"):
        await library.clips.prepare()
    await library.clips.prepare()
    assert await library.listed(search="rain") == [clip.id]


async def test_a_sample_of_favorites_meets_every_condition(library: Library) -> None:
    wanted = await library.clip("lo-fi rain", duration_seconds=60.0)
    others = [await library.clip("piano", duration_seconds=60.0), await library.clip("rain", duration_seconds=5.0)]
    for clip in (wanted, *others):
        await library.favorites.add(ANN, clip.id)
    await library.clip("rain", duration_seconds=60.0)  # not a favorite
    chosen = GenerationFilter(search="rain", min_duration_seconds=30.0)
    assert [clip.id for clip in await library.catalog.sample(ANN, chosen, 10, [], True)] == [wanted.id]
    assert await library.catalog.sample(ANN, chosen, 10, [wanted.id], True) == []
    assert await library.catalog.sample(BOB, chosen, 10, [], True) == []


async def test_repair_changes_nothing_but_the_marker(library: Library) -> None:
    clip = await library.clip()
    await library.clips.repair_search()
    before = await library.catalog.get(clip.id)
    assert dataclasses.replace(before, revision=0) == dataclasses.replace(clip, revision=0)
    await library.catalog.delete(ANN, clip.id)
    assert await reason(library.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"
    assert await library.clips.repair_search() == 0
