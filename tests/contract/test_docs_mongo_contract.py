"""The MongoDB store keeps what every document store promises."""

import dataclasses
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import structlog
from pymongo import monitoring
from pymongo.errors import AutoReconnect

from soundwright.kit.adapters.mongo.docs import MongoDocs
from soundwright.kit.adapters.mongo.query import index_options, where_clauses
from soundwright.kit.errors import AppError
from soundwright.kit.log import FailureLog
from soundwright.kit.ports import AllOf, AnyOf, Collection, Contains, Index, LessThan, StartsWith
from soundwright.services.library.identity.credentials import Link
from soundwright.services.library.identity.store import IdentityStore
from soundwright.services.library.stores import Stores
from tests.contract.stores import OpenDocs, on_mongodb
from tests.servers.mongodb import database_url

LEASES = Collection("jobs", (Index(("lease_until",), present="lease_until"), Index(("slug",), unique=True)))


@pytest_asyncio.fixture
async def mongo(open_docs: OpenDocs) -> Any:
    docs = open_docs()
    await docs.ensure(LEASES)
    return docs


@on_mongodb
async def test_documents_without_a_unique_field_do_not_collide(mongo: MongoDocs) -> None:
    for number in range(3):
        await mongo.insert("jobs", {"id": str(number)})
    assert await mongo.count("jobs", {}) == 3


@on_mongodb
async def test_a_write_whose_answer_was_lost_is_not_repeated(mongo: MongoDocs) -> None:
    """The connection breaks after the server has applied the write."""
    calls = lose_first_answer(mongo, "insert_one")
    await mongo.insert("jobs", {"id": "a", "slug": "x"})
    assert (calls, (await mongo.get("jobs", "a") or {})["revision"]) == (["insert_one"] * 2, 1)
    calls = lose_first_answer(mongo, "replace_one")
    assert await mongo.replace("jobs", {"id": "a", "slug": "y"}, 1)
    assert (calls, await mongo.get("jobs", "a")) == (["replace_one"] * 2, {"id": "a", "slug": "y", "revision": 2})
    lose_first_answer(mongo, "delete_one")
    assert await mongo.delete("jobs", "a")
    assert await mongo.get("jobs", "a") is None


@on_mongodb
async def test_a_link_is_redeemed_once_when_a_connection_breaks(open_docs: OpenDocs, mongo: MongoDocs) -> None:
    store, other = IdentityStore(mongo), IdentityStore(open_docs())
    link = Link("hash", "login", "account", "a@b.example", 0, "a@b.example", 2e9, revision=1)
    await other.links.add(link)
    # The request is lost, and another caller redeems the link before this one tries again.
    lose_first_answer(mongo, "replace_one", lambda: other.redeem_link(link))
    assert await store.redeem_link(link) is False
    await other.links.add(dataclasses.replace(link, id="hash-2"))
    lose_first_answer(mongo, "replace_one")
    assert await store.redeem_link(dataclasses.replace(link, id="hash-2")) is True
    assert await other.redeem_link(dataclasses.replace(link, id="hash-2")) is False


async def test_the_database_must_be_named(mongodb_url: str) -> None:
    with pytest.raises(ValueError, match="names no database"):
        MongoDocs(mongodb_url)


def lose_first_answer(docs: MongoDocs, name: str, instead: Callable[[], Awaitable[Any]] | None = None) -> list[str]:
    """Make the first call of a method of the driver fail after its effect. Return the names of all its calls.

    Args:
        instead: What happens instead of the effect of the first call.
    """
    calls: list[str] = []

    class Lossy:
        def __init__(self, collection: Any) -> None:
            self._stored = collection

        def __getattr__(self, attribute: str) -> Any:
            method = getattr(self._stored, attribute)
            if attribute != name:
                return method

            async def call(*arguments: Any) -> Any:
                calls.append(name)
                answer = await (instead() if instead and len(calls) == 1 else method(*arguments))
                if len(calls) == 1:
                    raise AutoReconnect("connection closed")
                return answer

            return call

    docs._collection = lambda collection: Lossy(docs.database[collection])  # type: ignore[method-assign]
    return calls


