"""Sessions and API tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from accounts_fixture import CLIENT_IP, PASSWORD, IdentityFixture, identity_fixture, raises_error

from kit.errors import Code
from services.library.identity.credentials import digest
from services.library.identity.sessions import Visit

DAY = 86400.0
NEW = "a better password"


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[IdentityFixture]:
    async with identity_fixture(tmp_path) as built:
        yield built


async def test_a_session_is_stored_as_a_hash_for_14_days(fixture: IdentityFixture, tmp_path: Path) -> None:
    account = await fixture.account()
    secret = await fixture.log_in()
    opened = await fixture.identity.sessions.authenticate(secret)
    assert (opened.account.id, opened.fresh, opened.renewed_secret) == (account.id, True, "")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert secret.encode() not in stored
    assert digest(secret).encode() in stored
    fixture.clock.time += 601
    assert not (await fixture.identity.sessions.authenticate(secret)).fresh
    fixture.clock.time += 14 * DAY
    with raises_error("UNAUTHORIZED", Code.UNAUTHENTICATED):
        await fixture.identity.sessions.authenticate(secret)
    assert await fixture.identity.delete_expired() > 0
    assert await fixture.identity.store.get_session(digest(secret)) is None


async def test_a_used_session_is_renewed_after_7_days(fixture: IdentityFixture) -> None:
    await fixture.account()
    first = await fixture.log_in()
    fixture.clock.time += 7 * DAY - 1
    assert (await fixture.identity.sessions.authenticate(first)).renewed_secret == ""
    fixture.clock.time += 1
    answers = await asyncio.gather(*(fixture.identity.sessions.authenticate(first) for _ in range(5)))
    (second,) = {answer.renewed_secret for answer in answers} - {""}
    assert not any(answer.fresh for answer in answers)
    assert not (await fixture.identity.sessions.authenticate(second)).fresh  # a renewal is not a login
    fixture.clock.time += 59  # parallel requests may still use the old secret
    assert (await fixture.identity.sessions.authenticate(first)).renewed_secret == ""
    fixture.clock.time += 1
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.sessions.authenticate(first)
    fixture.clock.time += 6 * DAY
    with raises_error("PASSWORD_NEEDED"):
        await fixture.identity.accounts.change_password(second, "", NEW, False, CLIENT_IP)


async def test_logging_out_ends_one_session(fixture: IdentityFixture) -> None:
    await fixture.account()
    first, second = await fixture.log_in(), await fixture.log_in()
    assert first != second
    await fixture.identity.sessions.close(first)
    await fixture.identity.sessions.close(first)
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.sessions.authenticate(first)
    assert await fixture.identity.sessions.authenticate(second)


async def test_sessions_are_listed_with_their_last_use(fixture: IdentityFixture) -> None:
    account, sessions = await fixture.account(), fixture.identity.sessions
    first = await fixture.log_in()
    fixture.clock.time += 10
    second = await fixture.log_in()
    await fixture.identity.sessions.authenticate(first, visit=Visit("192.0.2.7", "Firefox"))
    fixture.clock.time += 59
    await fixture.identity.sessions.authenticate(first, visit=Visit("192.0.2.8", "Chrome"))
    (newest, oldest), count = await sessions.list_own(account.id, 0, 10)
    assert (count, newest.use_time, oldest.use_time) == (2, None, 1_000_010.0)
    assert (oldest.ip_address, oldest.user_agent) == ("192.0.2.7", "Firefox")
    fixture.clock.time += 1
    await fixture.identity.sessions.authenticate(first, visit=Visit("192.0.2.8", "Chrome" * 100))
    ((found,), _) = await sessions.list_own(account.id, 1, 1)
    assert (found.use_time, found.ip_address, len(found.user_agent)) == (1_000_070.0, "192.0.2.8", 400)
    assert found.public_id == (await sessions.authenticate(first)).session.public_id
    assert found.public_id not in (first, digest(first), second, digest(second))
    fixture.clock.time += 14 * DAY
    assert (await sessions.list_own(account.id, 0, 10))[0] == []


async def test_a_renewed_session_is_listed_once_and_ends_with_the_one_before(fixture: IdentityFixture) -> None:
    account, sessions = await fixture.account(), fixture.identity.sessions
    first = await fixture.log_in()
    before = (await sessions.authenticate(first)).session.public_id
    fixture.clock.time += 7 * DAY
    second = (await sessions.authenticate(first, visit=Visit("192.0.2.7", "Firefox"))).renewed_secret
    (found,), count = await sessions.list_own(account.id, 0, 10)
    assert (count, found.public_id, found.id, found.user_agent) == (1, before, digest(second), "Firefox")
    await sessions.end(account.id, before)
    for ended in (first, second):
        with raises_error("UNAUTHORIZED"):
            await sessions.authenticate(ended)
    with raises_error("SESSION_NOT_FOUND", Code.NOT_FOUND):
        await sessions.end(account.id, before)


async def test_only_the_own_sessions_can_be_ended(fixture: IdentityFixture) -> None:
    ann, bob = await fixture.account(), await fixture.account("bob@example.org")
    kept, *ended = [await fixture.log_in() for _ in range(3)]
    foreign = await fixture.log_in("bob@example.org")
    sessions = fixture.identity.sessions
    with raises_error("SESSION_NOT_FOUND"):
        await sessions.end(ann.id, (await sessions.authenticate(foreign)).session.public_id)
    await sessions.end_others(ann.id, (await sessions.authenticate(kept)).session.public_id)
    for secret in ended:
        with raises_error("UNAUTHORIZED"):
            await sessions.authenticate(secret)
    assert (await sessions.authenticate(kept)).account.id == ann.id
    assert (await sessions.authenticate(foreign)).account.id == bob.id
    await sessions.end_others(ann.id, "")
    assert await sessions.list_own(ann.id, 0, 10) == ([], 0)


async def test_ended_sessions_are_in_the_audit_log(fixture: IdentityFixture) -> None:
    account = await fixture.account()
    public_id = (await fixture.identity.sessions.authenticate(await fixture.log_in())).session.public_id
    fixture.clock.time += 1
    await fixture.identity.sessions.end(account.id, public_id)
    entry = (await fixture.identity.store.list_audit(0, 1))[0][0]
    assert (entry.action, entry.resource_type, entry.resource_id) == ("session_end", "session", public_id)


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_new_password_revokes_sessions_and_optionally_tokens(fixture: IdentityFixture, revoke: bool) -> None:
    account = await fixture.account()
    first, second = await fixture.log_in(), await fixture.log_in()
    token, _ = await fixture.identity.tokens.create(account, "script")
    third = await fixture.identity.accounts.change_password(first, "", NEW, revoke, CLIENT_IP)
    for ended in (first, second):
        with raises_error("UNAUTHORIZED"):
            await fixture.identity.sessions.authenticate(ended)
    assert (await fixture.identity.sessions.authenticate(third)).account.id == account.id
    with raises_error("CREDENTIALS_INVALID"):
        await fixture.identity.accounts.verify_password("ann@example.org", PASSWORD, CLIENT_IP)
    assert await fixture.identity.accounts.verify_password("ann@example.org", NEW, CLIENT_IP)
    if revoke:
        with raises_error("UNAUTHORIZED"):
            await fixture.identity.tokens.authenticate(token)
        assert await fixture.identity.tokens.list_own(account.id) == []
    else:
        assert await fixture.identity.tokens.authenticate(token)
    assert [mail["To"] for mail in await fixture.mails("password-changed")] == ["ann@example.org"]


async def test_a_new_password_revokes_logins_in_progress(fixture: IdentityFixture) -> None:
    await fixture.account()
    session = await fixture.log_in()
    recognised = await fixture.identity.accounts.verify_password("ann@example.org", PASSWORD, CLIENT_IP)
    await fixture.identity.accounts.change_password(session, PASSWORD, NEW, True, CLIENT_IP)
    late = await fixture.identity.sessions.open(recognised, remembered=True)
    late_token, _ = await fixture.identity.tokens.create(recognised, "late")
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.sessions.authenticate(late)
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.tokens.authenticate(late_token)


async def test_parallel_password_changes_have_one_winner(fixture: IdentityFixture) -> None:
    await fixture.account()
    session = await fixture.log_in()
    changes = [fixture.identity.accounts.change_password(session, "", f"{NEW} {n}", False, CLIENT_IP) for n in range(2)]
    results = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(isinstance(result, str) for result in results) == [False, True]
    assert await fixture.identity.sessions.authenticate(next(r for r in results if isinstance(r, str)))


async def test_an_old_session_requires_the_password(fixture: IdentityFixture) -> None:
    await fixture.account()
    session = await fixture.log_in()
    fixture.clock.time += 601
    with raises_error("PASSWORD_NEEDED", Code.UNPROCESSABLE):
        await fixture.identity.accounts.change_password(session, "", NEW, False, CLIENT_IP)
    with raises_error("VALIDATION_ERROR") as error:
        await fixture.identity.accounts.change_password(session, "wrong password", NEW, False, CLIENT_IP)
    assert error.value.meta["details"] == {"current_password": ["is not valid"]}
    with raises_error("VALIDATION_ERROR"):
        await fixture.identity.accounts.change_password(session, PASSWORD, "short", False, CLIENT_IP)
    assert await fixture.identity.accounts.change_password(session, PASSWORD, NEW, False, CLIENT_IP)


async def test_a_password_change_reports_all_invalid_fields(fixture: IdentityFixture) -> None:
    await fixture.account()
    session = await fixture.log_in()
    change = fixture.identity.accounts.change_password
    new = {
        "password": ["should be at least 12 character(s)"],
        "password_confirmation": ["does not match password"],
    }
    with raises_error("VALIDATION_ERROR") as error:
        await change(session, "", "short", False, CLIENT_IP, "other")
    assert error.value.meta["details"] == new
    with raises_error("VALIDATION_ERROR") as error:
        await change(session, "wrong password", "short", False, CLIENT_IP, "other")
    assert error.value.meta["details"] == {"current_password": ["is not valid"], **new}
    with raises_error("VALIDATION_ERROR") as error:
        await change(session, "", NEW, False, CLIENT_IP, "")
    assert error.value.meta["details"] == {"password_confirmation": ["does not match password"]}
    fixture.clock.time += 601
    with raises_error("PASSWORD_NEEDED") as error:
        await change(session, "", "short", False, CLIENT_IP, "other")
    assert set(error.value.meta["details"]) == {"current_password", *new}
    assert await change(session, PASSWORD, NEW, False, CLIENT_IP, NEW)


async def test_current_password_guesses_are_limited(fixture: IdentityFixture) -> None:
    await fixture.account()
    session = await fixture.log_in()
    for _ in range(5):
        with raises_error("VALIDATION_ERROR"):
            await fixture.identity.accounts.change_password(session, "wrong password", NEW, False, CLIENT_IP)
    with raises_error("RATE_LIMITED"):
        await fixture.identity.accounts.change_password(session, PASSWORD, NEW, False, CLIENT_IP)


async def test_create_list_and_revoke_a_token(fixture: IdentityFixture) -> None:
    ann, bob = await fixture.account(), await fixture.account("bob@example.org")
    secret, token = await fixture.identity.tokens.create_for(ann.id, "  laptop ")
    (listed,) = await fixture.identity.tokens.list_own(ann.id)
    assert (listed.name, listed.prefix, listed.use_time) == ("laptop", secret[:6], None)
    assert secret not in repr(listed)
    assert listed.public_id == token.public_id
    assert digest(secret) not in listed.public_id
    with raises_error("TOKEN_NOT_FOUND", Code.NOT_FOUND):  # another account's
        await fixture.identity.tokens.revoke(bob.id, token.public_id)
    assert await fixture.identity.tokens.authenticate(secret) == ann
    await fixture.identity.tokens.revoke(ann.id, token.public_id)
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.tokens.authenticate(secret)
    with raises_error("TOKEN_NOT_FOUND"):
        await fixture.identity.tokens.revoke(ann.id, token.public_id)


async def test_token_use_time_has_minute_precision(fixture: IdentityFixture) -> None:
    ann = await fixture.account()
    secret, _ = await fixture.identity.tokens.create(ann, "laptop")
    start = fixture.clock.time
    seen = []
    for seconds in (0.0, 59.0, 60.0, 119.0, 121.0):
        fixture.clock.time = start + seconds
        await fixture.identity.tokens.authenticate(secret)
        (token,) = await fixture.identity.tokens.list_own(ann.id)
        seen.append((token.use_time or 0) - start)
    assert seen == [0.0, 0.0, 60.0, 60.0, 121.0]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "\x00"])
async def test_invalid_token_names_are_refused(fixture: IdentityFixture, name: str) -> None:
    ann = await fixture.account()
    with raises_error("VALIDATION_ERROR") as error:
        await fixture.identity.tokens.create(ann, name)
    assert list(error.value.meta["details"]) == ["name"]


async def test_the_number_of_tokens_is_limited(fixture: IdentityFixture) -> None:
    ann = await fixture.account()
    for n in range(50):
        await fixture.identity.tokens.create(ann, f"key {n}")
    with raises_error("TOO_MANY_TOKENS", Code.CONFLICT):
        await fixture.identity.tokens.create(ann, "one more")
    newest = (await fixture.identity.tokens.list_own(ann.id))[0]
    await fixture.identity.tokens.revoke(ann.id, newest.public_id)
    assert await fixture.identity.tokens.create(ann, "one more")


async def test_tokens_require_an_account(fixture: IdentityFixture) -> None:
    for call in (fixture.identity.tokens.list_own("anon:x"), fixture.identity.tokens.create_for("anon:x", "key")):
        with raises_error("ACCOUNT_NEEDED", Code.PERMISSION_DENIED):
            await call


async def test_a_token_expires(fixture: IdentityFixture) -> None:
    ann = await fixture.account()
    secret, token = await fixture.identity.tokens.create_for(ann.id, "script", 30)
    assert token.expire_time == fixture.clock.time + 30 * 86400
    fixture.clock.time += 30 * 86400 - 1
    assert await fixture.identity.tokens.authenticate(secret) == ann
    fixture.clock.time += 1
    with raises_error("UNAUTHORIZED", Code.UNAUTHENTICATED):
        await fixture.identity.tokens.authenticate(secret)
    for days in (-1, 3651):
        with raises_error("VALIDATION_ERROR"):
            await fixture.identity.tokens.create_for(ann.id, "script", days)
