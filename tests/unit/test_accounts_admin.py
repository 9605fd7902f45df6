"""Administration of accounts, and the audit log."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from accounts_fixture import CLIENT_IP, IdentityFixture, identity_fixture, raises_error

from kit.errors import AppError, Code
from kit.security.identity import ROLE_RANKS, Principal
from services.library.identity.account import Account

RANKS = {"user": 0, "pro": 1, "enterprise": 2, "admin": 3, "platform_admin": 3, "super_admin": 5}


@pytest.fixture(scope="module")
async def fixture(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[IdentityFixture]:
    async with identity_fixture(tmp_path_factory.mktemp("accounts")) as built:
        yield built


async def fresh(fixture: IdentityFixture, role: str) -> Account:
    """Store a new account."""
    fixture.clock.time += 1
    account_id = f"{role}-{fixture.clock.time:.0f}"
    account = Account(account_id, f"{account_id}@example.org", role, "active", "", fixture.clock.time)
    await fixture.identity.store.insert_account(account)
    return account


async def update(
    fixture: IdentityFixture, actor: Account, target: Account, role: str = "", status: str = ""
) -> Account:
    principal = Principal(actor.id, actor.role)
    return await fixture.identity.administration.update_account(principal, target.id, role, status, CLIENT_IP)


async def audit_count(fixture: IdentityFixture) -> int:
    return (await fixture.identity.store.list_audit(0, 1))[1]


async def audit(fixture: IdentityFixture) -> list[tuple[str, str, str, dict[str, dict[str, str]]]]:
    boss = await fresh(fixture, "admin")
    entries, total = await fixture.identity.administration.list_audit(Principal(boss.id, "admin"), 0, 1000)
    assert total == len(entries)
    return [(e.actor_email, e.action, e.resource_id, json.loads(e.changes_json)) for e in entries]


@pytest.mark.parametrize(("by", "of", "given"), list(itertools.product(ROLE_RANKS, repeat=3)))
async def test_admins_act_up_to_their_own_rank(fixture: IdentityFixture, by: str, of: str, given: str) -> None:
    actor, target = await fresh(fixture, by), await fresh(fixture, of)
    before = await audit_count(fixture)
    allowed = RANKS[by] >= 3 and RANKS[by] >= RANKS[of] and RANKS[by] >= RANKS[given]
    if allowed:
        assert (await update(fixture, actor, target, given)).role == given
        assert await audit_count(fixture) == before + (of != given)
        return
    with raises_error("ROLE_TOO_LOW" if RANKS[by] < 3 else "RANK_TOO_HIGH", Code.PERMISSION_DENIED):
        await update(fixture, actor, target, given)
    stored = await fixture.identity.store.get_account(target.id)
    assert stored is not None
    assert stored.role == of
    assert await audit_count(fixture) == before


async def test_admins_cannot_change_their_own_account(fixture: IdentityFixture) -> None:
    for role in ("admin", "super_admin"):
        actor = await fresh(fixture, role)
        for change in ({"role": "user"}, {"status": "suspended"}, {"status": "banned"}):
            with raises_error("OWN_ACCOUNT", Code.CONFLICT):
                await update(fixture, actor, actor, **change)
        assert (await update(fixture, actor, actor, role, "active")).role == role  # changes nothing


async def test_the_stored_role_decides(fixture: IdentityFixture) -> None:
    boss, admin, user = await fresh(fixture, "super_admin"), await fresh(fixture, "admin"), await fresh(fixture, "user")
    await update(fixture, boss, admin, "user")
    with raises_error("ROLE_TOO_LOW"):
        await update(fixture, admin, user, "pro")  # the principal still has the old role
    suspended = await fresh(fixture, "admin")
    await update(fixture, boss, suspended, status="suspended")
    with raises_error("ROLE_TOO_LOW"):
        await fixture.identity.administration.list_accounts(Principal(suspended.id, "admin"), "", "", "", 0, 10)


async def test_every_action_is_audited(fixture: IdentityFixture) -> None:
    boss, user = await fresh(fixture, "super_admin"), await fresh(fixture, "user")
    await update(fixture, boss, user, "pro", "suspended")
    fixture.clock.time += 1
    await update(fixture, boss, user, status="banned")
    fixture.clock.time += 1
    await update(fixture, boss, user, status="active")
    await update(fixture, boss, user, status="active")
    mine = [entry[1:] for entry in await audit(fixture) if entry[0] == boss.email]
    newest, before, *first = mine
    assert newest == ("reactivate", user.id, {"status": {"from": "banned", "to": "active"}})
    assert before == ("ban", user.id, {"status": {"from": "suspended", "to": "banned"}})
    assert sorted(first, key=str) == [
        ("role_change", user.id, {"role": {"from": "user", "to": "pro"}}),
        ("suspend", user.id, {"status": {"from": "active", "to": "suspended"}}),
    ]


@pytest.mark.parametrize(("role", "status"), [("king", ""), ("", "gone"), ("", "")])
async def test_unknown_roles_and_statuses_are_refused(fixture: IdentityFixture, role: str, status: str) -> None:
    boss, user = await fresh(fixture, "super_admin"), await fresh(fixture, "user")
    with raises_error("VALIDATION_ERROR"):
        await update(fixture, boss, user, role, status)
    with raises_error("ACCOUNT_NOT_FOUND", Code.NOT_FOUND):
        await fixture.identity.administration.update_account(
            Principal(boss.id, boss.role), "nobody", "pro", "", CLIENT_IP
        )


async def test_parallel_demotions_leave_one_super_admin(tmp_path: Path) -> None:
    async with identity_fixture(tmp_path) as fixture:
        for round_number in range(5):
            first, second = await fresh(fixture, "super_admin"), await fresh(fixture, "super_admin")
            results = await asyncio.gather(
                update(fixture, first, second, "user"), update(fixture, second, first, "user"), return_exceptions=True
            )
            assert await fixture.identity.store.count_active("super_admin") >= 1, round_number
            done = [r for r in results if not isinstance(r, BaseException)]
            assert {r.reason for r in results if isinstance(r, AppError)} <= {"LAST_SUPER_ADMIN", "ROLE_TOO_LOW"}
            for left in (first, second):
                if (await fixture.identity.store.get_account(left.id) or left).role == "super_admin":
                    await fixture.identity.store.change_account(left.id, lambda a: _demoted(a))
            assert len(done) <= 1


def _demoted(account: Account) -> Account:
    return Account(account.id, account.email, "user", "active", "", account.create_time, revision=account.revision)


async def test_the_last_super_admin_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another super_admin is demoted between the check and the change."""
    async with identity_fixture(tmp_path) as fixture:
        boss, last = await fresh(fixture, "super_admin"), await fresh(fixture, "super_admin")
        change, done = fixture.identity.store.change_account, list[str]()

        async def demote_first(account_id: str, changing: object) -> Account:
            if not done:
                done.append(account_id)
                await change(boss.id, _demoted)
            return await change(account_id, changing)  # type: ignore[arg-type]

        monkeypatch.setattr(fixture.identity.store, "change_account", demote_first)
        with raises_error("LAST_SUPER_ADMIN", Code.CONFLICT):
            await update(fixture, boss, last, status="banned")
        stored = await fixture.identity.store.get_account(last.id)
        assert stored is not None
        assert (stored.role, stored.status) == ("super_admin", "active")
        assert (await fixture.identity.store.list_audit(0, 10))[1] == 0


