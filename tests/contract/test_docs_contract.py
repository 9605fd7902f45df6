"""What every document store promises (soundwright.kit.ports.Docs)."""

import asyncio
import math
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.errors import AppError, Code
from soundwright.kit.ports import AtLeast, Collection, Docs, Index, LessThan, OneOf
from tests.contract.stores import OpenDocs, on_sqlite

SONGS = Collection(
    "songs",
    (
        Index(("owner", "made")),
        Index(("slug",), unique=True),
        Index(("owner", "key"), unique=True, present="key"),
        Index(("due",), present="due"),
    ),
)


def song(number: int, **fields: Any) -> dict[str, Any]:
    """A document that clashes with no other; ``fields`` overrule."""
    return {"id": f"s{number:03}", "slug": f"slug-{number}", "owner": "ann", "made": number, **fields}


def ids(docs: list[dict[str, Any]]) -> list[str]:
    return [doc["id"] for doc in docs]


@pytest_asyncio.fixture
async def docs(open_docs: OpenDocs) -> Docs:
    docs = open_docs()
    await docs.ensure(SONGS)
    return docs


# --------------------------------------------------------------------------------------- copies of the store


async def test_loaded_documents_keep_their_revision_and_replace_others(docs: Docs) -> None:
    await docs.insert("songs", song(1, title="before"))
    await docs.load("songs", [{**song(1, title="after"), "revision": 7}, {**song(2), "revision": 3}])
    await docs.load("songs", [{**song(2), "revision": 3}])
    await docs.load("songs", [])
    assert await docs.get("songs", "s001") == {**song(1, title="after"), "revision": 7}
    assert await docs.find("songs", {"owner": "ann"}) == [
        {**song(1, title="after"), "revision": 7},
        {**song(2), "revision": 3},
    ]
    assert await docs.replace("songs", song(2, title="changed"), 3)


async def test_a_loaded_document_may_not_clash_with_another_one(docs: Docs) -> None:
    await docs.insert("songs", song(1))
    with pytest.raises(AppError) as refusal:
        await docs.load("songs", [{**song(2), "slug": "slug-1", "revision": 1}])
    assert (refusal.value.code, refusal.value.reason) == (Code.EXISTS, "DOC_EXISTS")


# ------------------------------------------------------------------------------------------- one document


async def test_a_snapshot_has_all_documents_and_may_be_read_during_writes(docs: Docs, tmp_path: Path) -> None:
    await docs.load("songs", [{**song(number), "revision": number} for number in range(1, 40)])
    folder = tmp_path / "snapshot"
    folder.mkdir()
    async with docs.snapshot(folder) as frozen:
        await docs.insert("songs", song(50))
        found = await frozen.find("songs", {}, limit=39)
        assert [doc["revision"] for doc in found] == list(range(1, 40))
        if frozen is not docs:
            assert await frozen.get("songs", "s050") is None
    assert list(folder.iterdir()) == []
    assert await docs.get("songs", "s050") is not None


async def test_what_is_inserted_is_got_with_revision_one(docs: Docs) -> None:
    body = song(1, title="Größe 🎵 العربية\n\"'`;--", tags=["a", {"deep": [1, 2.5, None, True]}], empty="", none=None)
    await docs.insert("songs", body)
    assert await docs.get("songs", "s001") == {**body, "revision": 1}


async def test_a_returned_document_is_the_callers_to_change(docs: Docs) -> None:
    await docs.insert("songs", song(1, tags=["a"]))
    got = await docs.get("songs", "s001")
    assert got is not None
    got["tags"].append("b")
    assert (await docs.get("songs", "s001") or {})["tags"] == ["a"]


async def test_a_taken_id_is_refused_and_the_first_document_stays(docs: Docs) -> None:
    await docs.insert("songs", song(1, title="first"))
    with pytest.raises(AppError) as refusal:
        await docs.insert("songs", song(1, slug="other", title="second"))
    assert (refusal.value.code, refusal.value.reason) == (Code.EXISTS, "DOC_EXISTS")
    assert (await docs.get("songs", "s001") or {})["title"] == "first"
    assert await docs.count("songs", {}) == 1


