"""Conditions, arrays, sort orders and pages of every document store (soundwright.kit.ports.Docs)."""

import asyncio
import multiprocessing
import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_docs_contract import plans_of, trace_reads

from soundwright.kit.adapters.sqlite import matches
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.errors import AppError
from soundwright.kit.ports import (
    AllOf,
    AnyOf,
    AtLeast,
    Collection,
    Contains,
    Doc,
    Docs,
    Index,
    LessThan,
    OneOf,
    StartsWith,
)
from tests.contract.stores import OpenDocs, on_sqlite, open_store
from tests.servers.mongodb import TOPOLOGIES, database_url
from tests.waiting import until

CLIPS = Collection(
    "clips",
    (
        Index(("made",)),
        Index(("votes", "made")),
        Index(("slug",), unique=True, present="slug"),
        Index(("genres",), each="genres"),
        Index(("model", "moods"), each="moods"),
    ),
)


def clip(number: int, **fields: Any) -> Doc:
    return {"id": f"c{number:03}", "made": number, **fields}


def ids(docs: list[Doc]) -> list[str]:
    return [doc["id"] for doc in docs]


async def found(docs: Docs, **where: Any) -> list[int]:
    """Return the numbers of the clips that meet the conditions, and check that ``count`` agrees."""
    numbers = [doc["made"] for doc in await docs.find("clips", where)]
    assert await docs.count("clips", where) == len(numbers)
    page, total = await docs.page("clips", where, sort=("made",), limit=1000, offset=0)
    assert ([doc["made"] for doc in page], total) == (sorted(numbers), len(numbers))
    return numbers


# ------------------------------------------------------------------------------------------- a model of the contract

GENRES = st.lists(st.sampled_from(["pop", "jazz", "folk"]), max_size=4)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["music", "audio", None]),
        "genres": GENRES,
        "moods": GENRES,
        "votes": st.sampled_from([None, -1, 0, 2]),
        "made": st.integers(0, 3),
    },
)
CHANGES = st.lists(st.tuples(st.integers(0, 15), st.one_of(st.none(), FIELDS, FIELDS, FIELDS)), min_size=8, max_size=40)
CONTAINS = st.sampled_from([
    Contains("pop"), Contains("none"), StartsWith("p"), StartsWith("x"), AnyOf([]), AllOf([Contains("pop"), Contains("jazz")]),
    AllOf([Contains("folk"), AnyOf([Contains("pop"), StartsWith("ja")])]),
    AnyOf([StartsWith("f"), AllOf([Contains("pop"), Contains("jazz")]), Contains("none")]),
    AllOf([AnyOf([StartsWith("f"), Contains("pop")]), AnyOf([StartsWith("j"), Contains("folk")])]),
])  # fmt: skip
WHERE = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["music", None, OneOf(["music", "audio"]), OneOf([]), OneOf(["music", None])]),
        "genres": CONTAINS,
        "moods": CONTAINS,
        "votes": st.sampled_from([None, 2, LessThan(2), AtLeast(0), AnyOf([None, AtLeast(1)])]),
        "made": st.sampled_from([AtLeast(2), LessThan(2), OneOf([0, 1, 2]), AllOf([AtLeast(1), LessThan(3)])]),
    },
)
SORTS = st.sampled_from([("made",), ("votes", "made"), ("votes",), ("model", "votes", "made"), ("id",)])


def meets(doc: Doc, field: str, condition: Any) -> bool:
    value = doc.get(field)
    match condition:
        case OneOf(values):
            return value in values
        case LessThan(bound):
            return value is not None and value < bound
        case AtLeast(bound):
            return value is not None and value >= bound
        case Contains(element):
            return element in (value or [])
        case StartsWith(prefix):
            return any(element.startswith(prefix) for element in value or [])
        case AllOf(conditions):
            return all(meets(doc, field, one) for one in conditions)
        case AnyOf(conditions):
            return any(meets(doc, field, one) for one in conditions)
        case _:
            return bool(value == condition)


def order_of(fields: tuple[str, ...]) -> Callable[[Doc], Any]:
    def key(doc: Doc) -> Any:
        values = [doc.get(field) for field in fields]
        return [((value is not None), value if value is not None else 0) for value in values], doc["id"]

    return key


