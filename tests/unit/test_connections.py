"""Connections to accounts elsewhere: who they log in, whose they are, and what is stored of their secrets."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from accounts_world import HERE, PASSWORD, World, refused, world_in
from soundwright.library.v1 import connection_service_pb2 as pb

from kit.errors import Code
from kit.identity import Principal, principal_scope
from services.library.connection_rpc import ConnectionRpc
from services.library.connections import Connection, SignedIn
from services.library.service import Account

SECRET = '{"refresh_token": "the-deepest-secret"}'


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        yield made


async def sign_in(world: World, subject: str = "ann-there", email: str = "ann@example.org", **more: str) -> SignedIn:
    values = {"label": "Ann", "secret": SECRET, **more}
    return await world.people.connections.sign_in("spotify", subject, email=email, address=HERE, **values)


async def connect(world: World, account: Account, subject: str = "ann-there", secret: str = SECRET) -> None:
    await world.people.connections.put(account.id, "spotify", subject, "Ann", secret)


async def owner(world: World, session_secret: str) -> Account:
    return (await world.people.sessions.authenticate(session_secret)).account


async def test_who_is_not_known_gets_an_account_and_then_always_that_one(world: World) -> None:
    first = await sign_in(world, email=" Ann@Example.org ")
    assert (first.created, first.account.email, first.account.confirm_time) == (True, "ann@example.org", None)
    assert (await owner(world, first.session_secret)).id == first.account.id
    with refused("CREDENTIALS_INVALID"):
        await world.log_in(password="")
    assert len(await world.mails("confirmation")) == 1
    world.clock.time += 60
    again = await sign_in(world, email="elsewhere@example.org", label="Anna", secret="renewed")
    assert (again.created, again.account.id) == (False, first.account.id)
    connection, secret = await world.people.connections.secret(first.account.id, "spotify")
    assert (connection.subject, connection.label, secret) == ("ann-there", "Anna", "renewed")
    assert (connection.create_time, connection.update_time) == (world.clock.time - 60, world.clock.time)
    assert again.session_secret != first.session_secret


async def test_an_address_that_is_taken_is_never_linked_by_itself(world: World) -> None:
    account = await world.account()
    with refused("EMAIL_TAKEN", Code.CONFLICT) as refusal:
        await sign_in(world)
    assert "Log in to it first" in refusal.value.message
    assert await world.people.connections.list_own(account.id) == []
    assert await world.people.store.connection_by_subject("spotify", "ann-there") is None  # nothing of theirs is kept
    await connect(world, account)
    assert (await sign_in(world)).account.id == account.id


@pytest.mark.parametrize("email", ["", "no address"])
async def test_a_new_account_needs_an_address(world: World, email: str) -> None:
    with refused("EMAIL_MISSING", Code.UNPROCESSABLE):
        await sign_in(world, email=email)
    assert (await sign_in(world)).created


async def test_no_new_accounts_where_registration_is_closed(tmp_path: Path) -> None:
    async with world_in(tmp_path, registration=False) as world:
        with refused("REGISTRATION_CLOSED"):
            await sign_in(world)
        assert await world.people.store.account_by_email("ann@example.org") is None


async def test_an_address_makes_so_many_accounts_and_then_waits(tmp_path: Path) -> None:
    async with world_in(tmp_path, attempts_per_address=2) as world:
        for number in range(2):
            await sign_in(world, f"subject-{number}", f"{number}@example.org")
        with refused("RATE_LIMITED"):
            await sign_in(world, "subject-2", "2@example.org")
        assert not (await sign_in(world, "subject-1")).created  # who has an account does not wait


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_who_is_suspended_stays_out(world: World, status: str) -> None:
    account = (await sign_in(world)).account
    await world.people.store.change_account(account.id, lambda a: dataclasses.replace(a, status=status))
    with refused("ACCOUNT_SUSPENDED"):
        await sign_in(world, secret="renewed")
    assert (await world.people.connections.secret(account.id, "spotify"))[1] == SECRET


async def test_one_account_for_logins_at_once(world: World) -> None:
    signed_in = await asyncio.gather(*(sign_in(world) for _ in range(8)))
    assert len({each.account.id for each in signed_in}) == 1
    assert [(await owner(world, each.session_secret)).email for each in signed_in] == ["ann@example.org"] * 8
    assert len(await world.mails("confirmation")) == 1


async def test_a_login_that_broke_off_goes_on(world: World) -> None:
    """The process died between the connection and the account."""
    first = await sign_in(world)
    await world.people.store._docs.delete("accounts", first.account.id)
    again = await sign_in(world, secret="renewed")
    assert (again.created, again.account.id) == (True, first.account.id)
    assert (await world.people.connections.secret(first.account.id, "spotify"))[1] == "renewed"
    await world.people.store._docs.delete("accounts", first.account.id)
    bob = await world.account("bob@example.org")
    await connect(world, bob)  # and is in nobody's way
    assert (await sign_in(world)).account.id == bob.id


async def test_one_subject_is_one_account_s(world: World) -> None:
    ann, bob = await world.account(), await world.account("bob@example.org")
    await connect(world, ann)
    with refused("CONNECTION_TAKEN", Code.CONFLICT):
        await connect(world, bob)
    await connect(world, ann, "another")  # which makes room
    await connect(world, bob)
    assert [(await sign_in(world, subject)).account.id for subject in ("ann-there", "another")] == [bob.id, ann.id]
    with refused("CONNECTION_TAKEN"):
        await connect(world, bob, "another")
    assert len(await world.people.connections.list_own(bob.id)) == 1


async def test_of_two_who_connect_the_same_at_once_one_does(world: World) -> None:
    accounts = [await world.account(f"{n}@example.org") for n in range(4)]
    outcomes = await asyncio.gather(*(connect(world, each) for each in accounts), return_exceptions=True)
    assert sorted(getattr(outcome, "reason", "") for outcome in outcomes) == ["", *["CONNECTION_TAKEN"] * 3]


async def test_keys_have_no_subject_and_may_be_the_same(world: World) -> None:
    connections = world.people.connections
    for email in ("ann@example.org", "bob@example.org"):
        account = await world.account(email)
        await connections.put(account.id, "lalalai", "", "", "a-key")
        assert (await connections.secret(account.id, "lalalai"))[1] == "a-key"
    with refused("VALIDATION_ERROR"):
        await sign_in(world, subject="")


async def test_taking_leave(world: World) -> None:
    account = (await sign_in(world)).account
    for _ in range(2):
        await world.people.connections.delete(account.id, "spotify")
    with refused("CONNECTION_NOT_FOUND", Code.NOT_FOUND):
        await world.people.connections.secret(account.id, "spotify")
    with refused("EMAIL_TAKEN"):
        await sign_in(world)
    await world.people.mailboxes.request_login("ann@example.org", HERE)
    _, same = await world.people.mailboxes.log_in(await world.secret("login-link"), remembered=False)
    assert same.id == account.id


async def test_a_mailbox_that_takes_an_account_over_takes_connections_away(world: World) -> None:
    """Somebody made an account with the address of Ann, whose mailbox is not theirs, and waits for her to use it."""
    prepared = (await sign_in(world, "mallory-there")).account
    await world.people.connections.put(prepared.id, "lalalai", "", "", "a-key")
    await world.people.mailboxes.request_login("ann@example.org", HERE)
    _, account = await world.people.mailboxes.log_in(await world.secret("login-link"), remembered=False)
    assert account.id == prepared.id
    assert await world.people.connections.list_own(account.id) == []
    for provider in ("spotify", "lalalai"):
        with refused("CONNECTION_NOT_FOUND"):
            await world.people.connections.secret(account.id, provider)
    with refused("EMAIL_TAKEN"):
        await sign_in(world, "mallory-there")
    assert (await sign_in(world, "mallory-there", "mallory@example.org")).account.id != account.id
    await connect(world, account)
    assert (await sign_in(world)).account.id == account.id
    await world.people.mailboxes.request_login("ann@example.org", HERE)
    await world.people.mailboxes.log_in(await world.secret("login-link"), remembered=False)
    assert (await sign_in(world)).account.id == account.id  # an address that is confirmed takes nothing away


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_new_password_takes_connections_away_if_wished(world: World, revoke: bool) -> None:
    account = await world.account()
    await connect(world, account, "mallory-there")
    await world.people.accounts.change_password(await world.log_in(), "", "another good password", revoke, HERE)
    if revoke:
        with refused("EMAIL_TAKEN"):
            await sign_in(world, "mallory-there")
    else:
        assert (await sign_in(world, "mallory-there")).account.id == account.id


async def test_who_renews_a_secret_first_wins(world: World) -> None:
    account = (await sign_in(world)).account
    connections = world.people.connections
    revision = (await connections.secret(account.id, "spotify"))[0].revision
    assert await connections.replace_secret(account.id, "spotify", "one", revision)
    assert not await connections.replace_secret(account.id, "spotify", "two", revision)
    connection, secret = await connections.secret(account.id, "spotify")
    assert (secret, connection.revision) == ("one", revision + 1)
    await connections.delete(account.id, "spotify")
    assert not await connections.replace_secret(account.id, "spotify", "three", connection.revision)


async def test_secrets_are_sealed_for_their_account(world: World, tmp_path: Path) -> None:
    ann, bob = await world.account(), await world.account("bob@example.org")
    await connect(world, ann)
    await connect(world, bob, "bob-there", "another")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert b"ann-there" in stored
    assert b"the-deepest-secret" not in stored
    assert "the-deepest-secret" not in repr(await world.people.connections.list_own(ann.id))
    store = world.people.store
    theirs, mine = await store.connection(f"{ann.id}:spotify"), await store.connection(f"{bob.id}:spotify")
    assert theirs is not None
    assert mine is not None
    await store.replace_connection(dataclasses.replace(mine, secret_sealed=theirs.secret_sealed))
    with refused("SECRET_UNREADABLE"):
        await world.people.connections.secret(bob.id, "spotify")


@pytest.mark.parametrize(
    ("field", "value"),
    [("provider", "tidal"), ("subject", "x" * 201), ("subject", "a\nb"), ("secret", "x" * 16_385)],
)
async def test_what_does_not_fit(world: World, field: str, value: str) -> None:
    account = await world.account()
    values = {"provider": "spotify", "subject": "ann", "label": "", "secret": SECRET, field: value}
    with refused("VALIDATION_ERROR") as refusal:
        await world.people.connections.put(account.id, **values)
    assert list(refusal.value.meta["details"]) == [field]
    assert value not in refusal.value.message


async def test_names_are_made_harmless(world: World) -> None:
    account = await world.account()
    stored = await world.people.connections.put(account.id, "spotify", "ann", "A\x00n\n n\u202e" + "x" * 300, SECRET)
    assert stored.label == "A n n " + "x" * 194


async def test_on_the_wire(world: World) -> None:
    rpc = ConnectionRpc(world.people.connections)
    account = await world.account()
    with principal_scope(Principal(account.id, "user")):
        put = pb.PutConnectionRequest(provider="spotify", subject="ann", label="Ann", secret=SECRET)
        stored = (await rpc.PutConnection(put, None)).connection
        assert (await rpc.ListConnections(pb.ListConnectionsRequest(), None)).connections == [stored]
        for call, request in (
            (rpc.SignIn, pb.SignInRequest(provider="spotify", subject="ann")),
            (rpc.GetConnectionSecret, pb.GetConnectionSecretRequest(account_id=account.id, provider="spotify")),
            (rpc.ReplaceConnectionSecret, pb.ReplaceConnectionSecretRequest(account_id=account.id)),
        ):
            with refused("SERVICE_ONLY"):
                await call(request, None)  # type: ignore[arg-type]
    assert (stored.provider, stored.subject, stored.label) == ("spotify", "ann", "Ann")
    assert stored.create_time.seconds == world.clock.time
    with principal_scope(Principal("gateway", "service")):
        signed_in = await rpc.SignIn(
            pb.SignInRequest(provider="spotify", subject="ann", label="Ann", secret=SECRET, ip_address=HERE), None
        )
        asked = pb.GetConnectionSecretRequest(account_id=account.id, provider="spotify")
        known = await rpc.GetConnectionSecret(asked, None)
        assert (known.secret, known.connection.label, known.revision) == (SECRET, "Ann", 2)
        replacing = pb.ReplaceConnectionSecretRequest(
            account_id=account.id, provider="spotify", secret="renewed", revision=known.revision
        )
        assert (await rpc.ReplaceConnectionSecret(replacing, None)).replaced
        assert not (await rpc.ReplaceConnectionSecret(replacing, None)).replaced
    assert (signed_in.created, signed_in.account.id) == (False, account.id)
    assert (await owner(world, signed_in.session_token)).email == "ann@example.org"
    with principal_scope(Principal(account.id, "user")):
        await rpc.DeleteConnection(pb.DeleteConnectionRequest(provider="spotify"), None)
        assert not (await rpc.ListConnections(pb.ListConnectionsRequest(), None)).connections
    await world.log_in(password=PASSWORD)


async def test_what_is_taken_away_does_not_come_back_with_a_login(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever logs in again and again must not keep the owner of the account from putting an end to it."""
    account = (await sign_in(world)).account
    store, find = world.people.store, world.people.store.connection_by_subject

    async def found_and_then_removed(provider: str, subject: str) -> Connection | None:
        found = await find(provider, subject)
        await world.people.connections.delete(account.id, provider)
        return found

    monkeypatch.setattr(store, "connection_by_subject", found_and_then_removed)
    with refused("EMAIL_TAKEN"):
        await sign_in(world)
    assert await world.people.connections.list_own(account.id) == []
