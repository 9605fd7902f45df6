"""The runner of migrations on every document store, with migrations of its own."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from soundwright.kit.errors import AppError
from soundwright.kit.ports import Collection, Docs
from soundwright.services.library import schema
from soundwright.services.library.schema import migrate, require_current
from tests.contract.stores import OpenDocs

Migration = Callable[[Docs], Awaitable[None]]
FIRST_VERSION = schema.LATEST_VERSION


async def store_of_the_first_version(open_docs: OpenDocs) -> Docs:
    docs = open_docs()
    await migrate(docs)
    return docs


def declare(patch: pytest.MonkeyPatch, *declared: Migration) -> None:
    patch.setattr(schema, "_MIGRATIONS", dict(enumerate(declared, FIRST_VERSION + 1)))
    patch.setattr(schema, "LATEST_VERSION", FIRST_VERSION + len(declared))


async def test_a_new_store_has_the_latest_version(open_docs: OpenDocs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_docs: Docs) -> None:
        raise AssertionError("a new store has nothing to migrate")

    declare(monkeypatch, never, never)
    docs = open_docs()
    with pytest.raises(AppError) as failed:
        await require_current(docs)
    assert failed.value.reason == "STORE_EMPTY"
    await migrate(docs)
    assert await require_current(docs) == FIRST_VERSION + 2


async def test_processes_that_start_at_once_migrate_side_by_side(
    open_docs: OpenDocs, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs, runs = await store_of_the_first_version(open_docs), list[str]()

    async def first(docs: Docs) -> None:
        await docs.ensure(Collection("songs"))
        runs.append("first")

    async def second(_docs: Docs) -> None:
        if runs.count("second, interrupted") < 1:
            runs.append("second, interrupted")
            raise OSError
        runs.append("second")

    declare(monkeypatch, first, second)
    with pytest.raises(AppError) as failed:
        await require_current(docs)
    assert failed.value.reason == "SCHEMA_OUTDATED"
    await asyncio.gather(*[migrate(open_docs()) for _ in range(3)], return_exceptions=True)
    await migrate(docs)
    assert {"first", "second, interrupted", "second"} == set(runs)
    assert await require_current(docs) == FIRST_VERSION + 2
    count = len(runs)
    await migrate(docs)
    assert len(runs) == count
