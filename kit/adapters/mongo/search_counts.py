"""Numbers of the entries with each combination of facet values.

MongoDB counts the keys of an index, which takes longer the more entries a combination has, so each process caches the numbers. A document
for each combination holds a version, which every writer increments before and after it changes entries with that combination. A cached
number is used while the version is the same, but for a minute at most: a writer can die before the second increment.

The number of all entries is the sum of the numbers of 64 *parts*, which are combinations too. An entry is in the part that its id decides.
A new entry makes only its part be counted again, and a query counts at most one part because of its age. So a query reads a small
share of the keys, however many entries there are.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from kit.adapters.mongo.query import Filter

__all__ = ["CombinationCounts", "combination", "part_of"]

_CACHE_SECONDS = 60.0
_DUPLICATE_KEY = 11000
_PART_COUNT = 64


def combination(facets: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return the text that stands for a combination of facet values. BSON refuses some values as they are."""
    return json.dumps([facets, values])


_PARTS = [combination((), (str(number),)) for number in range(_PART_COUNT)]


def part_of(entry_id: str) -> str:
    """Return the part of all entries that contains an entry."""
    return _PARTS[hashlib.blake2b(entry_id.encode(), digest_size=1).digest()[0] % _PART_COUNT]


class CombinationCounts:
    """The counts of one collection of entries. Methods raise errors of the driver and may be repeated."""

    def __init__(self, entries: Any) -> None:
        self._entries = entries
        self._versions = entries.database[f"{entries.name}.counts"]
        self._cached: dict[str, tuple[int, float, int]] = {}

    async def changed_by(self, changes: Sequence[tuple[str, Sequence[str]]]) -> set[str]:
        """Return the combinations that entries lose or gain by these changes, each an id and the new combinations."""
        stored = self._entries.find({"_id": {"$in": [entry_id for entry_id, _ in changes]}}, {"combinations": 1})
        before = {entry["_id"]: entry["combinations"] for entry in await stored.to_list(None)}
        return {
            combination
            for entry_id, after in changes
            for combination in set(before.get(entry_id, ())).symmetric_difference(after)
        }

    async def increment(self, combinations: Iterable[str]) -> None:
        """Increment the versions of combinations."""
        left = [UpdateOne({"_id": each}, {"$inc": {"version": 1}}, upsert=True) for each in sorted(combinations)]
        while left:
            try:
                await self._versions.bulk_write(left, ordered=False)
                return
            except BulkWriteError as error:
                failures = error.details["writeErrors"]
                if any(failure["code"] != _DUPLICATE_KEY for failure in failures) or not failures:
                    raise
                left = [left[failure["index"]] for failure in failures]  # another process inserted these just now

    async def of(self, facets: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        """Return the number of entries for each combination of values of these facets, without zeros."""
        found: dict[tuple[str, ...], int] = {}
        for doc in await self._versions.find({}).to_list(None):
            names, values = json.loads(doc["_id"])
            if tuple(names) == facets and (count := await self._count(doc, _CACHE_SECONDS)):
                found[tuple(values)] = count
        return found

    async def matching(self, conditions: Filter) -> int:
        """Return the number of entries that match a filter."""
        if not conditions:
            return await self._total()
        if conditions.keys() == {"combinations"}:
            found = await self._versions.find_one({"_id": conditions["combinations"]})
            return await self._count(found, _CACHE_SECONDS) if found else 0
        return int(await self._entries.count_documents(conditions))

    async def _total(self) -> int:
        parts = await self._versions.find({"_id": {"$in": _PARTS}}).to_list(_PART_COUNT)
        oldest = min(parts, key=self._counted_at, default=None)
        return sum([await self._count(part, _CACHE_SECONDS if part is oldest else math.inf) for part in parts])

    async def _count(self, version_doc: Mapping[str, Any], max_age_seconds: float) -> int:
        combination, version, now = version_doc["_id"], version_doc["version"], time.monotonic()
        cached = self._cached.get(combination)
        if cached is not None and cached[0] == version and now - cached[1] < max_age_seconds:
            return cached[2]
        count = int(await self._entries.count_documents({"combinations": combination}))
        self._cached[combination] = version, now, count
        return count

    def _counted_at(self, version_doc: Mapping[str, Any]) -> float:
        cached = self._cached.get(version_doc["_id"])
        return cached[1] if cached is not None else 0.0