async def test_a_total_adds_a_field_of_the_documents_that_match(docs: Docs) -> None:
    assert await docs.total("songs", {"owner": "ann"}, "size") == 0
    sizes = [1, 2**40, 0, None, 2**40]
    for number, size in enumerate(sizes):
        await docs.insert("songs", song(number, size=size))
    await docs.insert("songs", song(8))
    await docs.insert("songs", song(9, owner="bob", size=5))
    assert await docs.total("songs", {"owner": "ann"}, "size") == 2**41 + 1
    assert await docs.total("songs", {"owner": "ann", "size": AtLeast(2)}, "size") == 2**41
    assert await docs.total("songs", {"owner": OneOf(["bob", "eve"])}, "size") == 5
    assert await docs.total("songs", {}, "made") == 27


async def test_delete_says_whether_there_was_something(docs: Docs) -> None:
    await docs.insert("songs", song(1))
    assert await docs.delete("songs", "s001") is True
    assert await docs.delete("songs", "s001") is False
    assert await docs.get("songs", "s001") is None
    await docs.insert("songs", song(1))  # nothing of it is left in an index


async def test_of_concurrent_deletions_one_deletes(open_docs: OpenDocs, docs: Docs) -> None:
    """A link in an email is valid once: whoever deletes its document may use it."""
    other = open_docs()
    for number in range(10):
        await docs.insert("songs", song(number))
        deletions = [store.delete("songs", song(number)["id"]) for store in (docs, other, docs, other)]
        assert sorted(await asyncio.gather(*deletions)) == [False, False, False, True]


async def test_not_a_number_is_refused_rather_than_stored(docs: Docs) -> None:
    with pytest.raises(ValueError, match="JSON"):
        await docs.insert("songs", song(1, peak=math.nan))
    assert await docs.get("songs", "s001") is None


# ------------------------------------------------------------------------------------- compare-and-set


async def test_replace_with_an_old_revision_changes_nothing(docs: Docs) -> None:
    await docs.insert("songs", song(1, title="a"))
    assert await docs.replace("songs", song(1, title="b"), 1)
    assert await docs.replace("songs", song(1, title="c"), 1) is False
    assert await docs.replace("songs", song(1, title="c"), 3) is False
    assert await docs.get("songs", "s001") == {**song(1, title="b"), "revision": 2}


async def test_replace_of_a_missing_document_is_false_and_makes_none(docs: Docs) -> None:
    assert await docs.replace("songs", song(1), 1) is False
    assert await docs.count("songs", {}) == 0


async def test_replace_keeps_unique_indexes(docs: Docs) -> None:
    await docs.insert("songs", song(1))
    await docs.insert("songs", song(2))
    with pytest.raises(AppError) as refusal:
        await docs.replace("songs", song(2, slug="slug-1"), 1)
    assert refusal.value.reason == "DOC_EXISTS"
    assert await docs.get("songs", "s002") == {**song(2), "revision": 1}


async def test_of_two_racing_writers_exactly_one_wins_every_round(docs: Docs, open_docs: OpenDocs) -> None:
    other = open_docs()
    await docs.insert("songs", song(1, winner=""))
    for round_number in range(1, 21):
        won = await asyncio.gather(
            docs.replace("songs", song(1, winner="a"), round_number),
            other.replace("songs", song(1, winner="b"), round_number),
        )
        assert sorted(won) == [False, True]
        winner = "a" if won[0] else "b"
        assert await other.get("songs", "s001") == {**song(1, winner=winner), "revision": round_number + 1}


