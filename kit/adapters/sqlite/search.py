# ruff: noqa: S608 (search_schema.py checks every name in the SQL)
"""The Search port over SQLite FTS5.

A query first asks FTS5 for the numbers of all entries that match, the *hits*. From the hits there are two ways to a sorted
page. For many hits, SQLite walks the index of the order and keeps the entries that are hits: the page is soon full. For few
hits, it fetches and sorts all of them.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Sequence
from typing import Any

from kit.adapters.sqlite.database import Database
from kit.adapters.sqlite.query import name
from kit.adapters.sqlite.search_cache import Hits, HitsCache
from kit.adapters.sqlite.search_schema import (
    counts_table,
    create_tables,
    drop_tables,
    entries_table,
    facet_term,
    order_index,
    row_of,
    upsert,
    words_table,
)
from kit.ports import SearchEntry, SearchIndex, SearchPage, SearchQuery
from kit.tokenizer import last_phrase, phrases

__all__ = ["SqliteSearch"]

_FORMAT = 2  # of the tables and of the tokenizer; a change rebuilds all indexes
_NOTHING = '""'  # the FTS5 expression of a phrase without words, which no entry has
# Fetching and sorting an entry costs about as much as this many steps in the index of an order.
_FETCH_STEPS = 8


class SqliteSearch:
    """A :class:`kit.ports.Search` in the file of a :class:`kit.adapters.sqlite.docs.SqliteDocs`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._indexes: dict[str, SearchIndex] = {}
        self._cache = HitsCache()

    async def ensure(self, index: SearchIndex) -> bool:
        definition = json.dumps([_FORMAT, index.facets, index.orders, index.counted])

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(
                'CREATE TABLE IF NOT EXISTS "search indexes"'
                " (name TEXT PRIMARY KEY, definition TEXT NOT NULL, complete INTEGER NOT NULL)"
            )
            sql = 'SELECT complete FROM "search indexes" WHERE name = ? AND definition = ?'
            row = connection.execute(sql, (index.name, definition)).fetchone()
            if row is not None:
                return bool(row[0])
            drop_tables(connection, index.name)
            create_tables(connection, index)
            connection.execute('INSERT OR REPLACE INTO "search indexes" VALUES (?, ?, 0)', (index.name, definition))
            return False

        complete = await self._database.write(work)
        self._indexes[index.name] = index
        return complete

    async def complete(self, index: str) -> None:
        table = words_table(index)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # merges what puts have written
            connection.execute('UPDATE "search indexes" SET complete = 1 WHERE name = ?', (index,))

        await self._database.write(work)

    async def put(self, index: str, entries: Sequence[SearchEntry]) -> int:
        definition = self._index(index)

        def work(connection: sqlite3.Connection) -> int:
            rows = [row_of(definition, entry) for entry in entries]
            return connection.executemany(upsert(definition), rows).rowcount

        return await self._database.write(work)

    async def remove(self, index: str, ids: Sequence[str]) -> None:
        sql = f"DELETE FROM {entries_table(index)} WHERE id IN (SELECT value FROM json_each(?))"

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(sql, (json.dumps(list(ids)),))

        await self._database.write(work)

    async def find(
        self,
        index: str,
        query: SearchQuery,
        *,
        order: tuple[str, ...],
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> SearchPage:
        definition = self._index(index)
        if order not in definition.orders:
            raise ValueError(f"the index {index} has no order {order}")

        def work(connection: sqlite3.Connection) -> SearchPage:
            hits = self._hits(connection, definition, query)
            total = _count(connection, definition) if hits is None else len(hits.numbers)
            ids = _page(connection, definition, hits, total, order, descending, limit, offset)
            return SearchPage(ids, total)

        return await self._database.read(work)

    async def sample(self, index: str, query: SearchQuery, count: int) -> list[str]:
        definition = self._index(index)

        def work(connection: sqlite3.Connection) -> list[str]:
            hits = self._hits(connection, definition, query)
            if hits is None:
                return _sample_of_all(connection, definition, count)
            chosen = random.sample(range(len(hits.numbers)), min(count, len(hits.numbers)))
            return _ids(connection, definition, [hits.numbers[place] for place in chosen])

        return await self._database.read(work)

    async def facet_counts(self, index: str, facets: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        if facets not in self._index(index).counted:
            raise ValueError(f"the index {index} does not count {facets}")
        sql = f"SELECT facet_values, entry_count FROM {counts_table(index)} WHERE facets = ? AND entry_count > 0"
        rows = await self._database.read(lambda connection: connection.execute(sql, (json.dumps(facets),)).fetchall())
        return {tuple(json.loads(values)): count for values, count in rows}

    def _hits(self, connection: sqlite3.Connection, index: SearchIndex, query: SearchQuery) -> Hits | None:
        """Return the entries that match; None: all entries."""
        matching: Hits | None = None
        if match := _match(index, query):
            sql = f"SELECT rowid AS number FROM {words_table(index.name)} (?)"
            # The version is read first: hits that are newer than it are read again later.
            version = _version(connection, index)
            matching = self._cache.get(index.name, match, version, lambda: _numbers(connection, sql, match))
        return _narrowed(connection, index, query, matching)

    def _index(self, name: str) -> SearchIndex:
        if name not in self._indexes:
            raise ValueError(f"unknown index {name!r}; call ensure first")
        return self._indexes[name]


def _match(index: SearchIndex, query: SearchQuery) -> str:
    """Return the FTS5 expression for words and facets; empty: no condition."""
    if unknown := query.facets.keys() - set(index.facets):
        raise ValueError(f"the index {index.name} has no facets {sorted(unknown)}")
    parts = [f'facets : "{facet_term(facet, value)}"' for facet, value in query.facets.items()]
    if query.text.strip():
        # A phrase consists of letters, digits and marks, so it needs no escapes.
        wanted = [f'"{" ".join(phrase)}"' for phrase in phrases(query.text)]
        if query.prefix and (last := last_phrase(query.text)):
            wanted.append(f'"{" ".join(last)}" *')
        parts.append(f"words : ({' OR '.join(wanted) or _NOTHING})")
    return " AND ".join(parts)


def _version(connection: sqlite3.Connection, index: SearchIndex) -> int:
    """Return a number that changes with the words and facets of any entry."""
    sql = f"SELECT entry_count FROM {counts_table(index.name)} WHERE facets = '' AND facet_values = ''"
    return int(connection.execute(sql).fetchone()[0])


def _narrowed(
    connection: sqlite3.Connection, index: SearchIndex, query: SearchQuery, matching: Hits | None
) -> Hits | None:
    """Return those of the hits that meet the other conditions of the query; None: all entries."""
    table = entries_table(index.name)
    found: list[Sequence[int]] = [] if matching is None else [matching.numbers]
    bounds = [(key, ">=", least) for key, least in query.minimums.items()]
    bounds += [(key, "<=", greatest) for key, greatest in query.maximums.items()]
    if bounds:
        if unknown := {key for key, _, _ in bounds} - {order[0] for order in index.orders}:
            raise ValueError(f"the index {index.name} has no orders by {sorted(unknown)}")
        conditions = " AND ".join(f"{name(key)} {sign} ?" for key, sign, _ in bounds)
        values = [value for _, _, value in bounds]
        found.append(_numbers(connection, f"SELECT number FROM {table} WHERE {conditions}", *values))
    by_id = f"SELECT number FROM {table} WHERE id IN (SELECT value FROM json_each(?))"
    if query.only_ids is not None:
        found.append(_numbers(connection, by_id, json.dumps(list(query.only_ids))))
    excluded = _numbers(connection, by_id, json.dumps(list(query.exclude_ids))) if query.exclude_ids else []
    if excluded and not found:
        found.append(_numbers(connection, f"SELECT number FROM {table}"))
    if not found:
        return None
    if len(found) == 1 and not excluded and matching is not None:
        return matching  # FTS5 returns them in ascending order
    return Hits(sorted(set(found[0]).intersection(*found[1:]).difference(excluded)))


def _page(
    connection: sqlite3.Connection,
    index: SearchIndex,
    hits: Hits | None,
    total: int,
    order: tuple[str, ...],
    descending: bool,
    limit: int,
    offset: int,
) -> list[str]:
    limit = min(limit, total - offset)
    if limit <= 0:
        return []
    from_end = offset > total - offset - limit  # the end is nearer than the beginning
    if from_end:
        offset = total - offset - limit
    table = entries_table(index.name)
    source, values = f"{table} INDEXED BY {order_index(index.name, order)}", tuple[Any, ...]()
    if hits is not None:
        steps = hits.numbers[-1] * (offset + limit) / total
        if total * _FETCH_STEPS < steps:
            source, values = (
                f"{table} NOT INDEXED WHERE number IN (SELECT value FROM json_each(?))",
                (json.dumps(hits.numbers.tolist()),),
            )
        else:
            source, values = f"{source} WHERE substr(?, number + 1, 1) = x'01'", (hits.flags,)
    direction = "DESC" if descending is not from_end else "ASC"
    by = ", ".join(f"{key} {direction}" for key in (*map(name, order), "id"))
    rows = connection.execute(f"SELECT id FROM {source} ORDER BY {by} LIMIT ? OFFSET ?", (*values, limit, offset))
    ids = [doc_id for (doc_id,) in rows]
    return ids[::-1] if from_end else ids


def _sample_of_all(connection: sqlite3.Connection, index: SearchIndex, count: int) -> list[str]:
    """Return a random choice of all entries. Numbers are drawn; those that are not in use are left out."""
    table = entries_table(index.name)
    last = connection.execute(f"SELECT max(number) FROM {table}").fetchone()[0] or 0
    ids = _ids(connection, index, random.sample(range(1, last + 1), min(4 * count, last)))
    if len(ids) < min(count, last):  # few numbers are in use
        numbers = _numbers(connection, f"SELECT number FROM {table}")
        ids = _ids(connection, index, random.sample(numbers, min(count, len(numbers))))
    return ids[:count]


def _ids(connection: sqlite3.Connection, index: SearchIndex, numbers: Sequence[int]) -> list[str]:
    """Return the ids of the entries with these numbers, in order. Numbers that are not in use are left out."""
    sql = f"SELECT number, id FROM {entries_table(index.name)} WHERE number IN (SELECT value FROM json_each(?))"
    ids: dict[int, str] = dict(connection.execute(sql, (json.dumps(numbers),)).fetchall())
    return [ids[number] for number in numbers if number in ids]


def _numbers(connection: sqlite3.Connection, sql: str, *values: Any) -> list[int]:
    """Return the numbers that a query selects. SQLite hands over one text several times as fast as the rows."""
    (numbers,) = connection.execute(f"SELECT json_group_array(number) FROM ({sql})", values).fetchone()
    found: list[int] = json.loads(numbers)
    return found


def _count(connection: sqlite3.Connection, index: SearchIndex) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {entries_table(index.name)}").fetchone()[0])