async def test_list_accounts_filters_and_pages(fixture: IdentityFixture, tmp_path: Path) -> None:
    async with identity_fixture(tmp_path) as small:
        boss = await fresh(small, "super_admin")
        made = [await fresh(small, "pro" if n % 2 else "user") for n in range(6)]
        principal = Principal(boss.id, boss.role)

        async def listed(search: str = "", role: str = "", status: str = "", offset: int = 0, limit: int = 25):  # type: ignore[no-untyped-def]
            found, total = await small.identity.administration.list_accounts(
                principal, search, role, status, offset, limit
            )
            return [account.id for account in found], total

        newest = [account.id for account in reversed(made)]
        assert await listed() == ([*newest, boss.id], 7)
        assert await listed(limit=2, offset=2) == (newest[2:4], 7)
        assert await listed(role="pro") == (newest[0::2], 3)
        assert await listed(search=" PRO-") == (newest[0::2], 3)
        assert await listed(search="pro-", offset=1, limit=1) == ([newest[2]], 3)
        assert await listed(search="%") == ([], 0)
        await update(small, boss, made[0], status="suspended")
        assert await listed(status="suspended") == ([made[0].id], 1)
        assert await listed(search="user", status="active", role="user") == ([newest[1], newest[3]], 2)
        with raises_error("VALIDATION_ERROR"):
            await listed(role="king")


async def test_the_audit_log_can_be_filtered(fixture: IdentityFixture) -> None:
    boss, target = await fresh(fixture, "super_admin"), await fresh(fixture, "user")
    principal, listed = Principal(boss.id, boss.role), fixture.identity.administration.list_audit
    for role, status in (("pro", ""), ("", "suspended"), ("", "active")):
        fixture.clock.time += 1
        await update(fixture, boss, target, role, status)
    everything, count = await listed(principal, 0, 10, actor_id=boss.id)
    assert ([entry.action for entry in everything], count) == (["reactivate", "suspend", "role_change"], 3)
    (entry,), count = await listed(principal, 0, 10, action="suspend", actor_id=boss.id)
    assert (entry.resource_id, count) == (target.id, 1)
    assert await listed(principal, 0, 10, action="suspend", actor_id=target.id) == ([], 0)


async def test_an_action_that_did_not_happen_is_not_in_the_audit_log(fixture: IdentityFixture) -> None:
    boss, user = await fresh(fixture, "admin"), await fresh(fixture, "user")
    recorded = fixture.identity.administration.recorded
    before = await audit_count(fixture)
    with raises_error("JOB_FINISHED"):
        async with recorded(Principal(boss.id, boss.role), "cancel", "job", "1", CLIENT_IP):
            assert await audit_count(fixture) == before + 1
            raise AppError(Code.CONFLICT, "JOB_FINISHED", "")
    with raises_error("ROLE_TOO_LOW"):
        async with recorded(Principal(user.id, user.role), "cancel", "job", "1", CLIENT_IP):
            pass
    assert await audit_count(fixture) == before
