"""The document stores that the contracts run against."""

from __future__ import annotations

import contextlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kit.adapters.mongo.docs import MongoDocs
from kit.adapters.sqlite.docs import SqliteDocs
from kit.ports import Docs
from tests.servers.mongodb import database_url

Open = Callable[[], Awaitable[Docs]]


class Store(ABC):
    """A store under test."""

    @pytest.fixture
    @abstractmethod
    def opener(self) -> Any:
        """A function that can be sent to another process and connects to the same, initially empty store."""

    @pytest_asyncio.fixture
    async def open_docs(self, opener: Callable[[], Docs]) -> AsyncIterator[Open]:
        """Opens another connection to the same store; all are closed after the test."""
        opened: list[Docs] = []

        async def open_one() -> Docs:
            opened.append(opener())
            return opened[-1]

        yield open_one
        for docs in opened:
            with contextlib.suppress(RuntimeError):  # the test closed it already
                await docs.close()


def trace_reads(docs: SqliteDocs) -> list[str]:
    """Return a list that receives every statement of the readers from now on."""
    statements: list[str] = []
    readers = [docs.database.readers.get() for _ in range(docs.database.readers.qsize())]
    for reader in readers:
        reader.set_trace_callback(statements.append)
        docs.database.readers.put(reader)
    return statements


async def plans_of(docs: SqliteDocs, statements: list[str]) -> AsyncIterator[str]:
    """Yield the query plan of each statement."""
    for statement in statements:
        sql = f"EXPLAIN QUERY PLAN {statement}"
        rows = await docs.database.write(lambda connection, sql=sql: connection.execute(sql).fetchall())
        yield "; ".join(row[-1] for row in rows)


class SqliteStore(Store):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Callable[[], Docs]:
        return partial(SqliteDocs, tmp_path / "new folder" / "library.db")


class MongoStore(Store):
    @pytest.fixture
    def opener(self, mongodb_url: str) -> Callable[[], Docs]:
        return partial(MongoDocs, database_url(mongodb_url, f"test_{uuid.uuid4().hex}"))
