"""Connections to external services: sign-in, ownership and secrets."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from accounts_fixture import CLIENT_IP, PASSWORD, IdentityFixture, identity_fixture, raises_error
from soundwright.library.v1 import connection_service_pb2 as pb

from kit.errors import Code
from kit.security.identity import Principal, principal_scope
from services.library.identity.account import Account
from services.library.identity.connection_rpc import ConnectionRpc
from services.library.identity.connections import Connection, SignInResult

SECRET = '{"refresh_token": "the-deepest-secret"}'


@pytest_asyncio.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[IdentityFixture]:
    async with identity_fixture(tmp_path) as made:
        yield made


async def sign_in(
    fixture: IdentityFixture, subject: str = "ann-there", email: str = "ann@example.org", **more: str
) -> SignInResult:
    values = {"label": "Ann", "secret": SECRET, **more}
    return await fixture.identity.connections.sign_in("spotify", subject, email=email, address=CLIENT_IP, **values)


async def connect(fixture: IdentityFixture, account: Account, subject: str = "ann-there", secret: str = SECRET) -> None:
    await fixture.identity.connections.put(account.id, "spotify", subject, "Ann", secret)


async def owner(fixture: IdentityFixture, session_secret: str) -> Account:
    return (await fixture.identity.sessions.authenticate(session_secret)).account


async def test_sign_in_creates_an_account_and_reuses_it(fixture: IdentityFixture) -> None:
    first = await sign_in(fixture, email=" Ann@Example.org ")
    assert (first.created, first.account.email, first.account.confirm_time) == (True, "ann@example.org", None)
    assert (await owner(fixture, first.session_secret)).id == first.account.id
    with raises_error("CREDENTIALS_INVALID"):
        await fixture.log_in(password="")
    assert len(await fixture.mails("confirmation")) == 1
    fixture.clock.time += 60
    again = await sign_in(fixture, email="elsewhere@example.org", label="Anna", secret="renewed")
    assert (again.created, again.account.id) == (False, first.account.id)
    connection, secret = await fixture.identity.connections.get_secret(first.account.id, "spotify")
    assert (connection.subject, connection.label, secret) == ("ann-there", "Anna", "renewed")
    assert (connection.create_time, connection.update_time) == (fixture.clock.time - 60, fixture.clock.time)
    assert again.session_secret != first.session_secret


async def test_sign_in_does_not_link_an_existing_email(fixture: IdentityFixture) -> None:
    account = await fixture.account()
    with raises_error("EMAIL_TAKEN", Code.CONFLICT) as error:
        await sign_in(fixture)
    assert "Log in to it first" in error.value.message
    assert await fixture.identity.connections.list_own(account.id) == []
    assert await fixture.identity.store.find_connection_by_subject("spotify", "ann-there") is None  # nothing was stored
    await connect(fixture, account)
    assert (await sign_in(fixture)).account.id == account.id


@pytest.mark.parametrize("email", ["", "no address"])
async def test_a_new_account_requires_an_email(fixture: IdentityFixture, email: str) -> None:
    with raises_error("EMAIL_MISSING", Code.UNPROCESSABLE):
        await sign_in(fixture, email=email)
    assert (await sign_in(fixture)).created


async def test_sign_in_respects_closed_registration(tmp_path: Path) -> None:
    async with identity_fixture(tmp_path, registration=False) as fixture:
        with raises_error("REGISTRATION_CLOSED"):
            await sign_in(fixture)
        assert await fixture.identity.store.find_account_by_email("ann@example.org") is None


async def test_new_accounts_per_ip_address_are_limited(tmp_path: Path) -> None:
    async with identity_fixture(tmp_path, attempts_per_address=2) as fixture:
        for number in range(2):
            await sign_in(fixture, f"subject-{number}", f"{number}@example.org")
        with raises_error("RATE_LIMITED"):
            await sign_in(fixture, "subject-2", "2@example.org")
        assert not (await sign_in(fixture, "subject-1")).created  # existing accounts are not limited


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_suspended_accounts_cannot_sign_in(fixture: IdentityFixture, status: str) -> None:
    account = (await sign_in(fixture)).account
    await fixture.identity.store.change_account(account.id, lambda a: dataclasses.replace(a, status=status))
    with raises_error("ACCOUNT_SUSPENDED"):
        await sign_in(fixture, secret="renewed")
    assert (await fixture.identity.connections.get_secret(account.id, "spotify"))[1] == SECRET


async def test_parallel_sign_ins_create_one_account(fixture: IdentityFixture) -> None:
    signed_in = await asyncio.gather(*(sign_in(fixture) for _ in range(8)))
    assert len({each.account.id for each in signed_in}) == 1
    assert [(await owner(fixture, each.session_secret)).email for each in signed_in] == ["ann@example.org"] * 8
    assert len(await fixture.mails("confirmation")) == 1


async def test_an_interrupted_sign_in_is_resumed(fixture: IdentityFixture) -> None:
    """The process stopped after it stored the connection, before it stored the account."""
    first = await sign_in(fixture)
    await fixture.identity.store._docs.delete("accounts", first.account.id)
    again = await sign_in(fixture, secret="renewed")
    assert (again.created, again.account.id) == (True, first.account.id)
    assert (await fixture.identity.connections.get_secret(first.account.id, "spotify"))[1] == "renewed"
    await fixture.identity.store._docs.delete("accounts", first.account.id)
    bob = await fixture.account("bob@example.org")
    await connect(fixture, bob)  # the stale connection does not block it
    assert (await sign_in(fixture)).account.id == bob.id


async def test_a_subject_belongs_to_one_account(fixture: IdentityFixture) -> None:
    ann, bob = await fixture.account(), await fixture.account("bob@example.org")
    await connect(fixture, ann)
    with raises_error("CONNECTION_TAKEN", Code.CONFLICT):
        await connect(fixture, bob)
    await connect(fixture, ann, "another")  # releases the first subject
    await connect(fixture, bob)
    assert [(await sign_in(fixture, subject)).account.id for subject in ("ann-there", "another")] == [bob.id, ann.id]
    with raises_error("CONNECTION_TAKEN"):
        await connect(fixture, bob, "another")
    assert len(await fixture.identity.connections.list_own(bob.id)) == 1


async def test_parallel_connects_of_one_subject_have_one_winner(fixture: IdentityFixture) -> None:
    accounts = [await fixture.account(f"{n}@example.org") for n in range(4)]
    outcomes = await asyncio.gather(*(connect(fixture, each) for each in accounts), return_exceptions=True)
    assert sorted(getattr(outcome, "reason", "") for outcome in outcomes) == ["", *["CONNECTION_TAKEN"] * 3]


async def test_api_keys_have_no_subject(fixture: IdentityFixture) -> None:
    connections = fixture.identity.connections
    for email in ("ann@example.org", "bob@example.org"):
        account = await fixture.account(email)
        await connections.put(account.id, "lalalai", "", "", "a-key")
        assert (await connections.get_secret(account.id, "lalalai"))[1] == "a-key"
    with raises_error("VALIDATION_ERROR"):
        await sign_in(fixture, subject="")


async def test_delete_connection(fixture: IdentityFixture) -> None:
    account = (await sign_in(fixture)).account
    for _ in range(2):
        await fixture.identity.connections.delete(account.id, "spotify")
    with raises_error("CONNECTION_NOT_FOUND", Code.NOT_FOUND):
        await fixture.identity.connections.get_secret(account.id, "spotify")
    with raises_error("EMAIL_TAKEN"):
        await sign_in(fixture)
    await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)
    _, same = await fixture.identity.email_links.log_in(await fixture.secret("login-link"), remembered=False)
    assert same.id == account.id


async def test_login_link_revokes_connections_of_an_unconfirmed_account(fixture: IdentityFixture) -> None:
    """A stranger registered with Ann's address, connected services, and waits for her to use the account."""
    prepared = (await sign_in(fixture, "mallory-there")).account
    await fixture.identity.connections.put(prepared.id, "lalalai", "", "", "a-key")
    await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)
    _, account = await fixture.identity.email_links.log_in(await fixture.secret("login-link"), remembered=False)
    assert account.id == prepared.id
    assert await fixture.identity.connections.list_own(account.id) == []
    for provider in ("spotify", "lalalai"):
        with raises_error("CONNECTION_NOT_FOUND"):
            await fixture.identity.connections.get_secret(account.id, provider)
    with raises_error("EMAIL_TAKEN"):
        await sign_in(fixture, "mallory-there")
    assert (await sign_in(fixture, "mallory-there", "mallory@example.org")).account.id != account.id
    await connect(fixture, account)
    assert (await sign_in(fixture)).account.id == account.id
    await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)
    await fixture.identity.email_links.log_in(await fixture.secret("login-link"), remembered=False)
    assert (await sign_in(fixture)).account.id == account.id  # a login to a confirmed account revokes nothing


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_new_password_revokes_connections_on_request(fixture: IdentityFixture, revoke: bool) -> None:
    account = await fixture.account()
    await connect(fixture, account, "mallory-there")
    await fixture.identity.accounts.change_password(
        await fixture.log_in(), "", "another good password", revoke, CLIENT_IP
    )
    if revoke:
        with raises_error("EMAIL_TAKEN"):
            await sign_in(fixture, "mallory-there")
    else:
        assert (await sign_in(fixture, "mallory-there")).account.id == account.id


