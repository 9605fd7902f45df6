"""Fixtures, and a check of every query and document of the library's stores in unit tests.

An index must answer each query. No document has arrays in two fields of an index, because MongoDB refuses it.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from query_plans import answering_index

from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.ports import Collection, Doc, Index
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import SpotifySimulator

if TYPE_CHECKING:
    from library_fixture import Library


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


@pytest.fixture
def spotify() -> Iterator[SpotifySimulator]:
    with SpotifySimulator() as simulator:
        simulator.add_user("ann-there", "Ann", "ann@example.org")
        yield simulator


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds of a tone."""
    from tests.unit.ingest.test_ingest_encoding import tone, written  # its libraries take a second to load

    return written(tmp_path_factory.mktemp("wav") / "wav", tone(3.0)).read_bytes()


@pytest.fixture
async def library(tmp_path: Path) -> "AsyncIterator[Library]":
    from library_fixture import opened

    async with opened(tmp_path) as library:
        yield library


@pytest.fixture(scope="session")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Index, ...]]:
    return declared_indexes(tmp_path_factory.mktemp("indexes"))


def declared_indexes(folder: Path) -> dict[str, tuple[Index, ...]]:
    """Return the indexes of each collection that a library creates when it starts."""
    from soundwright.services.library.stores import Stores

    class RecordingDocs(SqliteDocs):
        async def ensure(self, collection: Collection) -> None:
            found[collection.name] = found.get(collection.name, ()) + collection.indexes
            await super().ensure(collection)

    async def start() -> None:
        docs = RecordingDocs(folder / "library.db")
        await Stores(docs).prepare()
        await docs.close()

    found: dict[str, tuple[Index, ...]] = {}
    asyncio.run(start())
    return found


@pytest.fixture(autouse=True, scope="module")
def documents_and_queries_fit_the_indexes(indexes: dict[str, tuple[Index, ...]]) -> Iterator[None]:
    """Patch the document store, so that what does not fit fails the test. Tests of the store itself may follow."""

    def check_query(collection: str, where: Mapping[str, Any], sort: str | tuple[str, ...] = "id", **_: Any) -> None:
        if collection in indexes:
            index = answering_index(indexes[collection], where, (sort,) if isinstance(sort, str) else sort)
            assert index is not None, f"no index answers the query {dict(where)} by {sort} of {collection}"

    def check_count(collection: str, where: Mapping[str, Any]) -> None:
        check_query(collection, where, ())

    def check_page(collection: str, where: Mapping[str, Any], sort: tuple[str, ...], **_: Any) -> None:
        assert Index(sort) in indexes[collection], f"no index of {collection} is sorted by {sort}"
        check_sample(collection, where)

    def check_sample(collection: str, where: Mapping[str, Any], *_: Any) -> None:
        indexed = {index.fields[0] for index in indexes[collection]} | {"id"}
        assert where.keys() <= indexed, f"no index answers each of {dict(where)} of {collection}"

    def check_arrays(collection: str, doc: Doc, *_: Any) -> None:
        for index in indexes.get(collection, ()):
            arrays = [field for field in index.fields if isinstance(doc.get(field), list | tuple)]
            assert len(arrays) <= 1, f"{collection}: {arrays} of one index are arrays"

    checks = {
        "find": check_query, "count": check_count, "page": check_page, "sample": check_sample,
        "insert": check_arrays, "replace": check_arrays,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, check in checks.items():
            patch.setattr(SqliteDocs, name, _checked(getattr(SqliteDocs, name), check))
        yield


def _checked(method: Callable[..., Any], check: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def checked(self: SqliteDocs, *arguments: Any, **options: Any) -> Any:
        check(*arguments, **options)
        return await method(self, *arguments, **options)

    return checked
