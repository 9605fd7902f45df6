"""The stores that the contracts of documents and of search run against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from kit.adapters.mongo.docs import MongoDocs
from kit.adapters.mongo.search import MongoSearch
from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.sqlite.search import SqliteSearch
from kit.ports import Docs, Search
from tests.servers.mongodb import TOPOLOGIES

__all__ = ["OpenDocs", "OpenSearch", "Store", "on_mongodb", "on_sqlite", "open_store"]

OpenDocs = Callable[[], Docs]
OpenSearch = Callable[[], Search]
on_sqlite = pytest.mark.parametrize("docs_url", ["sqlite"], indirect=True)
on_mongodb = pytest.mark.parametrize("docs_url", TOPOLOGIES, indirect=True)


class Store(NamedTuple):
    """A connection to a document store, and the search in it."""

    docs: Docs
    search: Search


def open_store(url: str) -> Store:
    """Connect to a store. Processes that tests start call this, too."""
    if url.startswith("sqlite:"):
        sqlite = SqliteDocs(Path(url.removeprefix("sqlite://")))
        return Store(sqlite, SqliteSearch(sqlite.database))
    mongo = MongoDocs(url)
    return Store(mongo, MongoSearch(mongo.database))
