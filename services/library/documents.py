"""Conversion between dataclasses and documents, for the stores of the library."""

import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter

from soundwright.kit.errors import AppError, suppressed
from soundwright.kit.ports import Doc, Docs

T = TypeVar("T")
_BATCH = 500

_adapter: Callable[[Any], TypeAdapter[Any]] = functools.cache(TypeAdapter)


def from_doc(kind: type[T], doc: Doc) -> T:
    value: T = _adapter(kind).validate_python(doc)
    return value


async def walk(
    docs: Docs,
    collection: str,
    where: Mapping[str, Any] | None = None,
    sort: tuple[str, ...] = ("id",),
    *,
    descending: bool = False,
) -> AsyncIterator[Doc]:
    """Yield the documents that meet all conditions, in order. They may be changed and deleted meanwhile."""
    after: tuple[Any, ...] | None = None
    while page := await docs.find(collection, where or {}, sort=sort, descending=descending, limit=_BATCH, after=after):
        for doc in page:
            yield doc
        after = (*(page[-1].get(field) for field in sort), page[-1]["id"])


async def insert_doc_if_absent(docs: Docs, collection: str, doc: Doc) -> bool:
    """Insert a document. Return False if its ID or the values of a unique index exist already."""
    return await inserted(docs.insert(collection, doc))


async def inserted(insertion: Awaitable[None]) -> bool:
    """Await an insertion. Return False if the ID or the values of a unique index exist already."""
    with suppressed("DOC_EXISTS"):
        await insertion
        return True
    return False


async def insert_in_slot(docs: Docs, collection: str, doc: Doc, group: Mapping[str, Any], limit: int) -> bool:
    """Insert a document into a free slot of its group. Return False if all ``limit`` slots are taken.

    The collection has a unique index over the fields of ``group`` and ``slot``, so that concurrent insertions, by several
    processes too, cannot exceed the limit.

    Args:
        group: the conditions that all documents of the group meet.

    Raises ``DOC_EXISTS`` if the ID exists.
    """
    while True:
        taken = [each["slot"] for each in await docs.find(collection, group, limit=limit)]
        free = list(set(range(limit)).difference(taken))
        if not free:
            return False
        try:
            # At random, so that concurrent insertions seldom choose the same one.
            await docs.insert(collection, {**doc, "slot": random.choice(free)})
            return True
        except AppError as error:
            if error.reason != "DOC_EXISTS" or await docs.get(collection, doc["id"]):
                raise
