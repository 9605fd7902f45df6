"""The catalog of clips: storage, lists, samples, counts, ratings and deletion."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from catalog_fixture import (
    ADMIN,
    ANN,
    BOB,
    EVERYTHING,
    GUEST,
    HOUR,
    LISTENERS,
    CatalogFixture,
    catalog_fixture,
    ids,
    reason,
)

from kit.errors import AppError
from services.library.catalog.categories import CATEGORIES, categorise
from services.library.catalog.service import Generation, GenerationFilter, GenerationSort
from services.library.catalog.totals import VoteTotals
from services.library.jobs.store import JobDocs
from services.library.jobs.sweeper import Sweeper

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[CatalogFixture]:
    async with catalog_fixture(tmp_path) as fixture:
        yield fixture


# ------------------------------------------------------------------------------------------------------------- filing


async def test_a_stored_clip_has_the_categories_of_its_prompt(fixture: CatalogFixture) -> None:
    made = Generation(
        id=UNKNOWN, owner_id="ann", prompt="calm piano", model="magnet-music", duration_seconds=12.5, is_loop=True,
        seed=-7, quality_score=81, quality_issues=["Too quiet"], quality_accepted=False, retry_count=2, engine="e",
        engine_model="m", degraded=True, sample_rate_hz=32000, channel_count=2, audio_blob_key="a.wav",
        spectrogram_blob_key="a.png", audio_size_bytes=9, continued_from_id="c", priority="free", create_time=7.25,
    )  # fmt: skip
    sent = dataclasses.replace(made, upvote_count=9, rating=5, play_count=8, listener_count=7, categories=["nonsense"])
    await fixture.store.store_generation(sent)
    filed = await fixture.catalog.get(made.id)
    assert "piano" in filed.categories
    expected = categorise("calm piano", "magnet-music")
    assert filed == dataclasses.replace(made, categories=expected, revision=1)


async def test_storing_a_clip_again_resets_nothing(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    await fixture.votes.vote(BOB, clip.id, 1)
    await fixture.catalog.rate(clip.id, 4)
    before = await fixture.now(clip)
    await fixture.store.store_generation(clip)
    assert await fixture.now(clip) == before
    assert (before.upvote_count, before.rating) == (1, 4)


async def test_parallel_inserts_store_one_clip(fixture: CatalogFixture) -> None:
    clip = Generation(UNKNOWN, "ann", "rain", "audio", 1.0)
    await asyncio.gather(*(fixture.store.store_generation(clip) for _ in range(5)))
    assert await fixture.listed() == [UNKNOWN]


async def test_a_clip_can_be_found_when_any_process_has_stored_it(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process stops between the document and its search entry."""
    clip = Generation(UNKNOWN, "ann", "rain", "audio", 1.0)
    put, stopped, go_on = fixture.search.put, asyncio.Event(), asyncio.Event()

    async def stop_once(*args: Any) -> int:
        if not stopped.is_set():
            stopped.set()
            await go_on.wait()
        return await put(*args)

    monkeypatch.setattr(fixture.search, "put", stop_once)
    first = asyncio.create_task(fixture.store.store_generation(clip))
    await stopped.wait()
    await fixture.store.store_generation(clip)
    assert await fixture.listed() == [UNKNOWN]
    go_on.set()
    await first
    assert await fixture.listed() == [UNKNOWN]