async def test_replace_secret_requires_the_current_revision(fixture: IdentityFixture) -> None:
    account = (await sign_in(fixture)).account
    connections = fixture.identity.connections
    revision = (await connections.get_secret(account.id, "spotify"))[0].revision
    assert await connections.replace_secret(account.id, "spotify", "one", revision)
    assert not await connections.replace_secret(account.id, "spotify", "two", revision)
    connection, secret = await connections.get_secret(account.id, "spotify")
    assert (secret, connection.revision) == ("one", revision + 1)
    await connections.delete(account.id, "spotify")
    assert not await connections.replace_secret(account.id, "spotify", "three", connection.revision)


async def test_secrets_are_encrypted_per_account(fixture: IdentityFixture, tmp_path: Path) -> None:
    ann, bob = await fixture.account(), await fixture.account("bob@example.org")
    await connect(fixture, ann)
    await connect(fixture, bob, "bob-there", "another")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert b"ann-there" in stored
    assert b"the-deepest-secret" not in stored
    assert "the-deepest-secret" not in repr(await fixture.identity.connections.list_own(ann.id))
    store = fixture.identity.store
    theirs, mine = await store.get_connection(f"{ann.id}:spotify"), await store.get_connection(f"{bob.id}:spotify")
    assert theirs is not None
    assert mine is not None
    await store.replace_connection(dataclasses.replace(mine, secret_sealed=theirs.secret_sealed))
    with raises_error("SECRET_UNREADABLE"):
        await fixture.identity.connections.get_secret(bob.id, "spotify")


