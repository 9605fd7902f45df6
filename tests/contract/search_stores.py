"""The search adapters that the contract runs against."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from kit.adapters.mongo.docs import MongoDocs
from kit.adapters.mongo.search import MongoSearch
from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.sqlite.search import SqliteSearch
from kit.ports import Docs, Search
from tests.servers.mongodb import database_url

__all__ = ["Connection", "MongoSearchStore", "Open", "SearchStore", "SqliteSearchStore"]


class Connection(NamedTuple):
    """A search, and the document store that it lives in."""

    search: Search
    docs: Docs


Open = Callable[[], Awaitable[Search]]


class SearchStore(ABC):
    """An adapter under test."""

    @pytest.fixture
    @abstractmethod
    def opener(self) -> Any:
        """Return a function that can be sent to another process and connects to the same, initially empty store."""

    @pytest_asyncio.fixture
    async def open_search(self, opener: Callable[[], Connection]) -> AsyncIterator[Open]:
        """Open another connection to the same store. All are closed after the test."""
        opened: list[Connection] = []

        async def open_one() -> Search:
            opened.append(opener())
            return opened[-1].search

        yield open_one
        for connection in opened:
            await connection.docs.close()


class SqliteSearchStore(SearchStore):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Callable[[], Connection]:
        return partial(_open_sqlite, tmp_path / "library.db")


def _open_sqlite(path: Path) -> Connection:
    docs = SqliteDocs(path)
    docs.database.writer.execute("PRAGMA synchronous = OFF")
    return Connection(SqliteSearch(docs.database), docs)


class MongoSearchStore(SearchStore):
    @pytest.fixture
    def opener(self, mongodb_url: str) -> Callable[[], Connection]:
        return partial(_open_mongo, database_url(mongodb_url, f"test_{uuid.uuid4().hex}"))


def _open_mongo(url: str) -> Connection:
    docs = MongoDocs(url)
    return Connection(MongoSearch(docs.database), docs)
