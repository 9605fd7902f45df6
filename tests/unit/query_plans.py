"""Which index answers a query of the Docs port, by the rules that MongoDB and SQLite share.

The index begins with the fields that equal a value. The fields of the sort follow in their order, or one field with a range. So the
store reads no document that it does not return, and sorts nothing.

Queries about some things (``id`` or ``owner_id`` equals a value) and about unfinished jobs may read and sort more than they return: an index limits
them to the documents of these things, or to the jobs in the queues.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from soundwright.kit.ports import AllOf, AtLeast, Index, LessThan, OneOf
from soundwright.services.library.jobs.service import JobState

_ID = Index(("id",))
_UNFINISHED = {JobState.QUEUED, JobState.RUNNING}


def answering_index(indexes: Iterable[Index], where: Mapping[str, Any], sort: Sequence[str]) -> Index | None:
    """Return an index that answers a query, or None if the store would read or sort a large part of the collection.

    Args:
        sort: The sort fields; empty for a count.
    """
    ranges = {name for name, condition in where.items() if _has_range(condition)}
    equal = where.keys() - ranges
    for index in (*indexes, _ID):
        keys = list(dict.fromkeys((*index.fields, *(() if index.unique else ("id",)))))
        if index.present is not None and not _implies_presence(where.get(index.present)):
            continue
        pinned = {name for place, name in enumerate(keys) if set(keys[: place + 1]) <= equal}
        if any(_is_narrow(name, where[name]) for name in pinned):
            return index
        rest = keys[len(pinned) :]
        wanted = [name for name in dict.fromkeys((*sort, "id")) if name not in equal]
        is_sorted = not sort or not rest or rest[: len(wanted)] == wanted
        if pinned == equal and ranges <= set(rest[:1]) and is_sorted:
            return index
    return None


def _is_narrow(field: str, condition: Any) -> bool:
    values = condition.values if isinstance(condition, OneOf) else [condition]
    return field == "id" or field.endswith("_id") or (field == "state" and set(values) <= _UNFINISHED)


def _has_range(condition: Any) -> bool:
    conditions = condition.conditions if isinstance(condition, AllOf) else [condition]
    return any(isinstance(one, AtLeast | LessThan) for one in conditions)


def _implies_presence(condition: Any) -> bool:
    return condition is not None and not (isinstance(condition, OneOf) and None in condition.values)
