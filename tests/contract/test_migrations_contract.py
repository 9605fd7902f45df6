"""Migrations on every document store: several processes at once, an interruption, and writers of the previous version."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.ports import Collection, Doc, Docs
from services.library import migration_lock, migrations
from services.library.migrations import migrate, schema_version
from tests.contract.stores import OpenDocs
from tests.waiting import until

JOBS = [
    {"id": f"job-{number:04}", "kind": "separation", "state": "failed", "unfiled": True, "count": 0}
    for number in range(30)
]
LATEST = len(migrations._MIGRATIONS)


async def old_store(open_docs: OpenDocs) -> Docs:
    """Return a store with jobs of the first version."""
    docs = open_docs()
    await docs.ensure(Collection("jobs"))
    for job in JOBS:
        await docs.insert("jobs", job)
    return docs


async def test_of_processes_that_start_at_once_one_migrates(docs_url: str, open_docs: OpenDocs, tmp_path: Path) -> None:
    docs = await old_store(open_docs)
    environment = {**os.environ, "SOUNDWRIGHT_DOCS_URL": docs_url, "SOUNDWRIGHT_DATA_DIR": str(tmp_path)}

    def command() -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-m", "services.library", "migrate"]
        return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)

    results = await asyncio.gather(*(asyncio.to_thread(command) for _ in range(3)))
    assert [result.returncode for result in results] == [0, 0, 0], results
    assert sorted(result.stdout for result in results) == [
        f"Migrated the documents to version {LATEST}. All indexes exist.\n",
        f"The documents are at version {LATEST}. All indexes exist.\n",
        f"The documents are at version {LATEST}. All indexes exist.\n",
    ]
    completed = [line for result in results for line in result.stderr.splitlines() if "migration.completed" in line]
    assert len(completed) == LATEST
    assert all("unfiled" not in doc for doc in await docs.find("jobs", {}))


async def test_another_process_continues_when_the_one_that_migrates_dies(
    open_docs: OpenDocs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_lock, "_DEAD_SECONDS", 3.0)
    monkeypatch.setattr(migration_lock, "_RENEWAL_SECONDS", 0.05)
    docs, runs = await old_store(open_docs), list[str]()

    async def stop(_docs: Docs) -> None:
        runs.append("first")
        await asyncio.Event().wait()

    async def complete(_docs: Docs) -> None:
        runs.append("second")

    monkeypatch.setattr(migrations, "_MIGRATIONS", (stop,))
    dying = asyncio.create_task(migrate(docs))
    await until(lambda: runs == ["first"])
    monkeypatch.setattr(migrations, "_MIGRATIONS", (complete,))
    other = open_docs()
    waiting = asyncio.create_task(migrate(other))
    await asyncio.sleep(3.5)  # longer than the lock lives without its holder
    assert runs == ["first"], "two processes migrated at once"
    monkeypatch.setattr(migration_lock.MigrationLock, "_store", nothing)  # a dead process releases nothing
    dying.cancel()
    assert await waiting is True
    assert (runs, await schema_version(other)) == (["first", "second"], 1)


async def test_writers_of_the_previous_version_lose_nothing(open_docs: OpenDocs) -> None:
    """They replace whole documents by compare-and-set while the migration does the same."""
    docs, writer = await old_store(open_docs), open_docs()
    await writer.ensure(Collection("jobs"))
    done = asyncio.Event()
    answered = 0

    async def count_up() -> None:
        nonlocal answered
        while not done.is_set():
            job = await writer.get("jobs", JOBS[answered % len(JOBS)]["id"]) or {}
            if await writer.replace("jobs", {**job, "count": job["count"] + 1}, job["revision"]):
                answered += 1

    writing = asyncio.create_task(count_up())
    await until(lambda: answered >= 5)
    assert await migrate(docs) is True
    done.set()
    await writing
    jobs: list[Doc] = await docs.find("jobs", {})
    assert sum(job["count"] for job in jobs) == answered
    assert all("results_pending" in job and "unfiled" not in job for job in jobs)


async def nothing(*_arguments: object) -> None: ...
