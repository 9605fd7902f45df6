"""``Docs`` in one SQLite file: JSON bodies under numbers, indexes over expressions, sets of numbers for what many share.

One thread writes: SQLite allows one writer at a time anyway, so its queue is the queue of writers. A few others read,
each with a connection of its own: in WAL mode a reader sees the last commit as it was when it began, waits for nobody and
holds up nobody. A write is answered after its commit, so whatever is read after the answer sees it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import LifoQueue
from typing import Any, TypeVar

from kit.adapters import docs_sqlite_sets as sets
from kit.adapters.docs_sqlite_query import column, name
from kit.adapters.docs_sqlite_select import select
from kit.errors import AppError, Code
from kit.ports import Collection, Doc, Index

__all__ = ["SqliteDocs"]

T = TypeVar("T")
_FULL = ("database or disk is full", "disk I/O error")
_READERS = 3
# Another process may be building sets for a large collection.
_LOCK_WAIT_SECONDS = 60
_CACHE_KIB = 16 * 1024


class SqliteDocs:
    """A :class:`kit.ports.Docs`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._reading = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")
        self._writer = _connect(path)
        sets.prepare(self._writer)
        # The last one used comes first: its cache is warm.
        self._readers: LifoQueue[sqlite3.Connection] = LifoQueue()
        for _ in range(_READERS):
            self._readers.put(_connect(path))

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def guarded() -> T:
            try:
                with self._writer:  # commits, or rolls back on an exception
                    self._writer.execute("BEGIN IMMEDIATE")
                    return work(self._writer)
            except sqlite3.IntegrityError as error:
                raise AppError(Code.CONFLICT, "DOC_EXISTS", f"A document like this exists ({error}).") from None
            except sqlite3.OperationalError as error:
                if any(text in str(error) for text in _FULL):
                    raise AppError(
                        Code.STORAGE_FULL, "STORAGE_FULL", "The server's disk is full. Free some space and try again."
                    ) from error
                raise

        return await asyncio.get_running_loop().run_in_executor(self._writing, guarded)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def in_one_view() -> T:
            connection = self._readers.get()
            try:
                with connection:
                    connection.execute("BEGIN")  # all of the work sees one state
                    return work(connection)
            finally:
                self._readers.put(connection)

        return await asyncio.get_running_loop().run_in_executor(self._reading, in_one_view)

    async def ensure(self, collection: Collection) -> None:
        def work(connection: sqlite3.Connection) -> None:
            _create_table(connection, collection.name)
            for index in collection.indexes:
                _create_index(connection, collection.name, index)
            sets.build(connection, collection.name, sets.Kept.asked(collection))

        await self._write(work)

    async def insert(self, collection: str, doc: Doc) -> None:
        body = _body(doc)

        def work(connection: sqlite3.Connection) -> None:
            sql = f"INSERT INTO {name(collection)} (id, revision, body) VALUES (?, 1, ?)"  # noqa: S608 (checked name)
            number = connection.execute(sql, (doc["id"], body)).lastrowid
            assert number is not None, "an insert has a row"
            sets.change(connection, collection, number, None, json.loads(body))

        await self._write(work)

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        sql = f"SELECT revision, body FROM {name(collection)} WHERE id = ?"  # noqa: S608
        row = await self._read(lambda connection: connection.execute(sql, (doc_id,)).fetchone())
        return _doc(row) if row else None

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        text: str = "",
        sort: str | tuple[str, ...] = "id",
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
        after: tuple[Any, ...] | None = None,
    ) -> list[Doc]:
        fields = (sort,) if isinstance(sort, str) else sort

        def work(connection: sqlite3.Connection) -> list[Doc]:
            found = select(connection, collection, where, text)
            rows = found.page(fields, descending=descending, limit=limit, offset=offset, after=after)
            return [_doc(row) for row in rows]

        return await self._read(work)

    async def count(self, collection: str, where: Mapping[str, Any], *, text: str = "") -> int:
        return await self._read(lambda connection: select(connection, collection, where, text).count())

    async def sample(
        self, collection: str, where: Mapping[str, Any], *, text: str = "", count: int, exclude: Iterable[str] = ()
    ) -> list[Doc]:
        def work(connection: sqlite3.Connection) -> list[Doc]:
            return [_doc(row) for row in select(connection, collection, where, text).sample(count, exclude)]

        return await self._read(work)

    async def tally(self, collection: str, fields: tuple[str, ...]) -> dict[tuple[Any, ...], int]:
        return await self._read(lambda connection: sets.tally(connection, collection, fields))

    async def replace(self, collection: str, doc: Doc, revision: int) -> bool:
        body = _body(doc)

        def work(connection: sqlite3.Connection) -> bool:
            table = name(collection)
            sql = f"SELECT number, body FROM {table} WHERE id = ? AND revision = ?"  # noqa: S608
            old = connection.execute(sql, (doc["id"], revision)).fetchone()
            if old:
                number, old_body = old
                sql = f"UPDATE {table} SET revision = revision + 1, body = ? WHERE number = ?"  # noqa: S608
                connection.execute(sql, (body, number))
                sets.change(connection, collection, number, json.loads(old_body), json.loads(body))
            return old is not None

        return await self._write(work)

    async def delete(self, collection: str, doc_id: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            table = name(collection)
            old = connection.execute(f"SELECT number, body FROM {table} WHERE id = ?", (doc_id,)).fetchone()  # noqa: S608
            if old:
                number, old_body = old
                connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608
                sets.change(connection, collection, number, json.loads(old_body), None)
            return old is not None

        return await self._write(work)

    async def close(self) -> None:
        def work() -> None:
            self._writing.shutdown()
            self._reading.shutdown()
            self._writer.close()
            while not self._readers.empty():
                self._readers.get().close()

        await asyncio.to_thread(work)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=_LOCK_WAIT_SECONDS)
    _write_ahead(connection)
    # An accepted job must survive a power cut: every commit reaches the disk.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the file to WAL mode. Where two connections do so with a new file, SQLite refuses one without waiting."""
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _create_table(connection: sqlite3.Connection, collection: str) -> None:
    table = name(collection)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    if "number" in columns:
        return
    earlier = f'{table[:-1]} without numbers"'
    if columns:
        connection.execute(f"ALTER TABLE {table} RENAME TO {earlier}")
    connection.execute(
        f"CREATE TABLE {table} "
        "(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, body TEXT NOT NULL)"
    )
    if columns:  # of an earlier version; its indexes go with it
        connection.execute(f"INSERT INTO {table} (id, revision, body) SELECT id, revision, body FROM {earlier}")  # noqa: S608
        connection.execute(f"DROP TABLE {earlier}")


def _create_index(connection: sqlite3.Connection, collection: str, index: Index) -> None:
    if index.each is not None:  # answered by sets
        return
    title = name("_".join((collection, *index.fields, *(["when", index.present] if index.present else []))))
    columns = [column(field) for field in index.fields]
    if not index.unique:
        columns.append("id")  # pages are sorted by it last
    only = f" WHERE {column(index.present)} IS NOT NULL" if index.present else ""
    connection.execute(
        f"CREATE {'UNIQUE ' * index.unique}INDEX IF NOT EXISTS {title} ON {name(collection)} ({', '.join(columns)}){only}"
    )


def _body(doc: Doc) -> str:
    return json.dumps({key: value for key, value in doc.items() if key != "revision"}, allow_nan=False)


def _doc(row: tuple[int, str]) -> Doc:
    doc: Doc = json.loads(row[1])
    doc["revision"] = row[0]
    return doc
