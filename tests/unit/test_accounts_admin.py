"""What administrators may do to accounts, and that all of it is on record."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from accounts_world import HERE, World, refused, world_in

from kit.errors import AppError, Code
from kit.identity import Principal
from services.library.accounts import ROLES
from services.library.service import Account

RANKS = {"user": 0, "pro": 1, "enterprise": 2, "admin": 3, "platform_admin": 3, "super_admin": 5}


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world_in(tmp_path_factory.mktemp("accounts")) as built:
        yield built


async def fresh(world: World, role: str) -> Account:
    """An account that nobody has touched yet."""
    world.clock.time += 1
    account_id = f"{role}-{world.clock.time:.0f}"
    account = Account(account_id, f"{account_id}@example.org", role, "active", "", world.clock.time)
    await world.people.store.insert_account(account)
    return account


async def update(world: World, actor: Account, target: Account, role: str = "", status: str = "") -> Account:
    principal = Principal(actor.id, actor.role)
    return await world.people.administration.update_account(principal, target.id, role, status, HERE)


async def audit_count(world: World) -> int:
    return (await world.people.store.list_audit(0, 1))[1]


async def audit(world: World) -> list[tuple[str, str, str, dict[str, dict[str, str]]]]:
    boss = await fresh(world, "admin")
    entries, total = await world.people.administration.list_audit(Principal(boss.id, "admin"), 0, 1000)
    assert total == len(entries)
    return [(e.actor_email, e.action, e.resource_id, json.loads(e.changes_json)) for e in entries]


@pytest.mark.parametrize(("by", "of", "given"), list(itertools.product(ROLES, ROLES, ROLES)))
async def test_nobody_gives_more_than_they_have_or_touches_who_has_more(
    world: World, by: str, of: str, given: str
) -> None:
    actor, target = await fresh(world, by), await fresh(world, of)
    before = await audit_count(world)
    allowed = RANKS[by] >= 3 and RANKS[by] >= RANKS[of] and RANKS[by] >= RANKS[given]
    if allowed:
        assert (await update(world, actor, target, given)).role == given
        assert await audit_count(world) == before + (of != given)
        return
    with refused("ROLE_TOO_LOW" if RANKS[by] < 3 else "RANK_TOO_HIGH", Code.PERMISSION_DENIED):
        await update(world, actor, target, given)
    stored = await world.people.store.account(target.id)
    assert stored is not None
    assert stored.role == of
    assert await audit_count(world) == before


async def test_nobody_changes_their_own_account(world: World) -> None:
    for role in ("admin", "super_admin"):
        actor = await fresh(world, role)
        for change in ({"role": "user"}, {"status": "suspended"}, {"status": "banned"}):
            with refused("OWN_ACCOUNT", Code.CONFLICT):
                await update(world, actor, actor, **change)
        assert (await update(world, actor, actor, role, "active")).role == role  # that changes nothing


async def test_the_role_that_counts_is_the_one_in_the_store(world: World) -> None:
    boss, admin, user = await fresh(world, "super_admin"), await fresh(world, "admin"), await fresh(world, "user")
    await update(world, boss, admin, "user")
    with refused("ROLE_TOO_LOW"):
        await update(world, admin, user, "pro")  # whose call still says admin
    suspended = await fresh(world, "admin")
    await update(world, boss, suspended, status="suspended")
    with refused("ROLE_TOO_LOW"):
        await world.people.administration.list_accounts(Principal(suspended.id, "admin"), "", "", "", 0, 10)


async def test_every_act_is_on_record(world: World) -> None:
    boss, user = await fresh(world, "super_admin"), await fresh(world, "user")
    await update(world, boss, user, "pro", "suspended")
    world.clock.time += 1
    await update(world, boss, user, status="banned")
    world.clock.time += 1
    await update(world, boss, user, status="active")
    await update(world, boss, user, status="active")
    mine = [entry[1:] for entry in await audit(world) if entry[0] == boss.email]
    newest, before, *first = mine
    assert newest == ("reactivate", user.id, {"status": {"from": "banned", "to": "active"}})
    assert before == ("ban", user.id, {"status": {"from": "suspended", "to": "banned"}})
    assert sorted(first, key=str) == [
        ("role_change", user.id, {"role": {"from": "user", "to": "pro"}}),
        ("suspend", user.id, {"status": {"from": "active", "to": "suspended"}}),
    ]


@pytest.mark.parametrize(("role", "status"), [("king", ""), ("", "gone"), ("", "")])
async def test_words_that_are_none(world: World, role: str, status: str) -> None:
    boss, user = await fresh(world, "super_admin"), await fresh(world, "user")
    with refused("VALIDATION_ERROR"):
        await update(world, boss, user, role, status)
    with refused("ACCOUNT_NOT_FOUND", Code.NOT_FOUND):
        await world.people.administration.update_account(Principal(boss.id, boss.role), "nobody", "pro", "", HERE)


async def test_two_who_remove_each_other_leave_one(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        for round_number in range(5):
            first, second = await fresh(world, "super_admin"), await fresh(world, "super_admin")
            results = await asyncio.gather(
                update(world, first, second, "user"), update(world, second, first, "user"), return_exceptions=True
            )
            assert await world.people.store.count_active("super_admin") >= 1, round_number
            done = [r for r in results if not isinstance(r, BaseException)]
            assert {r.reason for r in results if isinstance(r, AppError)} <= {"LAST_SUPER_ADMIN", "ROLE_TOO_LOW"}
            for left in (first, second):
                if (await world.people.store.account(left.id) or left).role == "super_admin":
                    await world.people.store.change_account(left.id, lambda a: _demoted(a))
            assert len(done) <= 1


def _demoted(account: Account) -> Account:
    return Account(account.id, account.email, "user", "active", "", account.create_time, revision=account.revision)


async def test_the_last_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one was removed between the look and the change."""
    async with world_in(tmp_path) as world:
        boss, last = await fresh(world, "super_admin"), await fresh(world, "super_admin")
        change, done = world.people.store.change_account, list[str]()

        async def late(account_id: str, changing: object) -> Account:
            if not done:
                done.append(account_id)
                await change(boss.id, _demoted)
            return await change(account_id, changing)  # type: ignore[arg-type]

        monkeypatch.setattr(world.people.store, "change_account", late)
        with refused("LAST_SUPER_ADMIN", Code.CONFLICT):
            await update(world, boss, last, status="banned")
        stored = await world.people.store.account(last.id)
        assert stored is not None
        assert (stored.role, stored.status) == ("super_admin", "active")
        assert (await world.people.store.list_audit(0, 10))[1] == 0


async def test_a_list_is_filtered_and_paged(world: World, tmp_path: Path) -> None:
    async with world_in(tmp_path) as small:
        boss = await fresh(small, "super_admin")
        made = [await fresh(small, "pro" if n % 2 else "user") for n in range(6)]
        principal = Principal(boss.id, boss.role)

        async def listed(search: str = "", role: str = "", status: str = "", offset: int = 0, limit: int = 25):  # type: ignore[no-untyped-def]
            found, total = await small.people.administration.list_accounts(
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
        with refused("VALIDATION_ERROR"):
            await listed(role="king")