# SQLite reads a page from the index of its order, or sorts. Here it decides, always sorts and always reads.
READ_STEPS = {"sqlite": matches._READ_STEPS, "sqlite that sorts": 0, "sqlite that walks": 1_000_000}


on_each_store = pytest.mark.parametrize("docs_url", ["sqlite", *TOPOLOGIES], indirect=True)


@pytest.fixture(params=[*READ_STEPS, *TOPOLOGIES])
def docs_url(
    request: pytest.FixtureRequest,
    mongodb_servers: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    if request.param in READ_STEPS:
        monkeypatch.setattr(matches, "_READ_STEPS", READ_STEPS[request.param])
        return f"sqlite://{tmp_path / 'library.db'}"
    return database_url(mongodb_servers(request.param), f"test_{uuid.uuid4().hex}")


@pytest_asyncio.fixture
async def docs(open_docs: OpenDocs) -> Docs:
    docs = open_docs()
    if isinstance(docs, SqliteDocs):
        docs.database.writer.execute("PRAGMA synchronous = OFF")  # these tests write much, and lose no power
    await docs.ensure(CLIPS)
    return docs


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example begins by emptying the store
)
@given(changes=CHANGES, where=WHERE, sort=SORTS, descending=st.booleans(), step=st.integers(1, 4))
async def test_after_any_changes_every_query_returns_what_the_model_returns(
    docs: Docs,
    changes: list[tuple[int, Doc | None]],
    where: dict[str, Any],
    sort: tuple[str, ...],
    descending: bool,
    step: int,
) -> None:
    for doc in await docs.find("clips", {}, limit=1000):  # of the example before
        assert await docs.delete("clips", doc["id"])
    there: dict[str, Doc] = {}
    for number, fields in changes:
        doc_id = f"c{number:03}"
        if fields is None:
            assert await docs.delete("clips", doc_id) == (there.pop(doc_id, None) is not None)
            continue
        new = {"id": doc_id, **fields}
        if doc_id in there:
            assert await docs.replace("clips", new, there[doc_id]["revision"])
        else:
            await docs.insert("clips", new)
        there[doc_id] = {**new, "revision": there.get(doc_id, {}).get("revision", 0) + 1}

    chosen = [doc for doc in there.values() if all(meets(doc, *condition) for condition in where.items())]
    expected = sorted(chosen, key=order_of(sort), reverse=descending)
    assert await docs.count("clips", where) == len(expected)

    async def page(**which: Any) -> list[Doc]:
        return await docs.find("clips", where, sort=sort, descending=descending, limit=step, **which)

    for start in range(0, len(there) + step, step):
        docs_of_page, total = await docs.page(
            "clips", where, sort=sort, descending=descending, limit=step, offset=start
        )
        assert (docs_of_page, total) == (expected[start : start + step], len(expected))
    drawn = await docs.sample("clips", where, step)
    assert len(drawn) == len({doc["id"] for doc in drawn}) == min(step, len(expected))
    assert all(doc in expected for doc in drawn)
    assert await docs.count_each("clips", "genres", ["pop", "none"]) == {
        "pop": sum(meets(doc, "genres", Contains("pop")) for doc in there.values()),
        "none": 0,
    }

    numbered = [doc for start in range(0, len(there) + step, step) for doc in await page(offset=start)]
    assert numbered == expected
    followed: list[Doc] = []
    after = None
    while part := await page(after=after):
        followed += part
        after = (*(part[-1].get(field) for field in sort), part[-1]["id"])
        assert len(followed) <= len(expected)
    assert followed == expected


# ---------------------------------------------------------------------------------------------------- conditions


