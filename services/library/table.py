"""The documents of one collection as instances of a dataclass."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast

from pydantic import ValidationError

from soundwright.kit.log import FailureLog
from soundwright.kit.ports import Collection, Doc, Docs, OneOf
from soundwright.services.library.documents import from_doc, insert_in_slot, inserted, walk
from soundwright.services.library.paging import Page, PageRequest, read_page

_failures = FailureLog()


class Record(Protocol):
    """A dataclass with these fields. The store counts the revisions."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> int: ...


T = TypeVar("T", bound=Record)


class Table(Generic[T]):
    """Reads and writes documents. Conditions and sort fields are those of :class:`soundwright.kit.ports.Docs`.

    A document that is not valid, for example because its store was damaged, is logged and left out of all that is found, so that
    it does not hide the others.
    """

    def __init__(
        self, docs: Docs, collection: Collection, kind: type[T], to_doc: Callable[[Any], Doc] = dataclasses.asdict
    ) -> None:
        """
        Args:
            to_doc: returns the document of a record: its fields, and others that only conditions and sort orders use.
        """
        self._docs = docs
        self._collection = collection
        self._name = collection.name
        self._kind = kind
        self._to_doc = to_doc

    async def prepare(self) -> None:
        await self._docs.ensure(self._collection)

    async def get(self, record_id: str) -> T | None:
        doc = await self._docs.get(self._name, record_id)
        return from_doc(self._kind, doc) if doc else None

    async def by_ids(self, record_ids: Iterable[str]) -> dict[str, T]:
        ids = list(dict.fromkeys(record_ids))
        return {record.id: record for record in await self.find({"id": OneOf(ids)}, limit=len(ids))} if ids else {}

    async def find(
        self, where: Mapping[str, Any], *, after: T | None = None, limit: int = 100, **options: Any
    ) -> list[T]:
        """Return documents that meet all conditions: ``limit``, or all that are left.

        Args:
            after: the last document of the page before.
            options: ``sort``, ``descending`` and ``offset`` of :meth:`soundwright.kit.ports.Docs.find`.
        """
        sort = options.get("sort", "id")
        fields = (sort,) if isinstance(sort, str) else sort
        place = None if after is None else (*(getattr(after, field) for field in fields), after.id)
        found: list[T] = []
        while (lacking := limit - len(found)) > 0:
            docs = await self._docs.find(self._name, where, after=place, limit=lacking, **options)
            found += self.records(docs)
            if len(docs) < lacking:
                break
            place = (*(docs[-1].get(field) for field in fields), docs[-1]["id"])
            options.pop("offset", None)
        return found

    def records(self, docs: Iterable[Doc]) -> list[T]:
        """Return the valid ones of these documents."""
        found: list[T] = []
        for doc in docs:
            try:
                found.append(from_doc(self._kind, doc))
            except ValidationError as error:
                fields = [".".join(map(str, each["loc"])) for each in error.errors()]
                _failures.error("document.invalid", kind=self._name, id=doc["id"], fields=fields)
        return found

    async def first(self, where: Mapping[str, Any], **options: Any) -> T | None:
        return next(iter(await self.find(where, limit=1, **options)), None)

    async def page(self, where: Mapping[str, Any], **options: Any) -> tuple[list[T], int]:
        return await self.find(where, **options), await self.count(where)

    async def adjacent_page(
        self, where: Mapping[str, Any], asked: PageRequest, *, sort: tuple[str, ...], descending: bool
    ) -> Page[T]:
        """Return a page of the documents that meet all conditions, with tokens of the adjacent pages."""
        page = await read_page(self._docs, self._name, where, asked, sort=sort, descending=descending)
        return page.map(self.records)

    async def count(self, where: Mapping[str, Any]) -> int:
        return await self._docs.count(self._name, where)

    async def walk(self, where: Mapping[str, Any] | None = None, sort: tuple[str, ...] = ("id",)) -> AsyncIterator[T]:
        """Yield all documents that meet all conditions."""
        async for doc in walk(self._docs, self._name, where, sort):
            for record in self.records([doc]):
                yield record

    async def renew(self) -> None:
        """Write those documents again that this version would write otherwise, for example with other terms of a search."""
        async for each in walk(self._docs, self._name):
            doc: Doc | None = each
            while doc is not None and (records := self.records([doc])):
                written = self._to_doc(records[0])
                is_current = all(name in doc and doc[name] == value for name, value in written.items())
                if is_current or await self._docs.replace(self._name, written, doc["revision"]):
                    break
                doc = await self._docs.get(self._name, doc["id"])

    async def insert(self, record: T) -> None:
        """Insert a document. Raises ``DOC_EXISTS`` if its ID or the values of a unique index exist already."""
        await self._docs.insert(self._name, self._to_doc(record))

    async def add(self, record: T) -> bool:
        """Insert a document. Return False if its ID or the values of a unique index exist already."""
        return await inserted(self.insert(record))

    async def add_in_slot(self, record: T, group: Mapping[str, Any], limit: int) -> bool:
        """Insert a document into a group of at most ``limit``. Return False if the group is full."""
        return await insert_in_slot(self._docs, self._name, self._to_doc(record), group, limit)

    async def replace(self, record: T) -> bool:
        """Replace a document. Return False if it has changed since it had this revision, or was deleted."""
        return await self._docs.replace(self._name, self._to_doc(record), record.revision)

    async def put(self, record: T) -> bool:
        """Insert a document without a revision, or replace it. Return False if another process was faster."""
        return await self.replace(record) if record.revision else await self.add(record)

    async def change(self, record_id: str, change: Callable[[T], T]) -> T | None:
        """Replace a document by ``change(document)``, and return it; None if it does not exist. Retry after a conflict."""
        while (record := await self.get(record_id)) is not None:
            changed = change(record)
            if changed == record:
                return record
            if await self.replace(changed):
                return cast(T, dataclasses.replace(cast(Any, changed), revision=record.revision + 1))
        return None

    async def delete(self, record_id: str) -> bool:
        return await self._docs.delete(self._name, record_id)

    async def delete_all(self, where: Mapping[str, Any]) -> None:
        async for record in self.walk(where):
            await self.delete(record.id)
