# ruff: noqa: S608 (every name in the SQL is checked)
"""Conditions and sort orders of the Docs port as SQL. Names are checked; values are always bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundwright.kit.ports import AllOf, AnyOf, AtLeast, Contains, Index, LessThan, OneOf, StartsWith

_LAST = "\U0010ffff"  # no text has this character
_BYTES = ", ".join(f"({place})" for place in range(0, 64, 8))
_BITS = ", ".join(f"({place})" for place in range(8))

Clause = tuple[str, tuple[Any, ...]]
"""A condition in SQL and the values that are bound in it."""


def name(identifier: str) -> str:
    """Return the quoted name of a table.

    Raises ``ValueError``: it is not an identifier.
    """
    if not identifier.isidentifier():
        raise ValueError(f"not a name: {identifier!r}")
    return f'"{identifier}"'


def column(field: str, source: str = "") -> str:
    """Return the expression for a top-level field.

    It is the same text in indexes and queries, which is how SQLite matches the two. ``source`` is a table or alias.

    Raises ``ValueError``: it is not an identifier.
    """
    prefix = f"{source}." if source else ""
    if field in ("id", "revision"):
        return f"{prefix}{field}"
    if not field.isidentifier():
        raise ValueError(f"not a field: {field!r}")
    return f"json_extract({prefix}body, '$.{field}')"


def index_name(collection: str, index: Index) -> str:
    """Return the quoted name of an index, or of the table that holds a multikey index. A changed index has another name.

    Raises ``ValueError``: a name is not an identifier.
    """
    fields = ",".join(name(field)[1:-1] for field in index.fields)
    options = " unique" * index.unique
    options += f" when {name(index.present)[1:-1]}" if index.present else ""
    options += f" each {name(index.each)[1:-1]} in blocks" if index.each else ""
    return f'{name(collection)[:-1]}({fields}){options}"'


def where_clause(collection: str, where: Mapping[str, Any], indexes: Sequence[Index]) -> Clause:
    """Return the SQL for the conditions of a query."""
    clauses = [
        _condition(field, condition, elements(collection, field, where, indexes)) for field, condition in where.items()
    ]
    return conjunction(("true", ()), *clauses)


def elements(collection: str, field: str, where: Mapping[str, Any], indexes: Sequence[Index]) -> Clause | None:
    """Return the part after FROM of a query for blocks of documents in a multikey index (:mod:`soundwright.kit.adapters.sqlite.indexes`).

    :func:`element_clause` adds a condition to it.

    Returns None: ``field`` has no such index whose other fields all have to equal a value.
    """
    for index in indexes:
        equal = {other: where.get(other) for other in index.fields if other != field}
        if index.each == field and all(isinstance(value, str | int | float) for value in equal.values()):
            keys = "".join(f'"{key}" = ? AND ' for key in equal)
            return f"{index_name(collection, index)} WHERE {keys}", tuple(equal.values())
    return None


def element_clause(element: str, condition: Contains | StartsWith) -> Clause:
    if isinstance(condition, Contains):
        return f"{element} = ?", (condition.value,)
    return f"{element} >= ? AND {element} < ?", (condition.prefix, condition.prefix + _LAST)


def _numbers(blocks: str) -> str:
    """Return a query for the numbers of the documents in blocks. It looks at the bits of bytes that are not zero."""
    return (
        "SELECT 64 * block + byte + bit FROM"
        f" (SELECT block, bits FROM {blocks})"
        f" CROSS JOIN (SELECT column1 AS byte FROM (VALUES {_BYTES})) ON bits >> byte & 255"
        f" CROSS JOIN (SELECT column1 AS bit FROM (VALUES {_BITS})) ON bits >> (byte + bit) & 1"
    )


def _condition(field: str, condition: Any, indexed: Clause | None) -> Clause:
    match condition:
        case AllOf(conditions):
            return conjunction(("true", ()), *(_condition(field, one, indexed) for one in conditions))
        case AnyOf(conditions):
            sql, values = conjunction(("false", ()), *(_condition(field, one, indexed) for one in conditions), by="OR")
            return f"({sql})", values
        case Contains() | StartsWith() if indexed is not None:
            (lookup, keys), (sql, values) = indexed, element_clause(f'"{field}"', condition)
            return f"number IN ({_numbers(lookup + sql)})", (*keys, *values)
        case Contains() | StartsWith():
            array = f"json_each(CASE json_type(body, '$.{field}') WHEN 'array' THEN {column(field)} ELSE '[]' END)"
            sql, values = element_clause("element.value", condition)
            return f"EXISTS (SELECT 1 FROM {array} AS element WHERE {sql})", values
        case OneOf(options):
            given = tuple(value for value in options if value is not None)
            listed = f"{column(field)} IN ({', '.join('?' * len(given))})"
            return f"({listed} OR {column(field)} IS NULL)" if len(given) < len(options) else listed, given
        case LessThan(value):
            return f"{column(field)} < ?", (value,)
        case AtLeast(value):
            return f"{column(field)} >= ?", (value,)
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

    Raises ``ValueError``: ``after`` does not have a value for each field and an id.
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


def conjunction(*clauses: Clause, by: str = "AND") -> Clause:
    """Return the condition that all of the conditions hold, or with ``OR`` that one holds."""
    return f" {by} ".join(sql for sql, _ in clauses), tuple(value for _, values in clauses for value in values)


def _equal(expression: str, value: Any) -> Clause:
    return (f"{expression} IS NULL", ()) if value is None else (f"{expression} = ?", (value,))
