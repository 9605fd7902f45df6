# ruff: noqa: S608 (query.py checks every name in the SQL)
"""The Docs port over SQLite: JSON bodies in one table for each collection, and indexes over expressions of them."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from soundwright.kit import errors
from soundwright.kit.adapters.declared_indexes import DeclaredIndexes
from soundwright.kit.adapters.sqlite.database import Database
from soundwright.kit.adapters.sqlite.indexes import create_index, create_table
from soundwright.kit.adapters.sqlite.matches import Matches
from soundwright.kit.adapters.sqlite.query import column, conjunction, index_name, name, order, segments, where_clause
from soundwright.kit.ports import Collection, Doc, Index


class SqliteDocs:
    """A :class:`soundwright.kit.ports.Docs`."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it with its folder."""
        self.database = Database(path)
        self._declared = DeclaredIndexes()

    async def ensure(self, collection: Collection) -> None:
        def work(connection: sqlite3.Connection) -> None:
            create_table(connection, collection.name)
            for index in collection.indexes:
                create_index(connection, collection.name, index)

        await self.database.write(work)
        self._declared.add(collection)

    async def insert(self, collection: str, doc: Doc) -> None:
        sql, values = f"INSERT INTO {name(collection)} (id, revision, body) VALUES (?, 1, ?)", (doc["id"], _body(doc))
        await self._write(sql, values)

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        sql = f"SELECT revision, body FROM {name(collection)} WHERE id = ?"
        row = await self.database.read_once(lambda connection: connection.execute(sql, (doc_id,)).fetchone())
        return _doc(row) if row else None

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: str | tuple[str, ...] = "id",
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
        after: tuple[Any, ...] | None = None,
    ) -> list[Doc]:
        if offset and after is not None:
            raise ValueError("a page begins at an offset or after a document, not both")
        fields = (sort,) if isinstance(sort, str) else sort
        conditions = where_clause(collection, where, self._declared.of(collection))

        def work(connection: sqlite3.Connection) -> list[Doc]:
            found: list[Doc] = []
            for segment in segments(fields, after, descending):
                sql, values = conjunction(segment.clause, conditions)
                rows = connection.execute(
                    f"SELECT revision, body FROM {name(collection)} WHERE {sql}"
                    f" ORDER BY {order(segment.fields, descending)} LIMIT ? OFFSET ?",
                    (*values, limit - len(found), offset),
                )
                found += map(_doc, rows)
                if len(found) >= limit:
                    break
            return found

        return await (self.database.read_once(work) if after is None else self.database.read(work))

    async def page(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: tuple[str, ...],
        descending: bool = False,
        limit: int,
        offset: int,
    ) -> tuple[list[Doc], int]:
        indexes = self._declared.of(collection)

        def work(connection: sqlite3.Connection) -> tuple[list[Doc], int]:
            matches = Matches(connection, collection, where, indexes)
            numbers, total = matches.page(sort, descending, limit, offset)
            return _docs(connection, collection, numbers), total

        return await self.database.read(work)

    async def sample(self, collection: str, where: Mapping[str, Any], count: int) -> list[Doc]:
        def work(connection: sqlite3.Connection) -> list[Doc]:
            matches = Matches(connection, collection, where, self._declared.of(collection))
            return _docs(connection, collection, matches.sample(count))

        return await self.database.read(work)

    async def count(self, collection: str, where: Mapping[str, Any]) -> int:
        sql, values = where_clause(collection, where, self._declared.of(collection))
        # Without WHERE, SQLite counts the pages of an index rather than its rows.
        statement = f"SELECT count(*) FROM {name(collection)}" + (f" WHERE {sql}" if where else "")
        return await self.database.read_once(
            lambda connection: int(connection.execute(statement, values).fetchone()[0])
        )

    async def count_each(self, collection: str, field: str, values: Sequence[str]) -> dict[str, int]:
        element, table = name(field), index_name(collection, Index((field,), each=field))
        count = f"SELECT coalesce(sum(size), 0) FROM {table} WHERE {element} = value"
        sql, listed = f"SELECT value, ({count}) FROM json_each(?)", (json.dumps(list(values)),)
        return dict(await self.database.read_once(lambda connection: connection.execute(sql, listed).fetchall()))

    async def total(self, collection: str, where: Mapping[str, Any], field: str) -> int:
        sql, values = where_clause(collection, where, self._declared.of(collection))
        statement = f"SELECT total({column(field)}) FROM {name(collection)} WHERE {sql}"
        return await self.database.read_once(
            lambda connection: int(connection.execute(statement, values).fetchone()[0])
        )

    async def replace(self, collection: str, doc: Doc, revision: int) -> bool:
        sql = f"UPDATE {name(collection)} SET revision = revision + 1, body = ? WHERE id = ? AND revision = ?"
        return await self._write(sql, (_body(doc), doc["id"], revision)) > 0

    async def delete(self, collection: str, doc_id: str) -> bool:
        return await self._write(f"DELETE FROM {name(collection)} WHERE id = ?", (doc_id,)) > 0

    async def load(self, collection: str, docs: Sequence[Doc]) -> None:
        sql = (
            f"INSERT INTO {name(collection)} (id, revision, body) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, body = excluded.body"
        )
        rows = [(doc["id"], doc["revision"], _body(doc)) for doc in docs]

        def work(connection: sqlite3.Connection) -> None:
            with _no_clash():
                connection.executemany(sql, rows)

        await self.database.write(work)

    @contextlib.asynccontextmanager
    async def snapshot(self, folder: Path) -> "AsyncIterator[SqliteDocs]":
        path = folder / "snapshot.db"
        await self.database.copy(path)
        frozen = SqliteDocs(path)
        try:
            yield frozen
        finally:
            await frozen.close()
            for file in folder.glob("snapshot.db*"):
                file.unlink(missing_ok=True)

    async def check(self) -> None:
        await self.database.check()

    async def close(self) -> None:
        await self.database.close()

    async def _write(self, sql: str, values: tuple[Any, ...]) -> int:
        """Return the number of documents that the statement changed."""

        def work(connection: sqlite3.Connection) -> int:
            with _no_clash():
                return connection.execute(sql, values).rowcount

        return await self.database.write(work)


@contextlib.contextmanager
def _no_clash() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise errors.DOC_EXISTS(f"A document like this exists ({error}).") from None


def _body(doc: Doc) -> str:
    return json.dumps({key: value for key, value in doc.items() if key != "revision"}, allow_nan=False)


def _docs(connection: sqlite3.Connection, collection: str, numbers: Sequence[int]) -> list[Doc]:
    sql = f"SELECT number, revision, body FROM {name(collection)} WHERE number IN (SELECT value FROM json_each(?))"
    found = {number: _doc(row) for number, *row in connection.execute(sql, (json.dumps(numbers),))}
    return [found[number] for number in numbers]


def _doc(row: Sequence[Any]) -> Doc:
    doc: Doc = json.loads(row[1])
    doc["revision"] = row[0]
    return doc
