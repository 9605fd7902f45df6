"""The Search port over MongoDB: arrays of terms with a multikey index, and an index for each sort order.

``search.indexes`` has a document for each search index: its definition, and the *build*, which names the collection of its entries.
A changed definition gets a new build, so a process with the previous definition continues to work with its own entries.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from kit.adapters.mongo.client import DuplicateKey, retried
from kit.adapters.mongo.query import EVERY_ID
from kit.adapters.mongo.search_counts import CombinationCounts
from kit.adapters.mongo.search_entries import document, index_keys, query_filter, sort_key
from kit.ports import SearchEntry, SearchIndex, SearchPage, SearchQuery

__all__ = ["MongoSearch"]

_FORMAT = 3  # of the entries and of the tokenizer; a change rebuilds all indexes
_DUPLICATE_KEY = 11000
_BATCH = 200  # entries of one command
T = TypeVar("T")


class MongoSearch:
    """A :class:`kit.ports.Search` in the database of a :class:`kit.adapters.mongo.docs.MongoDocs`."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._indexes: dict[str, SearchIndex] = {}
        self._entries: dict[str, Any] = {}
        self._counts: dict[str, CombinationCounts] = {}

    async def ensure(self, index: SearchIndex) -> bool:
        """See :meth:`kit.ports.Search.ensure`."""
        if not index.name.isidentifier():
            raise ValueError(f"not a name: {index.name!r}")
        keys = index_keys(index)
        state = await retried(lambda: self._state(index))
        entries = self._database[_collection_name(index.name, state["build"])]

        async def work() -> None:
            for key in keys:
                await entries.create_index(key)
            if state["complete"]:
                await self._drop_other_builds(index.name, entries.name)

        await retried(work)
        self._indexes[index.name], self._entries[index.name] = index, entries
        self._counts[index.name] = CombinationCounts(entries)
        return bool(state["complete"])

    async def _state(self, index: SearchIndex) -> dict[str, Any]:
        """Return the document of the index. Replace one of another definition."""
        states = self._database["search.indexes"]
        definition = json.dumps([_FORMAT, index.facets, index.orders, index.counted])
        while True:
            found: dict[str, Any] | None = await states.find_one({"_id": index.name})
            if found is not None and found["definition"] == definition:
                return found
            new = {"_id": index.name, "definition": definition, "build": uuid.uuid4().hex, "complete": False}
            try:
                if found is None:
                    await states.insert_one(new)
                else:
                    await states.replace_one({"_id": index.name, "build": found["build"]}, new)
            except DuplicateKey:
                continue  # another process was faster

    async def _drop_other_builds(self, index: str, current: str) -> None:
        names = await self._database.list_collection_names(filter={"name": {"$regex": f"^search\\.{index}\\."}})
        for name in names:
            if not name.startswith(current):  # the counts are in a collection beside the entries
                await self._database.drop_collection(name)

    async def complete(self, index: str) -> None:
        """See :meth:`kit.ports.Search.complete`."""
        build = self._collection(index).name.rpartition(".")[2]
        states = self._database["search.indexes"]
        await retried(lambda: states.update_one({"_id": index, "build": build}, {"$set": {"complete": True}}))

    async def put(self, index: str, entries: Sequence[SearchEntry]) -> int:
        """See :meth:`kit.ports.Search.put`."""
        stored = self._collection(index)
        documents = [document(self._indexes[index], entry) for entry in entries]
        count = 0
        for start in range(0, len(documents), _BATCH):
            batch = documents[start : start + _BATCH]
            combinations = [(each["_id"], each["combinations"]) for each in batch]
            count += await self._change(index, combinations, partial(_put, stored, batch))
        return count

    async def remove(self, index: str, ids: Sequence[str]) -> None:
        """See :meth:`kit.ports.Search.remove`."""
        stored = self._collection(index)
        await self._change(index, [(each, []) for each in ids], lambda: stored.delete_many({"_id": {"$in": list(ids)}}))

    async def _change(
        self, index: str, combinations: Sequence[tuple[str, Sequence[str]]], work: Callable[[], Awaitable[T]]
    ) -> T:
        """Do ``work``, which gives entries these combinations, and keep the counts up to date."""
        counts = self._counts[index]
        changed = await retried(lambda: counts.changed_by(combinations))
        await retried(lambda: counts.increment(changed))
        result = await retried(work)
        await retried(lambda: counts.increment(changed))
        return result

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
        """See :meth:`kit.ports.Search.find`."""
        stored = self._collection(index)
        if order not in self._indexes[index].orders:
            raise ValueError(f"the index {index} has no order {order}")
        conditions = query_filter(self._indexes[index], query)
        counts = self._counts[index]
        total = await retried(lambda: counts.matching(conditions))
        limit = min(limit, total - offset)
        if limit <= 0:
            return SearchPage([], total)
        from_end = offset > total - offset - limit  # the end is nearer than the beginning
        skipped = total - offset - limit if from_end else offset
        sort = [(name, -1 if descending is not from_end else 1) for name in (*map(sort_key, order), "_id")]

        async def page() -> list[str]:
            found = stored.find(conditions, {"_id": 1}).sort(sort).skip(skipped).limit(limit)
            return [entry["_id"] for entry in await found.to_list(limit)]

        ids = await retried(page)
        return SearchPage(ids[::-1] if from_end else ids, total)

    async def sample(self, index: str, query: SearchQuery, count: int) -> list[str]:
        """See :meth:`kit.ports.Search.sample`."""
        stored = self._collection(index)
        conditions = query_filter(self._indexes[index], query)
        if count <= 0:
            return []
        # The filter keeps the server from its random cursor, which may return an entry twice.
        stages = [{"$match": conditions or EVERY_ID}, {"$project": {"_id": 1}}, {"$sample": {"size": count}}]
        drawn = await retried(lambda: stored.aggregate(stages).to_list(count))
        random.shuffle(drawn)  # some engines return a sample of all entries in their order
        return [entry["_id"] for entry in drawn]

    async def facet_counts(self, index: str, facets: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        """See :meth:`kit.ports.Search.facet_counts`."""
        self._collection(index)
        counts = self._counts[index]
        if facets not in self._indexes[index].counted:
            raise ValueError(f"the index {index} does not count {facets}")
        return await retried(lambda: counts.of(facets))

    def _collection(self, name: str) -> Any:
        if name not in self._entries:
            raise ValueError(f"unknown index {name!r}; call ensure first")
        return self._entries[name]


def _collection_name(index: str, build: str) -> str:
    """Return the name of the collection of entries. Names of document collections contain no dots."""
    return f"search.{index}.{build}"


async def _put(stored: Any, documents: Sequence[dict[str, Any]]) -> int:
    """Store each document whose revision is higher than the stored one. Return their number."""
    try:
        result = await stored.bulk_write([_replace(each, upsert=True) for each in documents], ordered=False)
    except BulkWriteError as error:
        details = error.details
        failures = details["writeErrors"]
        if details["writeConcernErrors"] or any(failure["code"] != _DUPLICATE_KEY for failure in failures):
            raise
        # These exist. Their revision is as high, unless another process has inserted a lower one just now.
        existing = [_replace(documents[failure["index"]], upsert=False) for failure in failures]
        replaced = await stored.bulk_write(existing, ordered=False)
        return int(details["nUpserted"] + details["nModified"] + replaced.modified_count)
    return int(result.upserted_count + result.modified_count)


def _replace(body: dict[str, Any], *, upsert: bool) -> ReplaceOne[dict[str, Any]]:
    return ReplaceOne({"_id": body["_id"], "revision": {"$lt": body["revision"]}}, body, upsert=upsert)
