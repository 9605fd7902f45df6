"""Conditions, sort orders and indexes of the Docs port in MongoDB's terms.

They keep to what every MongoDB-compatible engine offers: partial indexes filter with ``$type``, conditions never use
``$where`` or ``$text``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kit.ports import AllOf, AtLeast, Contains, Index, LessThan, OneOf

__all__ = [
    "EVERY_ID",
    "Filter",
    "conjunction",
    "field",
    "index_keys",
    "index_name",
    "index_options",
    "segments",
    "sort_of",
    "where_clauses",
]

Filter = dict[str, Any]
# All documents, by the index over their ids. Without a condition, a server would read the documents themselves.
EVERY_ID: Filter = {"_id": {"$gte": ""}}
_PRESENT: Filter = {"$type": ["double", "string", "object", "array", "bool", "date", "int", "long"]}


def field(name: str) -> str:
    """Return the stored name of a field.

    Raises:
        ValueError: it is not an identifier.
    """
    if not name.isidentifier():
        raise ValueError(f"not a field: {name!r}")
    return "_id" if name == "id" else name


def where_clauses(where: Mapping[str, Any], indexes: Sequence[Index]) -> list[Filter]:
    """Return the conditions of a query. Each names one field and its operators.

    MongoDB uses a partial index only if the query repeats the condition of the index, so the conditions do where it is met.
    """
    clauses: list[Filter] = []
    partial = {index.present for index in indexes if index.present is not None}
    for name, condition in where.items():
        conditions = condition.conditions if isinstance(condition, AllOf) else (condition,)
        clauses += [{field(name): _condition(one)} for one in conditions]
        if name in partial and not any(map(_may_be_absent, conditions)):
            clauses.append({field(name): _PRESENT})
    return clauses


def conjunction(clauses: Sequence[Filter]) -> Filter:
    """Return the filter that all conditions hold.

    It names each field once if possible. Some engines use no index for a filter with ``$and``.
    """
    merged: dict[str, Filter] = {}
    rest: list[Filter] = []
    for clause in clauses:
        for name, operators in clause.items():
            if merged.setdefault(name, {}).keys() & operators.keys():
                rest.append({name: operators})
            else:
                merged[name].update(operators)
    found: Filter = {name: _plain(operators) for name, operators in merged.items()}
    return {**found, "$and": rest} if rest else found


def _plain(operators: Filter) -> Any:
    """Return the value itself for equality. Objects and arrays stay behind ``$eq``, so that no value is an operator."""
    if operators.keys() == {"$eq"} and not isinstance(operators["$eq"], dict | list):
        return operators["$eq"]
    return operators


def _may_be_absent(condition: Any) -> bool:
    return condition is None or (isinstance(condition, OneOf) and None in condition.values)


def _condition(condition: Any) -> Any:
    match condition:
        case OneOf(values):
            return {"$in": list(values)}
        case LessThan(value):
            return {"$lt": value}
        case AtLeast(value):
            return {"$gte": value}
        case Contains(value):
            return {"$elemMatch": {"$eq": value}}
        case _:
            return {"$eq": condition}


def sort_of(fields: Sequence[str], descending: bool) -> list[tuple[str, int]]:
    """Return the sort keys, with the id as the last one. MongoDB sorts null and missing values first."""
    names = list(dict.fromkeys((*map(field, fields), "_id")))
    return [(name, -1 if descending else 1) for name in names]


def segments(fields: tuple[str, ...], after: tuple[Any, ...] | None, descending: bool) -> Iterator[list[Filter]]:
    """Yield the conditions of each range of the index over ``fields`` and id that follows ``after``, in order.

    The first range differs from ``after`` in the id only, the next one from the last field on, and so on. Each is one range
    of the index, which one filter with ``$or`` would not be.

    Raises:
        ValueError: ``after`` does not have a value for each field and an id.
    """
    names = [field(name) for name in fields]
    if after is None:
        yield []
        return
    *values, doc_id = after
    if len(values) != len(names):
        raise ValueError(f"after takes {len(names)} sort values and an id, not {len(after)} values")
    beyond = "$lt" if descending else "$gt"
    same: list[Filter] = [{name: {"$eq": value}} for name, value in zip(names, values, strict=True)]
    yield [*same, {"_id": {beyond: doc_id}}]
    for depth in reversed(range(len(names))):
        name, value = names[depth], values[depth]
        if value is not None:
            yield [*same[:depth], {name: {beyond: value}}]
        if (value is None) != descending:
            absent = {"$eq": None} if descending else {"$ne": None}
            yield [*same[:depth], {name: absent}]


def index_name(index: Index) -> str:
    """Return a name that follows from the definition, so that a changed index gets another one."""
    suffix = ("_unique" if index.unique else "") + (f"_if_{index.present}" if index.present else "")
    return "_".join(index.fields) + suffix


def index_keys(index: Index) -> list[tuple[str, int]]:
    """Return the keys of ``create_index``. The id is the last sort field of every page."""
    names = (*index.fields, *(() if index.unique else ("id",)))
    return [(name, 1) for name in dict.fromkeys(map(field, names))]


def index_options(index: Index) -> dict[str, Any]:
    """Return the options of ``create_index``."""
    options: dict[str, Any] = {"name": index_name(index)}
    if index.unique:
        options["unique"] = True
    if index.present is not None:
        options["partialFilterExpression"] = {field(index.present): _PRESENT}
    elif index.unique:
        # A document without the fields is not in the index: MongoDB would refuse a second one.
        options["partialFilterExpression"] = {field(name): _PRESENT for name in index.fields}
    return options