async def test_many_concurrent_writers_lose_no_increment(docs: Docs, open_docs: OpenDocs) -> None:
    other = open_docs()
    await docs.insert("songs", song(1, plays=0))

    async def play(store: Docs) -> None:
        while True:
            doc = await store.get("songs", "s001")
            assert doc is not None
            if await store.replace("songs", {**doc, "plays": doc["plays"] + 1}, doc["revision"]):
                return

    await asyncio.gather(*(play((docs, other)[number % 2]) for number in range(20)))
    assert await docs.get("songs", "s001") == {**song(1, plays=20), "revision": 21}


async def test_of_concurrent_inserts_with_one_unique_value_one_succeeds(docs: Docs, open_docs: OpenDocs) -> None:
    other = open_docs()
    outcomes = await asyncio.gather(
        *((docs, other)[n % 2].insert("songs", song(n, key="k")) for n in range(10)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert {o.reason for o in outcomes if isinstance(o, AppError)} == {"DOC_EXISTS"}
    assert await docs.count("songs", {}) == 1


# ---------------------------------------------------------------------------------------------- indexes


async def test_an_index_that_becomes_unique_is_unique(docs: Docs, open_docs: OpenDocs) -> None:
    await docs.ensure(Collection("notes", (Index(("title",)), Index(("a_b", "c"), present="c"))))
    later = open_docs()
    await later.ensure(
        Collection("notes", (Index(("title",), unique=True), Index(("a", "b_c"), unique=True, present="c")))
    )
    await later.insert("notes", {"id": "1", "title": "x", "a": 1, "b_c": 1, "c": 1})
    for other in ({"id": "2", "title": "x"}, {"id": "3", "a": 1, "b_c": 1, "c": 2}):
        with pytest.raises(AppError, match="DOC_EXISTS"):
            await later.insert("notes", other)


async def test_a_partial_unique_index_holds_only_documents_with_the_field(docs: Docs) -> None:
    await docs.insert("songs", song(1, key="k"))
    await docs.insert("songs", song(2, key=None))
    await docs.insert("songs", song(3, key=None))
    await docs.insert("songs", song(4))
    await docs.insert("songs", song(5, owner="bob", key="k"))
    with pytest.raises(AppError, match="DOC_EXISTS"):
        await docs.insert("songs", song(6, key="k"))
    assert await docs.count("songs", {}) == 5


async def test_a_value_that_leaves_a_partial_index_is_free_again(docs: Docs) -> None:
    await docs.insert("songs", song(1, key="k"))
    assert await docs.replace("songs", song(1, key=None), 1)
    await docs.insert("songs", song(2, key="k"))


async def test_collections_are_apart(docs: Docs) -> None:
    await docs.ensure(Collection("bands"))
    await docs.insert("bands", {"id": "s001"})
    await docs.insert("songs", song(1))
    assert await docs.get("bands", "s001") == {"id": "s001", "revision": 1}


async def test_numbers_sort_as_numbers_and_texts_by_code_point(docs: Docs) -> None:
    for number, (made, title) in enumerate(((10, "b"), (9, "B"), (9.5, "é"), (-1, "10"))):
        await docs.insert("songs", song(number, made=made, title=title))
    assert ids(await docs.find("songs", {}, sort="made")) == ["s003", "s001", "s002", "s000"]
    assert ids(await docs.find("songs", {}, sort="title")) == ["s003", "s001", "s000", "s002"]


async def test_a_page_is_not_moved_by_what_is_inserted_before_it(docs: Docs) -> None:
    for number in range(10, 16):
        await docs.insert("songs", song(number))
    first = await docs.find("songs", {}, sort="made", limit=3)
    await docs.insert("songs", song(1))
    after = (first[-1]["made"], first[-1]["id"])
    assert ids(await docs.find("songs", {}, sort="made", limit=3, after=after)) == ["s013", "s014", "s015"]


# --------------------------------------------------------------------------------------------- lasting


async def test_it_is_all_there_after_opening_again(docs: Docs, open_docs: OpenDocs) -> None:
    await docs.insert("songs", song(1, key="k"))
    await docs.replace("songs", song(1, key="k", title="new"), 1)
    await docs.close()
    again = open_docs()
    await again.ensure(SONGS)
    assert await again.get("songs", "s001") == {**song(1, key="k", title="new"), "revision": 2}
    with pytest.raises(AppError, match="DOC_EXISTS"):
        await again.insert("songs", song(2, key="k"))


# ---------------------------------------------------------------------------------------------------- only SQLite


def trace_reads(docs: SqliteDocs) -> list[str]:
    """Return a list that receives every statement of the readers from now on."""
    statements: list[str] = []
    readers = [docs.database.readers.get() for _ in range(docs.database.readers.qsize())]
    for reader in readers:
        reader.set_trace_callback(statements.append)
        docs.database.readers.put(reader)
    return statements


async def plans_of(docs: SqliteDocs, statements: list[str]) -> AsyncIterator[str]:
    for statement in statements:
        sql = f"EXPLAIN QUERY PLAN {statement}"
        rows = await docs.database.write(lambda connection, sql=sql: connection.execute(sql).fetchall())
        yield "; ".join(row[-1] for row in rows)


@on_sqlite
async def test_a_commit_reaches_the_disk_before_it_is_answered(docs: SqliteDocs) -> None:
    full = 2
    assert await docs.database.write(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (full,)
    assert await docs.database.write(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()) == (
        "wal",
    )


@on_sqlite
async def test_a_statement_that_fails_midway_leaves_nothing(docs: SqliteDocs) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO songs (id, revision, body) VALUES ('half', 1, '{}')")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await docs.database.write(work)
    assert await docs.get("songs", "half") is None


@on_sqlite
async def test_finding_and_paging_by_an_indexed_field_use_the_index(docs: SqliteDocs) -> None:
    statements = trace_reads(docs)
    await docs.find("songs", {"due": LessThan(5.0)}, sort="due", limit=3)
    await docs.find("songs", {"owner": "ann"}, sort="made", descending=True, limit=3, after=(7, "s007"))
    plans = [plan async for plan in plans_of(docs, [sql for sql in statements if "ORDER BY" in sql])]
    assert plans == [
        "SEARCH songs USING INDEX songs(due) when due (<expr><?)",
        "SEARCH songs USING INDEX songs(owner,made) (<expr>=? AND <expr>=? AND id<?)",  # the same, a lesser id
        "SEARCH songs USING INDEX songs(owner,made) (<expr>=? AND <expr><?)",
        "SEARCH songs USING INDEX songs(owner,made) (<expr>=? AND <expr>=?)",  # after the last value: the nulls
    ]


@on_sqlite
@pytest.mark.parametrize(("free_bytes", "reason"), [(0, "STORAGE_FULL"), (10**12, "STORE_UNAVAILABLE")])
async def test_an_error_of_the_disk_means_a_full_disk_only_if_it_is_full(
    docs: SqliteDocs, monkeypatch: pytest.MonkeyPatch, free_bytes: int, reason: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free_bytes))

    def fail(_connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with pytest.raises(AppError, match=reason):
        await docs.database.read(fail)


@on_sqlite
async def test_a_full_disk_is_told_as_such_and_the_store_goes_on(docs: SqliteDocs) -> None:
    pages = (await docs.database.write(lambda connection: connection.execute("PRAGMA page_count").fetchone()))[0]
    await docs.database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())

    async def fill() -> None:
        for number in range(100):
            await docs.insert("songs", song(number, text="x" * 2000))

    with pytest.raises(AppError) as refusal:
        await fill()
    assert (refusal.value.code, refusal.value.reason) == (Code.STORAGE_FULL, "STORAGE_FULL")
    stored = await docs.count("songs", {})
    assert len(await docs.find("songs", {}, limit=200)) == stored
    await docs.database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    await docs.insert("songs", song(500))
    assert await docs.count("songs", {}) == stored + 1