async def test_conditions(docs: Docs) -> None:
    """Values, names and fields that the model above does not have."""
    await docs.insert("clips", clip(0, genres=["pop", "jazz", "pop"], tags=["pop"], model="audio", votes=3, loud=True))
    await docs.insert("clips", clip(1, tags=['po"p', 1], model=None, votes=None, label="c", loud=False))
    await docs.insert("clips", clip(2, genres=["pop"], model="music", votes=0, label="a", ratio=0.1))
    await docs.insert("clips", clip(3, genres=['po"p', "popular"], model="music", votes=-1, loud=None))
    await docs.insert("clips", clip(4, genres=[], moods=["sad"], title="ナイト 🌙"))
    expectations: list[tuple[dict[str, Any], list[int]]] = [
        ({"genres": Contains("pop")}, [0, 2]),
        ({"genres": Contains("po")}, []),
        ({"genres": Contains("%")}, []),
        ({"genres": Contains('po"p')}, [3]),
        ({"genres": Contains("")}, []),
        ({"tags": Contains("pop")}, [0]),
        ({"tags": Contains("p")}, []),
        ({"tags": Contains('po"p')}, [1]),
        ({"moods": Contains("sad")}, [4]),
        ({"nothing": Contains("pop")}, []),
        ({"genres": StartsWith("pop")}, [0, 2, 3]),
        ({"genres": StartsWith("po")}, [0, 2, 3]),
        ({"genres": StartsWith('po"')}, [3]),
        ({"genres": StartsWith("Pop")}, []),
        ({"genres": StartsWith("p%")}, []),
        ({"genres": StartsWith("op")}, []),
        ({"genres": StartsWith("")}, [0, 2, 3]),
        ({"tags": StartsWith("po")}, [0, 1]),
        ({"nothing": StartsWith("pop")}, []),
        (
            {"tags": AnyOf([Contains("pop"), StartsWith('po"')]), "genres": AnyOf([Contains("pop"), StartsWith("x")])},
            [0],
        ),
        ({"model": "Music"}, []),
        ({"model": OneOf([None])}, [1, 4]),
        ({"made": AtLeast(2.5)}, [3, 4]),
        ({"model": AtLeast("b")}, [2, 3]),
        ({"model": LessThan("b")}, [0]),
        ({"label": AtLeast("b")}, [1]),
        ({"tags": AllOf([Contains("pop")]), "model": AllOf(["audio", AtLeast("a")])}, [0]),
        ({"made": AllOf([])}, [0, 1, 2, 3, 4]),
        ({}, [0, 1, 2, 3, 4]),
        ({"id": "c002"}, [2]),
        ({"made": LessThan(1.5)}, [0, 1]),
        ({"loud": True}, [0]),
        ({"loud": False}, [1]),
        ({"loud": None}, [2, 3, 4]),
        ({"title": "ナイト 🌙"}, [4]),
        ({"title": "' OR 1=1 --"}, []),
        ({"ratio": 0.1}, [2]),
    ]
    for where, expected in expectations:
        assert await found(docs, **where) == expected, where


@pytest.mark.parametrize("name", ["a b", "a'", 'a"', "a;b", "", "a.b", "$where", "1a", "a--", "a)", "\x00", "a\x00b"])
async def test_hostile_names_are_refused(docs: Docs, name: str) -> None:
    await docs.insert("clips", clip(0))
    indexes = Index((name,)), Index((name,), each=name), Index(("made", name)), Index(("made",), present=name)
    refused: list[Callable[[], Awaitable[Any]]] = [
        *(
            lambda where=where: docs.find("clips", where)
            for where in ({name: 1}, {name: Contains("x")}, {name: StartsWith("x")}, {name: AtLeast(1)})
        ),
        lambda: docs.page("clips", {name: Contains("x")}, sort=("made",), limit=1, offset=0),
        lambda: docs.page("clips", {}, sort=(name,), limit=1, offset=0),
        lambda: docs.sample("clips", {name: 1}, 1),
        lambda: docs.count_each("clips", name, ["x"]),
        *(lambda sort=sort: docs.find("clips", {}, sort=sort) for sort in (name, ("made", name))),
        *(lambda index=index: docs.ensure(Collection("other", (index,))) for index in indexes),
        lambda: docs.count("clips", {name: OneOf([1])}),
        lambda: docs.get(name, "c000"),
        lambda: docs.ensure(Collection(name)),
    ]
    for call in refused:
        with pytest.raises(ValueError):
            await call()
    assert await docs.count("clips", {}) == 1


async def test_an_array_that_is_not_a_field_of_its_index_is_refused(docs: Docs) -> None:
    with pytest.raises(ValueError):
        await docs.ensure(Collection("other", (Index(("made",), each="genres"),)))


async def test_a_page_begins_at_an_offset_or_after_a_document(docs: Docs) -> None:
    with pytest.raises(ValueError):
        await docs.find("clips", {}, sort="made", offset=1, after=(1, "c001"))
    with pytest.raises(ValueError):
        await docs.find("clips", {}, sort=("votes", "made"), after=(1, "c001"))


