"""Guest accounts: creation, registration, refusals, and the deletion of those that nobody can use."""

from __future__ import annotations

from dataclasses import replace

import pytest
from library import CLIENT_IP, PASSWORD, Library, reason

from kit.errors import Code
from kit.security.identity import Principal
from services.library.identity.account import Account

DAY_SECONDS = 86400.0


async def stored(library: Library, account_id: str) -> Account | None:
    return await library.identity.store.get_account(account_id)


async def test_a_guest_has_a_session_and_nothing_that_anybody_could_know(library: Library) -> None:
    secret, guest = await library.guests.create(CLIENT_IP)
    opened = await library.sessions.authenticate(secret)
    assert (opened.account.id, opened.account.role, opened.session.remembered) == (guest.id, "guest", True)
    assert await reason(library.verify("", guest.email)) == "CREDENTIALS_INVALID"
    assert await reason(library.request_login(guest.email)) == "VALIDATION_ERROR"
    assert await reason(library.accounts.register(guest.email, PASSWORD, CLIENT_IP)) == "VALIDATION_ERROR"


async def test_registration_keeps_the_account_and_replaces_its_session(library: Library) -> None:
    secret, guest = await library.guests.create(CLIENT_IP)
    renewed = await library.accounts.register(
        "ann@example.org", PASSWORD, CLIENT_IP, browser_key="b", guest_secret=secret
    )
    opened = await library.sessions.authenticate(renewed)
    account = opened.account
    assert (account.id, account.email, account.role) == (guest.id, "ann@example.org", "user")
    assert (account.browser_key, account.confirm_time, account.create_time) == ("b", None, guest.create_time)
    assert (await library.verify(PASSWORD)).id == guest.id
    assert await reason(library.sessions.authenticate(secret)) == "UNAUTHORIZED"
    assert "Confirm" in str((await library.mails("confirmation"))[-1]["subject"])
    call = library.accounts.register("bob@example.org", PASSWORD, CLIENT_IP, guest_secret=renewed)
    assert await reason(call, Code.CONFLICT) == "ALREADY_REGISTERED"


async def test_a_taken_address_leaves_the_guest_a_guest(library: Library) -> None:
    ann = await library.account("ann@example.org")
    secret, guest = await library.guests.create(CLIENT_IP)
    renewed = await library.accounts.register(
        "ann@example.org", "another long password", CLIENT_IP, guest_secret=secret
    )
    opened = await library.sessions.authenticate(renewed)
    assert (opened.account.id, opened.account.role) == (guest.id, "guest")
    assert (await library.verify(PASSWORD, ann.email)).id == ann.id
    assert len(await library.mails("registered-already")) == 1
    assert await reason(library.sessions.authenticate(secret)) == "UNAUTHORIZED"


async def test_guests_leave_no_credentials_behind(library: Library) -> None:
    secret, guest = await library.guests.create(CLIENT_IP)
    assert await reason(library.tokens.create_for(guest.id, "program"), Code.PERMISSION_DENIED) == "REGISTRATION_NEEDED"
    assert await reason(library.connections.put(guest.id, "lalalai", "", "", "a key")) == "REGISTRATION_NEEDED"
    # The login is recent, so that the password of an account could be changed without the old one.
    assert await reason(library.change_password(secret, "", PASSWORD)) == "REGISTRATION_NEEDED"
    call = library.email_links.request_change(secret, "", "ann@example.org", CLIENT_IP)
    assert await reason(call) == "REGISTRATION_NEEDED"


async def test_one_address_cannot_create_guests_without_end(library: Library) -> None:
    for _ in range(30):
        await library.guests.create(CLIENT_IP)
    assert await reason(library.guests.create(CLIENT_IP)) == "RATE_LIMITED"
    await library.guests.create("192.0.2.2")
    await library.account()  # registrations have a budget of their own


async def test_administrators_may_suspend_a_guest_but_not_promote_it(library: Library) -> None:
    admin = await library.account("admin@example.org", "admin")
    secret, guest = await library.guests.create(CLIENT_IP)
    principal, administration = Principal(admin.id, admin.role), library.administration
    call = administration.update_account(principal, guest.id, "pro", "", CLIENT_IP)
    assert await reason(call, Code.CONFLICT) == "GUEST_ACCOUNT"
    call = administration.update_account(principal, admin.id, "guest", "", CLIENT_IP)
    assert await reason(call) == "VALIDATION_ERROR"
    listed, count = await administration.list_accounts(principal, "", "guest", "", 0, 10)
    assert ([account.id for account in listed], count) == ([guest.id], 1)
    await administration.update_account(principal, guest.id, "", "banned", CLIENT_IP)
    assert await reason(library.sessions.authenticate(secret)) == "ACCOUNT_SUSPENDED"


async def swept(library: Library) -> int:
    """Let a walk over all guests begin, and return how many accounts it deletes."""
    library.clock.time += 3600
    count = 0
    for _ in range(10):
        count += await library.guests.delete_abandoned()
    return count


async def test_guests_are_deleted_when_their_sessions_have_ended(library: Library) -> None:
    ended, gone = await library.guests.create(CLIENT_IP)
    _, late = await library.guests.create(CLIENT_IP)
    await library.sessions.close(ended)
    assert await swept(library) == 0  # it is new
    library.clock.time += DAY_SECONDS
    assert await swept(library) == 1
    assert await stored(library, gone.id) is None
    assert await stored(library, late.id) == replace(late, revision=1)
    library.clock.time += 13 * DAY_SECONDS
    assert await swept(library) == 0  # the record of the session is still there
    assert await library.identity.delete_expired() > 0
    assert await swept(library) == 1
    assert await stored(library, late.id) is None


@pytest.mark.parametrize(("collection", "field"), [
    ("tracks", "owner_id"), ("jobs", "owner_id"), ("playlists", "owner_id"), ("conversations", "owner_id"),
    ("favorites", "listener_id"), ("votes", "listener_id"),
])  # fmt: skip
async def test_a_guest_who_owns_something_is_kept(library: Library, collection: str, field: str) -> None:
    secret, guest = await library.guests.create(CLIENT_IP)
    await library.sessions.close(secret)
    await library.docs.insert(collection, {"id": "x", field: guest.id, "revision": 0})
    library.clock.time += DAY_SECONDS
    assert await swept(library) == 0
    await library.docs.delete(collection, "x")
    assert await swept(library) == 1


async def test_many_guests_are_deleted_in_batches_and_accounts_stay(library: Library) -> None:
    ann = await library.account()
    for index in range(50):
        secret, _ = await library.guests.create(f"192.0.2.{index}")
        if index % 2:
            await library.sessions.close(secret)
    library.clock.time += DAY_SECONDS
    assert await swept(library) == 25
    assert await stored(library, ann.id) is not None
