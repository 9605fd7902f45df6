"""The Docs port over MongoDB.

Every write carries a token. If the connection breaks during a write, the adapter writes again. If the server then refuses, because
the first attempt took effect, the adapter finds the token in the document.
"""

import asyncio
import contextlib
import json
import random
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import ReplaceOne

from soundwright.kit.adapters.declared_indexes import DeclaredIndexes
from soundwright.kit.adapters.mongo.client import DuplicateKey, connect, database_of, retried
from soundwright.kit.adapters.mongo.query import (
    EVERY_ID,
    conjunction,
    index_keys,
    index_options,
    segments,
    sort_of,
    where_clauses,
)
from soundwright.kit.adapters.mongo.query import field as field_name
from soundwright.kit.ports import Collection, Contains, Doc, Docs

_TOKEN = "_write"  # noqa: S105 - the name of a field
_INDEX_LIMIT = 63


class MongoDocs:
    """A :class:`soundwright.kit.ports.Docs`.

    Args:
        url: ``mongodb://host:port/database``, with credentials and options as MongoDB's drivers take them.
        tls: For connections with TLS (``tls=true`` in the URL), unless the URL names certificates of its own.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        self._client = connect(url, tls)
        self.database = database_of(self._client, url)
        self._declared = DeclaredIndexes()

    def _collection(self, name: str) -> Any:
        if not name.isidentifier():
            raise ValueError(f"not a name: {name!r}")
        return self.database[name]

    async def ensure(self, collection: Collection) -> None:
        if len(collection.indexes) > _INDEX_LIMIT:
            raise ValueError(f"{collection.name} has more than {_INDEX_LIMIT} indexes")
        for index in collection.indexes:
            if index.each is not None and index.each not in index.fields:
                raise ValueError(f"{index.each} is not a field of its index")
        stored = self._collection(collection.name)

        async def work() -> None:
            for index in collection.indexes:
                await stored.create_index(index_keys(index), **index_options(index))

        await retried(work)
        self._declared.add(collection)

    async def insert(self, collection: str, doc: Doc) -> None:
        stored = self._collection(collection)
        body = _body(doc, 1)

        async def work() -> None:
            try:
                await stored.insert_one(body)
            except DuplicateKey:
                if not await _has(stored, body):
                    raise

        await retried(work)

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        stored = self._collection(collection)
        found = await retried(lambda: stored.find_one({"_id": doc_id}))
        return _doc(found) if found else None

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: str | tuple[str, ...] = "id",
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
        after: tuple[Any, ...] | None = None,
    ) -> list[Doc]:
        if offset and after is not None:
            raise ValueError("a page begins at an offset or after a document, not both")
        stored = self._collection(collection)
        fields = (sort,) if isinstance(sort, str) else sort
        conditions = where_clauses(where, self._declared.of(collection))
        order = sort_of(fields, descending)
        found: list[Doc] = []
        for segment in segments(fields, after, descending):
            if len(found) >= limit:
                break
            cursor = partial(stored.find, conjunction([*conditions, *segment]), sort=order, skip=offset)
            found += await retried(partial(_docs_of, cursor, limit - len(found)))
        return found

    async def page(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: tuple[str, ...],
        descending: bool = False,
        limit: int,
        offset: int,
    ) -> tuple[list[Doc], int]:
        total = await self.count(collection, where)
        limit = min(limit, total - offset)
        if limit <= 0:
            return [], total
        if from_end := offset > total - offset - limit:  # the end is nearer than the beginning
            descending, offset = not descending, total - offset - limit
        docs = await self.find(collection, where, sort=sort, descending=descending, limit=limit, offset=offset)
        return docs[::-1] if from_end else docs, total

    async def sample(self, collection: str, where: Mapping[str, Any], count: int) -> list[Doc]:
        if count <= 0:
            return []
        stored = self._collection(collection)
        conditions = conjunction(where_clauses(where, self._declared.of(collection)))
        # The filter keeps the server from its random cursor, which may return a document twice.
        stages = [{"$match": conditions or EVERY_ID}, {"$sample": {"size": count}}]
        drawn = await retried(lambda: stored.aggregate(stages).to_list(count))
        random.shuffle(drawn)  # some engines return a sample of all documents in their order
        return [_doc(each) for each in drawn]

    async def count_each(self, collection: str, field: str, values: Sequence[str]) -> dict[str, int]:
        # MongoDB counts the keys of one value in the index. To group the documents, it would read all of them.
        counts = await asyncio.gather(*(self.count(collection, {field: Contains(value)}) for value in values))
        return dict(zip(values, counts, strict=True))

    async def count(self, collection: str, where: Mapping[str, Any]) -> int:
        stored = self._collection(collection)
        conditions = conjunction(where_clauses(where, self._declared.of(collection)))
        return int(await retried(lambda: stored.count_documents(conditions or EVERY_ID)))

    async def total(self, collection: str, where: Mapping[str, Any], field: str) -> int:
        stored = self._collection(collection)
        conditions = conjunction(where_clauses(where, self._declared.of(collection)))
        pipeline = [{"$match": conditions}, {"$group": {"_id": None, "total": {"$sum": f"${field_name(field)}"}}}]
        found = await retried(lambda: stored.aggregate(pipeline).to_list(1))
        return int(found[0]["total"]) if found else 0

    async def replace(self, collection: str, doc: Doc, revision: int) -> bool:
        stored = self._collection(collection)
        body = _body(doc, revision + 1)

        async def work() -> bool:
            changed = await stored.replace_one({"_id": doc["id"], "revision": revision}, body)
            return bool(changed.matched_count) or await _has(stored, body)

        return await retried(work)

    async def delete(self, collection: str, doc_id: str) -> bool:
        stored = self._collection(collection)
        attempts = 0

        async def work() -> bool:
            nonlocal attempts
            attempts += 1
            deleted = await stored.delete_one({"_id": doc_id})
            # An attempt whose answer was lost may have deleted it. To know, each deletion would need a write before it.
            return bool(deleted.deleted_count) or attempts > 1

        return await retried(work)

    async def load(self, collection: str, docs: Sequence[Doc]) -> None:
        stored = self._collection(collection)
        changes = [ReplaceOne({"_id": doc["id"]}, _body(doc, doc["revision"]), upsert=True) for doc in docs]
        if changes:
            await retried(lambda: stored.bulk_write(changes, ordered=False))

    @contextlib.asynccontextmanager
    async def snapshot(self, folder: Path) -> AsyncIterator[Docs]:
        """See :meth:`soundwright.kit.ports.Docs.snapshot`. Engines without replicas have no reads as of one moment."""
        yield self

    async def check(self) -> None:
        await self.get("schema", "version")

    async def close(self) -> None:
        self._client.close()


async def _has(stored: Any, body: dict[str, Any]) -> bool:
    """Return whether this very write took effect: an attempt before this one may have, although its answer was lost."""
    return await stored.find_one({"_id": body["_id"], _TOKEN: body[_TOKEN]}, {"_id": 1}) is not None


async def _docs_of(cursor: Callable[..., Any], limit: int) -> list[Doc]:
    return [_doc(each) for each in await cursor(limit=limit).to_list(limit)]


def _body(doc: Doc, revision: int) -> dict[str, Any]:
    json.dumps(doc, allow_nan=False)  # raises ValueError for what is not JSON
    body = {name: value for name, value in doc.items() if name not in ("id", "revision")}
    return {"_id": doc["id"], **body, "revision": revision, _TOKEN: uuid.uuid4().hex}


def _doc(stored: dict[str, Any]) -> Doc:
    doc = {name: value for name, value in stored.items() if name not in ("_id", _TOKEN)}
    return {"id": stored["_id"], **doc}
