"""Guest accounts: creation, registration, refusals, and the deletion of those that nobody can use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from accounts_fixture import CLIENT_IP, PASSWORD, IdentityFixture, identity_fixture, raises_error

from kit.errors import Code
from kit.ports import Collection
from kit.security.identity import Principal
from services.library.identity.account import Account

DAY_SECONDS = 86400.0


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[IdentityFixture]:
    async with identity_fixture(tmp_path) as built:
        for name in ("tracks", "jobs", "playlists", "conversations", "favorites", "votes"):
            await built.docs.ensure(Collection(name))
        yield built


async def stored(fixture: IdentityFixture, account_id: str) -> Account | None:
    return await fixture.identity.store.get_account(account_id)


async def test_a_guest_has_a_session_and_nothing_that_anybody_could_know(fixture: IdentityFixture) -> None:
    secret, guest = await fixture.identity.guests.create(CLIENT_IP)
    opened = await fixture.identity.sessions.authenticate(secret)
    assert (opened.account.id, opened.account.role, opened.session.remembered) == (guest.id, "guest", True)
    with raises_error("CREDENTIALS_INVALID"):
        await fixture.identity.accounts.verify_password(guest.email, "", CLIENT_IP)
    with raises_error("VALIDATION_ERROR"):
        await fixture.identity.email_links.request_login(guest.email, CLIENT_IP)
    with raises_error("VALIDATION_ERROR"):
        await fixture.identity.accounts.register(guest.email, PASSWORD, CLIENT_IP)


async def test_registration_keeps_the_account_and_replaces_its_session(fixture: IdentityFixture) -> None:
    secret, guest = await fixture.identity.guests.create(CLIENT_IP)
    renewed = await fixture.identity.accounts.register(
        "ann@example.org", PASSWORD, CLIENT_IP, browser_key="b", guest_secret=secret
    )
    opened = await fixture.identity.sessions.authenticate(renewed)
    account = opened.account
    assert (account.id, account.email, account.role) == (guest.id, "ann@example.org", "user")
    assert (account.browser_key, account.confirm_time, account.create_time) == ("b", None, guest.create_time)
    assert (await fixture.identity.accounts.verify_password("ann@example.org", PASSWORD, CLIENT_IP)).id == guest.id
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.sessions.authenticate(secret)
    assert "Confirm" in str((await fixture.mails("confirmation"))[-1]["subject"])
    with raises_error("ALREADY_REGISTERED", Code.CONFLICT):
        await fixture.identity.accounts.register("bob@example.org", PASSWORD, CLIENT_IP, guest_secret=renewed)


async def test_a_taken_address_leaves_the_guest_a_guest(fixture: IdentityFixture) -> None:
    ann = await fixture.account("ann@example.org")
    secret, guest = await fixture.identity.guests.create(CLIENT_IP)
    renewed = await fixture.identity.accounts.register(
        "ann@example.org", "another long password", CLIENT_IP, guest_secret=secret
    )
    opened = await fixture.identity.sessions.authenticate(renewed)
    assert (opened.account.id, opened.account.role) == (guest.id, "guest")
    assert (await fixture.identity.accounts.verify_password(ann.email, PASSWORD, CLIENT_IP)).id == ann.id
    assert len(await fixture.mails("registered-already")) == 1
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.sessions.authenticate(secret)


async def test_guests_leave_no_credentials_behind(fixture: IdentityFixture) -> None:
    secret, guest = await fixture.identity.guests.create(CLIENT_IP)
    with raises_error("REGISTRATION_NEEDED", Code.PERMISSION_DENIED):
        await fixture.identity.tokens.create_for(guest.id, "program")
    with raises_error("REGISTRATION_NEEDED"):
        await fixture.identity.connections.put(guest.id, "lalalai", "", "", "a key")
    # The login is recent, so that the password of an account could be changed without the old one.
    with raises_error("REGISTRATION_NEEDED"):
        await fixture.identity.accounts.change_password(secret, "", PASSWORD, False, CLIENT_IP)
    with raises_error("REGISTRATION_NEEDED"):
        await fixture.identity.email_links.request_change(secret, "", "ann@example.org", CLIENT_IP)


async def test_one_address_cannot_create_guests_without_end(fixture: IdentityFixture) -> None:
    for _ in range(30):
        await fixture.identity.guests.create(CLIENT_IP)
    with raises_error("RATE_LIMITED"):
        await fixture.identity.guests.create(CLIENT_IP)
    await fixture.identity.guests.create("192.0.2.2")
    await fixture.account()  # registrations have a budget of their own


async def test_administrators_may_suspend_a_guest_but_not_promote_it(fixture: IdentityFixture) -> None:
    admin = await fixture.account("admin@example.org", "admin")
    secret, guest = await fixture.identity.guests.create(CLIENT_IP)
    principal, administration = Principal(admin.id, admin.role), fixture.identity.administration
    with raises_error("GUEST_ACCOUNT", Code.CONFLICT):
        await administration.update_account(principal, guest.id, "pro", "", CLIENT_IP)
    with raises_error("VALIDATION_ERROR"):
        await administration.update_account(principal, admin.id, "guest", "", CLIENT_IP)
    listed, count = await administration.list_accounts(principal, "", "guest", "", 0, 10)
    assert ([account.id for account in listed], count) == ([guest.id], 1)
    await administration.update_account(principal, guest.id, "", "banned", CLIENT_IP)
    with raises_error("ACCOUNT_SUSPENDED"):
        await fixture.identity.sessions.authenticate(secret)


async def swept(fixture: IdentityFixture) -> int:
    """Let a walk over all guests begin, and return how many accounts it deletes."""
    fixture.clock.time += 3600
    count = 0
    for _ in range(10):
        count += await fixture.identity.guests.delete_abandoned()
    return count


async def test_guests_are_deleted_when_their_sessions_have_ended(fixture: IdentityFixture) -> None:
    ended, gone = await fixture.identity.guests.create(CLIENT_IP)
    _, late = await fixture.identity.guests.create(CLIENT_IP)
    await fixture.identity.sessions.close(ended)
    assert await swept(fixture) == 0  # it is new
    fixture.clock.time += DAY_SECONDS
    assert await swept(fixture) == 1
    assert await stored(fixture, gone.id) is None
    assert await stored(fixture, late.id) == replace(late, revision=1)
    fixture.clock.time += 13 * DAY_SECONDS
    assert await swept(fixture) == 0  # the record of the session is still there
    assert await fixture.identity.delete_expired() > 0
    assert await swept(fixture) == 1
    assert await stored(fixture, late.id) is None


@pytest.mark.parametrize(
    ("collection", "field"),
    [
        ("tracks", "owner_id"),
        ("jobs", "owner_id"),
        ("playlists", "owner_id"),
        ("conversations", "owner_id"),
        ("favorites", "listener_id"),
        ("votes", "listener_id"),
    ],
)
async def test_a_guest_who_owns_something_is_kept(fixture: IdentityFixture, collection: str, field: str) -> None:
    secret, guest = await fixture.identity.guests.create(CLIENT_IP)
    await fixture.identity.sessions.close(secret)
    await fixture.docs.insert(collection, {"id": "x", field: guest.id, "revision": 0})
    fixture.clock.time += DAY_SECONDS
    assert await swept(fixture) == 0
    await fixture.docs.delete(collection, "x")
    assert await swept(fixture) == 1


async def test_many_guests_are_deleted_in_batches_and_accounts_stay(fixture: IdentityFixture) -> None:
    ann = await fixture.account()
    for index in range(50):
        secret, _ = await fixture.identity.guests.create(f"192.0.2.{index}")
        if index % 2:
            await fixture.identity.sessions.close(secret)
    fixture.clock.time += DAY_SECONDS
    assert await swept(fixture) == 25
    assert await stored(fixture, ann.id) is not None
