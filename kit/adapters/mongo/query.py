"""Conditions, sort orders and indexes of the Docs port in MongoDB's terms.

They keep to what every MongoDB-compatible engine offers: partial indexes filter with ``$type``, conditions never use
``$where`` or ``$text``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from soundwright.kit.ports import AllOf, AnyOf, AtLeast, Contains, Index, LessThan, OneOf, StartsWith

Filter = dict[str, Any]
# All documents, by the index over their ids. Without a condition, a server would read the documents themselves.
EVERY_ID: Filter = {"_id": {"$gte": ""}}
_PRESENT: Filter = {"$type": ["double", "string", "object", "array", "bool", "date", "int", "long"]}


def field(name: str) -> str:
    """Return the stored name of a field.

    Raises ``ValueError``: it is not an identifier.
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
        clauses += _clauses(field(name), condition)
        if name in partial and not any(map(_may_be_absent, conditions)):
            clauses.append({field(name): _PRESENT})
    return clauses


def conjunction(clauses: Sequence[Filter]) -> Filter:
    """Return the filter that all conditions hold.

    It names each field once if possible. Some engines use no index for a filter with ``$and``.
    """
    merged: dict[str, Filter] = {}
    rest: list[Filter] = []
    options: list[Filter] = []
    for clause in clauses:
        for name, operators in clause.items():
            if name.startswith("$"):
                (rest if options else options).append({name: operators})
            elif merged.setdefault(name, {}).keys() & operators.keys():
                rest.append({name: operators})
            else:
                merged[name].update(operators)
    found: Filter = {name: _plain(operators) for name, operators in merged.items()}
    for option in options:
        found.update(option)
    return {**found, "$and": rest} if rest else found


def _plain(operators: Filter) -> Any:
    """Return the value itself for equality. Objects and arrays stay behind ``$eq``, so that no value is an operator."""
    if operators.keys() == {"$eq"} and not isinstance(operators["$eq"], dict | list):
        return operators["$eq"]
    return operators


def _may_be_absent(condition: Any) -> bool:
    match condition:
        case AnyOf(conditions):
            return any(map(_may_be_absent, conditions))
        case AllOf(conditions):
            return all(map(_may_be_absent, conditions))
        case OneOf(values):
            return None in values
        case _:
            return condition is None


def _clauses(name: str, condition: Any) -> list[Filter]:
    match condition:
        case AllOf(conditions):
            contained = [one.value for one in conditions if isinstance(one, Contains)]
            others = [clause for one in conditions if not isinstance(one, Contains) for clause in _clauses(name, one)]
            if len(contained) < 2:
                return [*({name: {"$eq": value}} for value in contained), *others]
            return [{name: {"$all": contained}}, *others]
        case AnyOf(conditions):
            contained = [one.value for one in conditions if isinstance(one, Contains)]
            others = [conjunction(_clauses(name, one)) for one in conditions if not isinstance(one, Contains)]
            listed: list[Filter] = [{name: {"$in": contained}}] if contained or not others else []
            return [*listed, *others] if len(listed) + len(others) == 1 else [{"$or": [*listed, *others]}]
        case OneOf(values):
            return [{name: {"$in": list(values)}}]
        case LessThan(value):
            return [{name: {"$lt": value}}]
        case AtLeast(value):
            return [{name: {"$gte": value}}]
        case Contains(value):
            return [{name: {"$eq": value}}]
        case StartsWith(prefix):
            return [{name: {"$regex": f"^{re.escape(prefix)}"}}]  # a range of the index
        case _:
            return [{name: {"$eq": condition}}]


def sort_of(fields: Sequence[str], descending: bool) -> list[tuple[str, int]]:
    """Return the sort keys, with the id as the last one. MongoDB sorts null and missing values first."""
    names = list(dict.fromkeys((*map(field, fields), "_id")))
    return [(name, -1 if descending else 1) for name in names]


def segments(fields: tuple[str, ...], after: tuple[Any, ...] | None, descending: bool) -> Iterator[list[Filter]]:
    """Yield the conditions of each range of the index over ``fields`` and id that follows ``after``, in order.

    The first range differs from ``after`` in the id only, the next one from the last field on, and so on. Each is one range
    of the index, which one filter with ``$or`` would not be.

    Raises ``ValueError``: ``after`` does not have a value for each field and an id.
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
    options: dict[str, Any] = {"name": index_name(index)}
    if index.unique:
        options["unique"] = True
    if index.present is not None:
        options["partialFilterExpression"] = {field(index.present): _PRESENT}
    elif index.unique:
        # A document without the fields is not in the index: MongoDB would refuse a second one.
        options["partialFilterExpression"] = {field(name): _PRESENT for name in index.fields}
    return options
