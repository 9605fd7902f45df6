"""The runner of migrations on every document store, with migrations of its own: several processes at once, and an interruption."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kit.errors import AppError
from kit.ports import Collection, Docs
from services.library import migration_lock, migrations
from services.library.migrations import migrate, require_current, schema_version
from tests.contract.docs_stores import MongoStore, Open, SqliteStore, Store
from tests.waiting import until

Migration = Callable[[Docs], Awaitable[None]]


async def store_of_the_first_version(open_docs: Open) -> Docs:
    docs = await open_docs()
    await migrate(docs)
    return docs


def declare(patch: pytest.MonkeyPatch, *declared: Migration) -> None:
    patch.setattr(migrations, "_MIGRATIONS", dict(enumerate(declared, 2)))
    patch.setattr(migrations, "LATEST_VERSION", 1 + len(declared))


class MigrationsContract(Store):
    async def test_a_new_store_has_the_latest_version(self, open_docs: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        async def never(_docs: Docs) -> None:
            raise AssertionError("a new store has nothing to migrate")

        declare(monkeypatch, never, never)
        docs = await open_docs()
        with pytest.raises(AppError) as failed:
            await require_current(docs)
        assert failed.value.reason == "STORE_EMPTY"
        assert await migrate(docs) is False
        assert await require_current(docs) == 3

    async def test_of_processes_that_start_at_once_one_migrates(
        self, open_docs: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docs, runs = await store_of_the_first_version(open_docs), list[str]()

        async def first(docs: Docs) -> None:
            runs.append("first")
            await docs.ensure(Collection("songs"))
            await docs.insert("songs", {"id": "s"})  # fails if it runs twice

        async def second(_docs: Docs) -> None:
            runs.append("second")

        declare(monkeypatch, first, second)
        with pytest.raises(AppError) as failed:
            await require_current(docs)
        assert failed.value.reason == "SCHEMA_OUTDATED"
        results = await asyncio.gather(*[migrate(await open_docs()) for _ in range(3)])
        assert (sorted(results), runs) == ([False, False, True], ["first", "second"])
        assert await require_current(docs) == 3

    async def test_another_process_continues_when_the_one_that_migrates_dies(
        self, open_docs: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migration_lock, "_DEAD_SECONDS", 0.5)
        monkeypatch.setattr(migration_lock, "_RENEWAL_SECONDS", 0.05)
        docs, runs = await store_of_the_first_version(open_docs), list[str]()

        async def complete(_docs: Docs) -> None:
            runs.append("first")

        async def stop(_docs: Docs) -> None:
            runs.append("second, interrupted")
            await asyncio.Event().wait()

        async def complete_again(_docs: Docs) -> None:
            runs.append("second")

        declare(monkeypatch, complete, stop)
        dying = asyncio.create_task(migrate(docs))
        await until(lambda: len(runs) == 2)
        declare(monkeypatch, complete, complete_again)
        other = await open_docs()
        waiting = asyncio.create_task(migrate(other))
        after = await lock_revision(docs) + 20  # longer than the lock lives without its holder

        async def renewed() -> bool:
            return await lock_revision(other) >= after

        await until(renewed)
        assert runs == ["first", "second, interrupted"], "two processes migrated at once"
        monkeypatch.setattr(migration_lock.MigrationLock, "_store", nothing)  # a dead process releases nothing
        dying.cancel()
        assert await waiting is True
        assert (runs, await schema_version(other)) == (["first", "second, interrupted", "second"], 3)


async def lock_revision(docs: Docs) -> int:
    lock = await docs.get("schema", "lock")
    assert lock is not None
    return int(lock["revision"])


async def nothing(*_arguments: object) -> None: ...


class TestMigrationsOnSqlite(SqliteStore, MigrationsContract):
    """The embedded store."""


class TestMigrationsOnMongo(MongoStore, MigrationsContract):
    """MongoDB."""
