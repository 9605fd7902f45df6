"""The catalog of clips: storage, lists, samples, counts, ratings and deletion."""

import asyncio
import dataclasses
from collections import Counter
from functools import partial
from typing import Any

import pytest
from library_fixture import (
    ANN,
    BOB,
    EVERYTHING,
    GUEST,
    HOUR,
    LISTENERS,
    UNKNOWN,
    Library,
    dying,
    ids,
    interrupted,
    reason,
)

from soundwright.kit.errors import AppError
from soundwright.services.library.catalog.categories import CATEGORIES, categorise
from soundwright.services.library.catalog.records import Clip, ClipFilter, ClipSort, VoteTotals
from soundwright.services.library.jobs.service import Interpretation

# ------------------------------------------------------------------------------------------------------------- filing


async def test_a_stored_clip_has_the_categories_of_its_prompt(library: Library) -> None:
    made = Clip(
        id=UNKNOWN, owner_id="ann", prompt="calm piano", model="magnet-music", duration_seconds=12.5, is_loop=True,
        seed=-7, quality_score=81, quality_issues=["Too quiet"], quality_accepted=False, retry_count=2, engine="e",
        engine_model="m", degraded=True, sample_rate_hz=32000, channel_count=2, audio_blob_key="a.wav",
        spectrogram_blob_key="a.png", audio_size_bytes=9, continued_from_id="c", priority="free", create_time=7.25,
        interpretation=Interpretation("pop", 120.5, "C major", instruments=["piano"]),
    )  # fmt: skip
    sent = dataclasses.replace(made, upvote_count=9, rating=5, play_count=8, listener_count=7, categories=["nonsense"])
    await library.clips.store_clip(sent)
    filed = await library.catalog.get(made.id)
    assert "piano" in filed.categories
    expected = categorise("calm piano", "magnet-music")
    assert filed == dataclasses.replace(made, categories=expected, revision=1)


async def test_parallel_inserts_store_one_clip(library: Library) -> None:
    clip = Clip(UNKNOWN, "ann", "rain", "audio", 1.0)
    await asyncio.gather(*(library.clips.store_clip(clip) for _ in range(5)))
    assert await library.listed() == [UNKNOWN]


