"""Administration of accounts, and the audit log."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from library_fixture import CLIENT_IP, Library, opened, raises_error, reason

from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import ROLE_RANKS, Principal
from soundwright.services.library.identity.account import Account

RANKS = {"user": 0, "pro": 1, "enterprise": 2, "admin": 3, "platform_admin": 3, "super_admin": 5}


@pytest.fixture(scope="module")
async def library(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Library]:
    async with opened(tmp_path_factory.mktemp("accounts")) as library:
        yield library


async def fresh(library: Library, role: str) -> Account:
    library.clock.time += 1
    account_id = f"{role}-{library.clock.time:.0f}"
    account = Account(account_id, f"{account_id}@example.org", role, "active", "", library.clock.time)
    await library.identity.store.accounts.add(account)
    return account


async def update(library: Library, actor: Account, target: Account, role: str = "", status: str = "") -> Account:
    principal = Principal(actor.id, actor.role)
    return await library.administration.update_account(principal, target.id, role, status, CLIENT_IP)


async def audit_count(library: Library) -> int:
    return (await library.identity.store.list_audit(0, 1))[1]


async def audit(library: Library) -> list[tuple[str, str, str, dict[str, dict[str, str]]]]:
    boss = await fresh(library, "admin")
    entries, total = await library.administration.list_audit(Principal(boss.id, "admin"), 0, 1000)
    assert total == len(entries)
    return [(e.actor_email, e.action, e.resource_id, json.loads(e.changes_json)) for e in entries]


@pytest.mark.parametrize(("by", "of", "given"), list(itertools.product(ROLE_RANKS, repeat=3)))
async def test_admins_act_up_to_their_own_rank(library: Library, by: str, of: str, given: str) -> None:
    actor, target = await fresh(library, by), await fresh(library, of)
    before = await audit_count(library)
    has_rights = (by, given) != ("platform_admin", "admin")  # an admin may also change the content of others
    allowed = RANKS[by] >= 3 and RANKS[by] >= RANKS[of] and RANKS[by] >= RANKS[given] and has_rights
    if allowed:
        assert (await update(library, actor, target, given)).role == given
        assert await audit_count(library) == before + (of != given)
        return
    expected = "ROLE_TOO_LOW" if RANKS[by] < 3 else "RANK_TOO_HIGH"
    assert await reason(update(library, actor, target, given), Code.PERMISSION_DENIED) == expected
    stored = await library.identity.store.accounts.get(target.id)
    assert stored is not None
    assert stored.role == of
    assert await audit_count(library) == before


async def test_admins_cannot_change_their_own_account(library: Library) -> None:
    for role in ("admin", "super_admin"):
        actor = await fresh(library, role)
        for change in ({"role": "user"}, {"status": "suspended"}, {"status": "banned"}):
            assert await reason(update(library, actor, actor, **change), Code.CONFLICT) == "OWN_ACCOUNT"
        assert (await update(library, actor, actor, role, "active")).role == role  # changes nothing


async def test_the_stored_role_decides(library: Library) -> None:
    boss, admin, user = await fresh(library, "super_admin"), await fresh(library, "admin"), await fresh(library, "user")
    await update(library, boss, admin, "user")
    assert await reason(update(library, admin, user, "pro")) == "ROLE_TOO_LOW"  # the principal still has the old role
    suspended = await fresh(library, "admin")
    await update(library, boss, suspended, status="suspended")
    call = library.administration.list_accounts(Principal(suspended.id, "admin"), "", "", "", 0, 10)
    assert await reason(call) == "ROLE_TOO_LOW"


async def test_every_action_is_audited(library: Library) -> None:
    boss, user = await fresh(library, "super_admin"), await fresh(library, "user")
    await update(library, boss, user, "pro", "suspended")
    library.clock.time += 1
    await update(library, boss, user, status="banned")
    library.clock.time += 1
    await update(library, boss, user, status="active")
    await update(library, boss, user, status="active")
    mine = [entry[1:] for entry in await audit(library) if entry[0] == boss.email]
    newest, before, *first = mine
    assert newest == ("reactivate", user.id, {"status": {"from": "banned", "to": "active"}})
    assert before == ("ban", user.id, {"status": {"from": "suspended", "to": "banned"}})
    assert sorted(first, key=str) == [
        ("role_change", user.id, {"role": {"from": "user", "to": "pro"}}),
        ("suspend", user.id, {"status": {"from": "active", "to": "suspended"}}),
    ]


@pytest.mark.parametrize(("role", "status"), [("king", ""), ("", "gone"), ("", "")])
async def test_unknown_roles_and_statuses_are_refused(library: Library, role: str, status: str) -> None:
    boss, user = await fresh(library, "super_admin"), await fresh(library, "user")
    assert await reason(update(library, boss, user, role, status)) == "VALIDATION_ERROR"
    call = library.administration.update_account(Principal(boss.id, boss.role), "nobody", "pro", "", CLIENT_IP)
    assert await reason(call, Code.NOT_FOUND) == "ACCOUNT_NOT_FOUND"


async def test_parallel_demotions_leave_one_super_admin(tmp_path: Path) -> None:
    async with opened(tmp_path) as library:
        for round_number in range(5):
            first, second = await fresh(library, "super_admin"), await fresh(library, "super_admin")
            results = await asyncio.gather(
                update(library, first, second, "user"), update(library, second, first, "user"), return_exceptions=True
            )
            assert await library.identity.store.count_active("super_admin") >= 1, round_number
            done = [r for r in results if not isinstance(r, BaseException)]
            assert {r.reason for r in results if isinstance(r, AppError)} <= {"LAST_SUPER_ADMIN", "ROLE_TOO_LOW"}
            for left in (first, second):
                if (await library.identity.store.accounts.get(left.id) or left).role == "super_admin":
                    await library.identity.store.change_account(left.id, lambda a: _demoted(a))
            assert len(done) <= 1


def _demoted(account: Account) -> Account:
    return Account(account.id, account.email, "user", "active", "", account.create_time, revision=account.revision)


async def test_the_last_super_admin_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another super_admin is demoted between the check and the change."""
    async with opened(tmp_path) as library:
        boss, last = await fresh(library, "super_admin"), await fresh(library, "super_admin")
        change, done = library.identity.store.change_account, list[str]()

        async def demote_first(account_id: str, changing: object) -> Account:
            if not done:
                done.append(account_id)
                await change(boss.id, _demoted)
            return await change(account_id, changing)  # type: ignore[arg-type]

        monkeypatch.setattr(library.identity.store, "change_account", demote_first)
        assert await reason(update(library, boss, last, status="banned"), Code.CONFLICT) == "LAST_SUPER_ADMIN"
        stored = await library.identity.store.accounts.get(last.id)
        assert stored is not None
        assert (stored.role, stored.status) == ("super_admin", "active")
        assert (await library.identity.store.list_audit(0, 10))[1] == 0


