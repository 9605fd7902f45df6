"""Playlists: what they hold, who may do what, limits, and changes at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from catalog_world import ADMIN, ANN, BOB, GUEST, World, ids, opened, reason

from services.library.playlists import Playlist

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


async def private(world: World) -> Playlist:
    return await world.playlists.create(ANN, "Rain", "for work", False)


async def held(world: World, playlist: Playlist) -> list[str]:
    seen, clips = await world.playlists.get(ANN, playlist.id)
    assert [entry.generation_id for entry in seen.entries] == [clip.id for clip, _ in clips]
    return [clip.id for clip, _ in clips]


async def test_a_new_playlist_is_empty_and_its_owners(world: World) -> None:
    playlist = await world.playlists.create(ANN, "  Rain  ", " for work ", True)
    assert re.fullmatch("pl_[0-9a-f]{12}", playlist.id)
    assert (playlist.owner_id, playlist.name, playlist.description, playlist.is_public) == (
        "ann", "Rain", "for work", True,
    )  # fmt: skip
    assert playlist.create_time == playlist.update_time == world.clock.time
    got, clips = await world.playlists.get(ANN, playlist.id)
    assert (got.name, got.entries, clips) == ("Rain", [], [])


async def test_names_and_descriptions_have_limits(world: World) -> None:
    playlist = await world.playlists.create(ANN, "x" * 100, "y" * 500, False)
    for name in ("", "  ", "x" * 101):
        assert await reason(world.playlists.create(ANN, name, "", False)) == "PLAYLIST_NAME_INVALID"
        assert await reason(world.playlists.update(ANN, playlist.id, name, None, None)) == "PLAYLIST_NAME_INVALID"
    assert await reason(world.playlists.create(ANN, "x", "y" * 501, False)) == "DESCRIPTION_TOO_LONG"
    assert await reason(world.playlists.update(ANN, playlist.id, None, "y" * 501, None)) == "DESCRIPTION_TOO_LONG"
    assert [p.name for p in await world.playlists.list_playlists(ANN)] == ["x" * 100]


async def test_playlists_are_listed_newest_first(world: World) -> None:
    made = []
    for number in range(3):
        world.clock.time += 1
        made.append((await world.playlists.create(ANN, str(number), "", False)).id)
    await world.playlists.create(BOB, "other", "", True)
    assert [p.id for p in await world.playlists.list_playlists(ANN)] == made[::-1]
    assert await world.playlists.list_playlists(GUEST) == []


async def test_a_hundred_playlists_are_enough(world: World) -> None:
    for number in range(100):
        await world.playlists.create(ANN, str(number), "", False)
    assert await reason(world.playlists.create(ANN, "more", "", False)) == "TOO_MANY_PLAYLISTS"
    assert len(await world.playlists.list_playlists(ANN)) == 100
    await world.playlists.create(BOB, "mine", "", False)


async def test_what_is_given_is_updated(world: World) -> None:
    playlist = await private(world)
    world.clock.time += 5
    updated = await world.playlists.update(ANN, playlist.id, "Snow", None, None)
    assert (updated.name, updated.description, updated.is_public) == ("Snow", "for work", False)
    assert (updated.create_time, updated.update_time) == (playlist.create_time, world.clock.time)
    updated = await world.playlists.update(ANN, playlist.id, None, "", True)
    assert (updated.name, updated.description, updated.is_public) == ("Snow", "", True)
    assert (await world.playlists.get(BOB, playlist.id))[0].name == "Snow"


async def test_clips_are_added_at_the_end_once(world: World) -> None:
    playlist = await private(world)
    clips = [await world.clip(duration_seconds=float(seconds)) for seconds in (3, 4, 5)]
    assert [await world.playlists.add(ANN, playlist.id, clip.id) for clip in clips] == [0, 1, 2]
    assert await reason(world.playlists.add(ANN, playlist.id, clips[1].id)) == "ALREADY_IN_PLAYLIST"
    assert await reason(world.playlists.add(ANN, playlist.id, UNKNOWN)) == "GENERATION_NOT_FOUND"
    assert await held(world, playlist) == ids(clips)
    listed = (await world.playlists.list_playlists(ANN))[0]
    assert (len(listed.entries), listed.duration_seconds) == (3, 12.0)
    assert listed.entries[2].add_time == listed.update_time == world.clock.time


async def test_clips_are_removed(world: World) -> None:
    playlist = await private(world)
    one, two = await world.clip(), await world.clip()
    for clip in (one, two):
        await world.playlists.add(ANN, playlist.id, clip.id)
    await world.playlists.remove(ANN, playlist.id, one.id)
    assert await held(world, playlist) == [two.id]
    assert await reason(world.playlists.remove(ANN, playlist.id, one.id)) == "NOT_IN_PLAYLIST"


async def test_a_new_order_names_everything_once(world: World) -> None:
    playlist = await private(world)
    a, b, c = ids([await world.clip() for _ in range(3)])
    for clip_id in (a, b, c):
        await world.playlists.add(ANN, playlist.id, clip_id)
    await world.playlists.reorder(ANN, playlist.id, [c, a, b])
    assert await held(world, playlist) == [c, a, b]
    for order in ([], [a, b], [a, b, b], [a, b, c, c], [a, b, UNKNOWN]):
        assert await reason(world.playlists.reorder(ANN, playlist.id, order)) == "ORDER_INVALID"
    assert await held(world, playlist) == [c, a, b]


async def test_a_playlist_holds_five_hundred(world: World) -> None:
    playlist = await private(world)
    clip = await world.clip()
    doc = await world.docs.get("playlists", playlist.id) or {}
    entries = [{"generation_id": str(number), "duration_seconds": 1.0, "add_time": 0.0} for number in range(499)]
    await world.docs.replace("playlists", {**doc, "entries": entries}, doc["revision"])
    assert await world.playlists.add(ANN, playlist.id, clip.id) == 499
    assert await reason(world.playlists.add(ANN, playlist.id, (await world.clip()).id)) == "PLAYLIST_FULL"


async def test_who_may_see_and_change_a_playlist(world: World) -> None:
    hidden, shown = await private(world), await world.playlists.create(ANN, "Open", "", True)
    clip = await world.clip()
    for playlist, refusal in ((hidden, "PLAYLIST_NOT_FOUND"), (shown, "PLAYLIST_NOT_OWNED")):
        await world.playlists.add(ANN, playlist.id, clip.id)
        for other in (BOB, GUEST, ADMIN):
            for call in (
                world.playlists.update(other, playlist.id, "x", None, None),
                world.playlists.delete(other, playlist.id),
                world.playlists.add(other, playlist.id, clip.id),
                world.playlists.remove(other, playlist.id, clip.id),
                world.playlists.reorder(other, playlist.id, [clip.id]),
            ):
                assert await reason(call) == refusal
        assert await held(world, playlist) == [clip.id]
    assert await reason(world.playlists.get(BOB, hidden.id)) == "PLAYLIST_NOT_FOUND"
    assert [g.id for g, _ in (await world.playlists.get(BOB, shown.id))[1]] == [clip.id]


async def test_anonymous_owners_are_told_apart_by_their_ids(world: World) -> None:
    playlist = await world.playlists.create(GUEST, "mine", "", False)
    assert (await world.playlists.get(GUEST, playlist.id))[0].name == "mine"
    await world.playlists.delete(GUEST, playlist.id)


async def test_a_deleted_playlist_is_gone_and_its_clips_stay(world: World) -> None:
    playlist, clip = await private(world), await world.clip()
    await world.playlists.add(ANN, playlist.id, clip.id)
    await world.playlists.delete(ANN, playlist.id)
    for gone in (playlist.id, "pl_000000000000"):
        assert await reason(world.playlists.get(ANN, gone)) == "PLAYLIST_NOT_FOUND"
        assert await reason(world.playlists.delete(ANN, gone)) == "PLAYLIST_NOT_FOUND"
        assert await reason(world.playlists.add(ANN, gone, clip.id)) == "PLAYLIST_NOT_FOUND"
    assert await world.now(clip) == clip


async def test_changes_at_once_are_all_kept(world: World) -> None:
    playlist = await private(world)
    clips = ids([await world.clip() for _ in range(20)])
    positions = await asyncio.gather(*(world.playlists.add(ANN, playlist.id, clip_id) for clip_id in clips))
    assert sorted(positions) == list(range(20))
    assert sorted(await held(world, playlist)) == sorted(clips)
    await asyncio.gather(*(world.playlists.remove(ANN, playlist.id, clip_id) for clip_id in clips[:15]))
    assert sorted(await held(world, playlist)) == sorted(clips[15:])
