"""Sessions and API tokens: what is handed out once, kept as a hash, and ends when it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from accounts_world import HERE, PASSWORD, World, refused, world_in

from kit.errors import Code
from services.library.credentials import digest

DAY = 86400.0
NEW = "a better password"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as built:
        yield built


async def test_a_session_is_kept_as_a_hash_and_lives_for_14_days(world: World, tmp_path: Path) -> None:
    account = await world.account()
    secret = await world.log_in()
    opened = await world.people.sessions.authenticate(secret)
    assert (opened.account.id, opened.fresh, opened.renewed_secret) == (account.id, True, "")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert secret.encode() not in stored
    assert digest(secret).encode() in stored
    world.clock.time += 601
    assert not (await world.people.sessions.authenticate(secret)).fresh
    world.clock.time += 14 * DAY
    with refused("UNAUTHORIZED", Code.UNAUTHENTICATED):
        await world.people.sessions.authenticate(secret)
    assert await world.people.expire() > 0
    assert await world.people.store.session(digest(secret)) is None


async def test_a_session_that_is_used_goes_on_with_a_new_secret(world: World) -> None:
    await world.account()
    first = await world.log_in()
    world.clock.time += 7 * DAY - 1
    assert (await world.people.sessions.authenticate(first)).renewed_secret == ""
    world.clock.time += 1
    answers = await asyncio.gather(*(world.people.sessions.authenticate(first) for _ in range(5)))
    (second,) = {answer.renewed_secret for answer in answers} - {""}
    assert not any(answer.fresh for answer in answers)
    assert not (await world.people.sessions.authenticate(second)).fresh  # to be renewed is not to log in
    world.clock.time += 59  # requests that were on their way with the old one
    assert (await world.people.sessions.authenticate(first)).renewed_secret == ""
    world.clock.time += 1
    with refused("UNAUTHORIZED"):
        await world.people.sessions.authenticate(first)
    world.clock.time += 6 * DAY
    with refused("PASSWORD_NEEDED"):
        await world.people.accounts.change_password(second, "", NEW, False, HERE)


async def test_logging_out_ends_one_session_alone(world: World) -> None:
    await world.account()
    first, second = await world.log_in(), await world.log_in()
    assert first != second
    await world.people.sessions.close(first)
    await world.people.sessions.close(first)
    with refused("UNAUTHORIZED"):
        await world.people.sessions.authenticate(first)
    assert await world.people.sessions.authenticate(second)


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_new_password_ends_all_sessions_and_tokens_if_wished(world: World, revoke: bool) -> None:
    account = await world.account()
    first, second = await world.log_in(), await world.log_in()
    token, _ = await world.people.tokens.create(account, "script")
    third = await world.people.accounts.change_password(first, "", NEW, revoke, HERE)
    for ended in (first, second):
        with refused("UNAUTHORIZED"):
            await world.people.sessions.authenticate(ended)
    assert (await world.people.sessions.authenticate(third)).account.id == account.id
    with refused("CREDENTIALS_INVALID"):
        await world.people.accounts.verify("ann@example.org", PASSWORD, HERE)
    assert await world.people.accounts.verify("ann@example.org", NEW, HERE)
    if revoke:
        with refused("UNAUTHORIZED"):
            await world.people.tokens.authenticate(token)
        assert await world.people.tokens.list_own(account.id) == []
    else:
        assert await world.people.tokens.authenticate(token)
    assert [mail["To"] for mail in await world.mails("password-changed")] == ["ann@example.org"]


async def test_a_login_with_the_old_password_that_is_under_way_comes_to_nothing(world: World) -> None:
    await world.account()
    session = await world.log_in()
    recognised = await world.people.accounts.verify("ann@example.org", PASSWORD, HERE)
    await world.people.accounts.change_password(session, PASSWORD, NEW, True, HERE)
    late = await world.people.sessions.open(recognised, remembered=True)
    late_token, _ = await world.people.tokens.create(recognised, "late")
    with refused("UNAUTHORIZED"):
        await world.people.sessions.authenticate(late)
    with refused("UNAUTHORIZED"):
        await world.people.tokens.authenticate(late_token)


async def test_of_two_changes_of_the_password_one_wins(world: World) -> None:
    await world.account()
    session = await world.log_in()
    changes = [world.people.accounts.change_password(session, "", f"{NEW} {n}", False, HERE) for n in range(2)]
    results = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(isinstance(result, str) for result in results) == [False, True]
    assert await world.people.sessions.authenticate(next(r for r in results if isinstance(r, str)))


async def test_an_old_session_needs_the_password(world: World) -> None:
    await world.account()
    session = await world.log_in()
    world.clock.time += 601
    with refused("PASSWORD_NEEDED", Code.UNPROCESSABLE):
        await world.people.accounts.change_password(session, "", NEW, False, HERE)
    with refused("VALIDATION_ERROR") as refusal:
        await world.people.accounts.change_password(session, "wrong password", NEW, False, HERE)
    assert refusal.value.meta["details"] == {"current_password": ["is not valid"]}
    with refused("VALIDATION_ERROR"):
        await world.people.accounts.change_password(session, PASSWORD, "short", False, HERE)
    assert await world.people.accounts.change_password(session, PASSWORD, NEW, False, HERE)


async def test_guessing_the_current_password_in_a_stolen_session_is_limited(world: World) -> None:
    await world.account()
    session = await world.log_in()
    for _ in range(5):
        with refused("VALIDATION_ERROR"):
            await world.people.accounts.change_password(session, "wrong password", NEW, False, HERE)
    with refused("RATE_LIMITED"):
        await world.people.accounts.change_password(session, PASSWORD, NEW, False, HERE)


async def test_a_token_is_shown_once_named_and_revocable(world: World) -> None:
    ann, bob = await world.account(), await world.account("bob@example.org")
    secret, token = await world.people.tokens.create_for(ann.id, "  laptop ")
    (listed,) = await world.people.tokens.list_own(ann.id)
    assert (listed.name, listed.prefix, listed.use_time) == ("laptop", secret[:6], None)
    assert secret not in repr(listed)
    assert listed.public_id == token.public_id
    assert digest(secret) not in listed.public_id
    with refused("TOKEN_NOT_FOUND", Code.NOT_FOUND):  # somebody else's
        await world.people.tokens.revoke(bob.id, token.public_id)
    assert await world.people.tokens.authenticate(secret) == ann
    await world.people.tokens.revoke(ann.id, token.public_id)
    with refused("UNAUTHORIZED"):
        await world.people.tokens.authenticate(secret)
    with refused("TOKEN_NOT_FOUND"):
        await world.people.tokens.revoke(ann.id, token.public_id)


async def test_the_last_use_is_known_to_the_minute(world: World) -> None:
    ann = await world.account()
    secret, _ = await world.people.tokens.create(ann, "laptop")
    start = world.clock.time
    seen = []
    for seconds in (0.0, 59.0, 60.0, 119.0, 121.0):
        world.clock.time = start + seconds
        await world.people.tokens.authenticate(secret)
        (token,) = await world.people.tokens.list_own(ann.id)
        seen.append((token.use_time or 0) - start)
    assert seen == [0.0, 0.0, 60.0, 60.0, 121.0]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "\x00"])
async def test_a_token_needs_a_name_that_can_be_read(world: World, name: str) -> None:
    ann = await world.account()
    with refused("VALIDATION_ERROR") as refusal:
        await world.people.tokens.create(ann, name)
    assert list(refusal.value.meta["details"]) == ["name"]


async def test_an_account_has_so_many_tokens_and_no_more(world: World) -> None:
    ann = await world.account()
    for n in range(50):
        await world.people.tokens.create(ann, f"key {n}")
    with refused("TOO_MANY_TOKENS", Code.CONFLICT):
        await world.people.tokens.create(ann, "one more")
    newest = (await world.people.tokens.list_own(ann.id))[0]
    await world.people.tokens.revoke(ann.id, newest.public_id)
    assert await world.people.tokens.create(ann, "one more")


async def test_who_has_no_account_has_no_tokens(world: World) -> None:
    for call in (world.people.tokens.list_own("anon:x"), world.people.tokens.create_for("anon:x", "key")):
        with refused("ACCOUNT_NEEDED", Code.PERMISSION_DENIED):
            await call