async def test_a_deleted_clip_is_not_stored_again(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    await fixture.catalog.delete(ANN, clip.id)
    await fixture.store.store_generation(clip)
    assert await reason(fixture.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"


async def test_a_clip_deleted_while_it_is_stored_stays_deleted(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await fixture.clip()
    insert = fixture.docs.insert

    async def deleted_first(collection: str, doc: Any) -> None:
        if collection == "generations":
            await fixture.catalog.delete(ANN, clip.id)
        await insert(collection, doc)

    monkeypatch.setattr(fixture.docs, "insert", deleted_first)
    await fixture.store.store_generation(clip)
    assert await fixture.listed() == []


# -------------------------------------------------------------------------------------------------------------- lists


async def test_lists_are_sorted(fixture: CatalogFixture) -> None:
    clips = [await fixture.clip() for _ in range(5)]
    a, b, c, d, e = ids(clips)
    for clip_id, ups, downs in ((a, 3, 0), (b, 2, 3), (c, 0, 1), (d, 3, 0)):
        for listener in LISTENERS[: ups + downs]:
            await fixture.votes.vote(listener, clip_id, 1 if listener in LISTENERS[:ups] else -1)
    assert await fixture.listed() == [e, d, c, b, a]
    assert await fixture.listed(GenerationSort.POPULAR) == [b, d, a, c, e]
    assert await fixture.listed(GenerationSort.RATING) == [d, a, e, c, b]


async def test_top_rated_clips(fixture: CatalogFixture) -> None:
    few, many, disliked, _ = [await fixture.clip() for _ in range(4)]
    await fixture.votes.vote(LISTENERS[0], few.id, 1)
    for number, listener in enumerate(LISTENERS[:5]):
        await fixture.votes.vote(listener, many.id, 1 if number < 3 else -1)
    await fixture.votes.vote(ANN, disliked.id, -1)
    newer = await fixture.clip()
    await fixture.votes.vote(ANN, newer.id, 1)
    assert await fixture.listed(GenerationSort.RATING, voted_only=True) == [many.id, newer.id, few.id, disliked.id]
    await fixture.votes.vote(ANN, disliked.id, 0)
    assert disliked.id not in await fixture.listed(GenerationSort.RATING, voted_only=True)


async def test_filters_by_model_include_the_family(fixture: CatalogFixture) -> None:
    music, audio, magnet_music, magnet_audio = [
        (await fixture.clip("rain", model=model)).id for model in ("music", "audio", "magnet-music", "magnet-audio")
    ]
    assert await fixture.listed(model="music") == [magnet_music, music]
    assert await fixture.listed(model="audio") == [magnet_audio, audio]
    assert await fixture.listed(model="magnet-music") == [magnet_music]
    assert await fixture.listed(model="voice") == []
    assert await fixture.catalog.count_by_model() == (4, {"music": 2, "audio": 2})


async def test_filters_are_combined(fixture: CatalogFixture) -> None:
    clip = await fixture.clip("lo-fi rain piano", owner_id="bob", duration_seconds=60.0)
    conditions: list[dict[str, Any]] = [
        {"owner_id": "ann"},
        {"search": "guitar"},
        {"category": "metal"},
        {"model": "audio"},
        {"min_create_time": clip.create_time + 0.001},
        {"min_duration_seconds": 60.5},
        {"voted_only": True},
    ]
    true = {
        "owner_id": "bob",
        "search": "guitar LO-FI",
        "category": "piano",
        "model": "music",
        "min_create_time": clip.create_time,
        "min_duration_seconds": 60.0,
    }
    assert await fixture.listed(**true) == [clip.id]
    for condition in conditions:
        assert await fixture.listed(**{**true, **condition}) == [], condition


@pytest.mark.parametrize("least", [0.0, 0.5, 14.9, 15.0, 15.1, 59.0, 60.0, 61.5, 119.9, 120.0, 180.0, 181.0])
async def test_filter_by_duration(fixture: CatalogFixture, least: float) -> None:
    clips = [await fixture.clip(duration_seconds=seconds) for seconds in (180.0, 120.0, 60.0, 59.9, 15.0, 14.95, 1.0)]
    long = [clip.id for clip in reversed(clips) if clip.duration_seconds >= least]
    assert await fixture.listed(min_duration_seconds=least) == long
    sample = await fixture.catalog.sample(ANN, GenerationFilter(min_duration_seconds=least), 10, [], False)
    assert sorted(ids(sample)) == sorted(long)


async def test_filter_by_category_matches_the_whole_key(fixture: CatalogFixture) -> None:
    clip = await fixture.clip("calm piano")
    assert await fixture.listed(category="piano") == [clip.id]
    assert await fixture.listed(category="pian") == []
    assert await fixture.listed(category="%") == []


async def test_pages_follow_each_other(fixture: CatalogFixture) -> None:
    made = [(await fixture.clip()).id for _ in range(5)][::-1]
    pages = [await fixture.catalog.list_generations(EVERYTHING, GenerationSort.RECENT, at, 2) for at in (0, 2, 4, 6)]
    assert [(ids(page), total) for page, total in pages] == [(made[:2], 5), (made[2:4], 5), (made[4:], 5), ([], 5)]


# ------------------------------------------------------------------------------------------------------ random choices


async def test_a_sample_has_no_duplicates_and_respects_exclusions(fixture: CatalogFixture) -> None:
    clips = [(await fixture.clip()).id for _ in range(6)]
    sound = (await fixture.clip("rain", model="audio")).id
    everything = ids(await fixture.catalog.sample(ANN, EVERYTHING, 100, [], False))
    assert sorted(everything) == sorted([*clips, sound])
    some = ids(await fixture.catalog.sample(ANN, GenerationFilter(model="music"), 4, clips[:2], False))
    assert sorted(some) == sorted(clips[2:])
    assert await fixture.catalog.sample(ANN, GenerationFilter(model="music"), 4, clips, False) == []


async def test_a_sample_is_uniform(fixture: CatalogFixture) -> None:
    clips = [(await fixture.clip()).id for _ in range(4)]
    drawn = Counter([(await fixture.catalog.sample(ANN, EVERYTHING, 1, [], False))[0].id for _ in range(200)])
    assert set(drawn) == set(clips)
    assert min(drawn.values()) > 15  # 50 expected; less than 16 happens once in 10^9 tries


async def test_a_sample_of_the_callers_favorites(fixture: CatalogFixture) -> None:
    clips = [await fixture.clip() for _ in range(4)]
    sound = await fixture.clip("rain", model="audio")
    for clip in (*clips[:2], sound):
        await fixture.favorites.add(ANN, clip.id)
    await fixture.favorites.add(BOB, clips[2].id)
    assert {c.id for c in await fixture.catalog.sample(ANN, EVERYTHING, 10, [], True)} == {*ids(clips[:2]), sound.id}
    music = await fixture.catalog.sample(ANN, GenerationFilter(model="music"), 10, [clips[0].id], True)
    assert ids(music) == [clips[1].id]
    assert await fixture.catalog.sample(GUEST, EVERYTHING, 10, [], True) == []


async def test_the_size_of_a_sample_is_limited(fixture: CatalogFixture) -> None:
    assert await reason(fixture.catalog.sample(ANN, EVERYTHING, 1, ["x"] * 501, False)) == "TOO_MANY_IDS"
    await fixture.clip()
    assert len(await fixture.catalog.sample(ANN, EVERYTHING, -5, ["x"] * 500, False)) == 1


# ------------------------------------------------------------------------------------------------------------- counts


async def test_category_counts_include_empty_categories(fixture: CatalogFixture) -> None:
    await fixture.clip("calm piano")
    await fixture.clip("piano", model="magnet-music")
    await fixture.clip("rain", model="audio")
    music = await fixture.catalog.count_categories("music")
    assert list(music) == list(CATEGORIES["music"])
    assert (music["piano"], music["punk"]) == (2, 0)
    audio = await fixture.catalog.count_categories("audio")
    assert list(audio) == list(CATEGORIES["audio"])
    assert audio["rain"] == 1
    both = await fixture.catalog.count_categories("")
    assert set(both) == {*music, *audio}
    assert (both["piano"], both["rain"]) == (2, 1)


async def test_category_counts_per_model_and_in_total(fixture: CatalogFixture) -> None:
    shared = next(iter(CATEGORIES["music"].keys() & CATEGORIES["audio"].keys()))
    for model in ("music", "music", "audio"):
        clip = await fixture.clip("x", model=model)
        if shared not in clip.categories:
            for listener in LISTENERS[:3]:
                await fixture.tags.suggest(listener, clip.id, shared, False)
    assert [(await fixture.catalog.count_categories(model))[shared] for model in ("music", "audio", "")] == [2, 1, 3]


async def test_categories_of_models(fixture: CatalogFixture) -> None:
    assert fixture.catalog.categories("audio") == CATEGORIES["audio"]
    for model in ("", "magnet-music", "voice"):
        with pytest.raises(AppError) as refusal:
            fixture.catalog.categories(model)
        assert refusal.value.reason == "MODEL_NOT_FOUND"
    assert await reason(fixture.catalog.count_categories("voice")) == "MODEL_NOT_FOUND"


async def test_catalog_statistics(fixture: CatalogFixture) -> None:
    one, two = await fixture.clip(), await fixture.clip()
    await fixture.votes.vote(ANN, one.id, 1, ["catchy"])
    await fixture.votes.vote(BOB, one.id, -1)
    await fixture.favorites.add(ANN, two.id)
    assert await fixture.totals.read() == VoteTotals(votes=2, favorites=1, feedbacks=1)
    assert await fixture.catalog.count_by_model() == (2, {"music": 2, "audio": 0})


async def test_votes_are_counted_once_in_ten_seconds(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    await fixture.votes.vote(ANN, clip.id, 1)
    assert (await fixture.totals.read()).votes == 1
    await fixture.votes.vote(BOB, clip.id, 1)
    fixture.clock.time += 9.9
    assert (await fixture.totals.read()).votes == 1
    fixture.clock.time += 0.1
    assert (await fixture.totals.read()).votes == 2


# ------------------------------------------------------------------------------------------------- rating, spectrogram


async def test_set_replace_and_clear_a_rating(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    for rating in (1, 5, None):
        await fixture.catalog.rate(clip.id, rating)
        assert (await fixture.now(clip)).rating == rating
    for bad in (0, 6, -1):
        assert await reason(fixture.catalog.rate(clip.id, bad)) == "RATING_INVALID"
    assert await reason(fixture.catalog.rate(UNKNOWN, 3)) == "GENERATION_NOT_FOUND"


async def test_store_the_path_of_a_spectrogram(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    await fixture.catalog.set_spectrogram(clip.id, "x.png")
    assert (await fixture.now(clip)).spectrogram_blob_key == "x.png"
    assert await reason(fixture.catalog.set_spectrogram(UNKNOWN, "x.png")) == "GENERATION_NOT_FOUND"


# ----------------------------------------------------------------------------------------------------------- deletion


async def with_files(fixture: CatalogFixture) -> Generation:
    for key in ("clips/a.wav", "clips/a.png", "clips/b.wav"):
        async with fixture.blobs.write(key) as writer:
            await writer.write(b"x")
    return await fixture.clip(audio_blob_key="clips/a.wav", spectrogram_blob_key="clips/a.png")


async def talked_about(fixture: CatalogFixture, clip: Generation) -> str:
    """Add every kind of data about a clip, and return the ID of a playlist with it."""
    await fixture.votes.vote(BOB, clip.id, 1, ["catchy"])
    await fixture.favorites.add(BOB, clip.id)
    await fixture.tags.suggest(BOB, clip.id, "metal", False)
    await fixture.plays.record(BOB, clip.id, "radio", "")
    playlist = await fixture.playlists.create(BOB, "mine", "", False)
    await fixture.playlists.add(BOB, playlist.id, clip.id)
    return playlist.id


async def left(fixture: CatalogFixture, clip: Generation) -> dict[str, int]:
    names = ("votes", "favorites", "tag_suggestions", "plays", "play_hours", "play_listeners")
    return {name: count for name in names if (count := await fixture.docs.count(name, {"generation_id": clip.id}))}


async def test_deleting_a_clip_deletes_its_files_and_data(fixture: CatalogFixture) -> None:
    clip, other = await with_files(fixture), await fixture.clip(audio_blob_key="clips/b.wav")
    playlist_id = await talked_about(fixture, clip)
    await fixture.playlists.add(BOB, playlist_id, other.id)
    await fixture.votes.vote(BOB, other.id, 1)
    assert len(await left(fixture, clip)) == 6
    await fixture.catalog.delete(ANN, clip.id)
    assert await reason(fixture.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"
    assert await left(fixture, clip) == {}
    assert await fixture.blobs.keys("") == ["clips/b.wav"]
    playlist, entries = await fixture.playlists.get(BOB, playlist_id)
    assert [entry.generation_id for entry in playlist.entries] == [other.id] == [g.id for g, _ in entries]
    assert playlist.duration_seconds == other.duration_seconds
    assert await fixture.totals.read() == VoteTotals(votes=1, favorites=0, feedbacks=0)
    assert await fixture.listed() == [other.id]
    assert await fixture.listed(search="piano", category="piano") == [other.id]
    assert await fixture.catalog.resume_deletions() == 0


async def test_the_name_of_a_guest_deletes_none_of_their_clips(fixture: CatalogFixture) -> None:
    clip = await fixture.clip(owner_id=GUEST.id, creator_key="the creator's")
    for other in (GUEST, replace(GUEST, creator_key="another's")):
        assert await reason(fixture.catalog.delete(other, clip.id)) == "GENERATION_NOT_OWNED"
    await fixture.catalog.delete(replace(GUEST, creator_key="the creator's"), clip.id)
    assert await fixture.listed() == []


async def test_only_owners_and_administrators_can_delete(fixture: CatalogFixture) -> None:
    mine, guests = await fixture.clip(), await fixture.clip(owner_id=GUEST.id)
    for principal, clip in ((BOB, mine), (GUEST, mine), (ANN, guests)):
        assert await reason(fixture.catalog.delete(principal, clip.id)) == "GENERATION_NOT_OWNED"
    assert len(await fixture.listed()) == 2
    await fixture.catalog.delete(GUEST, guests.id)
    await fixture.catalog.delete(ADMIN, mine.id)
    assert await fixture.listed() == []
    for gone in (mine.id, UNKNOWN):
        assert await reason(fixture.catalog.delete(ANN, gone)) == "GENERATION_NOT_FOUND"


@pytest.mark.parametrize("again", ["owner", "sweep"])
async def test_an_interrupted_deletion_is_hidden_and_completed(
    fixture: CatalogFixture, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, other = await with_files(fixture), await fixture.clip()
    playlist_id = await talked_about(fixture, clip)
    await fixture.playlists.add(BOB, playlist_id, other.id)

    async def crash(generation_id: str) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(fixture.store, "remove_belongings", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await fixture.catalog.delete(ANN, clip.id)
    assert len(await left(fixture, clip)) == 6
    # The clip is hidden everywhere.
    assert await fixture.favorites.list_favorites(BOB, "", 0, 10) == ([], 1)
    assert await fixture.votes.list_votes(BOB, 0, 10) == ([], False)
    assert await fixture.plays.list_plays(BOB, 0, 10) == ([], False)
    assert [g.id for g, _ in (await fixture.playlists.get(BOB, playlist_id))[1]] == [other.id]
    assert await fixture.catalog.sample(BOB, EVERYTHING, 10, [], True) == []
    assert await fixture.trends.most_played(fixture.clock.now() - HOUR, "", 10) == []
    await fixture.playlists.reorder(BOB, playlist_id, [other.id])
    if again == "owner":
        assert await reason(fixture.catalog.delete(BOB, clip.id)) == "GENERATION_NOT_OWNED"
        await fixture.catalog.delete(ANN, clip.id)
    else:
        jobs: Any = JobDocs(fixture.docs)  # empty, so neither ledger nor broker is asked
        await jobs.prepare()
        maintenance_tasks = {"deletion": fixture.catalog.resume_deletions}
        nobody: Any = None
        await Sweeper(jobs, nobody, nobody, fixture.clock, nobody, 15.0, maintenance_tasks).sweep()
    assert await left(fixture, clip) == {}
    assert await fixture.blobs.keys("clips/a") == []
    assert await fixture.catalog.resume_deletions() == 0


async def test_deletion_works_in_batches(fixture: CatalogFixture) -> None:
    clip = await fixture.clip()
    for number in range(700):
        doc = {"id": f"{clip.id}/{number}", "generation_id": clip.id, "listener_id": str(number), "vote": 1}
        await fixture.docs.insert("votes", doc)
    await fixture.catalog.delete(ANN, clip.id)
    assert await left(fixture, clip) == {"votes": 200}
    assert await fixture.catalog.resume_deletions() == 1
    assert await left(fixture, clip) == {}
    assert await fixture.catalog.resume_deletions() == 0


@pytest.mark.parametrize("word", ["vote", "favorite", "tag", "play", "playlist"])
async def test_data_added_during_a_deletion_is_deleted(
    fixture: CatalogFixture, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await fixture.clip()
    playlist = await fixture.playlists.create(BOB, "mine", "", False)
    name = {"tag": "tag_suggestions"}.get(word, f"{word}s")
    insert, replace = fixture.docs.insert, fixture.docs.replace
    deleted = False

    async def deleted_first(write: Any, collection: str, doc: Any, *rest: Any) -> Any:
        nonlocal deleted
        if collection == name and not deleted:
            deleted = True
            await fixture.catalog.delete(ANN, clip.id)
        return await write(collection, doc, *rest)

    monkeypatch.setattr(fixture.docs, "insert", lambda *args: deleted_first(insert, *args))
    monkeypatch.setattr(fixture.docs, "replace", lambda *args: deleted_first(replace, *args))
    saying = {
        "vote": lambda: fixture.votes.vote(BOB, clip.id, 1),
        "favorite": lambda: fixture.favorites.add(BOB, clip.id),
        "tag": lambda: fixture.tags.suggest(BOB, clip.id, "metal", False),
        "play": lambda: fixture.plays.record(BOB, clip.id, "radio", ""),
        "playlist": lambda: fixture.playlists.add(BOB, playlist.id, clip.id),
    }
    assert await reason(saying[word]()) == "GENERATION_NOT_FOUND"
    assert deleted
    assert await left(fixture, clip) == {}
    assert (await fixture.playlists.get(BOB, playlist.id))[0].entries == []
