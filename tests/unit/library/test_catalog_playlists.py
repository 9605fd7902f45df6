"""Playlists: entries, access, limits and parallel changes."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest
from library_fixture import ADMIN, ANN, BOB, GUEST, UNKNOWN, Library, ids, reason

from soundwright.kit.security.identity import Principal
from soundwright.services.library.catalog.records import Clip, Playlist


async def private(library: Library) -> Playlist:
    return await library.playlists.create(ANN, "Rain", "for work", False)


async def held(library: Library, playlist: Playlist) -> list[str]:
    seen, clips = await library.playlists.get(ANN, playlist.id)
    assert [entry.clip_id for entry in seen.entries] == [clip.id for clip, _ in clips]
    return [clip.id for clip, _ in clips]


async def test_names_and_descriptions_are_validated(library: Library) -> None:
    playlist = await library.playlists.create(ANN, "x" * 100, "y" * 500, False)
    for name in ("", "  ", "x" * 101):
        assert await reason(library.playlists.create(ANN, name, "", False)) == "PLAYLIST_NAME_INVALID"
        assert await reason(library.playlists.update(ANN, playlist.id, name, None, None)) == "PLAYLIST_NAME_INVALID"
    assert await reason(library.playlists.create(ANN, "x", "y" * 501, False)) == "DESCRIPTION_TOO_LONG"
    assert await reason(library.playlists.update(ANN, playlist.id, None, "y" * 501, None)) == "DESCRIPTION_TOO_LONG"
    assert [p.name for p in await library.playlists.list_playlists(ANN)] == ["x" * 100]


async def test_playlists_are_listed_newest_first(library: Library) -> None:
    made = []
    for number in range(3):
        library.clock.time += 1
        made.append((await library.playlists.create(ANN, str(number), "", False)).id)
    await library.playlists.create(BOB, "other", "", True)
    assert [p.id for p in await library.playlists.list_playlists(ANN)] == made[::-1]
    assert await library.playlists.list_playlists(GUEST) == []


async def test_update_changes_the_given_fields(library: Library) -> None:
    playlist = await private(library)
    library.clock.time += 5
    updated = await library.playlists.update(ANN, playlist.id, "Snow", None, None)
    assert (updated.name, updated.description, updated.is_public) == ("Snow", "for work", False)
    assert (updated.create_time, updated.update_time) == (playlist.create_time, library.clock.time)
    updated = await library.playlists.update(ANN, playlist.id, None, "", True)
    assert (updated.name, updated.description, updated.is_public) == ("Snow", "", True)
    assert (await library.playlists.get(BOB, playlist.id))[0].name == "Snow"


async def test_clips_are_appended_once(library: Library) -> None:
    playlist = await private(library)
    clips = [await library.clip(duration_seconds=float(seconds)) for seconds in (3, 4, 5)]
    assert [await library.playlists.add(ANN, playlist.id, clip.id) for clip in clips] == [0, 1, 2]
    assert await reason(library.playlists.add(ANN, playlist.id, clips[1].id)) == "ALREADY_IN_PLAYLIST"
    assert await reason(library.playlists.add(ANN, playlist.id, UNKNOWN)) == "GENERATION_NOT_FOUND"
    assert await held(library, playlist) == ids(clips)
    listed = (await library.playlists.list_playlists(ANN))[0]
    assert (len(listed.entries), listed.duration_seconds) == (3, 12.0)
    assert listed.entries[2].add_time == listed.update_time == library.clock.time


async def test_clips_are_removed(library: Library) -> None:
    playlist = await private(library)
    one, two = await library.clip(), await library.clip()
    for clip in (one, two):
        await library.playlists.add(ANN, playlist.id, clip.id)
    await library.playlists.remove(ANN, playlist.id, one.id)
    assert await held(library, playlist) == [two.id]
    assert await reason(library.playlists.remove(ANN, playlist.id, one.id)) == "NOT_IN_PLAYLIST"


async def test_reorder_requires_every_clip_once(library: Library) -> None:
    playlist = await private(library)
    a, b, c = ids([await library.clip() for _ in range(3)])
    for clip_id in (a, b, c):
        await library.playlists.add(ANN, playlist.id, clip_id)
    await library.playlists.reorder(ANN, playlist.id, [c, a, b])
    assert await held(library, playlist) == [c, a, b]
    for order in ([], [a, b], [a, b, b], [a, b, c, c], [a, b, UNKNOWN]):
        assert await reason(library.playlists.reorder(ANN, playlist.id, order)) == "ORDER_INVALID"
    assert await held(library, playlist) == [c, a, b]


async def test_a_clip_that_is_added_during_a_reorder_stays(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    playlist = await private(library)
    a, b, c = ids([await library.clip() for _ in range(3)])
    for clip_id in (a, b):
        await library.playlists.add(ANN, playlist.id, clip_id)
    clips = library.playlists._store.clips
    read = clips.by_ids

    async def read_and_add(clip_ids: Iterable[str]) -> dict[str, Clip]:
        found = await read(clip_ids)
        monkeypatch.setattr(clips, "by_ids", read)
        await library.playlists.add(ANN, playlist.id, c)
        return found

    monkeypatch.setattr(clips, "by_ids", read_and_add)
    assert await reason(library.playlists.reorder(ANN, playlist.id, [b, a])) == "ORDER_INVALID"
    assert await held(library, playlist) == [a, b, c]


async def test_names_that_an_address_invents_have_a_limit_together(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundwright.services.library.catalog.playlists._PLAYLIST_LIMIT", 1)
    for name in range(4):
        await library.playlists.create(Principal(f"anon:{name}", "anonymous", "address:1"), "Rain", "", False)
    stranger, neighbour = (Principal("anon:x", "anonymous", f"address:{number}") for number in (1, 2))
    assert await reason(library.playlists.create(stranger, "Rain", "", False)) == "TOO_MANY_PLAYLISTS"
    await library.playlists.create(neighbour, "Rain", "", False)


async def test_the_number_of_entries_is_limited(library: Library) -> None:
    playlist = await private(library)
    clip = await library.clip()
    doc = await library.docs.get("playlists", playlist.id) or {}
    entries = [{"clip_id": str(number), "duration_seconds": 1.0, "add_time": 0.0} for number in range(499)]
    await library.docs.replace("playlists", {**doc, "entries": entries}, doc["revision"])
    assert await library.playlists.add(ANN, playlist.id, clip.id) == 499
    assert await reason(library.playlists.add(ANN, playlist.id, (await library.clip()).id)) == "PLAYLIST_FULL"


async def test_access_to_playlists(library: Library) -> None:
    hidden, shown = await private(library), await library.playlists.create(ANN, "Open", "", True)
    clip = await library.clip()
    for playlist, refusal in ((hidden, "PLAYLIST_NOT_FOUND"), (shown, "PLAYLIST_NOT_OWNED")):
        await library.playlists.add(ANN, playlist.id, clip.id)
        for other in (BOB, GUEST, ADMIN):
            for call in (
                library.playlists.update(other, playlist.id, "x", None, None),
                library.playlists.delete(other, playlist.id),
                library.playlists.add(other, playlist.id, clip.id),
                library.playlists.remove(other, playlist.id, clip.id),
                library.playlists.reorder(other, playlist.id, [clip.id]),
            ):
                assert await reason(call) == refusal
        assert await held(library, playlist) == [clip.id]
    assert await reason(library.playlists.get(BOB, hidden.id)) == "PLAYLIST_NOT_FOUND"
    assert [g.id for g, _ in (await library.playlists.get(BOB, shown.id))[1]] == [clip.id]


async def test_the_name_of_a_guest_opens_none_of_their_playlists(library: Library) -> None:
    creator = replace(GUEST, creator_key="the creator's")
    hidden = await library.playlists.create(creator, "mine", "", False)
    shown = await library.playlists.create(creator, "open", "", True)
    clip = await library.clip()
    for other in (GUEST, replace(GUEST, creator_key="another's")):
        for playlist, refusal in ((hidden, "PLAYLIST_NOT_FOUND"), (shown, "PLAYLIST_NOT_OWNED")):
            for call in (
                library.playlists.update(other, playlist.id, "x", None, None),
                library.playlists.delete(other, playlist.id),
                library.playlists.add(other, playlist.id, clip.id),
                library.playlists.reorder(other, playlist.id, []),
            ):
                assert await reason(call) == refusal
        assert await reason(library.playlists.get(other, hidden.id)) == "PLAYLIST_NOT_FOUND"
        assert [playlist.id for playlist in await library.playlists.list_playlists(other)] == [shown.id]
    listed = {playlist.id for playlist in await library.playlists.list_playlists(creator)}
    assert listed == {shown.id, hidden.id}
    await library.playlists.delete(creator, hidden.id)


async def test_parallel_changes_are_all_stored(library: Library) -> None:
    playlist = await private(library)
    clips = ids([await library.clip() for _ in range(20)])
    positions = await asyncio.gather(*(library.playlists.add(ANN, playlist.id, clip_id) for clip_id in clips))
    assert sorted(positions) == list(range(20))
    assert sorted(await held(library, playlist)) == sorted(clips)
    await asyncio.gather(*(library.playlists.remove(ANN, playlist.id, clip_id) for clip_id in clips[:15]))
    assert sorted(await held(library, playlist)) == sorted(clips[15:])
