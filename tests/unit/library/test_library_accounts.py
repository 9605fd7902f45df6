"""Accounts: registration, login, throttling, the first administrator, and guests."""

import asyncio
import contextlib
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library_fixture import CLIENT_IP, PASSWORD, Library, opened, raises_error, reason, refusal

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import Principal
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.account_deletions import AccountDeletions
from soundwright.services.library.identity.credentials import checked_email, password_problems
from soundwright.services.library.identity.login_throttle import Budget


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "can't be blank"),
        ("elevenchars", "should be at least 12 character(s)"),
        ("twelve chars", None),
        ("x" * 72, None),
        ("x" * 73, "should be at most 72 character(s)"),
        ("ü" * 12, None),
        ("ü" * 36, None),  # 72 bytes
        ("ü" * 37, "should be at most 72 bytes; characters with accents take two or more"),
        ("🎵" * 18, None),
        ("🎵" * 18 + "x", "should be at most 72 bytes; characters with accents take two or more"),
        ("🎵" * 6, "should be at least 12 character(s)"),  # 24 bytes, but 6 characters
        ("\ud800" * 12, None),  # a lone surrogate, which JSON can contain
    ],
)
def test_password_lengths(password: str, problem: str | None) -> None:
    expected = {} if problem is None else {"password": [problem]}
    assert password_problems(password) == password_problems(password, password) == expected
    mismatch = {"password_confirmation": ["does not match password"]}
    assert password_problems(password, password + " ") == expected | mismatch


# U+212A is the Kelvin sign, whose lower case is k.
@pytest.mark.parametrize(
    ("email", "stored"),
    [
        (" Ann.B+x@Example.ORG ", "ann.b+x@example.org"), ("a" * 148 + "@example.org", "a" * 148 + "@example.org"),
        ("a" * 149 + "@example.org", None), ("ann", None), ("ann@", None), ("@example.org", None),
        ("ann @example.org", None), ("ann@example.org\nBcc: eve@example.org", None),
        ("ann@example.org,eve@example.org", None), ("<ann@example.org>", None), ("ann@exa_mple.org", None),
        ("\u212aim@example.org", None), ("änn@example.org", None), ("", None),
    ],
)  # fmt: skip
def test_email_addresses(email: str, stored: str | None) -> None:
    if stored is not None:
        assert checked_email(email) == stored
        return
    with raises_error("VALIDATION_ERROR") as error:
        checked_email(email)
    assert list(error.value.meta["details"]) == ["email"]


@given(st.text(max_size=200))
def test_checked_email_handles_any_text(text: str) -> None:
    with contextlib.suppress(AppError):
        assert checked_email(text).isascii()


async def test_register_and_log_in(library: Library) -> None:
    account = await library.account("Ann@Example.org")
    assert (account.email, account.role, account.status, account.confirm_time) == (
        "ann@example.org", "user", "active", None,
    )  # fmt: skip
    assert PASSWORD not in account.password_hash
    assert account.password_hash.startswith("$argon2id$")
    assert (await library.verify(PASSWORD, " ANN@example.org")).id == account.id
    assert await reason(library.verify(PASSWORD + "x"), Code.UNAUTHENTICATED) == "CREDENTIALS_INVALID"


async def test_registration_reports_all_invalid_fields(library: Library) -> None:
    error = await refusal(library.accounts.register("ann", "short", CLIENT_IP), "VALIDATION_ERROR")
    assert set(error.meta["details"]) == {"email", "password"}
    error = await refusal(library.accounts.register("ann@example.org", "short", CLIENT_IP, "other"), "VALIDATION_ERROR")
    assert error.meta["details"] == {
        "password": ["should be at least 12 character(s)"],
        "password_confirmation": ["does not match password"],
    }
    assert (await library.identity.store.list_accounts("", "", "", 0, 10))[1] == 0
    await library.accounts.register("ann@example.org", PASSWORD, CLIENT_IP, PASSWORD)
    assert (await library.identity.store.list_accounts("", "", "", 0, 10))[1] == 1


async def test_parallel_registrations_create_one_account(library: Library) -> None:
    passwords = [f"password number {n}" for n in range(4)]
    await asyncio.gather(*(library.accounts.register("ann@example.org", p, CLIENT_IP) for p in passwords))
    accounts, total = await library.identity.store.list_accounts("", "", "", 0, 10)
    assert (total, len(accounts)) == (1, 1)
    kinds = [mail["Subject"] for mail in await library.mails()]
    assert sorted(kinds) == ["Confirm your Soundwright account", *["You already have a Soundwright account"] * 3]


async def test_a_second_registration_changes_nothing(library: Library) -> None:
    account = await library.account()
    assert await library.accounts.register("ANN@example.org", "another password", "192.0.2.9") == ""
    assert await library.identity.store.find_account_by_email("ann@example.org") == account


