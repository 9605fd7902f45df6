"""Plays: counts, listeners, days, and what is played most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from catalog_world import ANN, BOB, GUEST, HOUR, LISTENERS, World, opened, reason

from services.library.catalog import Generation
from services.library.play_store import PlayStore
from services.library.plays import Play

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


async def played(world: World, clip: Generation, times: int = 1) -> None:
    for _ in range(times):
        await world.plays.record(ANN, clip.id, "radio", "")


async def most_played(world: World, hours: float | None, model: str = "", limit: int = 10) -> list[tuple[str, int]]:
    since = None if hours is None else world.clock.now() - hours * HOUR
    return [(clip.id, count) for clip, count in await world.trends.most_played(since, model, limit)]


async def test_plays_and_different_listeners_are_counted(world: World) -> None:
    clip = await world.clip()
    counts = []
    for principal, session in ((ANN, ""), (ANN, ""), (BOB, ""), (GUEST, "s1"), (GUEST, "s2"), (GUEST, "s1"), (ANN, "")):
        now = await world.plays.record(principal, clip.id, "radio", session)
        counts.append((now.play_count, now.listener_count))
    assert counts == [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, 4), (7, 4)]
    now = await world.now(clip)
    assert (now.play_count, now.listener_count) == (7, 4)
    assert (await world.plays.record(BOB, clip.id, "", "bob")).listener_count == 5  # a session is not a principal


async def test_counts_add_up_over_hours_and_days(world: World) -> None:
    clip = await world.clip()
    for hours in (0, 0.5, 0.6, 1, 30, 24 * 40):
        await played(world, clip, 2)
        world.clock.time += hours * HOUR
    await played(world, clip)
    now = await world.now(clip)
    assert now.play_count == 13
    assert now.plays.count == 12
    assert sum((await world.plays.stats(clip.id)).by_day.values()) == 13


async def test_plays_at_once_are_all_counted(world: World) -> None:
    clip = await world.clip()
    await asyncio.gather(
        *(world.plays.record(listener, clip.id, "radio", "") for listener in LISTENERS[:25]),
        *(world.plays.record(listener, clip.id, "library", "") for listener in LISTENERS[:25]),
        *(world.votes.vote(listener, clip.id, 1) for listener in LISTENERS[:10]),
    )
    stats = await world.plays.stats(clip.id)
    assert (stats.play_count, stats.listener_count) == (50, 25)
    assert stats.by_source == {"radio": 25, "library": 25}
    assert sum(stats.by_day.values()) == 50
    assert await most_played(world, 1) == [(clip.id, 50)]
    assert (await world.now(clip)).upvote_count == 10


@pytest.mark.parametrize("hours", [0.1, 1.0, 50.0])
async def test_a_count_that_a_crash_prevented_is_made_good_by_the_next_play(
    world: World, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await world.clip()

    async def crash(*_: object) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(world.plays._store, "add_listener", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await world.plays.record(ANN, clip.id, "radio", "")
    world.clock.time += hours * HOUR
    assert (await world.plays.record(BOB, clip.id, "radio", "")).play_count == 2
    assert sum((await world.plays.stats(clip.id)).by_day.values()) == 2


async def test_a_process_whose_clock_is_a_little_behind_loses_no_play(world: World) -> None:
    clip = await world.clip()
    await played(world, clip)
    world.clock.time += HOUR
    await played(world, clip)
    world.clock.time -= HOUR
    await played(world, clip)
    assert (await world.now(clip)).play_count == 3
    world.clock.time += 3 * HOUR
    await played(world, clip)
    assert (await world.now(clip)).play_count == 4
    assert await most_played(world, 5) == [(clip.id, 4)]


async def test_an_hour_is_not_left_with_an_older_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await world.clip()
    await played(world, clip)
    store, hour = PlayStore(world.docs), int(world.clock.now() // HOUR)
    count = store.count_plays
    counts: list[int] = []
    first_counted, second_counted, first_stored = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def interleaved(generation_id: str, hour: int) -> int:
        counts.append(await count(generation_id, hour))
        if len(counts) == 1:
            first_counted.set()
            await second_counted.wait()
            return 1
        second_counted.set()
        await first_stored.wait()
        return counts[-1]

    monkeypatch.setattr(store, "count_plays", interleaved)
    first = asyncio.create_task(store.recount_hour(clip, hour))
    first.add_done_callback(lambda _: first_stored.set())
    await first_counted.wait()
    await store.add_play(Play("p", clip.id, "bob", "radio", hour, world.clock.now()))
    await store.recount_hour(clip, hour)
    await first
    assert counts == [1, 2, 2]
    assert await store.latest_hours(clip.id, 5) == [(hour, 2)]


async def test_what_a_play_may_be(world: World) -> None:
    clip = await world.clip()
    assert await reason(world.plays.record(ANN, clip.id, "x" * 51, "")) == "SOURCE_TOO_LONG"
    assert await reason(world.plays.record(ANN, clip.id, "", "x" * 101)) == "SESSION_ID_TOO_LONG"
    assert await reason(world.plays.record(ANN, UNKNOWN, "radio", "")) == "GENERATION_NOT_FOUND"
    assert await reason(world.plays.stats(UNKNOWN)) == "GENERATION_NOT_FOUND"
    assert (await world.plays.record(ANN, clip.id, "x" * 50, "x" * 100)).play_count == 1


async def test_plays_by_source_are_bounded_and_by_day_are_the_latest_thirty(world: World) -> None:
    clip = await world.clip()
    for number in range(35):
        await world.plays.record(ANN, clip.id, f"place {number}", "")
        world.clock.time += 24 * HOUR
    await world.plays.record(ANN, clip.id, "", "")
    stats = await world.plays.stats(clip.id)
    assert stats.play_count == 36
    assert stats.by_source["place 0"] == 1
    assert stats.by_source["other"] == 5  # without one, and beyond the thirty-second
    assert len(stats.by_source) == 32
    assert len(stats.by_day) == 30
    assert min(stats.by_day) == "2024-10-10"
    assert max(stats.by_day) == "2024-11-08"
    assert set(stats.by_day.values()) == {1}


async def test_a_clip_that_nobody_played_has_no_statistics(world: World) -> None:
    stats = await world.plays.stats((await world.clip()).id)
    assert (stats.play_count, stats.listener_count, stats.by_source, stats.by_day) == (0, 0, {}, {})
    assert await most_played(world, None) == []
    assert await most_played(world, 24) == []


async def test_most_played_ever_newest_first_among_equals(world: World) -> None:
    few, many, newer, sound, _ = [await world.clip(model=model) for model in ("music",) * 3 + ("audio",) * 2]
    for clip, times in ((few, 1), (many, 4), (newer, 1), (sound, 2)):
        await played(world, clip, times)
        world.clock.time += 50 * HOUR
    assert await most_played(world, None) == [(many.id, 4), (sound.id, 2), (newer.id, 1), (few.id, 1)]
    assert await most_played(world, None, "music", 2) == [(many.id, 4), (newer.id, 1)]
    assert await most_played(world, None, "audio") == [(sound.id, 2)]


async def test_trends_count_from_a_moment_on(world: World) -> None:
    old, new = await world.clip(), await world.clip("rain", model="magnet-audio")
    await played(world, old, 5)
    world.clock.time += 26 * HOUR
    await played(world, old)
    await played(world, new, 2)
    for _ in range(2):  # the second time, hours that are over come from memory
        assert await most_played(world, 1) == [(new.id, 2), (old.id, 1)]
        assert await most_played(world, 30) == [(old.id, 6), (new.id, 2)]
        assert await most_played(world, 30, "music") == [(old.id, 6)]
        assert await most_played(world, 30, "audio") == [(new.id, 2)]
        assert await most_played(world, 30, "magnet-audio") == [(new.id, 2)]
        assert await most_played(world, 30, "magnet-music") == []
        assert await most_played(world, 30, limit=1) == [(old.id, 6)]
    await played(world, new, 3)
    world.clock.time += HOUR
    await played(world, new, 2)
    assert await most_played(world, 30) == [(new.id, 7), (old.id, 6)]
    world.clock.time += 10 * HOUR
    assert await most_played(world, 1) == []
    assert await most_played(world, 31 * 24) == [(new.id, 7), (old.id, 6)]
    assert await most_played(world, -5) == []


async def test_trends_reach_back_a_month(world: World) -> None:
    assert await reason(world.trends.most_played(world.clock.now() - 32 * 24 * HOUR, "", 1)) == "WINDOW_TOO_LONG"
    assert await reason(world.trends.most_played(0.0, "", 1)) == "WINDOW_TOO_LONG"


async def test_a_deleted_clip_leaves_the_trends(world: World) -> None:
    gone, stays = await world.clip(), await world.clip()
    await played(world, gone, 3)
    await played(world, stays)
    world.clock.time += 5 * HOUR
    assert await most_played(world, 10) == [(gone.id, 3), (stays.id, 1)]
    await world.catalog.delete(ANN, gone.id)
    assert await most_played(world, 10) == [(stays.id, 1)]
    assert await most_played(world, None) == [(stays.id, 1)]


async def test_own_plays_newest_first(world: World) -> None:
    one, two = await world.clip(), await world.clip()
    for clip, source in ((one, "radio"), (two, ""), (one, "library")):
        world.clock.time += 1
        await world.plays.record(ANN, clip.id, source, "s")
    await world.plays.record(BOB, one.id, "radio", "")
    plays, more = await world.plays.list_plays(ANN, 0, 2)
    assert [(g.id, p.source) for g, p in plays] == [(one.id, "library"), (two.id, "")]
    assert plays[0][1].play_time == world.clock.time
    assert more is True
    plays, more = await world.plays.list_plays(ANN, 2, 2)
    assert [(g.id, p.source) for g, p in plays] == [(one.id, "radio")]
    assert more is False