async def test_a_deleted_clip_is_not_stored_again(library: Library) -> None:
    clip = await library.clip()
    await library.catalog.delete(ANN, clip.id)
    await library.clips.store_clip(clip)
    assert await reason(library.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"


async def test_a_clip_deleted_while_it_is_stored_stays_deleted(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await library.clip()
    insert = library.docs.insert

    async def deleted_first(collection: str, doc: Any) -> None:
        if collection == "clips":
            await library.catalog.delete(ANN, clip.id)
        await insert(collection, doc)

    monkeypatch.setattr(library.docs, "insert", deleted_first)
    await library.clips.store_clip(clip)
    assert await library.listed() == []


# -------------------------------------------------------------------------------------------------------------- lists


async def test_lists_are_sorted(library: Library) -> None:
    clips = [await library.clip() for _ in range(5)]
    a, b, c, d, e = ids(clips)
    for clip_id, ups, downs in ((a, 3, 0), (b, 2, 3), (c, 0, 1), (d, 3, 0)):
        for listener in LISTENERS[: ups + downs]:
            await library.votes.vote(listener, clip_id, 1 if listener in LISTENERS[:ups] else -1)
    assert await library.listed() == [e, d, c, b, a]
    assert await library.listed(ClipSort.POPULAR) == [b, d, a, c, e]
    assert await library.listed(ClipSort.RATING) == [d, a, e, c, b]


async def test_top_rated_clips(library: Library) -> None:
    few, many, disliked, _ = [await library.clip() for _ in range(4)]
    await library.votes.vote(LISTENERS[0], few.id, 1)
    for number, listener in enumerate(LISTENERS[:5]):
        await library.votes.vote(listener, many.id, 1 if number < 3 else -1)
    await library.votes.vote(ANN, disliked.id, -1)
    newer = await library.clip()
    await library.votes.vote(ANN, newer.id, 1)
    assert await library.listed(ClipSort.RATING, voted_only=True) == [many.id, newer.id, few.id, disliked.id]
    await library.votes.vote(ANN, disliked.id, 0)
    assert disliked.id not in await library.listed(ClipSort.RATING, voted_only=True)


async def test_filters_are_combined(library: Library) -> None:
    clip = await library.clip("lo-fi rain piano", owner_id="bob", duration_seconds=60.0)
    conditions: list[dict[str, Any]] = [
        {"owner_id": "ann"}, {"search": "guitar"}, {"category": "metal"}, {"model": "audio"},
        {"min_create_time": clip.create_time + 0.001}, {"min_duration_seconds": 60.5}, {"voted_only": True},
    ]  # fmt: skip
    true = {
        "owner_id": "bob", "search": "guitar LO-FI", "category": "piano", "model": "music",
        "min_create_time": clip.create_time, "min_duration_seconds": 60.0,
    }  # fmt: skip
    assert await library.listed(**true) == [clip.id]
    for condition in conditions:
        assert await library.listed(**{**true, **condition}) == [], condition


@pytest.mark.parametrize("least", [0.0, 0.5, 14.9, 15.0, 15.1, 59.0, 60.0, 61.5, 119.9, 120.0, 180.0, 181.0])
async def test_filter_by_duration(library: Library, least: float) -> None:
    clips = [await library.clip(duration_seconds=seconds) for seconds in (180.0, 120.0, 60.0, 59.9, 15.0, 14.95, 1.0)]
    long = [clip.id for clip in reversed(clips) if clip.duration_seconds >= least]
    assert await library.listed(min_duration_seconds=least) == long
    sample = await library.catalog.sample(ANN, ClipFilter(min_duration_seconds=least), 10, [], False)
    assert sorted(ids(sample)) == sorted(long)


# ------------------------------------------------------------------------------------------------------ random choices


async def test_a_sample_has_no_duplicates_and_respects_exclusions(library: Library) -> None:
    clips = [(await library.clip()).id for _ in range(6)]
    sound = (await library.clip("rain", model="audio")).id
    everything = ids(await library.catalog.sample(ANN, EVERYTHING, 100, [], False))
    assert sorted(everything) == sorted([*clips, sound])
    some = ids(await library.catalog.sample(ANN, ClipFilter(model="music"), 4, clips[:2], False))
    assert sorted(some) == sorted(clips[2:])
    assert await library.catalog.sample(ANN, ClipFilter(model="music"), 4, clips, False) == []


async def test_a_sample_is_uniform(library: Library) -> None:
    clips = [(await library.clip()).id for _ in range(4)]
    drawn = Counter([(await library.catalog.sample(ANN, EVERYTHING, 1, [], False))[0].id for _ in range(200)])
    assert set(drawn) == set(clips)
    assert min(drawn.values()) > 15  # 50 expected; less than 16 happens once in 10^9 tries


async def test_a_sample_of_the_callers_favorites(library: Library) -> None:
    clips = [await library.clip() for _ in range(4)]
    sound = await library.clip("rain", model="audio")
    for clip in (*clips[:2], sound):
        await library.favorites.add(ANN, clip.id)
    await library.favorites.add(BOB, clips[2].id)
    assert {c.id for c in await library.catalog.sample(ANN, EVERYTHING, 10, [], True)} == {*ids(clips[:2]), sound.id}
    music = await library.catalog.sample(ANN, ClipFilter(model="music"), 10, [clips[0].id], True)
    assert ids(music) == [clips[1].id]
    assert await library.catalog.sample(GUEST, EVERYTHING, 10, [], True) == []


async def test_the_size_of_a_sample_is_limited(library: Library) -> None:
    assert await reason(library.catalog.sample(ANN, EVERYTHING, 1, ["x"] * 501, False)) == "TOO_MANY_IDS"
    await library.clip()
    assert len(await library.catalog.sample(ANN, EVERYTHING, -5, ["x"] * 500, False)) == 1


# ------------------------------------------------------------------------------------------------------------- counts


async def test_category_counts_include_empty_categories(library: Library) -> None:
    await library.clip("calm piano")
    await library.clip("piano", model="magnet-music")
    await library.clip("rain", model="audio")
    music = await library.catalog.count_categories("music")
    assert list(music) == list(CATEGORIES["music"])
    assert (music["piano"], music["punk"]) == (2, 0)
    audio = await library.catalog.count_categories("audio")
    assert list(audio) == list(CATEGORIES["audio"])
    assert audio["rain"] == 1
    both = await library.catalog.count_categories("")
    assert set(both) == {*music, *audio}
    assert (both["piano"], both["rain"]) == (2, 1)


async def test_category_counts_per_model_and_in_total(library: Library) -> None:
    shared = next(iter(CATEGORIES["music"].keys() & CATEGORIES["audio"].keys()))
    for model in ("music", "music", "audio"):
        clip = await library.clip("x", model=model)
        if shared not in clip.categories:
            for listener in LISTENERS[:3]:
                await library.tags.suggest(listener, clip.id, shared, False)
    assert [(await library.catalog.count_categories(model))[shared] for model in ("music", "audio", "")] == [2, 1, 3]


async def test_categories_of_models(library: Library) -> None:
    assert library.catalog.categories("audio") == CATEGORIES["audio"]
    for model in ("", "magnet-music", "voice"):
        with pytest.raises(AppError) as refusal:
            library.catalog.categories(model)
        assert refusal.value.reason == "MODEL_NOT_FOUND"
    assert await reason(library.catalog.count_categories("voice")) == "MODEL_NOT_FOUND"


async def test_votes_are_counted_once_in_ten_seconds(library: Library) -> None:
    clip = await library.clip()
    await library.votes.vote(ANN, clip.id, 1)
    assert (await library.totals.read()).votes == 1
    await library.votes.vote(BOB, clip.id, 1)
    library.clock.time += 9.9
    assert (await library.totals.read()).votes == 1
    library.clock.time += 0.1
    assert (await library.totals.read()).votes == 2


# ------------------------------------------------------------------------------------------------- rating, spectrogram


async def test_set_replace_and_clear_a_rating(library: Library) -> None:
    clip = await library.clip()
    for rating in (1, 5, None):
        await library.catalog.rate(clip.id, rating)
        assert (await library.catalog.get(clip.id)).rating == rating
    for bad in (0, 6, -1):
        assert await reason(library.catalog.rate(clip.id, bad)) == "RATING_INVALID"
    assert await reason(library.catalog.rate(UNKNOWN, 3)) == "GENERATION_NOT_FOUND"


# ----------------------------------------------------------------------------------------------------------- deletion


async def with_files(library: Library) -> Clip:
    for key in ("clips/a.wav", "clips/a.png", "clips/b.wav"):
        async with library.blobs.write(key) as writer:
            await writer.write(b"x")
    return await library.clip(audio_blob_key="clips/a.wav", spectrogram_blob_key="clips/a.png")


async def talked_about(library: Library, clip: Clip) -> str:
    """Add every kind of data about a clip, and return the ID of a playlist with it."""
    await library.votes.vote(BOB, clip.id, 1, ["catchy"])
    await library.favorites.add(BOB, clip.id)
    await library.tags.suggest(BOB, clip.id, "metal", False)
    await library.plays.record(BOB, clip.id, "radio", "")
    playlist = await library.playlists.create(BOB, "mine", "", False)
    await library.playlists.add(BOB, playlist.id, clip.id)
    return playlist.id


async def left(library: Library, clip: Clip) -> dict[str, int]:
    names = ("votes", "favorites", "tag_suggestions", "plays", "play_hours", "play_listeners")
    return {name: count for name in names if (count := await library.docs.count(name, {"clip_id": clip.id}))}


async def test_deleting_a_clip_deletes_its_files_and_data(library: Library) -> None:
    clip, other = await with_files(library), await library.clip(audio_blob_key="clips/b.wav")
    playlist_id = await talked_about(library, clip)
    await library.playlists.add(BOB, playlist_id, other.id)
    await library.votes.vote(BOB, other.id, 1)
    assert len(await left(library, clip)) == 6
    await library.catalog.delete(ANN, clip.id)
    assert await reason(library.catalog.get(clip.id)) == "GENERATION_NOT_FOUND"
    assert await left(library, clip) == {}
    assert await library.blobs.keys("") == ["clips/b.wav"]
    playlist, entries = await library.playlists.get(BOB, playlist_id)
    assert [entry.clip_id for entry in playlist.entries] == [other.id] == [g.id for g, _ in entries]
    assert playlist.duration_seconds == other.duration_seconds
    assert await library.totals.read() == VoteTotals(votes=1, favorites=0, feedbacks=0)
    assert await library.listed() == [other.id]
    assert await library.listed(search="piano", category="piano") == [other.id]
    assert await library.catalog.resume_deletions() == 0


@pytest.mark.parametrize("again", ["owner", "sweep"])
async def test_an_interrupted_deletion_is_hidden_and_completed(library: Library, again: str) -> None:
    clip, other = await with_files(library), await library.clip()
    playlist_id = await talked_about(library, clip)
    await library.playlists.add(BOB, playlist_id, other.id)

    with dying(library.clips, "remove_belongings"):
        await library.catalog.delete(ANN, clip.id)
    assert len(await left(library, clip)) == 6
    # The clip is hidden everywhere.
    assert await library.favorites.list_favorites(BOB, "", 0, 10) == ([], 1)
    assert await library.votes.list_votes(BOB, 0, 10) == ([], False)
    assert await library.plays.list_plays(BOB, 0, 10) == ([], False)
    assert [g.id for g, _ in (await library.playlists.get(BOB, playlist_id))[1]] == [other.id]
    assert await library.catalog.sample(BOB, EVERYTHING, 10, [], True) == []
    assert await library.trends.most_played(library.clock.now() - HOUR, "", 10) == []
    await library.playlists.reorder(BOB, playlist_id, [other.id])
    if again == "owner":
        assert await reason(library.catalog.delete(BOB, clip.id)) == "GENERATION_NOT_OWNED"
        await library.catalog.delete(ANN, clip.id)
    else:
        assert await library.catalog.resume_deletions() == 1
    assert await left(library, clip) == {}
    assert await library.blobs.keys("clips/a") == []
    assert await library.catalog.resume_deletions() == 0


async def test_a_file_that_cannot_be_deleted_stops_no_other_deletion(library: Library) -> None:
    clips = [await library.clip(audio_blob_key=await library.write(f"clips/{name}")) for name in "ab"]
    broken = min(clips, key=lambda clip: clip.id).audio_blob_key
    failing = partial(interrupted, library.blobs, "delete", PermissionError("the disk does not allow it"))
    with failing():
        for clip in clips:
            with pytest.raises(PermissionError):
                await library.catalog.delete(ANN, clip.id)
    with failing(lambda key: key == broken):
        assert await library.catalog.resume_deletions() == 1
    assert library.files() == {broken}
    assert await library.catalog.resume_deletions() == 1
    assert library.files() == set()


async def test_deletion_works_in_batches(library: Library) -> None:
    clip = await library.clip()
    for number in range(700):
        doc = {"id": f"{clip.id}/{number}", "clip_id": clip.id, "listener_id": str(number), "vote": 1}
        await library.docs.insert("votes", doc)
    await library.catalog.delete(ANN, clip.id)
    assert await left(library, clip) == {"votes": 200}
    assert await library.catalog.resume_deletions() == 1
    assert await left(library, clip) == {}
    assert await library.catalog.resume_deletions() == 0


@pytest.mark.parametrize("word", ["vote", "favorite", "tag", "play", "playlist"])
async def test_data_added_during_a_deletion_is_deleted(
    library: Library, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await library.clip()
    playlist = await library.playlists.create(BOB, "mine", "", False)
    name = {"tag": "tag_suggestions"}.get(word, f"{word}s")
    insert, replace = library.docs.insert, library.docs.replace
    deleted = False

    async def deleted_first(write: Any, collection: str, doc: Any, *rest: Any) -> Any:
        nonlocal deleted
        if collection == name and not deleted:
            deleted = True
            await library.catalog.delete(ANN, clip.id)
        return await write(collection, doc, *rest)

    monkeypatch.setattr(library.docs, "insert", lambda *args: deleted_first(insert, *args))
    monkeypatch.setattr(library.docs, "replace", lambda *args: deleted_first(replace, *args))
    saying = {
        "vote": lambda: library.votes.vote(BOB, clip.id, 1),
        "favorite": lambda: library.favorites.add(BOB, clip.id),
        "tag": lambda: library.tags.suggest(BOB, clip.id, "metal", False),
        "play": lambda: library.plays.record(BOB, clip.id, "radio", ""),
        "playlist": lambda: library.playlists.add(BOB, playlist.id, clip.id),
    }
    assert await reason(saying[word]()) == "GENERATION_NOT_FOUND"
    assert deleted
    assert await left(library, clip) == {}
    assert (await library.playlists.get(BOB, playlist.id))[0].entries == []
