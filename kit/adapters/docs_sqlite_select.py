# ruff: noqa: S608 (every name in the SQL is checked)
"""Which documents a question is about, and the cheapest way to those of them that are asked for.

Conditions on fields and words that sets are kept of become one set. There are two ways from a set to a sorted page. Where
many documents are in it, the index of the order is walked and each entry tested for membership: the page is soon full,
and what is skipped costs a step in the index, never a look at a document. Where few are, they are fetched and sorted.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

from kit import words
from kit.adapters.docs_sqlite_query import Clause, both, column, condition_on, name, order, segments
from kit.adapters.docs_sqlite_sets import (
    ELEMENT,
    EVERY,
    VALUE,
    WORD,
    Kept,
    Key,
    as_key,
    flags,
    kept,
    members,
    numbers,
    of_numbers,
)
from kit.ports import AllOf, AtLeast, Contains, LessThan, OneOf

__all__ = ["Row", "Selection", "select"]

Row = tuple[int, str]
"""Revision and body."""

# Fetching a document and reading the fields to sort by costs about as much as so many steps in an index (3 against 0.1 µs).
_FETCH_STEPS = 25
# From here on it pays to find out whether a page is nearer to the end.
_FAR = 1000
# Documents drawn to see whether enough of them meet the other conditions, before these are put to the whole collection.
_TRIAL_DOCS = 400


def select(connection: sqlite3.Connection, collection: str, where: Mapping[str, Any], text: str) -> Selection:
    about = kept(connection, collection)
    docs: list[int] = []
    others: list[Clause] = []
    for field, condition in _each(where):
        keys = _keys(about, field, condition)
        if keys is None:
            others.append(condition_on(field, condition))
        else:
            docs.append(reduce(or_, (members(connection, collection, key) for key in keys), 0))
    if text.strip():
        docs.append(_saying(connection, collection, about, text))
    return Selection(connection, collection, reduce(and_, docs) if docs else None, tuple(others))


def _each(where: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, condition in where.items():
        for one in condition.conditions if isinstance(condition, AllOf) else (condition,):
            yield field, one


def _keys(about: Kept, field: str, condition: Any) -> list[Key] | None:
    """The sets whose union meets the condition; None where there are none."""
    if field not in about.fields:
        return None
    match condition:
        case LessThan() | AtLeast():
            return None
        case Contains(value):
            return [(ELEMENT, field, as_key(value))]
        case OneOf(values):
            return [(VALUE, field, as_key(value)) for value in values]
        case _:
            return [(VALUE, field, as_key(condition))]


def _saying(connection: sqlite3.Connection, collection: str, about: Kept, text: str) -> int:
    if about.text is None:
        raise ValueError(f"{collection} has no words to search")
    found = 0
    for phrase in words.phrases(text):
        docs = reduce(and_, (members(connection, collection, (WORD, "", term)) for term in words.needed(phrase)))
        if docs and len(phrase) > 2:
            sql, values = _listed(numbers(docs))
            rows = connection.execute(
                f"SELECT number, {column(about.text)} FROM {name(collection)} WHERE {sql}", values
            )
            docs = of_numbers(number for number, said in rows if words.says(said, phrase))
        found |= docs
    return found


@dataclass(frozen=True)
class Selection:
    """The documents of one transaction that are in a set (all when there is none) and meet further conditions."""

    connection: sqlite3.Connection
    collection: str
    docs: int | None
    others: tuple[Clause, ...]

    def count(self) -> int:
        if self.docs is not None and not self.others:
            return self.docs.bit_count()
        source, within = self._source(wanted=None)
        return int(self._rows("count(*)", source, within, *self.others).fetchone()[0])

    def page(
        self, fields: tuple[str, ...], *, descending: bool, limit: int, offset: int, after: tuple[Any, ...] | None
    ) -> list[Row]:
        if offset and after is not None:
            raise ValueError("a page begins at an offset or after a document, not both")
        from_end = False
        if offset > _FAR and not self.others:
            behind = self.count() - offset
            from_end = behind < offset
            if from_end:
                limit = min(limit, max(behind, 0))
                offset = max(behind - limit, 0)
        source, within = self._source(None if self.others else offset + limit)
        rows: list[Row] = []
        for segment in segments(fields, after, descending):
            sql, values = both(within, segment.clause, *self.others)
            rows += self.connection.execute(
                f"SELECT revision, body FROM {source} WHERE {sql} "
                f"ORDER BY {order(segment.fields, descending != from_end)} LIMIT ? OFFSET ?",
                (*values, limit - len(rows), offset),
            )
            if len(rows) >= limit:
                break
        return rows[::-1] if from_end else rows

    def sample(self, count: int, exclude: Iterable[str]) -> list[Row]:
        """Draw until enough meet the other conditions; when few seem to, look up all that do and draw from those.

        The order of drawing is random and the conditions know nothing of it, so every document has the same chance.
        """
        docs = self._every() if self.docs is None else self.docs
        docs &= ~of_numbers(self._numbers(("id IN (SELECT value FROM json_each(?))", (json.dumps(list(exclude)),))))
        found: list[Row] = []
        if self.others:
            drawn = _drawn(docs, _TRIAL_DOCS)
            # A few first: often that is enough.
            for trial in (drawn[: 8 * count], drawn[8 * count :]):
                found += self._in_order(trial)
                docs &= ~of_numbers(trial)
                if len(found) >= count:
                    return found[:count]
            docs &= of_numbers(self._numbers(*self.others))
        return found + self._in_order(_drawn(docs, count - len(found)))

    # ------------------------------------------------------------------------------------------------------- parts

    def _source(self, wanted: int | None) -> tuple[str, Clause]:
        """Where to read from so that ``wanted`` of the documents, or all, are soon found in some order."""
        table = name(self.collection)
        if self.docs is None:
            return table, ("true", ())
        found, steps = self.docs.bit_count(), self.docs.bit_length()
        if wanted is not None:
            steps = min(steps, steps * wanted // max(found, 1))
        if found * _FETCH_STEPS < steps:
            return f"{table} NOT INDEXED", _listed(numbers(self.docs))
        return table, ("substr(?, number + 1, 1) = x'01'", (flags(self.docs),))

    def _rows(self, columns: str, source: str, *clauses: Clause) -> sqlite3.Cursor:
        sql, values = both(*clauses)
        return self.connection.execute(f"SELECT {columns} FROM {source} WHERE {sql}", values)

    def _numbers(self, *clauses: Clause) -> list[int]:
        return [number for (number,) in self._rows("number", name(self.collection), *clauses)]

    def _every(self) -> int:
        if kept(self.connection, self.collection):
            return members(self.connection, self.collection, EVERY)
        return of_numbers(self._numbers(("true", ())))

    def _in_order(self, drawn: list[int]) -> list[Row]:
        """Those of the drawn documents that meet the other conditions."""
        rows = self._rows("number, revision, body", name(self.collection), _listed(drawn), *self.others)
        found = {number: (revision, body) for number, revision, body in rows}
        return [found[number] for number in drawn if number in found]


def _listed(drawn: list[int]) -> Clause:
    return "number IN (SELECT value FROM json_each(?))", (json.dumps(drawn),)


def _drawn(docs: int, count: int) -> list[int]:
    candidates = numbers(docs)
    return random.sample(candidates, min(count, len(candidates)))
