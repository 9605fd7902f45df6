"""Setlists, over the real document store."""

import pytest
from library_fixture import ANN, BOB, UNKNOWN, Library, reason, track

from soundwright.services.library.tracks.setlists import Setlists


@pytest.fixture
async def setlists(library: Library) -> Setlists:
    for number, owner in (("t1", ANN), ("t2", ANN), ("t3", BOB)):
        await library.tracks.create(owner, track(number, title=number, blob_key=f"tracks/{number}/song.wav"))
    return Setlists(library.track_docs, library.clock)


async def test_a_setlist_keeps_its_order_and_skips_deleted_tracks(library: Library, setlists: Setlists) -> None:
    made = await setlists.create(ANN, " Friday\n👨\u200d👩\u200d👧\u00a0! ")
    await setlists.update(ANN, made.id, name=None, track_ids=["t2", "t1", "t2"])
    found, tracks = await setlists.get(ANN, made.id)
    assert (found.name, [each.title for each in tracks]) == ("Friday 👨\u200d👩\u200d👧 !", ["t2", "t1", "t2"])
    await library.deletions.delete(ANN, "t2")
    await setlists.update(ANN, made.id, name="Saturday", track_ids=None)
    found, tracks = await setlists.get(ANN, made.id)
    assert (found.name, [each.title for each in tracks]) == ("Saturday", ["t1"])
    # The tracks that are in it already may be gone: reordering does not fail because of them.
    assert (await setlists.update(ANN, made.id, name=None, track_ids=["t1", "t2"])).track_ids == ["t1", "t2"]


async def test_only_own_tracks_come_in_and_only_the_owner_sees_it(setlists: Setlists) -> None:
    made = await setlists.create(ANN, "Friday")
    assert await reason(setlists.update(ANN, made.id, name=None, track_ids=["t1", "t3"])) == "TRACK_NOT_FOUND"
    assert await reason(setlists.update(ANN, made.id, name=None, track_ids=[UNKNOWN])) == "TRACK_NOT_FOUND"
    for call in (setlists.get(BOB, made.id), setlists.delete(BOB, made.id)):
        assert await reason(call) == "SETLIST_NOT_FOUND"
    assert await setlists.list_own(BOB) == []


async def test_names_and_numbers_are_bounded(setlists: Setlists) -> None:
    for name in (" ", "x" * 101):
        assert await reason(setlists.create(ANN, name)) == "VALIDATION_ERROR"
    made = [await setlists.create(ANN, str(number)) for number in range(100)]
    assert await reason(setlists.create(ANN, "one more")) == "TOO_MANY_SETLISTS"
    assert await reason(setlists.update(ANN, made[0].id, name=None, track_ids=["t1"] * 201)) == "VALIDATION_ERROR"
    await setlists.delete(ANN, made[0].id)
    await setlists.create(ANN, "one more")
