# ruff: noqa: S608 (query.py checks every name in the SQL)
"""Numbered pages and samples of documents, of which many may match.

SQLite uses one index for a table and reads each document to test the other conditions. Here, each condition is answered from its own
index, and NumPy combines the answers: a flag for each number that a document can have. From the flags there are two ways to a sorted
page. For many matches, SQLite walks the index of the order and keeps what is flagged: the page is soon full. For few, it reads and
sorts all of them.
"""

import json
import random
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.adapters.sqlite.query import (
    Clause,
    element_clause,
    elements,
    index_name,
    name,
    order,
    where_clause,
)
from soundwright.kit.ports import AllOf, AnyOf, AtLeast, Contains, Index, LessThan, StartsWith

Flags = NDArray[np.bool_]
# Reading and sorting a document costs about as much as this many steps in the index of an order.
_READ_STEPS = 50


class Matches:
    """The documents that meet every condition, in a transaction."""

    def __init__(
        self, connection: sqlite3.Connection, collection: str, where: Mapping[str, Any], indexes: Sequence[Index]
    ) -> None:
        self._connection = connection
        self._collection, self._table = collection, name(collection)
        self._indexes = indexes
        self._size = 1 + (connection.execute(f"SELECT max(number) FROM {self._table}").fetchone()[0] or 0)
        self._flags = self._matching(where)  # None: all documents match

    def page(self, sort: tuple[str, ...], descending: bool, limit: int, offset: int) -> tuple[list[int], int]:
        """Return the numbers of the documents of a page, sorted, and the number of all matches."""
        total = self._total()
        limit = min(limit, total - offset)
        if limit <= 0:
            return [], total
        if from_end := offset > total - offset - limit:  # the end is nearer than the beginning
            offset = total - offset - limit
        is_indexed = Index(sort) in self._indexes
        source, values = self._table, tuple[Any, ...]()
        if is_indexed:
            source = f"{source} INDEXED BY {index_name(self._collection, Index(sort))}"
        if self._flags is not None:
            if not is_indexed or total * _READ_STEPS < self._size * (offset + limit) / total:
                source = f"{self._table} NOT INDEXED WHERE number IN (SELECT value FROM json_each(?))"
                values = (json.dumps(np.flatnonzero(self._flags).tolist()),)
            else:
                source, values = f"{source} WHERE substr(?, number + 1, 1) = x'01'", (self._flags.tobytes(),)
        by = order(sort, descending is not from_end)
        sql = f"SELECT number FROM {source} ORDER BY {by} LIMIT ? OFFSET ?"
        found = [number for (number,) in self._connection.execute(sql, (*values, limit, offset))]
        return found[::-1] if from_end else found, total

    def sample(self, count: int) -> list[int]:
        """Return the numbers of up to ``count`` matches, in random order. Each match has the same chance."""
        if self._flags is None and count < self._size // 8:
            drawn = random.sample(range(self._size), 4 * count)
            sql = f"SELECT number FROM {self._table} WHERE number IN (SELECT value FROM json_each(?))"
            used = {number for (number,) in self._connection.execute(sql, (json.dumps(drawn),))}
            if len(used) >= count:  # else, few numbers are in use
                return [number for number in drawn if number in used][:count]
        flags = self._selected({}) if self._flags is None else self._flags
        numbers = np.flatnonzero(flags)
        return [int(numbers[place]) for place in random.sample(range(numbers.size), min(count, numbers.size))]

    def _total(self) -> int:
        if self._flags is not None:
            return int(np.count_nonzero(self._flags))
        return int(self._connection.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def _matching(self, where: Mapping[str, Any]) -> Flags | None:
        found: list[Flags] = []
        rest: dict[str, Any] = {}
        ranged = {index.fields[0] for index in self._indexes if index.each is None and index.present is None}
        for field, condition in where.items():
            indexed = elements(self._collection, field, where, self._indexes)
            if indexed is not None and _consists_of(Contains | StartsWith, condition):
                found.append(self._with_elements(field, condition, indexed))
            elif field in ranged and _consists_of(AtLeast | LessThan, condition):
                found.append(self._selected({field: condition}))
            else:
                rest[field] = condition
        if rest:
            found.append(self._selected(rest))
        return np.logical_and.reduce(found) if found else None

    def _with_elements(self, field: str, condition: Any, indexed: Clause) -> Flags:
        match condition:
            case AllOf(conditions):
                return np.logical_and.reduce([self._with_elements(field, one, indexed) for one in conditions])
            case AnyOf(conditions):
                return np.logical_or.reduce([self._with_elements(field, one, indexed) for one in conditions])
            case _:
                (lookup, keys), (sql, values) = indexed, element_clause(f'"{field}"', condition)
                query = f"SELECT group_concat(block), group_concat(bits) FROM {lookup}{sql}"
                blocks, bits = self._connection.execute(query, (*keys, *values)).fetchone()
                found = np.zeros(self._size // 64 + 1, "<i8")
                if blocks is not None:
                    np.bitwise_or.at(found, _integers(blocks), _integers(bits))
                return np.unpackbits(found.view(np.uint8), count=self._size, bitorder="little").view(np.bool_)

    def _selected(self, where: Mapping[str, Any]) -> Flags:
        sql, values = where_clause(self._collection, where, self._indexes)
        return self._flagged(f"SELECT number FROM {self._table} WHERE {sql}", values)

    def _flagged(self, sql: str, values: tuple[Any, ...]) -> Flags:
        """Return flags for the numbers that a query selects. SQLite hands over one text several times as fast as the rows."""
        flags = np.zeros(self._size, np.bool_)
        (numbers,) = self._connection.execute(f"SELECT group_concat(number) FROM ({sql})", values).fetchone()
        if numbers is not None:
            flags[_integers(numbers)] = True
        return flags


def _integers(text: str) -> NDArray[np.int64]:
    return np.fromstring(text, np.int64, sep=",")


def _consists_of(kinds: Any, condition: Any) -> bool:
    if isinstance(condition, AllOf | AnyOf):
        return bool(condition.conditions) and all(_consists_of(kinds, one) for one in condition.conditions)
    return isinstance(condition, kinds)
