"""Connections to external services: sign-in, ownership and secrets."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
from library_fixture import CLIENT_IP, PASSWORD, Library, opened, reason, refusal

from soundwright.kit.errors import Code
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.library.v1 import connection_service_pb2 as pb
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.connection_rpc import ConnectionRpc
from soundwright.services.library.identity.connections import SignInResult
from soundwright.services.library.identity.records import Connection

SECRET = '{"refresh_token": "the-deepest-secret"}'


async def sign_in(
    library: Library, subject: str = "ann-there", email: str = "ann@example.org", **more: str
) -> SignInResult:
    values = {"label": "Ann", "secret": SECRET, **more}
    return await library.connections.sign_in("spotify", subject, email=email, address=CLIENT_IP, **values)


async def connect(library: Library, account: Account, subject: str = "ann-there", secret: str = SECRET) -> None:
    await library.connections.put(account.id, "spotify", subject, "Ann", secret)


async def owner(library: Library, session_secret: str) -> Account:
    return (await library.sessions.authenticate(session_secret)).account


async def test_sign_in_creates_an_account_and_reuses_it(library: Library) -> None:
    first = await sign_in(library, email=" Ann@Example.org ")
    assert (first.created, first.account.email, first.account.confirm_time) == (True, "ann@example.org", None)
    assert (await owner(library, first.session_secret)).id == first.account.id
    assert await reason(library.log_in(password="")) == "CREDENTIALS_INVALID"
    assert len(await library.mails("confirmation")) == 1
    library.clock.time += 60
    again = await sign_in(library, email="elsewhere@example.org", label="Anna", secret="renewed")
    assert (again.created, again.account.id) == (False, first.account.id)
    connection, secret = await library.connections.get_secret(first.account.id, "spotify")
    assert (connection.subject, connection.label, secret) == ("ann-there", "Anna", "renewed")
    assert (connection.create_time, connection.update_time) == (library.clock.time - 60, library.clock.time)
    assert again.session_secret != first.session_secret


async def test_sign_in_does_not_link_an_existing_email(library: Library) -> None:
    account = await library.account()
    error = await refusal(sign_in(library), "EMAIL_TAKEN", Code.EXISTS)
    assert "Log in to it first" in error.message
    assert await library.connections.list_own(account.id) == []
    assert await library.identity.store.find_connection_by_subject("spotify", "ann-there") is None  # nothing was stored
    await connect(library, account)
    assert (await sign_in(library)).account.id == account.id


@pytest.mark.parametrize("email", ["", "no address"])
async def test_a_new_account_requires_an_email(library: Library, email: str) -> None:
    assert await reason(sign_in(library, email=email), Code.UNPROCESSABLE) == "EMAIL_MISSING"
    assert (await sign_in(library)).created


async def test_new_accounts_per_ip_address_are_limited(tmp_path: Path) -> None:
    async with opened(tmp_path, attempts_per_address=2) as library:
        for number in range(2):
            await sign_in(library, f"subject-{number}", f"{number}@example.org")
        assert await reason(sign_in(library, "subject-2", "2@example.org")) == "RATE_LIMITED"
        assert not (await sign_in(library, "subject-1")).created  # existing accounts are not limited


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_suspended_accounts_cannot_sign_in(library: Library, status: str) -> None:
    account = (await sign_in(library)).account
    await library.identity.store.change_account(account.id, lambda a: dataclasses.replace(a, status=status))
    assert await reason(sign_in(library, secret="renewed")) == "ACCOUNT_SUSPENDED"
    assert (await library.connections.get_secret(account.id, "spotify"))[1] == SECRET


async def test_parallel_sign_ins_create_one_account(library: Library) -> None:
    signed_in = await asyncio.gather(*(sign_in(library) for _ in range(8)))
    assert len({each.account.id for each in signed_in}) == 1
    assert [(await owner(library, each.session_secret)).email for each in signed_in] == ["ann@example.org"] * 8
    assert len(await library.mails("confirmation")) == 1


async def test_an_interrupted_sign_in_is_resumed(library: Library) -> None:
    """The process stopped after it stored the connection, before it stored the account."""
    first = await sign_in(library)
    await library.identity.store._docs.delete("accounts", first.account.id)
    again = await sign_in(library, secret="renewed")
    assert (again.created, again.account.id) == (True, first.account.id)
    assert (await library.connections.get_secret(first.account.id, "spotify"))[1] == "renewed"
    await library.identity.store._docs.delete("accounts", first.account.id)
    bob = await library.account("bob@example.org")
    await connect(library, bob)  # the stale connection does not block it
    assert (await sign_in(library)).account.id == bob.id


async def test_a_subject_belongs_to_one_account(library: Library) -> None:
    ann, bob = await library.account(), await library.account("bob@example.org")
    await connect(library, ann)
    assert await reason(connect(library, bob), Code.EXISTS) == "CONNECTION_TAKEN"
    await connect(library, ann, "another")  # releases the first subject
    await connect(library, bob)
    assert [(await sign_in(library, subject)).account.id for subject in ("ann-there", "another")] == [bob.id, ann.id]
    assert await reason(connect(library, bob, "another")) == "CONNECTION_TAKEN"
    assert len(await library.connections.list_own(bob.id)) == 1


async def test_parallel_connects_of_one_subject_have_one_winner(library: Library) -> None:
    accounts = [await library.account(f"{n}@example.org") for n in range(4)]
    outcomes = await asyncio.gather(*(connect(library, each) for each in accounts), return_exceptions=True)
    assert sorted(getattr(outcome, "reason", "") for outcome in outcomes) == ["", *["CONNECTION_TAKEN"] * 3]


async def test_api_keys_have_no_subject(library: Library) -> None:
    connections = library.connections
    for email in ("ann@example.org", "bob@example.org"):
        account = await library.account(email)
        await connections.put(account.id, "lalalai", "", "", "a-key")
        assert (await connections.get_secret(account.id, "lalalai"))[1] == "a-key"
    assert await reason(sign_in(library, subject="")) == "VALIDATION_ERROR"


async def test_login_link_revokes_connections_of_an_unconfirmed_account(library: Library) -> None:
    """A stranger registered with Ann's address, connected services, and waits for her to use the account."""
    prepared = (await sign_in(library, "mallory-there")).account
    await library.connections.put(prepared.id, "lalalai", "", "", "a-key")
    await library.request_login()
    _, account = await library.email_links.log_in(await library.secret("login-link"), remembered=False)
    assert account.id == prepared.id
    assert await library.connections.list_own(account.id) == []
    for provider in ("spotify", "lalalai"):
        assert await reason(library.connections.get_secret(account.id, provider)) == "CONNECTION_NOT_FOUND"
    assert await reason(sign_in(library, "mallory-there")) == "EMAIL_TAKEN"
    assert (await sign_in(library, "mallory-there", "mallory@example.org")).account.id != account.id
    await connect(library, account)
    assert (await sign_in(library)).account.id == account.id
    await library.request_login()
    await library.email_links.log_in(await library.secret("login-link"), remembered=False)
    assert (await sign_in(library)).account.id == account.id  # a login to a confirmed account revokes nothing


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_new_password_revokes_connections_on_request(library: Library, revoke: bool) -> None:
    account = await library.account()
    await connect(library, account, "mallory-there")
    await library.change_password(await library.log_in(), "", "another good password", revoke)
    if revoke:
        assert await reason(sign_in(library, "mallory-there")) == "EMAIL_TAKEN"
    else:
        assert (await sign_in(library, "mallory-there")).account.id == account.id


