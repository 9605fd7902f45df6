"""Links to tracks, over the real document store."""

import dataclasses

import pytest
from library_fixture import BOB, DAY, Library, reason, track

from soundwright.kit.security.identity import Principal
from soundwright.services.library.bearer_secrets import digest
from soundwright.services.library.tracks.links import TrackLinks


@pytest.fixture
async def ann(library: Library) -> Principal:
    owner = Principal((await library.account()).id, "user")
    await library.tracks.create(owner, track("t1"))
    return owner


@pytest.fixture
def links(library: Library) -> TrackLinks:
    return library.links


async def test_a_link_opens_until_it_expires(library: Library, links: TrackLinks, ann: Principal) -> None:
    secret, link = await links.create(ann, "t1", 7)
    assert link.id == digest(secret)
    assert (await links.open(secret)).track_id == "t1"
    library.clock.advance(7 * DAY + 1)
    assert await reason(links.open(secret)) == "TRACK_LINK_ENDED"
    assert await links.list_own(ann, "t1") == []
    await library.identity.delete_expired()
    assert await library.track_docs.links.get(link.id) is None


async def test_a_link_ends_with_its_revocation_its_track_and_its_owner(
    library: Library, links: TrackLinks, ann: Principal
) -> None:
    (first, link), (second, _) = [await links.create(ann, "t1", 1) for _ in range(2)]
    await links.revoke(ann, "t1", link.public_id)
    assert await reason(links.open(first)) == "TRACK_LINK_ENDED"
    await library.stores.identity.change_account(ann.id, lambda known: dataclasses.replace(known, status="suspended"))
    assert await reason(links.open(second)) == "TRACK_LINK_ENDED"
    await library.stores.identity.change_account(ann.id, lambda known: dataclasses.replace(known, status="active"))
    assert (await links.open(second)).owner_id == ann.id
    await library.deletions.delete(ann, "t1")
    assert await reason(links.open(second)) == "TRACK_LINK_ENDED"


async def test_a_link_ends_with_the_api_token_that_created_it(
    library: Library, links: TrackLinks, ann: Principal
) -> None:
    _, token = await library.tokens.create_for(ann.id, "script")
    secret, _ = await links.create(dataclasses.replace(ann, api_token_id=token.public_id), "t1", 1)
    assert (await links.open(secret)).track_id == "t1"
    for _ in range(19):
        await links.create(dataclasses.replace(ann, api_token_id=token.public_id), "t1", 1)
    await library.tokens.revoke(ann.id, token.public_id)
    assert await reason(links.open(secret)) == "TRACK_LINK_ENDED"
    assert await links.list_own(ann, "t1") == []
    _, new = await links.create(ann, "t1", 1)  # those that have ended leave room
    assert [each.id for each in await links.list_own(ann, "t1")] == [new.id]


async def test_a_link_ends_with_all_api_tokens_but_not_with_the_password(
    library: Library, links: TrackLinks, ann: Principal
) -> None:
    secret, _ = await links.create(ann, "t1", 1)
    session = await library.change_password(await library.log_in(), "", "a better password")
    assert (await links.open(secret)).track_id == "t1"
    await library.change_password(session, "", "an even better password", True)
    assert await reason(links.open(secret)) == "TRACK_LINK_ENDED"
    assert await links.list_own(ann, "t1") == []


async def test_the_audit_log_has_the_links_of_an_account(library: Library, links: TrackLinks, ann: Principal) -> None:
    _, link = await links.create(ann, "t1", 1)
    await links.revoke(ann, "t1", link.public_id)
    entries = await library.stores.identity.audit.find({"actor_id": ann.id, "resource_type": "track"}, sort="id")
    assert {(entry.action, entry.resource_id) for entry in entries} == {("link_create", "t1"), ("link_revoke", "t1")}


async def test_only_registered_owners_make_links_and_few(links: TrackLinks, ann: Principal) -> None:
    guest = dataclasses.replace(ann, role="guest")
    assert await reason(links.create(guest, "t1", 1)) == "REGISTRATION_NEEDED"
    assert await reason(links.create(BOB, "t1", 1)) == "ACCESS_DENIED"
    assert await reason(links.list_own(BOB, "t1")) == "ACCESS_DENIED"
    assert await reason(links.create(ann, "t1", 366)) == "VALIDATION_ERROR"
    for _ in range(20):
        await links.create(ann, "t1", 1)
    assert await reason(links.create(ann, "t1", 1)) == "TOO_MANY_TRACK_LINKS"