async def test_an_element_of_many_documents(docs: Docs) -> None:
    """SQLite has an entry for each 64 of them."""
    genres = [["pop", "pop"] if number % 3 else ["jazz", "pop rock"] for number in range(130)]
    for number in range(130):
        await docs.insert("clips", clip(number, genres=genres[number]))
    for number in range(50, 80):
        await docs.delete("clips", f"c{number:03}")
    await docs.replace("clips", clip(125, genres=["folk"]), 1)
    kept = [number for number in range(130) if number not in {*range(50, 80), 125}]
    pop = [number for number in kept if number % 3]
    assert await found(docs, genres=Contains("pop")) == pop
    assert await found(docs, genres=StartsWith("pop")) == kept
    assert await found(docs, genres=AllOf([Contains("jazz"), StartsWith("p")])) == [n for n in kept if n % 3 == 0]
    counted = {"pop": len(pop), "jazz": len(kept) - len(pop), "folk": 1, "none": 0}
    assert await docs.count_each("clips", "genres", list(counted)) == counted
    assert sorted(doc["made"] for doc in await docs.sample("clips", {"genres": Contains("pop")}, 200)) == pop


async def test_another_field_of_an_array_index_can_change_alone(docs: Docs) -> None:
    await docs.insert("clips", clip(0, model="music", moods=["sad"]))
    assert await docs.replace("clips", clip(0, model="audio", moods=["sad"]), 1)
    assert await found(docs, model="music", moods=Contains("sad")) == []
    assert await found(docs, model="audio", moods=Contains("sad")) == [0]


async def test_a_refused_document_leaves_no_elements(docs: Docs) -> None:
    await docs.insert("clips", clip(0, slug="taken", genres=["pop"]))
    await docs.insert("clips", clip(1, slug="free", genres=["jazz"]))
    with pytest.raises(AppError, match="DOC_EXISTS"):
        await docs.insert("clips", clip(2, slug="taken", genres=["folk"]))
    with pytest.raises(AppError, match="DOC_EXISTS"):
        await docs.replace("clips", clip(1, slug="taken", genres=["folk"]), 1)
    assert await docs.replace("clips", clip(1, genres=["folk"]), 2) is False
    assert [await found(docs, genres=Contains(genre)) for genre in ("folk", "jazz")] == [[], [1]]


# ------------------------------------------------------------------------------------------------------- samples

EACH_STORE = pytest.mark.parametrize("docs_url", ["sqlite", *TOPOLOGIES], indirect=True)


@EACH_STORE
@pytest.mark.parametrize("where", [{}, {"genres": Contains("pop"), "made": AtLeast(1)}, {"votes": AtLeast(1)}])
async def test_every_document_is_drawn_as_often_at_every_place(docs: Docs, where: dict[str, Any]) -> None:
    for number in (*range(1, 9), *range(50, 60)):
        await docs.insert("clips", clip(number, genres=["pop", "jazz"], votes=1))
    for number in (3, *range(50, 60)):  # these leave gaps
        await docs.delete("clips", f"c{number:03}")
    await docs.insert("clips", clip(9, genres=["pop"], votes=2))
    if where:
        await docs.insert("clips", clip(0, genres=["folk"], votes=0))
    places: list[Counter[str]] = [Counter(), Counter(), Counter()]
    rounds = 400
    for _ in range(rounds):
        drawn = ids(await docs.sample("clips", where, 3))
        assert len(set(drawn)) == 3
        for place, doc_id in zip(places, drawn, strict=True):
            place[doc_id] += 1
    for place in places:
        assert len(place) == 8
        deviation = sum((times - rounds / 8) ** 2 / (rounds / 8) for times in place.values())
        assert deviation < 42  # chi-square of 7 degrees of freedom: exceeded once in two million


@EACH_STORE
async def test_a_sample_has_as_many_documents_as_there_are(docs: Docs) -> None:
    assert await docs.sample("clips", {}, 3) == []
    await docs.insert("clips", clip(0))
    assert await docs.sample("clips", {}, 0) == []
    assert ids(await docs.sample("clips", {}, 3)) == ["c000"]


# -------------------------------------------------------------------------------------------------------- growing


