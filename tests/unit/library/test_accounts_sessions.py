"""Sessions and API tokens."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from library_fixture import CLIENT_IP, PASSWORD, START, Library, reason, refusal

from soundwright.kit import errors
from soundwright.kit.errors import Code
from soundwright.kit.security.identity import Principal, address_scope
from soundwright.services.library.bearer_secrets import digest
from soundwright.services.library.identity.sessions import Visit

DAY = 86400.0
NEW = "a better password"


async def test_a_session_is_stored_as_a_hash_for_14_days(library: Library, tmp_path: Path) -> None:
    account = await library.account()
    secret = await library.log_in()
    opened = await library.sessions.authenticate(secret)
    assert (opened.account.id, opened.fresh, opened.renewed_secret) == (account.id, True, "")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert secret.encode() not in stored
    assert digest(secret).encode() in stored
    library.clock.time += 601
    assert not (await library.sessions.authenticate(secret)).fresh
    library.clock.time += 14 * DAY
    assert await reason(library.sessions.authenticate(secret), Code.UNAUTHENTICATED) == "UNAUTHORIZED"
    assert await library.identity.delete_expired() > 0
    assert await library.identity.store.sessions.get(digest(secret)) is None


async def test_a_used_session_is_renewed_after_7_days(library: Library) -> None:
    await library.account()
    first = await library.log_in()
    library.clock.time += 7 * DAY - 1
    assert (await library.sessions.authenticate(first)).renewed_secret == ""
    library.clock.time += 1
    answers = await asyncio.gather(*(library.sessions.authenticate(first) for _ in range(5)))
    (second,) = {answer.renewed_secret for answer in answers} - {""}
    assert not any(answer.fresh for answer in answers)
    assert not (await library.sessions.authenticate(second)).fresh  # a renewal is not a login
    library.clock.time += 59  # parallel requests may still use the old secret
    assert (await library.sessions.authenticate(first)).renewed_secret == ""
    library.clock.time += 1
    assert await reason(library.sessions.authenticate(first)) == "UNAUTHORIZED"
    library.clock.time += 6 * DAY
    assert await reason(library.change_password(second, "", NEW)) == "PASSWORD_NEEDED"


async def test_a_session_stays_if_the_store_fails_when_it_is_renewed(library: Library) -> None:
    await library.account()
    secret = await library.log_in()
    library.clock.time += 7 * DAY

    async def fail(_session: object) -> bool:
        raise errors.STORE_UNAVAILABLE()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(library.identity.store.sessions, "add", fail)
        assert await reason(library.sessions.authenticate(secret)) == "STORE_UNAVAILABLE"
    library.clock.time += DAY
    assert (await library.sessions.authenticate(secret)).renewed_secret


async def test_sessions_are_listed_with_their_last_use(library: Library) -> None:
    account, sessions = await library.account(), library.sessions
    first = await library.log_in()
    library.clock.time += 10
    second = await library.log_in()
    await library.sessions.authenticate(first, visit=Visit("192.0.2.7", "Firefox"))
    library.clock.time += 59
    await library.sessions.authenticate(first, visit=Visit("192.0.2.8", "Chrome"))
    (newest, oldest), count = await sessions.list_own(account.id, 0, 10)
    assert (count, newest.use_time, oldest.use_time) == (2, None, START + 10)
    assert (oldest.ip_address, oldest.user_agent) == ("192.0.2.7", "Firefox")
    library.clock.time += 1
    await library.sessions.authenticate(first, visit=Visit("192.0.2.8", "Chrome" * 100))
    ((found,), _) = await sessions.list_own(account.id, 1, 1)
    assert (found.use_time, found.ip_address, len(found.user_agent)) == (START + 70, "192.0.2.8", 400)
    assert found.public_id == (await sessions.authenticate(first)).session.public_id
    assert found.public_id not in (first, digest(first), second, digest(second))
    library.clock.time += 14 * DAY
    assert (await sessions.list_own(account.id, 0, 10))[0] == []


async def test_a_renewed_session_is_listed_once_and_ends_with_the_one_before(library: Library) -> None:
    account, sessions = await library.account(), library.sessions
    first = await library.log_in()
    before = (await sessions.authenticate(first)).session.public_id
    library.clock.time += 7 * DAY
    second = (await sessions.authenticate(first, visit=Visit("192.0.2.7", "Firefox"))).renewed_secret
    (found,), count = await sessions.list_own(account.id, 0, 10)
    assert (count, found.public_id, found.id, found.user_agent) == (1, before, digest(second), "Firefox")
    await sessions.end(account.id, before)
    for ended in (first, second):
        assert await reason(sessions.authenticate(ended)) == "UNAUTHORIZED"
    assert await reason(sessions.end(account.id, before), Code.NOT_FOUND) == "SESSION_NOT_FOUND"


async def test_only_the_own_sessions_can_be_ended(library: Library) -> None:
    ann, bob = await library.account(), await library.account("bob@example.org")
    kept, *ended = [await library.log_in() for _ in range(3)]
    foreign = await library.log_in("bob@example.org")
    sessions = library.sessions
    call = sessions.end(ann.id, (await sessions.authenticate(foreign)).session.public_id)
    assert await reason(call) == "SESSION_NOT_FOUND"
    await sessions.end_others(ann.id, (await sessions.authenticate(kept)).session.public_id)
    for secret in ended:
        assert await reason(sessions.authenticate(secret)) == "UNAUTHORIZED"
    assert (await sessions.authenticate(kept)).account.id == ann.id
    assert (await sessions.authenticate(foreign)).account.id == bob.id
    await sessions.end_others(ann.id, "")
    assert await sessions.list_own(ann.id, 0, 10) == ([], 0)


async def test_changes_of_credentials_are_in_the_audit_log_with_their_address(library: Library) -> None:
    with address_scope("192.0.2.7"):
        account = await library.account()
        for email in ("ann@example.org", "nobody@example.org"):
            assert await reason(library.verify("a wrong password", email, "")) == "CREDENTIALS_INVALID"
        session = await library.log_in()
        session = await library.change_password(session, "", "a better password")
        await library.email_links.request_change(session, "", "new@example.org", CLIENT_IP)
        await library.confirm(await library.secret("email-change"), "", session)
        await library.connections.put(account.id, "lalalai", "", "", "key")
        await library.connections.delete(account.id, "lalalai")
        _, token = await library.tokens.create(account, "program")
        await library.tokens.revoke(account.id, token.public_id)
        library.clock.time += 1
        webhook, _ = await library.webhooks.create(Principal(account.id, "user"), "https://1.1.1.1/", (), "")
        await library.webhooks.rotate_secret(Principal(account.id, "user"), webhook.id)
        await library.webhooks.delete(Principal(account.id, "user"), webhook.id)
    entries, _ = await library.identity.store.list_audit(0, 100)
    by = {account.id: "ann", "": "nobody"}
    assert Counter((entry.action, by[entry.actor_id]) for entry in entries) == Counter({
        ("login_failed", "nobody"): 1, ("login", "ann"): 2,
        **{(action, "ann"): 1 for action in (
            "register", "login_failed", "password_change", "email_change", "connection_create", "connection_delete", "token_create",
            "token_revoke", "webhook_create", "webhook_rotate_secret", "webhook_delete",
        )},
    })  # fmt: skip
    assert {entry.ip_address for entry in entries} <= {"192.0.2.7", CLIENT_IP}


async def test_ended_sessions_are_in_the_audit_log(library: Library) -> None:
    account = await library.account()
    public_id = (await library.sessions.authenticate(await library.log_in())).session.public_id
    library.clock.time += 1
    await library.sessions.end(account.id, public_id)
    entry = (await library.identity.store.list_audit(0, 1))[0][0]
    assert (entry.action, entry.resource_type, entry.resource_id) == ("session_end", "session", public_id)


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_new_password_revokes_sessions_and_optionally_tokens(library: Library, revoke: bool) -> None:
    account = await library.account()
    first, second = await library.log_in(), await library.log_in()
    token, _ = await library.tokens.create(account, "script")
    third = await library.change_password(first, "", NEW, revoke)
    for ended in (first, second):
        assert await reason(library.sessions.authenticate(ended)) == "UNAUTHORIZED"
    assert (await library.sessions.authenticate(third)).account.id == account.id
    assert await reason(library.verify(PASSWORD)) == "CREDENTIALS_INVALID"
    assert await library.verify(NEW)
    if revoke:
        assert await reason(library.tokens.authenticate(token)) == "UNAUTHORIZED"
        assert await library.tokens.list_own(account.id) == []
    else:
        assert await library.tokens.authenticate(token)
    assert [mail["To"] for mail in await library.mails("password-changed")] == ["ann@example.org"]


async def test_a_new_password_revokes_logins_in_progress(library: Library) -> None:
    await library.account()
    session = await library.log_in()
    recognised = await library.verify(PASSWORD)
    await library.change_password(session, PASSWORD, NEW, True)
    late = await library.sessions.open(recognised, remembered=True)
    late_token, _ = await library.tokens.create(recognised, "late")
    assert await reason(library.sessions.authenticate(late)) == "UNAUTHORIZED"
    assert await reason(library.tokens.authenticate(late_token)) == "UNAUTHORIZED"


async def test_parallel_password_changes_have_one_winner(library: Library) -> None:
    await library.account()
    session = await library.log_in()
    changes = [library.change_password(session, "", f"{NEW} {n}") for n in range(2)]
    results = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(isinstance(result, str) for result in results) == [False, True]
    assert await library.sessions.authenticate(next(r for r in results if isinstance(r, str)))


async def test_an_old_session_requires_the_password(library: Library) -> None:
    await library.account()
    session = await library.log_in()
    library.clock.time += 601
    assert await reason(library.change_password(session, "", NEW), Code.UNPROCESSABLE) == "PASSWORD_NEEDED"
    error = await refusal(library.change_password(session, "wrong password", NEW), "VALIDATION_ERROR")
    assert error.meta["details"] == {"current_password": ["is not valid"]}
    assert await reason(library.change_password(session, PASSWORD, "short")) == "VALIDATION_ERROR"
    assert await library.change_password(session, PASSWORD, NEW)


async def test_a_password_change_reports_all_invalid_fields(library: Library) -> None:
    await library.account()
    session = await library.log_in()
    change = library.accounts.change_password
    new = {"password": ["should be at least 12 character(s)"], "password_confirmation": ["does not match password"]}
    error = await refusal(change(session, "", "short", False, CLIENT_IP, "other"), "VALIDATION_ERROR")
    assert error.meta["details"] == new
    error = await refusal(change(session, "wrong password", "short", False, CLIENT_IP, "other"), "VALIDATION_ERROR")
    assert error.meta["details"] == {"current_password": ["is not valid"], **new}
    error = await refusal(change(session, "", NEW, False, CLIENT_IP, ""), "VALIDATION_ERROR")
    assert error.meta["details"] == {"password_confirmation": ["does not match password"]}
    library.clock.time += 601
    error = await refusal(change(session, "", "short", False, CLIENT_IP, "other"), "PASSWORD_NEEDED")
    assert set(error.meta["details"]) == {"current_password", *new}
    assert await change(session, PASSWORD, NEW, False, CLIENT_IP, NEW)


async def test_current_password_guesses_are_limited(library: Library) -> None:
    await library.account()
    session = await library.log_in()
    for _ in range(5):
        assert await reason(library.change_password(session, "wrong password", NEW)) == "VALIDATION_ERROR"
    assert await reason(library.change_password(session, PASSWORD, NEW)) == "RATE_LIMITED"


async def test_create_list_and_revoke_a_token(library: Library) -> None:
    ann, bob = await library.account(), await library.account("bob@example.org")
    secret, token = await library.tokens.create_for(ann.id, "  laptop ")
    (listed,) = await library.tokens.list_own(ann.id)
    assert (listed.name, listed.prefix, listed.use_time) == ("laptop", secret[:6], None)
    assert secret not in repr(listed)
    assert listed.public_id == token.public_id
    assert digest(secret) not in listed.public_id
    call = library.tokens.revoke(bob.id, token.public_id)  # another account's
    assert await reason(call, Code.NOT_FOUND) == "TOKEN_NOT_FOUND"
    assert await library.tokens.authenticate(secret) == ann
    await library.tokens.revoke(ann.id, token.public_id)
    assert await reason(library.tokens.authenticate(secret)) == "UNAUTHORIZED"
    assert await reason(library.tokens.revoke(ann.id, token.public_id)) == "TOKEN_NOT_FOUND"


async def test_token_use_time_has_minute_precision(library: Library) -> None:
    ann = await library.account()
    secret, _ = await library.tokens.create(ann, "laptop")
    start = library.clock.time
    seen = []
    for seconds in (0.0, 59.0, 60.0, 119.0, 121.0):
        library.clock.time = start + seconds
        await library.tokens.authenticate(secret)
        (token,) = await library.tokens.list_own(ann.id)
        seen.append((token.use_time or 0) - start)
    assert seen == [0.0, 0.0, 60.0, 60.0, 121.0]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "\x00"])
async def test_invalid_token_names_are_refused(library: Library, name: str) -> None:
    ann = await library.account()
    error = await refusal(library.tokens.create(ann, name), "VALIDATION_ERROR")
    assert list(error.meta["details"]) == ["name"]


async def test_the_number_of_tokens_is_limited(library: Library) -> None:
    ann = await library.account()
    for n in range(50):
        await library.tokens.create(ann, f"key {n}")
    assert await reason(library.tokens.create(ann, "one more"), Code.CONFLICT) == "TOO_MANY_TOKENS"
    newest = (await library.tokens.list_own(ann.id))[0]
    await library.tokens.revoke(ann.id, newest.public_id)
    assert await library.tokens.create(ann, "one more")


async def test_tokens_require_an_account(library: Library) -> None:
    for call in (library.tokens.list_own("anon:x"), library.tokens.create_for("anon:x", "key")):
        assert await reason(call, Code.PERMISSION_DENIED) == "ACCOUNT_NEEDED"


async def test_a_token_expires(library: Library) -> None:
    ann = await library.account()
    secret, token = await library.tokens.create_for(ann.id, "script", 30)
    assert token.expire_time == library.clock.time + 30 * 86400
    library.clock.time += 30 * 86400 - 1
    assert await library.tokens.authenticate(secret) == ann
    library.clock.time += 1
    assert await reason(library.tokens.authenticate(secret), Code.UNAUTHENTICATED) == "UNAUTHORIZED"
    for days in (-1, 3651):
        assert await reason(library.tokens.create_for(ann.id, "script", days)) == "VALIDATION_ERROR"
