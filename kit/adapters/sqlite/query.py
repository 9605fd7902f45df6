# ruff: noqa: S608 (every name in the SQL is checked)
"""Conditions and sort orders of the Docs port as SQL. Names are checked; values are always bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.ports import AllOf, AtLeast, Contains, Index, LessThan, OneOf

__all__ = ["Clause", "Segment", "column", "conjunction", "index_name", "name", "order", "segments", "where_clause"]

Clause = tuple[str, tuple[Any, ...]]
"""A condition in SQL and the values that are bound in it."""


def name(identifier: str) -> str:
    """Return the quoted name of a table.

    Raises:
        ValueError: it is not an identifier.
    """
    if not identifier.isidentifier():
        raise ValueError(f"not a name: {identifier!r}")
    return f'"{identifier}"'


def column(field: str, source: str = "") -> str:
    """Return the expression for a top-level field.

    It is the same text in indexes and queries, which is how SQLite matches the two. ``source`` is a table or alias.

    Raises:
        ValueError: it is not an identifier.
    """
    prefix = f"{source}." if source else ""
    if field in ("id", "revision"):
        return f"{prefix}{field}"
    if not field.isidentifier():
        raise ValueError(f"not a field: {field!r}")
    return f"json_extract({prefix}body, '$.{field}')"


def index_name(collection: str, index: Index) -> str:
    """Return the quoted name of an index, or of the table that holds a multikey index. A changed index has another name.

    Raises:
        ValueError: a name is not an identifier.
    """
    fields = ",".join(name(field)[1:-1] for field in index.fields)
    options = " unique" * index.unique
    options += f" when {name(index.present)[1:-1]}" if index.present else ""
    options += f" each {name(index.each)[1:-1]}" if index.each else ""
    return f'{name(collection)[:-1]}({fields}){options}"'


def where_clause(collection: str, where: Mapping[str, Any], indexes: Sequence[Index]) -> Clause:
    """Return the SQL for the conditions of a query.

    Args:
        indexes: The indexes of the collection.
    """
    clauses: list[Clause] = [("true", ())]
    for field, condition in _conditions(where):
        clause = _multikey_lookup(collection, field, condition, where, indexes)
        clauses.append(clause or _condition(field, condition))
    return conjunction(*clauses)


def _conditions(where: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, condition in where.items():
        for one in condition.conditions if isinstance(condition, AllOf) else (condition,):
            yield field, one


def _multikey_lookup(
    collection: str, field: str, condition: Any, where: Mapping[str, Any], indexes: Sequence[Index]
) -> Clause | None:
    """Return a look-up in a multikey index whose other fields all have to equal a value, or None."""
    if not isinstance(condition, Contains):
        return None
    for index in indexes:
        equal = {other: where.get(other) for other in index.fields if other != field}
        if index.each == field and all(isinstance(value, str | int | float) for value in equal.values()):
            keys = " AND ".join(f'"{key}" = ?' for key in (*equal, field))
            lookup = f"SELECT number FROM {index_name(collection, index)} WHERE {keys}"
            return f"number IN ({lookup})", (*equal.values(), condition.value)
    return None


def _condition(field: str, condition: Any) -> Clause:
    match condition:
        case OneOf(values):
            given = tuple(value for value in values if value is not None)
            listed = f"{column(field)} IN ({', '.join('?' * len(given))})"
            return f"({listed} OR {column(field)} IS NULL)" if len(given) < len(values) else listed, given
        case LessThan(value):
            return f"{column(field)} < ?", (value,)
        case AtLeast(value):
            return f"{column(field)} >= ?", (value,)
        case Contains(value):
            elements = f"json_each(CASE json_type(body, '$.{field}') WHEN 'array' THEN {column(field)} ELSE '[]' END)"
            return f"EXISTS (SELECT 1 FROM {elements} AS element WHERE element.value = ?)", (value,)
        case _:
            return _equal(column(field), condition)


def order(fields: tuple[str, ...], descending: bool) -> str:
    """Return the ORDER BY expressions, with the id as the last one."""
    direction = "DESC" if descending else "ASC"
    return ", ".join(f"{expression} {direction}" for expression in (*map(column, fields), "id"))


@dataclass(frozen=True)
class Segment:
    """A range of an index, and the fields by which its rows still have to be sorted."""

    clause: Clause
    fields: tuple[str, ...]


def segments(fields: tuple[str, ...], after: tuple[Any, ...] | None, descending: bool) -> list[Segment]:
    """Return the ranges of the index over ``fields`` and id that follow ``after``, in order.

    The first range differs from ``after`` in the id only, the next one from the last field on, and so on. SQLite answers
    each range from the index. It would not do so for a comparison of whole rows, in which null compares with nothing.

    Raises:
        ValueError: ``after`` does not have a value for each field and an id.
    """
    if after is None:
        return [Segment(("true", ()), fields)]
    *values, doc_id = after
    if len(values) != len(fields):
        raise ValueError(f"after takes {len(fields)} sort values and an id, not {len(after)} values")
    same = [_equal(column(field), value) for field, value in zip(fields, values, strict=True)]
    found = [Segment(conjunction(*same, (f"id {'<' if descending else '>'} ?", (doc_id,))), ())]
    for depth in reversed(range(len(fields))):
        expression, value = column(fields[depth]), values[depth]
        if value is not None:
            beyond: Clause = (f"{expression} {'<' if descending else '>'} ?", (value,))
            found.append(Segment(conjunction(*same[:depth], beyond), fields[depth:]))
        if (value is None) != descending:
            beyond = (f"{expression} IS {'' if descending else 'NOT '}NULL", ())
            found.append(Segment(conjunction(*same[:depth], beyond), fields[depth + descending :]))
    return found


def conjunction(*clauses: Clause) -> Clause:
    """Return the condition that all of the conditions hold."""
    return " AND ".join(sql for sql, _ in clauses), tuple(value for _, values in clauses for value in values)


def _equal(expression: str, value: Any) -> Clause:
    return (f"{expression} IS NULL", ()) if value is None else (f"{expression} = ?", (value,))