async def test_list_accounts_filters_and_pages(library: Library, tmp_path: Path) -> None:
    async with opened(tmp_path) as small:
        boss = await fresh(small, "super_admin")
        made = [await fresh(small, "pro" if n % 2 else "user") for n in range(6)]
        principal = Principal(boss.id, boss.role)

        async def listed(search: str = "", role: str = "", status: str = "", offset: int = 0, limit: int = 25):  # type: ignore[no-untyped-def]
            found, total = await small.administration.list_accounts(principal, search, role, status, offset, limit)
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
        assert await reason(listed(role="king")) == "VALIDATION_ERROR"


async def test_the_audit_log_can_be_filtered(library: Library) -> None:
    boss, target = await fresh(library, "super_admin"), await fresh(library, "user")
    principal, listed = Principal(boss.id, boss.role), library.administration.list_audit
    for role, status in (("pro", ""), ("", "suspended"), ("", "active")):
        library.clock.time += 1
        await update(library, boss, target, role, status)
    everything, count = await listed(principal, 0, 10, actor_id=boss.id)
    assert ([entry.action for entry in everything], count) == (["reactivate", "suspend", "role_change"], 3)
    (entry,), count = await listed(principal, 0, 10, action="suspend", actor_id=boss.id)
    assert (entry.resource_id, count) == (target.id, 1)
    assert await listed(principal, 0, 10, action="suspend", actor_id=target.id) == ([], 0)


async def test_an_action_that_did_not_happen_is_not_in_the_audit_log(library: Library) -> None:
    boss, user = await fresh(library, "admin"), await fresh(library, "user")
    recorded = library.administration.recorded
    before = await audit_count(library)
    with raises_error("JOB_FINISHED"):
        async with recorded(Principal(boss.id, boss.role), "cancel", "job", "1", CLIENT_IP):
            assert await audit_count(library) == before + 1
            raise AppError(Code.CONFLICT, "JOB_FINISHED", "")
    with raises_error("ROLE_TOO_LOW"):
        async with recorded(Principal(user.id, user.role), "cancel", "job", "1", CLIENT_IP):
            pass
    assert await audit_count(library) == before