async def test_new_indexes_contain_the_documents_that_exist(open_docs: OpenDocs) -> None:
    docs, other = open_docs(), open_docs()
    await docs.ensure(Collection("clips", (Index(("made",)),)))
    for number in range(20):
        await docs.insert("clips", clip(number, model="music", genres=["pop"][: number % 2], moods=["sad"]))
    await docs.delete("clips", "c001")
    assert await found(docs, genres=Contains("pop")) == list(range(3, 20, 2))  # without an index
    await docs.ensure(CLIPS)
    await other.insert("clips", clip(21, genres=["pop"]))  # a store that did not ensure the indexes
    for store in (docs, other):
        assert await found(store, genres=Contains("pop")) == list(range(3, 22, 2))
        assert len(await found(store, model="music", moods=Contains("sad"))) == 19


@on_each_store
async def test_processes_that_start_at_once_create_everything_once(docs_url: str, open_docs: OpenDocs) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=start_and_fill, args=(docs_url, barrier, part)) for part in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    docs = open_docs()
    await docs.ensure(CLIPS)
    assert await found(docs, genres=Contains("pop")) == list(range(30))


@on_each_store
async def test_a_process_that_is_killed_while_it_writes_leaves_indexes_that_fit_its_documents(
    docs_url: str, docs: Docs
) -> None:
    context = multiprocessing.get_context("spawn")
    answered = context.Value("i", 0)
    process = context.Process(target=change_without_end, args=(docs_url, answered))
    process.start()
    await until(lambda: answered.value >= 60 or not process.is_alive(), "the process writes")
    process.kill()
    await asyncio.to_thread(process.join, 120)
    there = await docs.find("clips", {}, limit=100_000)
    assert len(there) >= answered.value // 3 >= 20
    for genre in ("pop", "jazz"):
        expected = [doc["id"] for doc in there if genre in doc["genres"]]
        assert ids(await docs.find("clips", {"genres": Contains(genre)}, limit=100_000)) == expected


def start_and_fill(docs_url: str, barrier: Barrier, part: int) -> None:
    """Create the indexes while other processes do the same and all insert documents."""

    async def work() -> None:
        docs = open_store(docs_url)
        await docs.ensure(Collection("clips"))
        for number in range(part * 10, part * 10 + 5):
            await docs.insert("clips", clip(number, genres=["pop"]))
        barrier.wait(120)
        await docs.ensure(CLIPS)
        for number in range(part * 10 + 5, part * 10 + 10):
            await docs.insert("clips", clip(number, genres=["pop"]))
        await docs.close()

    barrier.wait(120)
    asyncio.run(work())


def change_without_end(docs_url: str, answered: "Synchronized[int]") -> None:
    """Insert two documents, replace one and delete the other, again and again, and count the answers."""

    async def work() -> None:
        docs = open_store(docs_url)
        for number in count(step=2):
            await docs.insert("clips", clip(number, genres=["pop", "jazz"]))
            await docs.insert("clips", clip(number + 1, genres=["pop", "jazz"]))
            await docs.replace("clips", clip(number, genres=["pop"]), 1)
            await docs.delete("clips", clip(number + 1)["id"])
            answered.value += 3

    asyncio.run(work())


@on_sqlite
async def test_a_reader_waits_for_no_writer(docs: SqliteDocs) -> None:
    await docs.insert("clips", clip(0, genres=["pop"]))
    writing, finish = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM clips")
        writing.set()
        finish.wait(60)

    write = asyncio.create_task(docs.database.write(work))
    await asyncio.to_thread(writing.wait, 60)
    assert await found(docs, genres=Contains("pop")) == [0]
    assert await docs.get("clips", "c000") is not None
    finish.set()
    await write
    assert await docs.get("clips", "c000") is None


@on_sqlite
async def test_arrays_are_looked_up_in_their_index(docs: SqliteDocs) -> None:
    statements = trace_reads(docs)
    await docs.find("clips", {"genres": Contains("pop")})
    await docs.find("clips", {"model": "music", "moods": Contains("sad")})
    plans = [plan async for plan in plans_of(docs, [sql for sql in statements if "ORDER BY" in sql])]
    assert ["clips(genres) each genres in blocks USING PRIMARY KEY (genres=?)" in plan for plan in plans] == [
        True,
        False,
    ]
    assert [
        "clips(model,moods) each moods in blocks USING PRIMARY KEY (model=? AND moods=?)" in plan for plan in plans
    ] == [False, True]
