"""From the port's conditions and orders to SQL. Names are checked; values are always bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kit.ports import AtLeast, Contains, LessThan, OneOf

__all__ = ["Clause", "Segment", "both", "column", "condition_on", "name", "order", "segments"]

Clause = tuple[str, tuple[Any, ...]]
"""A condition in SQL and the values bound in it."""


def name(identifier: str) -> str:
    """A collection's table, quoted."""
    if not identifier.isidentifier():
        raise ValueError(f"not a name: {identifier!r}")
    return f'"{identifier}"'


def column(field: str) -> str:
    """The expression for a top-level field, the same wherever it stands, so that indexes are found by it."""
    if field in ("id", "revision"):
        return field
    if not field.isidentifier():
        raise ValueError(f"not a field: {field!r}")
    return f"json_extract(body, '$.{field}')"


def condition_on(field: str, condition: Any) -> Clause:
    match condition:
        case OneOf(values):
            return f"{column(field)} IN ({', '.join('?' * len(values))})", tuple(values)
        case LessThan(value):
            return f"{column(field)} < ?", (value,)
        case AtLeast(value):
            return f"{column(field)} >= ?", (value,)
        case Contains(value):
            elements = f"json_each(CASE json_type(body, '$.{field}') WHEN 'array' THEN {column(field)} ELSE '[]' END)"
            return f"EXISTS (SELECT 1 FROM {elements} AS element WHERE element.value = ?)", (value,)  # noqa: S608
        case _:
            return _equal(column(field), condition)


def order(fields: tuple[str, ...], descending: bool) -> str:
    direction = "DESC" if descending else "ASC"
    return ", ".join(f"{expression} {direction}" for expression in (*map(column, fields), "id"))


@dataclass(frozen=True)
class Segment:
    """A range of an index: what it is in, and the fields by which that is still to be sorted."""

    clause: Clause
    fields: tuple[str, ...]


def segments(fields: tuple[str, ...], after: tuple[Any, ...] | None, descending: bool) -> list[Segment]:
    """The ranges of the index over ``fields`` and id that hold what comes behind ``after``, in order.

    First what differs in the id alone, then what differs from the last field on, and so forth. The index answers each,
    which it would not do for a comparison of whole rows: null, which comes first, compares with nothing in SQL.
    """
    if after is None:
        return [Segment(("true", ()), fields)]
    *values, doc_id = after
    if len(values) != len(fields):
        raise ValueError(f"after takes {len(fields)} sort values and an id, not {len(after)} values")
    same = [_equal(column(field), value) for field, value in zip(fields, values, strict=True)]
    found = [Segment(both(*same, (f"id {'<' if descending else '>'} ?", (doc_id,))), ())]
    for depth in reversed(range(len(fields))):
        expression, value = column(fields[depth]), values[depth]
        if value is not None:
            beyond: Clause = (f"{expression} {'<' if descending else '>'} ?", (value,))
            found.append(Segment(both(*same[:depth], beyond), fields[depth:]))
        if (value is None) != descending:
            beyond = (f"{expression} IS {'' if descending else 'NOT '}NULL", ())
            found.append(Segment(both(*same[:depth], beyond), fields[depth + descending :]))
    return found


def both(*clauses: Clause) -> Clause:
    """All of the conditions."""
    return " AND ".join(sql for sql, _ in clauses), tuple(value for _, values in clauses for value in values)


def _equal(expression: str, value: Any) -> Clause:
    return (f"{expression} IS NULL", ()) if value is None else (f"{expression} = ?", (value,))