async def test_a_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundwright.kit.adapters.mongo.client._SELECTION_MILLISECONDS", 200)
    monkeypatch.setattr("soundwright.kit.adapters.mongo.client._failures", FailureLog())
    docs = MongoDocs("mongodb://127.0.0.1:1/soundwright")
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(AppError) as refusal:
                await docs.check()
            assert (refusal.value.http_status, refusal.value.reason) == (503, "STORE_UNAVAILABLE")
    assert [line["event"] for line in lines] == ["docs.unavailable"]
    assert lines[0]["detail"].startswith("127.0.0.1:1: [Errno 111] Connection refused")
    await docs.close()


async def test_indexes_of_the_library_keep_to_what_every_compatible_engine_offers(mongodb_url: str) -> None:
    docs = MongoDocs(database_url(mongodb_url, f"test_{uuid.uuid4().hex}"))
    await Stores(docs).prepare()
    try:
        names = await docs.database.list_collection_names()
        assert {"jobs", "tracks", "accounts", "clips"} <= set(names)
        for name in names:
            indexes = await docs.database[name].index_information()
            assert len(indexes) <= 64, name
            for title, index in indexes.items():
                partial = index.get("partialFilterExpression", {})
                operators = {operator for condition in partial.values() for operator in condition}
                assert operators <= {"$type", "$eq", "$gt"}, (name, title)
                # Some engines refuse a second document that lacks the field of a unique index.
                assert partial or not index.get("unique"), (name, title)
    finally:
        await docs.database.client.drop_database(docs.database.name)
        await docs.close()


async def test_writes_and_searches_use_no_transactions_and_no_change_streams(mongodb_url: str) -> None:
    commands = StartedCommands()
    monitoring.register(commands)  # of all clients from now on
    docs = MongoDocs(database_url(mongodb_url, f"test_{uuid.uuid4().hex}"))
    await docs.ensure(LEASES)
    await docs.insert("jobs", {"id": "a"})
    await docs.replace("jobs", {"id": "a", "slug": "x"}, 1)
    await docs.ensure(Collection("clips", (Index(("terms",), each="terms"),)))
    await docs.insert("clips", {"id": "a", "terms": ["rain"], "made": 1})
    terms = AllOf([Contains("rain"), AnyOf([StartsWith("r"), AllOf([Contains("a"), Contains("b")])])])
    assert (await docs.page("clips", {"terms": terms}, sort=("made",), limit=1, offset=0))[1] == 1
    assert await docs.count_each("clips", "terms", ["rain"]) == {"rain": 1}
    assert len(await docs.sample("clips", {}, 1)) == 1
    await docs.delete("jobs", "a")
    await docs.close()
    used = {name for name, _ in commands.sent}
    assert used >= {"createIndexes", "insert", "update", "find", "aggregate", "delete"}
    assert not used & {"commitTransaction", "abortTransaction"}
    sent = " ".join(body for _, body in commands.sent)
    assert not [word for word in ("startTransaction", "$changeStream", "$text", "$where", "$lookup") if word in sent]


class StartedCommands(monitoring.CommandListener):
    """The names and bodies of the commands that were sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append((event.command_name, str(event.command)))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...
    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_queries_repeat_the_condition_of_a_partial_index() -> None:
    for index in LEASES.indexes:
        assert all(
            set(condition) == {"$type"} for condition in index_options(index)["partialFilterExpression"].values()
        )
    # A partial index is used only by a query that repeats its condition.
    due, present = where_clauses({"lease_until": LessThan(5)}, LEASES.indexes)
    assert due == {"lease_until": {"$lt": 5}}
    assert present == index_options(LEASES.indexes[0])["partialFilterExpression"]
