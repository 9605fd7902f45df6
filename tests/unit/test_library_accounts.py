"""Accounts: who may have one, who gets in, and how often somebody may guess."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from accounts_world import HERE, PASSWORD, World, refused, world_in
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import AppError, Code
from kit.identity import Principal
from services.library.attempts import Budget
from services.library.credentials import checked_email, checked_password


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as built:
        yield built


@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        ("", "can't be blank"),
        ("elevenchars", "should be at least 12 character(s)"),
        ("twelve chars", None),
        ("x" * 72, None),
        ("x" * 73, "should be at most 72 character(s)"),
        ("ü" * 12, None),
        ("ü" * 36, None),  # 72 bytes
        ("ü" * 37, "should be at most 72 bytes; letters with accents take two or more"),
        ("🎵" * 18, None),
        ("🎵" * 18 + "x", "should be at most 72 bytes; letters with accents take two or more"),
        ("🎵" * 6, "should be at least 12 character(s)"),  # 24 bytes, but 6 characters
        ("\ud800" * 12, None),  # half a character, as JSON may carry it, is no crash
    ],
)
def test_lengths_of_passwords(password: str, complaint: str | None) -> None:
    if complaint is None:
        assert checked_password(password) == password
        return
    with refused("VALIDATION_ERROR", Code.UNPROCESSABLE) as refusal:
        checked_password(password)
    assert refusal.value.meta["details"] == {"password": [complaint]}


@pytest.mark.parametrize(
    ("email", "stored"),
    [
        (" Ann.B+x@Example.ORG ", "ann.b+x@example.org"),
        ("a" * 148 + "@example.org", "a" * 148 + "@example.org"),
        ("a" * 149 + "@example.org", None),
        ("ann", None),
        ("ann@", None),
        ("@example.org", None),
        ("ann @example.org", None),
        ("ann@example.org\nBcc: eve@example.org", None),
        ("ann@example.org,eve@example.org", None),
        ("<ann@example.org>", None),
        ("ann@exa_mple.org", None),
        ("\u212aim@example.org", None),  # the Kelvin sign, which is a k in lower case
        ("änn@example.org", None),
        ("", None),
    ],
)
def test_mail_addresses(email: str, stored: str | None) -> None:
    if stored is not None:
        assert checked_email(email) == stored
        return
    with refused("VALIDATION_ERROR") as refusal:
        checked_email(email)
    assert list(refusal.value.meta["details"]) == ["email"]


@given(st.text(max_size=200))
def test_no_text_crashes_the_check_of_an_address(text: str) -> None:
    with contextlib.suppress(AppError):
        assert checked_email(text).isascii()


async def test_register_and_log_in(world: World) -> None:
    account = await world.account("Ann@Example.org")
    assert (account.email, account.role, account.status, account.confirm_time) == (
        "ann@example.org", "user", "active", None,
    )  # fmt: skip
    assert PASSWORD not in account.password_hash
    assert account.password_hash.startswith("$argon2id$")
    assert (await world.people.accounts.verify(" ANN@example.org", PASSWORD, HERE)).id == account.id
    with refused("CREDENTIALS_INVALID", Code.UNAUTHENTICATED):
        await world.people.accounts.verify("ann@example.org", PASSWORD + "x", HERE)


async def test_all_that_does_not_fit_is_named_at_once(world: World) -> None:
    with refused("VALIDATION_ERROR") as refusal:
        await world.people.accounts.register("ann", "short", HERE)
    assert set(refusal.value.meta["details"]) == {"email", "password"}


async def test_one_address_has_one_account_however_many_register_at_once(world: World) -> None:
    passwords = [f"password number {n}" for n in range(4)]
    await asyncio.gather(*(world.people.accounts.register("ann@example.org", p, HERE) for p in passwords))
    accounts, total = await world.people.store.list_accounts("", "", "", 0, 10)
    assert (total, len(accounts)) == (1, 1)
    kinds = [mail["Subject"] for mail in await world.mails()]
    assert sorted(kinds) == ["Confirm your Soundwright account", *["You have a Soundwright account already"] * 3]


async def test_a_second_registration_changes_nothing_and_says_nothing(world: World) -> None:
    account = await world.account()
    assert await world.people.accounts.register("ANN@example.org", "another password", "192.0.2.9") is None
    assert await world.people.store.account_by_email("ann@example.org") == account


async def test_registration_may_be_closed(tmp_path: Path) -> None:
    async with world_in(tmp_path, registration=False) as closed:
        with refused("REGISTRATION_CLOSED", Code.PERMISSION_DENIED):
            await closed.people.accounts.register("ann@example.org", PASSWORD, HERE)
        assert (await closed.people.store.list_accounts("", "", "", 0, 10))[1] == 0
        assert await closed.people.accounts.create_with_token("ann@example.org", "user")  # the operator may


async def test_an_unknown_address_costs_as_much_work_as_a_wrong_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.account()
    await world.people.accounts.verify("ann@example.org", PASSWORD, HERE)  # what is made once is made
    verified = list[str]()
    passwords = world.people.accounts._passwords
    verify = passwords._verify

    def counting(password_hash: str, password: str) -> bool:
        verified.append(password_hash)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_verify", counting)
    refusals = []
    for email in ("ann@example.org", "nobody@example.org"):
        with pytest.raises(AppError) as refusal:
            await world.people.accounts.verify(email, "wrong password", HERE)
        refusals.append((refusal.value.code, str(refusal.value), refusal.value.meta))
    assert refusals[0] == refusals[1]
    assert len(verified) == 2
    assert len({text.rsplit("$", 2)[0] for text in verified}) == 1  # the same algorithm with the same costs


async def test_guesses_at_one_account_get_slower_wherever_they_come_from(world: World) -> None:
    await world.account()
    verify = world.people.accounts.verify
    for n in range(5):
        with refused("CREDENTIALS_INVALID"):
            await verify("ann@example.org", "wrong password", f"192.0.2.{n}")
    with refused("RATE_LIMITED", Code.RATE_LIMITED) as refusal:  # even the right one
        await verify("ann@example.org", PASSWORD, "192.0.2.77")
    assert refusal.value.meta["retry_after"] == 1
    with refused("CREDENTIALS_INVALID"):  # others get in
        await verify("bob@example.org", PASSWORD, "192.0.2.77")
    world.clock.time += 1
    assert await verify("ann@example.org", PASSWORD, "192.0.2.77")
    for _ in range(5):  # a success begins anew
        with refused("CREDENTIALS_INVALID"):
            await verify("ann@example.org", "wrong password", HERE)


async def test_many_guesses_at_once_do_not_pass_as_one(world: World) -> None:
    async def guess() -> str:
        try:
            await world.people.accounts.verify("ann@example.org", "wrong password", HERE)
        except AppError as error:
            return error.reason
        return "in"

    reasons = await asyncio.gather(*(guess() for _ in range(12)))
    assert sorted(reasons) == ["CREDENTIALS_INVALID"] * 5 + ["RATE_LIMITED"] * 7


async def test_many_at_once_are_within_the_budget_whatever_their_clocks_say(world: World) -> None:
    attempts, budget = world.people.accounts._attempts, Budget(free=20, wait_seconds=10.0, limit_seconds=40.0)

    async def take(ahead_seconds: float) -> None:
        world.clock.time -= ahead_seconds
        await attempts.take("address", HERE, budget)

    await asyncio.gather(*(take(0.01 * n) for n in range(20)))
    with refused("RATE_LIMITED"):
        await take(0.0)


async def test_an_address_has_a_budget_that_ones_own_logins_do_not_restore(world: World) -> None:
    attempts, budget = world.people.accounts._attempts, Budget(free=3, wait_seconds=10.0, limit_seconds=40.0)
    for _ in range(2):
        await attempts.take("address", HERE, budget)
    await attempts.take("address", HERE, budget)
    await attempts.give_back("address", HERE)
    await attempts.take("address", HERE, budget)
    waits = []
    for _ in range(4):
        with refused("RATE_LIMITED") as refusal:
            await attempts.take("address", HERE, budget)
        waits.append(refusal.value.meta["retry_after"])
        world.clock.time += waits[-1]
        await attempts.take("address", HERE, budget)
    assert waits == [10, 20, 40, 40]
    await attempts.take("address", "192.0.2.9", budget)
    world.clock.time += 3601
    assert await world.people.expire() == 2
    for _ in range(3):
        await attempts.take("address", HERE, budget)


async def test_who_guesses_gets_no_new_tries_by_logging_in_themselves(tmp_path: Path) -> None:
    async with world_in(tmp_path, attempts_per_address=3) as world:
        await world.people.accounts.register("eve@example.org", PASSWORD, "192.0.2.9")
        for n in range(2):
            with refused("CREDENTIALS_INVALID"):
                await world.people.accounts.verify(f"user{n}@example.org", "wrong password", HERE)
            assert await world.people.accounts.verify("eve@example.org", PASSWORD, HERE)
        with refused("CREDENTIALS_INVALID"):
            await world.people.accounts.verify("user2@example.org", "wrong password", HERE)
        with refused("RATE_LIMITED"):
            await world.people.accounts.verify("user3@example.org", "wrong password", HERE)


async def test_the_first_administrator(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "admin-token"
    await world.people.accounts.bootstrap("boss@localhost", "", path)
    token = path.read_text().strip()
    password = capsys.readouterr().out.strip().rpartition(" ")[2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await world.people.tokens.authenticate(token)).role == "super_admin"
    assert (await world.people.accounts.verify("boss@localhost", password, HERE)).role == "super_admin"
    await world.people.accounts.bootstrap("boss@localhost", "", path)
    assert (path.read_text().strip(), capsys.readouterr().out) == (token, "")
    path.unlink()
    await world.people.accounts.bootstrap("boss@localhost", "", path)
    assert path.read_text().strip() != token


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_an_account_that_is_not_active_is_refused_at_once(world: World, status: str) -> None:
    boss, ann = await world.account("boss@example.org", "super_admin"), await world.account()
    token, _ = await world.people.tokens.create(ann, "script")
    session = await world.log_in()
    await world.people.administration.update_account(Principal(boss.id, boss.role), ann.id, "", status, HERE)
    with refused("ACCOUNT_SUSPENDED", Code.PERMISSION_DENIED):
        await world.people.tokens.authenticate(token)
    with refused("ACCOUNT_SUSPENDED"):
        await world.people.accounts.verify("ann@example.org", PASSWORD, HERE)
    with refused("ACCOUNT_SUSPENDED"):
        await world.people.sessions.authenticate(session)
    with refused("CREDENTIALS_INVALID"):  # who does not know the password does not learn the status
        await world.people.accounts.verify("ann@example.org", "wrong password", HERE)
    await world.people.administration.update_account(Principal(boss.id, boss.role), ann.id, "", "active", HERE)
    assert await world.people.tokens.authenticate(token)
    with refused("UNAUTHORIZED"):  # its sessions are over for good
        await world.people.sessions.authenticate(session)
