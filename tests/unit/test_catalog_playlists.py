"""Playlists: entries, access, limits and parallel changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from catalog_fixture import ADMIN, ANN, BOB, GUEST, CatalogFixture, catalog_fixture, ids, reason

from services.library.catalog.playlists import Playlist
from services.library.catalog.service import Generation

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[CatalogFixture]:
    async with catalog_fixture(tmp_path) as fixture:
        yield fixture


async def private(fixture: CatalogFixture) -> Playlist:
    return await fixture.playlists.create(ANN, "Rain", "for work", False)


async def held(fixture: CatalogFixture, playlist: Playlist) -> list[str]:
    seen, clips = await fixture.playlists.get(ANN, playlist.id)
    assert [entry.generation_id for entry in seen.entries] == [clip.id for clip, _ in clips]
    return [clip.id for clip, _ in clips]


async def test_create_playlist(fixture: CatalogFixture) -> None:
    playlist = await fixture.playlists.create(ANN, "  Rain  ", " for work ", True)
    assert re.fullmatch("pl_[0-9a-f]{12}", playlist.id)
    assert (playlist.owner_id, playlist.name, playlist.description, playlist.is_public) == (
        "ann", "Rain", "for work", True,
    )  # fmt: skip
    assert playlist.create_time == playlist.update_time == fixture.clock.time
    got, clips = await fixture.playlists.get(ANN, playlist.id)
    assert (got.name, got.entries, clips) == ("Rain", [], [])


async def test_names_and_descriptions_are_validated(fixture: CatalogFixture) -> None:
    playlist = await fixture.playlists.create(ANN, "x" * 100, "y" * 500, False)
    for name in ("", "  ", "x" * 101):
        assert await reason(fixture.playlists.create(ANN, name, "", False)) == "PLAYLIST_NAME_INVALID"
        assert await reason(fixture.playlists.update(ANN, playlist.id, name, None, None)) == "PLAYLIST_NAME_INVALID"
    assert await reason(fixture.playlists.create(ANN, "x", "y" * 501, False)) == "DESCRIPTION_TOO_LONG"
    assert await reason(fixture.playlists.update(ANN, playlist.id, None, "y" * 501, None)) == "DESCRIPTION_TOO_LONG"
    assert [p.name for p in await fixture.playlists.list_playlists(ANN)] == ["x" * 100]


async def test_playlists_are_listed_newest_first(fixture: CatalogFixture) -> None:
    made = []
    for number in range(3):
        fixture.clock.time += 1
        made.append((await fixture.playlists.create(ANN, str(number), "", False)).id)
    await fixture.playlists.create(BOB, "other", "", True)
    assert [p.id for p in await fixture.playlists.list_playlists(ANN)] == made[::-1]
    assert await fixture.playlists.list_playlists(GUEST) == []


async def test_the_number_of_playlists_is_limited(fixture: CatalogFixture) -> None:
    for number in range(100):
        await fixture.playlists.create(ANN, str(number), "", False)
    assert await reason(fixture.playlists.create(ANN, "more", "", False)) == "TOO_MANY_PLAYLISTS"
    assert len(await fixture.playlists.list_playlists(ANN)) == 100
    await fixture.playlists.create(BOB, "mine", "", False)


async def test_update_changes_the_given_fields(fixture: CatalogFixture) -> None:
    playlist = await private(fixture)
    fixture.clock.time += 5
    updated = await fixture.playlists.update(ANN, playlist.id, "Snow", None, None)
    assert (updated.name, updated.description, updated.is_public) == ("Snow", "for work", False)
    assert (updated.create_time, updated.update_time) == (playlist.create_time, fixture.clock.time)
    updated = await fixture.playlists.update(ANN, playlist.id, None, "", True)
    assert (updated.name, updated.description, updated.is_public) == ("Snow", "", True)
    assert (await fixture.playlists.get(BOB, playlist.id))[0].name == "Snow"


async def test_clips_are_appended_once(fixture: CatalogFixture) -> None:
    playlist = await private(fixture)
    clips = [await fixture.clip(duration_seconds=float(seconds)) for seconds in (3, 4, 5)]
    assert [await fixture.playlists.add(ANN, playlist.id, clip.id) for clip in clips] == [0, 1, 2]
    assert await reason(fixture.playlists.add(ANN, playlist.id, clips[1].id)) == "ALREADY_IN_PLAYLIST"
    assert await reason(fixture.playlists.add(ANN, playlist.id, UNKNOWN)) == "GENERATION_NOT_FOUND"
    assert await held(fixture, playlist) == ids(clips)
    listed = (await fixture.playlists.list_playlists(ANN))[0]
    assert (len(listed.entries), listed.duration_seconds) == (3, 12.0)
    assert listed.entries[2].add_time == listed.update_time == fixture.clock.time


async def test_clips_are_removed(fixture: CatalogFixture) -> None:
    playlist = await private(fixture)
    one, two = await fixture.clip(), await fixture.clip()
    for clip in (one, two):
        await fixture.playlists.add(ANN, playlist.id, clip.id)
    await fixture.playlists.remove(ANN, playlist.id, one.id)
    assert await held(fixture, playlist) == [two.id]
    assert await reason(fixture.playlists.remove(ANN, playlist.id, one.id)) == "NOT_IN_PLAYLIST"


async def test_reorder_requires_every_clip_once(fixture: CatalogFixture) -> None:
    playlist = await private(fixture)
    a, b, c = ids([await fixture.clip() for _ in range(3)])
    for clip_id in (a, b, c):
        await fixture.playlists.add(ANN, playlist.id, clip_id)
    await fixture.playlists.reorder(ANN, playlist.id, [c, a, b])
    assert await held(fixture, playlist) == [c, a, b]
    for order in ([], [a, b], [a, b, b], [a, b, c, c], [a, b, UNKNOWN]):
        assert await reason(fixture.playlists.reorder(ANN, playlist.id, order)) == "ORDER_INVALID"
    assert await held(fixture, playlist) == [c, a, b]


async def test_a_clip_that_is_added_during_a_reorder_stays(
    fixture: CatalogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    playlist = await private(fixture)
    a, b, c = ids([await fixture.clip() for _ in range(3)])
    for clip_id in (a, b):
        await fixture.playlists.add(ANN, playlist.id, clip_id)
    store = fixture.playlists._store
    read = store.generations

    async def read_and_add(generation_ids: Sequence[str]) -> dict[str, Generation]:
        found = await read(generation_ids)
        monkeypatch.setattr(store, "generations", read)
        await fixture.playlists.add(ANN, playlist.id, c)
        return found

    monkeypatch.setattr(store, "generations", read_and_add)
    assert await reason(fixture.playlists.reorder(ANN, playlist.id, [b, a])) == "ORDER_INVALID"
    assert await held(fixture, playlist) == [a, b, c]


async def test_the_number_of_entries_is_limited(fixture: CatalogFixture) -> None:
    playlist = await private(fixture)
    clip = await fixture.clip()
    doc = await fixture.docs.get("playlists", playlist.id) or {}
    entries = [{"generation_id": str(number), "duration_seconds": 1.0, "add_time": 0.0} for number in range(499)]
    await fixture.docs.replace("playlists", {**doc, "entries": entries}, doc["revision"])
    assert await fixture.playlists.add(ANN, playlist.id, clip.id) == 499
    assert await reason(fixture.playlists.add(ANN, playlist.id, (await fixture.clip()).id)) == "PLAYLIST_FULL"


async def test_access_to_playlists(fixture: CatalogFixture) -> None:
    hidden, shown = await private(fixture), await fixture.playlists.create(ANN, "Open", "", True)
    clip = await fixture.clip()
    for playlist, refusal in ((hidden, "PLAYLIST_NOT_FOUND"), (shown, "PLAYLIST_NOT_OWNED")):
        await fixture.playlists.add(ANN, playlist.id, clip.id)
        for other in (BOB, GUEST, ADMIN):
            for call in (
                fixture.playlists.update(other, playlist.id, "x", None, None),
                fixture.playlists.delete(other, playlist.id),
                fixture.playlists.add(other, playlist.id, clip.id),
                fixture.playlists.remove(other, playlist.id, clip.id),
                fixture.playlists.reorder(other, playlist.id, [clip.id]),
            ):
                assert await reason(call) == refusal
        assert await held(fixture, playlist) == [clip.id]
    assert await reason(fixture.playlists.get(BOB, hidden.id)) == "PLAYLIST_NOT_FOUND"
    assert [g.id for g, _ in (await fixture.playlists.get(BOB, shown.id))[1]] == [clip.id]


async def test_anonymous_owners_have_separate_playlists(fixture: CatalogFixture) -> None:
    playlist = await fixture.playlists.create(GUEST, "mine", "", False)
    assert (await fixture.playlists.get(GUEST, playlist.id))[0].name == "mine"
    await fixture.playlists.delete(GUEST, playlist.id)


async def test_the_name_of_a_guest_opens_none_of_their_playlists(fixture: CatalogFixture) -> None:
    creator = replace(GUEST, creator_key="the creator's")
    hidden = await fixture.playlists.create(creator, "mine", "", False)
    shown = await fixture.playlists.create(creator, "open", "", True)
    clip = await fixture.clip()
    for other in (GUEST, replace(GUEST, creator_key="another's")):
        for playlist, refusal in ((hidden, "PLAYLIST_NOT_FOUND"), (shown, "PLAYLIST_NOT_OWNED")):
            for call in (
                fixture.playlists.update(other, playlist.id, "x", None, None),
                fixture.playlists.delete(other, playlist.id),
                fixture.playlists.add(other, playlist.id, clip.id),
                fixture.playlists.reorder(other, playlist.id, []),
            ):
                assert await reason(call) == refusal
        assert await reason(fixture.playlists.get(other, hidden.id)) == "PLAYLIST_NOT_FOUND"
        assert [playlist.id for playlist in await fixture.playlists.list_playlists(other)] == [shown.id]
    listed = {playlist.id for playlist in await fixture.playlists.list_playlists(creator)}
    assert listed == {shown.id, hidden.id}
    await fixture.playlists.delete(creator, hidden.id)


async def test_deleting_a_playlist_keeps_its_clips(fixture: CatalogFixture) -> None:
    playlist, clip = await private(fixture), await fixture.clip()
    await fixture.playlists.add(ANN, playlist.id, clip.id)
    await fixture.playlists.delete(ANN, playlist.id)
    for gone in (playlist.id, "pl_000000000000"):
        assert await reason(fixture.playlists.get(ANN, gone)) == "PLAYLIST_NOT_FOUND"
        assert await reason(fixture.playlists.delete(ANN, gone)) == "PLAYLIST_NOT_FOUND"
        assert await reason(fixture.playlists.add(ANN, gone, clip.id)) == "PLAYLIST_NOT_FOUND"
    assert await fixture.now(clip) == clip


async def test_parallel_changes_are_all_stored(fixture: CatalogFixture) -> None:
    playlist = await private(fixture)
    clips = ids([await fixture.clip() for _ in range(20)])
    positions = await asyncio.gather(*(fixture.playlists.add(ANN, playlist.id, clip_id) for clip_id in clips))
    assert sorted(positions) == list(range(20))
    assert sorted(await held(fixture, playlist)) == sorted(clips)
    await asyncio.gather(*(fixture.playlists.remove(ANN, playlist.id, clip_id) for clip_id in clips[:15]))
    assert sorted(await held(fixture, playlist)) == sorted(clips[15:])
