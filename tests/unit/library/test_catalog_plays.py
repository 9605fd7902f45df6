"""Plays: counts, listeners, statistics and trends."""

import asyncio

from library_fixture import ANN, BOB, GUEST, HOUR, LISTENERS, UNKNOWN, Library, dying, reason

from soundwright.kit.security.identity import Principal
from soundwright.services.library.catalog.records import Clip


async def played(library: Library, clip: Clip, times: int = 1) -> None:
    for _ in range(times):
        await library.plays.record(ANN, clip.id, "radio", "")


async def most_played(library: Library, hours: float | None, model: str = "", limit: int = 10) -> list[tuple[str, int]]:
    since = None if hours is None else library.clock.now() - hours * HOUR
    return [(clip.id, count) for clip, count in await library.trends.most_played(since, model, limit)]


async def test_plays_and_listeners_are_counted(library: Library) -> None:
    clip = await library.clip()
    counts = []
    for principal, session in ((ANN, ""), (ANN, ""), (BOB, ""), (GUEST, "s1"), (GUEST, "s2"), (GUEST, "s1"), (ANN, "")):
        now = await library.plays.record(principal, clip.id, "radio", session)
        counts.append((now.play_count, now.listener_count))
    assert counts == [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, 4), (7, 4)]
    now = await library.catalog.get(clip.id)
    assert (now.play_count, now.listener_count) == (7, 4)
    assert (await library.plays.record(BOB, clip.id, "", "bob")).listener_count == 5  # a session is not a principal


async def test_listeners_with_invented_names_count_up_to_ten_for_an_address(library: Library) -> None:
    clip = await library.clip()
    for name in range(20):
        await library.plays.record(Principal(f"anon:{name}", "anonymous", "address:1"), clip.id, "radio", "")
        await library.plays.record(
            Principal("address:1", "anonymous", "address:1"), clip.id, "radio", f"session {name}"
        )
    assert (await library.catalog.get(clip.id)).listener_count == 10
    await library.plays.record(Principal("anon:other", "anonymous", "address:2"), clip.id, "radio", "")
    assert (await library.plays.record(ANN, clip.id, "radio", "")).listener_count == 12


async def test_counts_include_past_hours(library: Library) -> None:
    clip = await library.clip()
    for hours in (0, 0.5, 0.6, 1, 30, 24 * 40):
        await played(library, clip, 2)
        library.clock.time += hours * HOUR
    await played(library, clip)
    now = await library.catalog.get(clip.id)
    assert now.play_count == 13
    assert sum((await library.plays.stats(clip.id)).by_day.values()) == 13


async def test_parallel_plays_are_all_counted(library: Library) -> None:
    clip = await library.clip()
    await asyncio.gather(
        *(library.plays.record(listener, clip.id, "radio", "") for listener in LISTENERS[:25]),
        *(library.plays.record(listener, clip.id, "library", "") for listener in LISTENERS[:25]),
        *(library.votes.vote(listener, clip.id, 1) for listener in LISTENERS[:10]),
    )
    stats = await library.plays.stats(clip.id)
    assert (stats.play_count, stats.listener_count) == (50, 25)
    assert stats.by_source == {"radio": 25, "library": 25}
    assert sum(stats.by_day.values()) == 50
    assert await most_played(library, 1) == [(clip.id, 50)]
    assert (await library.catalog.get(clip.id)).upvote_count == 10


async def test_a_crash_loses_no_more_than_one_play_of_the_counts(library: Library) -> None:
    clip = await library.clip()
    with dying(library.plays._store, "add_listener"):
        await library.plays.record(ANN, clip.id, "radio", "")
    assert (await library.plays.record(BOB, clip.id, "radio", "")).play_count == 1
    assert sum((await library.plays.stats(clip.id)).by_day.values()) == 1
    assert len((await library.plays.list_plays(ANN, 0, 10))[0]) == 1


async def test_a_process_with_a_slow_clock_loses_no_play(library: Library) -> None:
    clip = await library.clip()
    await played(library, clip)
    library.clock.time += HOUR
    await played(library, clip)
    library.clock.time -= HOUR
    await played(library, clip)
    assert (await library.catalog.get(clip.id)).play_count == 3
    library.clock.time += 3 * HOUR
    await played(library, clip)
    assert (await library.catalog.get(clip.id)).play_count == 4
    assert await most_played(library, 5) == [(clip.id, 4)]


