"""The stores that the contract of documents runs against."""

from collections.abc import Callable
from pathlib import Path

import pytest

from soundwright.kit.adapters.mongo.docs import MongoDocs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.ports import Docs
from tests.servers.mongodb import TOPOLOGIES

OpenDocs = Callable[[], Docs]
on_sqlite = pytest.mark.parametrize("docs_url", ["sqlite"], indirect=True)
on_mongodb = pytest.mark.parametrize("docs_url", TOPOLOGIES, indirect=True)


def open_store(url: str) -> Docs:
    """Connect to a store. Processes that tests start call this, too."""
    return SqliteDocs(Path(url.removeprefix("sqlite://"))) if url.startswith("sqlite:") else MongoDocs(url)
