"""Links to tracks, over the real document store."""

from __future__ import annotations

import dataclasses

import pytest
from library import ANN, BOB, DAY, Library, reason, track

from services.library.bearer_secrets import digest
from services.library.tracks.links import TrackLinks

INACTIVE: set[str] = set()


async def _is_active(account_id: str) -> bool:
    return account_id not in INACTIVE


@pytest.fixture
async def links(library: Library) -> TrackLinks:
    await library.tracks.create(ANN, track("t1"))
    return TrackLinks(library.track_docs, library.clock, _is_active)


async def test_a_link_opens_until_it_expires(library: Library, links: TrackLinks) -> None:
    secret, link = await links.create(ANN, "t1", 7)
    assert link.id == digest(secret)
    assert (await links.open(secret)).track_id == "t1"
    library.clock.advance(7 * DAY + 1)
    assert await reason(links.open(secret)) == "TRACK_LINK_ENDED"
    assert await links.list_own(ANN, "t1") == []
    assert await library.identity.delete_expired() == 1


async def test_a_link_ends_with_its_revocation_its_track_and_its_owner(library: Library, links: TrackLinks) -> None:
    (first, link), (second, _) = [await links.create(ANN, "t1", 1) for _ in range(2)]
    await links.revoke(ANN, "t1", link.public_id)
    assert await reason(links.open(first)) == "TRACK_LINK_ENDED"
    INACTIVE.add(ANN.id)
    assert await reason(links.open(second)) == "TRACK_LINK_ENDED"
    INACTIVE.clear()
    assert (await links.open(second)).owner_id == ANN.id
    await library.deletions.delete(ANN, "t1")
    assert await reason(links.open(second)) == "TRACK_LINK_ENDED"


async def test_only_registered_owners_make_links_and_few(links: TrackLinks) -> None:
    guest = dataclasses.replace(ANN, role="guest")
    assert await reason(links.create(guest, "t1", 1)) == "REGISTRATION_NEEDED"
    assert await reason(links.create(BOB, "t1", 1)) == "ACCESS_DENIED"
    assert await reason(links.list_own(BOB, "t1")) == "ACCESS_DENIED"
    assert await reason(links.create(ANN, "t1", 366)) == "VALIDATION_ERROR"
    for _ in range(20):
        await links.create(ANN, "t1", 1)
    assert await reason(links.create(ANN, "t1", 1)) == "TOO_MANY_TRACK_LINKS"
