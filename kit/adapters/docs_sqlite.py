"""``Docs`` in one SQLite file: JSON bodies, indexes over expressions, one connection in one thread.

SQLite allows one writer at a time anyway, so a single thread serves as the queue of writers.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from kit.errors import AppError, Code
from kit.ports import Collection, Doc, LessThan, OneOf

__all__ = ["SqliteDocs"]

T = TypeVar("T")
_FULL = ("database or disk is full", "disk I/O error")


class SqliteDocs:
    """A :class:`kit.ports.Docs`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection = self._executor.submit(_connect, path).result()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def guarded() -> T:
            try:
                with self._connection:  # one transaction: commits, or rolls back on an exception
                    return work(self._connection)
            except sqlite3.IntegrityError as error:
                raise AppError(Code.CONFLICT, "DOC_EXISTS", f"A document like this exists ({error}).") from None
            except sqlite3.OperationalError as error:
                if any(text in str(error) for text in _FULL):
                    raise AppError(
                        Code.STORAGE_FULL, "STORAGE_FULL", "The server's disk is full. Free some space and try again."
                    ) from error
                raise

        return await asyncio.get_running_loop().run_in_executor(self._executor, guarded)

    async def ensure(self, collection: Collection) -> None:
        table = _name(collection.name)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table} "
                "(id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID"
            )
            for index in collection.indexes:
                name = _name(
                    "_".join((collection.name, *index.fields, *(["when", index.present] if index.present else [])))
                )
                columns = ", ".join(_column(field) for field in index.fields)
                only = f" WHERE {_column(index.present)} IS NOT NULL" if index.present else ""
                unique = "UNIQUE " if index.unique else ""
                connection.execute(f"CREATE {unique}INDEX IF NOT EXISTS {name} ON {table} ({columns}){only}")

        await self._run(work)

    async def insert(self, collection: str, doc: Doc) -> None:
        body = _body(doc)
        sql = f"INSERT INTO {_name(collection)} (id, revision, body) VALUES (?, 1, ?)"  # noqa: S608 (checked name)
        await self._run(lambda connection: connection.execute(sql, (doc["id"], body)))

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        sql = f"SELECT revision, body FROM {_name(collection)} WHERE id = ?"  # noqa: S608
        row = await self._run(lambda connection: connection.execute(sql, (doc_id,)).fetchone())
        return _doc(row) if row else None

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: str = "id",
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
        after: tuple[Any, str] | None = None,
    ) -> list[Doc]:
        conditions, values = _conditions(where)
        direction = "DESC" if descending else "ASC"
        rows: list[tuple[int, str]] = []
        for condition, further in _segments(_column(sort), after, descending):
            clause = " AND ".join([*conditions, condition])
            sql = (
                f"SELECT revision, body FROM {_name(collection)} WHERE {clause} "  # noqa: S608
                f"ORDER BY {_column(sort)} {direction}, id {direction} LIMIT ? OFFSET ?"
            )
            bound = (*values, *further, limit - len(rows), offset)
            rows += await self._run(partial(_fetch, sql=sql, values=bound))
            if len(rows) >= limit:
                break
        return [_doc(row) for row in rows]

    async def count(self, collection: str, where: Mapping[str, Any]) -> int:
        conditions, values = _conditions(where)
        clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = f"SELECT count(*) FROM {_name(collection)}{clause}"  # noqa: S608
        return int((await self._run(lambda connection: connection.execute(sql, values).fetchone()))[0])

    async def replace(self, collection: str, doc: Doc, revision: int) -> bool:
        body = _body(doc)
        sql = f"UPDATE {_name(collection)} SET revision = revision + 1, body = ? WHERE id = ? AND revision = ?"  # noqa: S608
        cursor = await self._run(lambda connection: connection.execute(sql, (body, doc["id"], revision)))
        return cursor.rowcount == 1

    async def delete(self, collection: str, doc_id: str) -> bool:
        sql = f"DELETE FROM {_name(collection)} WHERE id = ?"  # noqa: S608
        cursor = await self._run(lambda connection: connection.execute(sql, (doc_id,)))
        return cursor.rowcount == 1

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._connection.close)
        self._executor.shutdown()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    # An accepted job must survive a power cut: every commit reaches the disk.
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _fetch(connection: sqlite3.Connection, sql: str, values: tuple[Any, ...]) -> list[tuple[int, str]]:
    return connection.execute(sql, values).fetchall()


def _name(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"not a name: {name!r}")
    return f'"{name}"'


def _column(field: str) -> str:
    if field in ("id", "revision"):
        return field
    if not field.isidentifier():
        raise ValueError(f"not a field: {field!r}")
    return f"json_extract(body, '$.{field}')"


def _conditions(where: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for field, condition in where.items():
        column = _column(field)
        if isinstance(condition, OneOf):
            conditions.append(f"{column} IN ({', '.join('?' * len(condition.values))})")
            values.extend(condition.values)
        elif isinstance(condition, LessThan):
            conditions.append(f"{column} < ?")
            values.append(condition.value)
        elif condition is None:
            conditions.append(f"{column} IS NULL")
        else:
            conditions.append(f"{column} = ?")
            values.append(condition)
    return conditions, values


def _segments(column: str, after: tuple[Any, str] | None, descending: bool) -> list[tuple[str, tuple[Any, ...]]]:
    """The ranges of an index that hold what comes behind ``after``, in order.

    Null comes before every value but compares with none in SQL, so it is a range of its own.
    """
    if after is None:
        return [("true", ())]
    value, doc_id = after
    nulls, others = f"{column} IS NULL", f"{column} IS NOT NULL"
    beyond = "<" if descending else ">"
    if value is None:
        rest: list[tuple[str, tuple[Any, ...]]] = [(f"{nulls} AND id {beyond} ?", (doc_id,))]
        return rest if descending else [*rest, (others, ())]
    # The first comparison is implied by the second, and is the one that the index answers.
    rest = [(f"{column} {beyond}= ? AND ({column} {beyond} ? OR id {beyond} ?)", (value, value, doc_id))]
    return [*rest, (nulls, ())] if descending else rest


def _body(doc: Doc) -> str:
    return json.dumps({key: value for key, value in doc.items() if key != "revision"}, allow_nan=False)


def _doc(row: tuple[int, str]) -> Doc:
    doc: Doc = json.loads(row[1])
    doc["revision"] = row[0]
    return doc