async def test_replace_secret_requires_the_current_revision(library: Library) -> None:
    account = (await sign_in(library)).account
    connections = library.connections
    revision = (await connections.get_secret(account.id, "spotify"))[0].revision
    assert await connections.replace_secret(account.id, "spotify", "one", revision)
    assert not await connections.replace_secret(account.id, "spotify", "two", revision)
    connection, secret = await connections.get_secret(account.id, "spotify")
    assert (secret, connection.revision) == ("one", revision + 1)
    await connections.delete(account.id, "spotify")
    assert not await connections.replace_secret(account.id, "spotify", "three", connection.revision)


async def test_secrets_are_encrypted_per_account(library: Library, tmp_path: Path) -> None:
    ann, bob = await library.account(), await library.account("bob@example.org")
    await connect(library, ann)
    await connect(library, bob, "bob-there", "another")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert b"ann-there" in stored
    assert b"the-deepest-secret" not in stored
    assert "the-deepest-secret" not in repr(await library.connections.list_own(ann.id))
    store = library.identity.store
    theirs, mine = await store.connections.get(f"{ann.id}:spotify"), await store.connections.get(f"{bob.id}:spotify")
    assert theirs is not None
    assert mine is not None
    await store.replace_connection(dataclasses.replace(mine, secret_sealed=theirs.secret_sealed))
    assert await reason(library.connections.get_secret(bob.id, "spotify")) == "SECRET_UNREADABLE"


@pytest.mark.parametrize(
    ("field", "value"), [("provider", "tidal"), ("subject", "x" * 201), ("subject", "a\nb"), ("secret", "x" * 16_385)]
)
async def test_invalid_values_are_refused(library: Library, field: str, value: str) -> None:
    account = await library.account()
    values = {"provider": "spotify", "subject": "ann", "label": "", "secret": SECRET, field: value}
    error = await refusal(library.connections.put(account.id, **values), "VALIDATION_ERROR")
    assert list(error.meta["details"]) == [field]
    assert value not in error.message


async def test_labels_are_sanitized(library: Library) -> None:
    account = await library.account()
    stored = await library.connections.put(account.id, "spotify", "ann", "A\x00n\n n\u202e" + "x" * 300, SECRET)
    assert stored.label == "A n n " + "x" * 194


async def test_connection_rpc(library: Library) -> None:
    rpc = ConnectionRpc(library.connections)
    account = await library.account()
    with principal_scope(Principal(account.id, "user")):
        put = pb.PutConnectionRequest(provider="spotify", subject="ann", label="Ann", secret=SECRET)
        stored = (await rpc.PutConnection(put, None)).connection
        assert (await rpc.ListConnections(pb.ListConnectionsRequest(), None)).connections == [stored]
    assert (stored.provider, stored.subject, stored.label) == ("spotify", "ann", "Ann")
    assert stored.create_time.seconds == library.clock.time
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
    assert (await owner(library, signed_in.session_token)).email == "ann@example.org"
    with principal_scope(Principal(account.id, "user")):
        await rpc.DeleteConnection(pb.DeleteConnectionRequest(provider="spotify"), None)
        assert not (await rpc.ListConnections(pb.ListConnectionsRequest(), None)).connections
    await library.log_in(password=PASSWORD)


async def test_sign_in_does_not_restore_a_deleted_connection(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in that races with the deletion of the connection must not restore it."""
    account = (await sign_in(library)).account
    store, find = library.identity.store, library.identity.store.find_connection_by_subject

    async def find_then_delete(provider: str, subject: str) -> Connection | None:
        found = await find(provider, subject)
        await library.connections.delete(account.id, provider)
        return found

    monkeypatch.setattr(store, "find_connection_by_subject", find_then_delete)
    assert await reason(sign_in(library)) == "EMAIL_TAKEN"
    assert await library.connections.list_own(account.id) == []
