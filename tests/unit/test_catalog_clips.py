"""The catalog of clips: filing, lists, random choices, counts, ratings, deletion."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from catalog_world import ADMIN, ANN, BOB, EVERYTHING, GUEST, HOUR, LISTENERS, World, ids, opened, reason

from kit.errors import AppError
from services.library.catalog import Generation, GenerationFilter, GenerationSort
from services.library.categories import CATEGORIES, categorise
from services.library.store import LibraryStore
from services.library.sweeper import Sweeper

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


# ------------------------------------------------------------------------------------------------------------- filing


async def test_a_filed_clip_is_what_was_made_under_the_categories_of_its_prompt(world: World) -> None:
    made = Generation(
        id=UNKNOWN, owner_id="ann", prompt="calm piano", model="magnet-music", duration_seconds=12.5, is_loop=True,
        seed=-7, quality_score=81, quality_issues=["Too quiet"], quality_accepted=False, retry_count=2, engine="e",
        engine_model="m", degraded=True, sample_rate_hz=32000, channel_count=2, audio_blob_key="a.wav",
        spectrogram_blob_key="a.png", audio_size_bytes=9, continued_from_id="c", priority="free", create_time=7.25,
    )  # fmt: skip
    sent = dataclasses.replace(made, upvote_count=9, rating=5, play_count=8, listener_count=7, categories=["nonsense"])
    await world.store.file_generation(sent)
    filed = await world.catalog.get(made.id)
    assert "piano" in filed.categories
    expected = categorise("calm piano", "magnet-music")
    assert filed == dataclasses.replace(made, categories=expected, revision=1)


async def test_filing_again_resets_nothing(world: World) -> None:
    clip = await world.clip()
    await world.votes.vote(BOB, clip.id, 1)
    await world.catalog.rate(clip.id, 4)
    before = await world.now(clip)
    await world.store.file_generation(clip)
    assert await world.now(clip) == before
    assert (before.upvote_count, before.rating) == (1, 4)


async def test_filing_at_once_files_once(world: World) -> None:
    clip = Generation(UNKNOWN, "ann", "rain", "audio", 1.0)
    await asyncio.gather(*(world.store.file_generation(clip) for _ in range(5)))
    assert await world.catalog.count(EVERYTHING) == 1


async def test_a_deleted_clip_is_not_filed_again(world: World) -> None:
    clip = await world.clip()
    await world.catalog.delete(ANN, clip.id)
    await world.store.file_generation(clip)
    assert await reason(world.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"


async def test_a_clip_that_is_deleted_while_it_is_filed_again_stays_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await world.clip()
    insert = world.docs.insert

    async def deleted_first(collection: str, doc: Any) -> None:
        if collection == "generations":
            await world.catalog.delete(ANN, clip.id)
        await insert(collection, doc)

    monkeypatch.setattr(world.docs, "insert", deleted_first)
    await world.store.file_generation(clip)
    assert await world.listed() == []


# -------------------------------------------------------------------------------------------------------------- lists


async def test_lists_are_sorted_and_ties_are_newest_first(world: World) -> None:
    clips = [await world.clip() for _ in range(5)]
    a, b, c, d, e = ids(clips)
    for clip_id, ups, downs in ((a, 3, 0), (b, 2, 3), (c, 0, 1), (d, 3, 0)):
        for listener in LISTENERS[: ups + downs]:
            await world.votes.vote(listener, clip_id, 1 if listener in LISTENERS[:ups] else -1)
    assert await world.listed() == [e, d, c, b, a]
    assert await world.listed(GenerationSort.POPULAR) == [b, d, a, c, e]
    assert await world.listed(GenerationSort.RATING) == [d, a, e, c, b]


async def test_the_top_rated_are_those_with_votes_more_upvotes_first(world: World) -> None:
    few, many, disliked, _ = [await world.clip() for _ in range(4)]
    await world.votes.vote(LISTENERS[0], few.id, 1)
    for number, listener in enumerate(LISTENERS[:5]):
        await world.votes.vote(listener, many.id, 1 if number < 3 else -1)
    await world.votes.vote(ANN, disliked.id, -1)
    newer = await world.clip()
    await world.votes.vote(ANN, newer.id, 1)
    assert await world.listed(GenerationSort.RATING, voted_only=True) == [many.id, newer.id, few.id, disliked.id]
    await world.votes.vote(ANN, disliked.id, 0)
    assert disliked.id not in await world.listed(GenerationSort.RATING, voted_only=True)


async def test_filters_by_model_include_the_family(world: World) -> None:
    music, audio, magnet_music, magnet_audio = [
        (await world.clip("rain", model=model)).id for model in ("music", "audio", "magnet-music", "magnet-audio")
    ]
    assert await world.listed(model="music") == [magnet_music, music]
    assert await world.listed(model="audio") == [magnet_audio, audio]
    assert await world.listed(model="magnet-music") == [magnet_music]
    assert await world.listed(model="voice") == []
    assert await world.catalog.count_by_model() == (4, {"music": 2, "audio": 2})


async def test_all_conditions_hold_together(world: World) -> None:
    clip = await world.clip("lo-fi rain piano", owner_id="bob", duration_seconds=60.0)
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
    assert await world.listed(**true) == [clip.id]
    for condition in conditions:
        assert await world.listed(**{**true, **condition}) == [], condition


@pytest.mark.parametrize("least", [0.0, 0.5, 14.9, 15.0, 15.1, 59.0, 60.0, 61.5, 119.9, 120.0, 180.0, 181.0])
async def test_clips_of_a_length(world: World, least: float) -> None:
    clips = [await world.clip(duration_seconds=seconds) for seconds in (180.0, 120.0, 60.0, 59.9, 15.0, 14.95, 1.0)]
    long = [clip.id for clip in reversed(clips) if clip.duration_seconds >= least]
    assert await world.listed(min_duration_seconds=least) == long
    sample = await world.catalog.sample(ANN, GenerationFilter(min_duration_seconds=least), 10, [], False)
    assert sorted(ids(sample)) == sorted(long)


async def test_categories_are_matched_whole(world: World) -> None:
    clip = await world.clip("calm piano")
    assert await world.listed(category="piano") == [clip.id]
    assert await world.listed(category="pian") == []
    assert await world.listed(category="%") == []


async def test_pages_follow_each_other(world: World) -> None:
    made = [(await world.clip()).id for _ in range(5)][::-1]
    pages = [await world.catalog.list_generations(EVERYTHING, GenerationSort.RECENT, at, 2) for at in (0, 2, 4, 6)]
    assert [ids(page) for page in pages] == [made[:2], made[2:4], made[4:], []]


# ------------------------------------------------------------------------------------------------------ random choices


async def test_a_sample_has_no_repetition_and_leaves_out_what_it_is_told_to(world: World) -> None:
    clips = [(await world.clip()).id for _ in range(6)]
    sound = (await world.clip("rain", model="audio")).id
    everything = ids(await world.catalog.sample(ANN, EVERYTHING, 100, [], False))
    assert sorted(everything) == sorted([*clips, sound])
    some = ids(await world.catalog.sample(ANN, GenerationFilter(model="music"), 4, clips[:2], False))
    assert sorted(some) == sorted(clips[2:])
    assert await world.catalog.sample(ANN, GenerationFilter(model="music"), 4, clips, False) == []


async def test_every_clip_has_its_chance(world: World) -> None:
    clips = [(await world.clip()).id for _ in range(4)]
    drawn = Counter([(await world.catalog.sample(ANN, EVERYTHING, 1, [], False))[0].id for _ in range(200)])
    assert set(drawn) == set(clips)
    assert min(drawn.values()) > 15  # 50 expected; less than 16 happens once in 10^9 tries


async def test_a_sample_of_favorites_is_the_callers(world: World) -> None:
    clips = [await world.clip() for _ in range(4)]
    sound = await world.clip("rain", model="audio")
    for clip in (*clips[:2], sound):
        await world.favorites.add(ANN, clip.id)
    await world.favorites.add(BOB, clips[2].id)
    assert {c.id for c in await world.catalog.sample(ANN, EVERYTHING, 10, [], True)} == {*ids(clips[:2]), sound.id}
    music = await world.catalog.sample(ANN, GenerationFilter(model="music"), 10, [clips[0].id], True)
    assert ids(music) == [clips[1].id]
    assert await world.catalog.sample(GUEST, EVERYTHING, 10, [], True) == []


async def test_a_sample_is_bounded(world: World) -> None:
    assert await reason(world.catalog.sample(ANN, EVERYTHING, 1, ["x"] * 501, False)) == "TOO_MANY_IDS"
    await world.clip()
    assert len(await world.catalog.sample(ANN, EVERYTHING, -5, ["x"] * 500, False)) == 1


# ------------------------------------------------------------------------------------------------------------- counts


async def test_every_category_is_counted_those_without_a_clip_too(world: World) -> None:
    await world.clip("calm piano")
    await world.clip("piano", model="magnet-music")
    await world.clip("rain", model="audio")
    music = await world.catalog.count_categories("music")
    assert list(music) == list(CATEGORIES["music"])
    assert (music["piano"], music["punk"]) == (2, 0)
    audio = await world.catalog.count_categories("audio")
    assert list(audio) == list(CATEGORIES["audio"])
    assert audio["rain"] == 1
    both = await world.catalog.count_categories("")
    assert set(both) == {*music, *audio}
    assert (both["piano"], both["rain"]) == (2, 1)


async def test_a_category_of_both_models_is_counted_apart_and_together(world: World) -> None:
    shared = next(iter(CATEGORIES["music"].keys() & CATEGORIES["audio"].keys()))
    for model in ("music", "music", "audio"):
        clip = await world.clip("x", model=model)
        if shared not in clip.categories:
            for listener in LISTENERS[:3]:
                await world.tags.suggest(listener, clip.id, shared, False)
    assert [(await world.catalog.count_categories(model))[shared] for model in ("music", "audio", "")] == [2, 1, 3]


async def test_the_models_that_have_categories(world: World) -> None:
    assert world.catalog.categories("audio") == CATEGORIES["audio"]
    for model in ("", "magnet-music", "voice"):
        with pytest.raises(AppError) as refusal:
            world.catalog.categories(model)
        assert refusal.value.reason == "MODEL_NOT_FOUND"
    assert await reason(world.catalog.count_categories("voice")) == "MODEL_NOT_FOUND"


async def test_counts_of_everything(world: World) -> None:
    one, two = await world.clip(), await world.clip()
    await world.votes.vote(ANN, one.id, 1, ["catchy"])
    await world.votes.vote(BOB, one.id, -1)
    await world.favorites.add(ANN, two.id)
    counts = await world.catalog.counts()
    assert (counts.generations, counts.votes, counts.favorites, counts.feedbacks) == (2, 2, 1, 1)


# ------------------------------------------------------------------------------------------------- rating, spectrogram


async def test_a_rating_is_set_replaced_and_taken_back(world: World) -> None:
    clip = await world.clip()
    for rating in (1, 5, None):
        await world.catalog.rate(clip.id, rating)
        assert (await world.now(clip)).rating == rating
    for bad in (0, 6, -1):
        assert await reason(world.catalog.rate(clip.id, bad)) == "RATING_INVALID"
    assert await reason(world.catalog.rate(UNKNOWN, 3)) == "GENERATION_NOT_FOUND"


async def test_a_spectrogram_is_noted(world: World) -> None:
    clip = await world.clip()
    await world.catalog.set_spectrogram(clip.id, "x.png")
    assert (await world.now(clip)).spectrogram_blob_key == "x.png"
    assert await reason(world.catalog.set_spectrogram(UNKNOWN, "x.png")) == "GENERATION_NOT_FOUND"


# ----------------------------------------------------------------------------------------------------------- deletion


async def with_files(world: World) -> Generation:
    for key in ("clips/a.wav", "clips/a.png", "clips/b.wav"):
        async with world.blobs.write(key) as writer:
            await writer.write(b"x")
    return await world.clip(audio_blob_key="clips/a.wav", spectrogram_blob_key="clips/a.png")


async def talked_about(world: World, clip: Generation) -> str:
    """Everything that there can be about a clip; returns the id of a playlist with it."""
    await world.votes.vote(BOB, clip.id, 1, ["catchy"])
    await world.favorites.add(BOB, clip.id)
    await world.tags.suggest(BOB, clip.id, "metal", False)
    await world.plays.record(BOB, clip.id, "radio", "")
    playlist = await world.playlists.create(BOB, "mine", "", False)
    await world.playlists.add(BOB, playlist.id, clip.id)
    return playlist.id


async def left(world: World, clip: Generation) -> dict[str, int]:
    names = ("votes", "favorites", "tag_suggestions", "plays", "play_hours", "play_listeners")
    return {name: count for name in names if (count := await world.docs.count(name, {"generation_id": clip.id}))}


async def test_a_deleted_clip_takes_its_files_and_what_was_said_about_it(world: World) -> None:
    clip, other = await with_files(world), await world.clip(audio_blob_key="clips/b.wav")
    playlist_id = await talked_about(world, clip)
    await world.playlists.add(BOB, playlist_id, other.id)
    await world.votes.vote(BOB, other.id, 1)
    assert len(await left(world, clip)) == 6
    await world.catalog.delete(ANN, clip.id)
    assert await reason(world.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"
    assert await left(world, clip) == {}
    assert await world.blobs.keys("") == ["clips/b.wav"]
    playlist, entries = await world.playlists.get(BOB, playlist_id)
    assert [entry.generation_id for entry in playlist.entries] == [other.id] == [g.id for g, _ in entries]
    assert playlist.duration_seconds == other.duration_seconds
    counts = await world.catalog.counts()
    assert (counts.generations, counts.votes, counts.favorites, counts.feedbacks) == (1, 1, 0, 0)
    assert await world.listed() == [other.id]
    assert await world.listed(search="piano", category="piano") == [other.id]
    assert await world.catalog.resume_deletions() == 0


async def test_only_owners_and_administrators_delete(world: World) -> None:
    mine, guests = await world.clip(), await world.clip(owner_id=GUEST.id)
    for principal, clip in ((BOB, mine), (GUEST, mine), (ANN, guests)):
        assert await reason(world.catalog.delete(principal, clip.id)) == "GENERATION_NOT_OWNED"
    assert await world.catalog.count(EVERYTHING) == 2
    await world.catalog.delete(GUEST, guests.id)
    await world.catalog.delete(ADMIN, mine.id)
    assert await world.catalog.count(EVERYTHING) == 0
    for gone in (mine.id, UNKNOWN):
        assert await reason(world.catalog.delete(ANN, gone)) == "GENERATION_NOT_FOUND"


@pytest.mark.parametrize("again", ["owner", "sweep"])
async def test_an_interrupted_deletion_is_hidden_and_made_good(
    world: World, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, other = await with_files(world), await world.clip()
    playlist_id = await talked_about(world, clip)
    await world.playlists.add(BOB, playlist_id, other.id)

    async def crash(generation_id: str) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "remove_belongings", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await world.catalog.delete(ANN, clip.id)
    assert len(await left(world, clip)) == 6
    # Nothing of it shows.
    assert await world.favorites.list_favorites(BOB, "", 0, 10) == ([], 1)
    assert await world.votes.list_votes(BOB, 0, 10) == ([], False)
    assert await world.plays.list_plays(BOB, 0, 10) == ([], False)
    assert [g.id for g, _ in (await world.playlists.get(BOB, playlist_id))[1]] == [other.id]
    assert await world.catalog.sample(BOB, EVERYTHING, 10, [], True) == []
    assert await world.trends.most_played(world.clock.now() - HOUR, "", 10) == []
    await world.playlists.reorder(BOB, playlist_id, [other.id])
    if again == "owner":
        assert await reason(world.catalog.delete(BOB, clip.id)) == "GENERATION_NOT_OWNED"
        await world.catalog.delete(ANN, clip.id)
    else:
        jobs: Any = LibraryStore(world.docs)  # empty, so neither ledger nor broker is asked
        await jobs.prepare()
        chores = {"deletion": world.catalog.resume_deletions}
        nobody: Any = None
        await Sweeper(jobs, nobody, nobody, world.clock, nobody, 15.0, chores).sweep()
    assert await left(world, clip) == {}
    assert await world.blobs.keys("clips/a") == []
    assert await world.catalog.resume_deletions() == 0


async def test_a_clip_that_thousands_talk_about_is_deleted_bit_by_bit(world: World) -> None:
    clip = await world.clip()
    for number in range(700):
        doc = {"id": f"{clip.id}/{number}", "generation_id": clip.id, "listener_id": str(number), "vote": 1}
        await world.docs.insert("votes", doc)
    await world.catalog.delete(ANN, clip.id)
    assert await left(world, clip) == {"votes": 200}
    assert await world.catalog.resume_deletions() == 1
    assert await left(world, clip) == {}
    assert await world.catalog.resume_deletions() == 0


@pytest.mark.parametrize("word", ["vote", "favorite", "tag", "play", "playlist"])
async def test_what_is_said_while_a_clip_is_deleted_is_not_left_behind(
    world: World, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await world.clip()
    playlist = await world.playlists.create(BOB, "mine", "", False)
    name = {"tag": "tag_suggestions"}.get(word, f"{word}s")
    insert, replace = world.docs.insert, world.docs.replace
    deleted = False

    async def deleted_first(write: Any, collection: str, doc: Any, *rest: Any) -> Any:
        nonlocal deleted
        if collection == name and not deleted:
            deleted = True
            await world.catalog.delete(ANN, clip.id)
        return await write(collection, doc, *rest)

    monkeypatch.setattr(world.docs, "insert", lambda *args: deleted_first(insert, *args))
    monkeypatch.setattr(world.docs, "replace", lambda *args: deleted_first(replace, *args))
    saying = {
        "vote": lambda: world.votes.vote(BOB, clip.id, 1),
        "favorite": lambda: world.favorites.add(BOB, clip.id),
        "tag": lambda: world.tags.suggest(BOB, clip.id, "metal", False),
        "play": lambda: world.plays.record(BOB, clip.id, "radio", ""),
        "playlist": lambda: world.playlists.add(BOB, playlist.id, clip.id),
    }
    assert await reason(saying[word]()) == "GENERATION_NOT_FOUND"
    assert deleted
    assert await left(world, clip) == {}
    assert (await world.playlists.get(BOB, playlist.id))[0].entries == []