async def test_closed_registration(tmp_path: Path) -> None:
    async with opened(tmp_path, registration=False) as closed:
        call = closed.accounts.register("ann@example.org", PASSWORD, CLIENT_IP)
        assert await reason(call, Code.PERMISSION_DENIED) == "REGISTRATION_CLOSED"
        assert (await closed.identity.store.list_accounts("", "", "", 0, 10))[1] == 0
        assert await closed.accounts.create_with_token("ann@example.org", "user")  # the operator still can


async def test_an_unknown_email_takes_as_long_as_a_wrong_password(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await library.account()
    await library.verify(PASSWORD)  # creates the dummy hash
    verified = list[str]()
    passwords = library.accounts._passwords
    verify = passwords._verify

    def counting(password_hash: str, password: str) -> bool:
        verified.append(password_hash)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_verify", counting)
    refusals = []
    for email in ("ann@example.org", "nobody@example.org"):
        with pytest.raises(AppError) as error:
            await library.verify("wrong password", email)
        refusals.append((error.value.code, str(error.value), error.value.meta))
    assert refusals[0] == refusals[1]
    assert len(verified) == 2
    assert len({text.rsplit("$", 2)[0] for text in verified}) == 1  # the same algorithm with the same costs


async def test_guesses_per_account_are_throttled(library: Library) -> None:
    await library.account()
    verify = library.accounts.verify_password
    for n in range(5):
        assert await reason(verify("ann@example.org", "wrong password", f"192.0.2.{n}")) == "CREDENTIALS_INVALID"
    error = await refusal(
        verify("ann@example.org", PASSWORD, "192.0.2.77"), "RATE_LIMITED", Code.RATE_LIMITED
    )  # even with the correct password
    assert error.meta["retry_after"] == 1
    call = verify("bob@example.org", PASSWORD, "192.0.2.77")  # other accounts are not affected
    assert await reason(call) == "CREDENTIALS_INVALID"
    library.clock.time += 1
    assert await verify("ann@example.org", PASSWORD, "192.0.2.77")
    for _ in range(5):  # a success resets the count
        assert await reason(verify("ann@example.org", "wrong password", CLIENT_IP)) == "CREDENTIALS_INVALID"


async def test_parallel_guesses_all_count(library: Library) -> None:
    async def guess() -> str:
        try:
            await library.verify("wrong password")
        except AppError as error:
            return error.reason
        return "logged in"

    reasons = await asyncio.gather(*(guess() for _ in range(12)))
    assert sorted(reasons) == ["CREDENTIALS_INVALID"] * 5 + ["RATE_LIMITED"] * 7


async def test_clock_skew_does_not_consume_the_budget(library: Library) -> None:
    throttle, budget = library.accounts._throttle, Budget(free=20, wait_seconds=10.0, limit_seconds=40.0)

    async def acquire(ahead_seconds: float) -> None:
        library.clock.time -= ahead_seconds
        await throttle.acquire("address", CLIENT_IP, budget)

    await asyncio.gather(*(acquire(0.01 * n) for n in range(20)))
    assert await reason(acquire(0.0)) == "RATE_LIMITED"


async def test_refund_does_not_reset_the_budget(library: Library) -> None:
    throttle, budget = library.accounts._throttle, Budget(free=3, wait_seconds=10.0, limit_seconds=40.0)
    for _ in range(2):
        await throttle.acquire("address", CLIENT_IP, budget)
    await throttle.acquire("address", CLIENT_IP, budget)
    await throttle.refund("address", CLIENT_IP)
    await throttle.acquire("address", CLIENT_IP, budget)
    waits = []
    for _ in range(4):
        error = await refusal(throttle.acquire("address", CLIENT_IP, budget), "RATE_LIMITED")
        waits.append(error.meta["retry_after"])
        library.clock.time += waits[-1]
        await throttle.acquire("address", CLIENT_IP, budget)
    assert waits == [10, 20, 40, 40]
    await throttle.acquire("address", "192.0.2.9", budget)
    library.clock.time += 3601
    assert await library.identity.delete_expired() == 2
    for _ in range(3):
        await throttle.acquire("address", CLIENT_IP, budget)


async def test_own_logins_do_not_reset_the_throttle_of_an_ip_address(tmp_path: Path) -> None:
    async with opened(tmp_path, attempts_per_address=3) as library:
        await library.accounts.register("eve@example.org", PASSWORD, "192.0.2.9")
        for n in range(2):
            assert await reason(library.verify("wrong password", f"user{n}@example.org")) == "CREDENTIALS_INVALID"
            assert await library.verify(PASSWORD, "eve@example.org")
        assert await reason(library.verify("wrong password", "user2@example.org")) == "CREDENTIALS_INVALID"
        assert await reason(library.verify("wrong password", "user3@example.org")) == "RATE_LIMITED"


async def test_the_first_administrator(library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "admin-token"
    await library.accounts.bootstrap("boss@localhost", "", path)
    token = path.read_text().strip()
    password = capsys.readouterr().out.strip().rpartition(" ")[2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await library.tokens.authenticate(token)).role == "super_admin"
    assert (await library.verify(password, "boss@localhost")).role == "super_admin"
    await library.accounts.bootstrap("boss@localhost", "", path)
    assert (path.read_text().strip(), capsys.readouterr().out) == (token, "")
    path.unlink()
    await library.accounts.bootstrap("boss@localhost", "", path)
    assert path.read_text().strip() != token


async def test_an_administrator_who_changed_the_address_stays_the_only_one(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "admin-token"
    await library.accounts.bootstrap("boss@localhost", "a password for tests", path)
    boss = await library.tokens.authenticate(path.read_text().strip())
    await library.identity.store.change_account(boss.id, lambda account: replace(account, email="me@example.org"))
    path.unlink()
    await library.account("boss@localhost.example.org")
    await library.accounts.bootstrap("boss@localhost", "a password for tests", path)
    administrators, count = await library.identity.store.list_accounts("", "super_admin", "", 0, 10)
    assert ([account.id for account in administrators], count) == ([boss.id], 1)
    assert (await library.tokens.authenticate(path.read_text().strip())).id == boss.id


async def test_hosts_that_come_and_go_leave_ten_administrator_tokens(library: Library, tmp_path: Path) -> None:
    paths = [tmp_path / f"host{number}" / "admin-token" for number in range(60)]
    for path in paths:
        library.clock.time += 1
        await library.accounts.bootstrap("boss@localhost", "a password for tests", path)
    for path in paths[-10:]:
        assert (await library.tokens.authenticate(path.read_text().strip())).role == "super_admin"
    assert await reason(library.tokens.authenticate(paths[-11].read_text().strip())) == "UNAUTHORIZED"


async def test_an_administrator_with_all_tokens_can_start(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "admin-token"
    await library.accounts.bootstrap("boss@localhost", "a password for tests", path)
    boss = await library.tokens.authenticate(path.read_text().strip())
    for number in range(49):
        await library.tokens.create(boss, f"own {number}")
    path.unlink()
    await library.tokens.revoke(boss.id, (await library.tokens.list_own(boss.id))[-1].public_id)
    await library.tokens.create(boss, "own 49")
    await library.accounts.bootstrap("boss@localhost", "a password for tests", path)
    assert not path.exists()


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_inactive_accounts_are_refused(library: Library, status: str) -> None:
    boss, ann = await library.account("boss@example.org", "super_admin"), await library.account()
    token, _ = await library.tokens.create(ann, "script")
    session = await library.log_in()
    await library.administration.update_account(Principal(boss.id, boss.role), ann.id, "", status, CLIENT_IP)
    assert await reason(library.tokens.authenticate(token), Code.PERMISSION_DENIED) == "ACCOUNT_SUSPENDED"
    assert await reason(library.verify(PASSWORD)) == "ACCOUNT_SUSPENDED"
    assert await reason(library.sessions.authenticate(session)) == "ACCOUNT_SUSPENDED"
    call = library.verify("wrong password")  # a wrong password does not reveal the status
    assert await reason(call) == "CREDENTIALS_INVALID"
    await library.administration.update_account(Principal(boss.id, boss.role), ann.id, "", "active", CLIENT_IP)
    assert await library.tokens.authenticate(token)
    assert await reason(library.sessions.authenticate(session)) == "UNAUTHORIZED"  # its sessions stay revoked


DAY_SECONDS = 86400.0


async def stored(library: Library, account_id: str) -> Account | None:
    return await library.identity.store.accounts.get(account_id)


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
    assert await reason(call, Code.EXISTS) == "ALREADY_REGISTERED"


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


async def test_a_deletion_that_the_store_interrupted_is_completed(library: Library) -> None:
    ann, identity = await library.account(), library.identity
    secret = await library.log_in()

    async def nothing_left(_account_id: str) -> bool:
        return True

    deletions = AccountDeletions(
        identity.store, library.accounts, library.sessions, identity.audit, library.clock, nothing_left
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(identity.store.accounts, "delete", unavailable)
        assert await reason(deletions.delete(secret, PASSWORD, CLIENT_IP)) == "STORE_UNAVAILABLE"
    await deletions.resume()
    assert await stored(library, ann.id) is None


async def unavailable(_account_id: str) -> bool:
    raise errors.STORE_UNAVAILABLE()
