"""Checks of every query and document of the library's stores in unit tests.

An index must answer each query. No document has arrays in two fields of an index, because MongoDB refuses it. With MongoDB's own server
on ``PATH``, or a server in ``SOUNDWRIGHT_TEST_MONGODB_URL``, its plans are checked at the end, too.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import uvloop
from mongo_plans import RecordedQuery, scanning_queries
from query_plans import answering_index

from kit.adapters.sqlite.docs import SqliteDocs
from kit.ports import Collection, Doc, Index
from tests.servers.mongodb import TOPOLOGIES, mongodb
from tests.simulators.media_site import MediaSite


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the event loops that ``@pytest.mark.asyncio(loop_factories=...)`` can name. Other tests use that of asyncio."""
    marker = item.get_closest_marker("asyncio")
    named = marker is not None and "loop_factories" in marker.kwargs
    return {"asyncio": asyncio.new_event_loop} | ({"uvloop": uvloop.new_event_loop} if named else {})


@pytest.fixture
def site() -> Iterator[MediaSite]:
    """A site with recordings. Tests with another site define their own fixture."""
    with MediaSite() as started:
        yield started


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds of a tone."""
    from tests.unit.test_ingest_encoding import tone, written  # its libraries take a second to load

    return written(tmp_path_factory.mktemp("wav") / "wav", tone(3.0)).read_bytes()


_indexes: dict[str, set[Index]] = {}
_queries: dict[str, RecordedQuery] = {}


@pytest.fixture(autouse=True, scope="session")
def documents_and_queries_fit_the_indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Patch the document store, so that what does not fit fails the test."""
    with pytest.MonkeyPatch.context() as patch:
        ensure, find, count = SqliteDocs.ensure, SqliteDocs.find, SqliteDocs.count
        insert, replace = SqliteDocs.insert, SqliteDocs.replace

        @functools.wraps(ensure)
        async def recording_ensure(self: SqliteDocs, collection: Collection) -> None:
            if collection.indexes:
                _indexes.setdefault(collection.name, set()).update(collection.indexes)
            await ensure(self, collection)

        @functools.wraps(find)
        async def checking_find(
            self: SqliteDocs, collection: str, where: Mapping[str, Any], **options: Any
        ) -> list[Doc]:
            sort = options.get("sort", "id")
            _check(collection, where, (sort,) if isinstance(sort, str) else sort)
            _record(RecordedQuery(collection, where, options))
            return await find(self, collection, where, **options)

        @functools.wraps(count)
        async def checking_count(self: SqliteDocs, collection: str, where: Mapping[str, Any]) -> int:
            _check(collection, where, ())
            _record(RecordedQuery(collection, where, None))
            return await count(self, collection, where)

        @functools.wraps(insert)
        async def checking_insert(self: SqliteDocs, collection: str, doc: Doc) -> None:
            _check_arrays(collection, doc)
            await insert(self, collection, doc)

        @functools.wraps(replace)
        async def checking_replace(self: SqliteDocs, collection: str, doc: Doc, revision: int) -> bool:
            _check_arrays(collection, doc)
            return await replace(self, collection, doc, revision)

        patch.setattr(SqliteDocs, "insert", checking_insert)
        patch.setattr(SqliteDocs, "replace", checking_replace)
        patch.setattr(SqliteDocs, "ensure", recording_ensure)
        patch.setattr(SqliteDocs, "find", checking_find)
        patch.setattr(SqliteDocs, "count", checking_count)
        yield
    if _queries and "secantusdb" not in TOPOLOGIES:  # its planner is not MongoDB's
        with mongodb(tmp_path_factory.mktemp("plans") / "mongodb") as server:
            scanning = asyncio.run(scanning_queries(server, _indexes, _queries.values()))
        assert not scanning, "MongoDB reads the whole collection:\n" + "\n".join(scanning)


def _record(query: RecordedQuery) -> None:
    if query.collection in _indexes:
        _queries.setdefault(query.shape, query)


def _check(collection: str, where: Mapping[str, Any], sort: tuple[str, ...]) -> None:
    if collection in _indexes:  # otherwise the test has made the collection itself, without its indexes
        index = answering_index(_indexes[collection], where, sort)
        assert index is not None, f"no index answers the query {dict(where)} by {sort} of {collection}"


def _check_arrays(collection: str, doc: Doc) -> None:
    for index in _indexes.get(collection, ()):
        arrays = [field for field in index.fields if isinstance(doc.get(field), list | tuple)]
        assert len(arrays) <= 1, f"{collection}: {arrays} of one index are arrays"