@pytest.mark.parametrize(
    ("field", "value"),
    [("provider", "tidal"), ("subject", "x" * 201), ("subject", "a\nb"), ("secret", "x" * 16_385)],
)
async def test_invalid_values_are_refused(fixture: IdentityFixture, field: str, value: str) -> None:
    account = await fixture.account()
    values = {"provider": "spotify", "subject": "ann", "label": "", "secret": SECRET, field: value}
    with raises_error("VALIDATION_ERROR") as error:
        await fixture.identity.connections.put(account.id, **values)
    assert list(error.value.meta["details"]) == [field]
    assert value not in error.value.message


async def test_labels_are_sanitized(fixture: IdentityFixture) -> None:
    account = await fixture.account()
    stored = await fixture.identity.connections.put(
        account.id, "spotify", "ann", "A\x00n\n n\u202e" + "x" * 300, SECRET
    )
    assert stored.label == "A n n " + "x" * 194


async def test_connection_rpc(fixture: IdentityFixture) -> None:
    rpc = ConnectionRpc(fixture.identity.connections)
    account = await fixture.account()
    with principal_scope(Principal(account.id, "user")):
        put = pb.PutConnectionRequest(provider="spotify", subject="ann", label="Ann", secret=SECRET)
        stored = (await rpc.PutConnection(put, None)).connection
        assert (await rpc.ListConnections(pb.ListConnectionsRequest(), None)).connections == [stored]
    assert (stored.provider, stored.subject, stored.label) == ("spotify", "ann", "Ann")
    assert stored.create_time.seconds == fixture.clock.time
    with principal_scope(Principal("gateway", "service")):
        signed_in = await rpc.SignIn(
            pb.SignInRequest(provider="spotify", subject="ann", label="Ann", secret=SECRET, ip_address=CLIENT_IP), None
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
    assert (await owner(fixture, signed_in.session_token)).email == "ann@example.org"
    with principal_scope(Principal(account.id, "user")):
        await rpc.DeleteConnection(pb.DeleteConnectionRequest(provider="spotify"), None)
        assert not (await rpc.ListConnections(pb.ListConnectionsRequest(), None)).connections
    await fixture.log_in(password=PASSWORD)


async def test_sign_in_does_not_restore_a_deleted_connection(
    fixture: IdentityFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in that races with the deletion of the connection must not restore it."""
    account = (await sign_in(fixture)).account
    store, find = fixture.identity.store, fixture.identity.store.find_connection_by_subject

    async def find_then_delete(provider: str, subject: str) -> Connection | None:
        found = await find(provider, subject)
        await fixture.identity.connections.delete(account.id, provider)
        return found

    monkeypatch.setattr(store, "find_connection_by_subject", find_then_delete)
    with raises_error("EMAIL_TAKEN"):
        await sign_in(fixture)
    assert await fixture.identity.connections.list_own(account.id) == []