async def test_plays_are_validated(library: Library) -> None:
    clip = await library.clip()
    assert await reason(library.plays.record(ANN, clip.id, "x" * 51, "")) == "SOURCE_TOO_LONG"
    assert await reason(library.plays.record(ANN, clip.id, "", "x" * 101)) == "SESSION_ID_TOO_LONG"
    assert await reason(library.plays.record(ANN, UNKNOWN, "radio", "")) == "GENERATION_NOT_FOUND"
    assert await reason(library.plays.stats(UNKNOWN)) == "GENERATION_NOT_FOUND"
    assert (await library.plays.record(ANN, clip.id, "x" * 50, "x" * 100)).play_count == 1


async def test_statistics_by_source_and_by_day_are_limited(library: Library) -> None:
    clip = await library.clip()
    for number in range(35):
        await library.plays.record(ANN, clip.id, f"place {number}", "")
        library.clock.time += 24 * HOUR
    await library.plays.record(ANN, clip.id, "", "")
    stats = await library.plays.stats(clip.id)
    assert stats.play_count == 36
    assert stats.by_source["place 0"] == 1
    assert stats.by_source["other"] == 5  # plays without a source, and beyond the 32nd source
    assert len(stats.by_source) == 32
    assert len(stats.by_day) == 30
    assert min(stats.by_day) == "2024-10-10"
    assert max(stats.by_day) == "2024-11-08"
    assert set(stats.by_day.values()) == {1}


async def test_statistics_of_a_clip_without_plays(library: Library) -> None:
    stats = await library.plays.stats((await library.clip()).id)
    assert (stats.play_count, stats.listener_count, stats.by_source, stats.by_day) == (0, 0, {}, {})
    assert await most_played(library, None) == []
    assert await most_played(library, 24) == []


async def test_most_played_clips_of_all_time(library: Library) -> None:
    few, many, newer, sound, _ = [await library.clip(model=model) for model in ("music",) * 3 + ("audio",) * 2]
    for clip, times in ((few, 1), (many, 4), (newer, 1), (sound, 2)):
        await played(library, clip, times)
        library.clock.time += 50 * HOUR
    assert await most_played(library, None) == [(many.id, 4), (sound.id, 2), (newer.id, 1), (few.id, 1)]
    assert await most_played(library, None, "music", 2) == [(many.id, 4), (newer.id, 1)]
    assert await most_played(library, None, "audio") == [(sound.id, 2)]


async def test_trends_count_plays_since_a_time(library: Library) -> None:
    old, new = await library.clip(), await library.clip("rain", model="magnet-audio")
    await played(library, old, 5)
    library.clock.time += 26 * HOUR
    await played(library, old)
    await played(library, new, 2)
    for _ in range(2):  # the second call reads past hours from the cache
        assert await most_played(library, 1) == [(new.id, 2), (old.id, 1)]
        assert await most_played(library, 30) == [(old.id, 6), (new.id, 2)]
        assert await most_played(library, 30, "music") == [(old.id, 6)]
        assert await most_played(library, 30, "audio") == [(new.id, 2)]
        assert await most_played(library, 30, "magnet-audio") == [(new.id, 2)]
        assert await most_played(library, 30, "magnet-music") == []
        assert await most_played(library, 30, limit=1) == [(old.id, 6)]
    await played(library, new, 3)
    library.clock.time += HOUR
    await played(library, new, 2)
    assert await most_played(library, 30) == [(new.id, 7), (old.id, 6)]
    library.clock.time += 10 * HOUR
    assert await most_played(library, 1) == []
    assert await most_played(library, 31 * 24) == [(new.id, 7), (old.id, 6)]
    assert await most_played(library, -5) == []


async def test_trends_cover_at_most_31_days(library: Library) -> None:
    assert await reason(library.trends.most_played(library.clock.now() - 32 * 24 * HOUR, "", 1)) == "WINDOW_TOO_LONG"
    assert await reason(library.trends.most_played(0.0, "", 1)) == "WINDOW_TOO_LONG"
