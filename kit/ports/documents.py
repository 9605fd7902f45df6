"""The ``Docs`` port: a store of JSON documents. It is small, so that SQLite, MongoDB and compatible engines serve it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Doc = dict[str, Any]
"""A JSON object with a string ``id``. The store adds an integer ``revision``, which starts at 1."""


@dataclass(frozen=True)
class OneOf:
    """Condition: the field has one of these values."""

    values: Sequence[Any]


@dataclass(frozen=True)
class LessThan:
    """Condition: the field is present and less than this value."""

    value: float | str


@dataclass(frozen=True)
class AtLeast:
    """Condition: the field is present and not less than this value."""

    value: float | str


@dataclass(frozen=True)
class Contains:
    """Condition: one of the elements of the field, an array, is this text."""

    value: str


@dataclass(frozen=True)
class StartsWith:
    """Condition: one of the elements of the field, an array, begins with this text."""

    prefix: str


@dataclass(frozen=True)
class AllOf:
    """Condition: the field meets each of these conditions."""

    conditions: Sequence[Any]


@dataclass(frozen=True)
class AnyOf:
    """Condition: the field meets one of these conditions or more. Without conditions, no document meets it."""

    conditions: Sequence[Any]


@dataclass(frozen=True)
class Index:
    """An index over top-level fields.

    Args:
        unique: Refuse a second document with the same values.
        present: Index only documents in which this field is present and not null.
        each: The one of ``fields``, if any, that holds an array of texts. The index is then a multikey index: it has one
            entry for each different element, and :class:`Contains` uses it. It is neither unique nor partial.
    """

    fields: tuple[str, ...]
    unique: bool = False
    present: str | None = None
    each: str | None = None


@dataclass(frozen=True)
class Collection:
    """A named set of documents and its indexes. A collection has at most 63 indexes; MongoDB adds the one over ids."""

    name: str
    indexes: tuple[Index, ...] = ()


class Docs(Protocol):
    """A store of documents. Every write changes one document; there are no transactions and no change streams."""

    async def ensure(self, collection: Collection) -> None:
        """Create the collection and those of its indexes that are missing.

        Existing documents are added to new indexes. Repeated and concurrent calls, by several processes too, are safe.
        """
        ...

    async def insert(self, collection: str, doc: Doc) -> None:
        """Store a new document with revision 1.

        Raises ``DOC_EXISTS`` (CONFLICT) when the id or a unique index is taken.
        """
        ...

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        """Return the document with this id, or None."""
        ...

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
        """Return documents that meet every condition.

        Args:
            where: For each field, a value to equal, or :class:`OneOf`, :class:`LessThan`, :class:`AtLeast`,
                :class:`Contains`, :class:`StartsWith`, :class:`AllOf` or :class:`AnyOf`. A missing field equals None.
            sort: One field or several, all in the same direction. Documents without the field come first in ascending
                order. Ties are broken by id.
            after: The sort values and the id of the last document of the page before. The next page costs as much as
                the first.
            offset: The number of documents to skip, for public contracts that number their pages. The cost grows with
                it. It cannot be combined with ``after``.

        Raises ``ValueError``: a field or the collection has an invalid name, or ``after`` does not fit.
        """
        ...

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
        """Return a numbered page, as :meth:`find` does, and the number of documents on all pages.

        This is for large collections and conditions that many documents meet: an index begins with the fields of ``sort``, and
        each condition is about an array with a multikey index, a range of the first field of an index, or few documents.
        """
        ...

    async def sample(self, collection: str, where: Mapping[str, Any], count: int) -> list[Doc]:
        """Return up to ``count`` different documents that meet every condition, chosen at random, in random order.

        Every such document has the same chance. Conditions are those of :meth:`page`.
        """
        ...

    async def count(self, collection: str, where: Mapping[str, Any]) -> int:
        """Return the number of documents that meet every condition."""
        ...

    async def count_each(self, collection: str, field: str, values: Sequence[str]) -> dict[str, int]:
        """Return, for each of these texts, how many documents have it in the array ``field``, which has a multikey index of its own."""
        ...

    async def total(self, collection: str, where: Mapping[str, Any], field: str) -> int:
        """Return the sum of a field of whole numbers over the documents that meet every condition."""
        ...

    async def replace(self, collection: str, doc: Doc, revision: int) -> bool:
        """Compare-and-set: replace the document with this id if it still has ``revision``.

        Returns True if the document was replaced; it then has ``revision + 1``. False if it has another revision or
        does not exist.

        Raises ``DOC_EXISTS`` (CONFLICT) when a unique index is taken.
        """
        ...

    async def delete(self, collection: str, doc_id: str) -> bool:
        """Delete the document. Return whether it existed.

        If the connection breaks, a store may return True to two callers. Where one of them must win, use :meth:`replace`.
        """
        ...

    async def load(self, collection: str, docs: Sequence[Doc]) -> None:
        """Store documents as they are, with their revisions. Documents with the same ids are replaced.

        This is for copies of a store that nobody else uses. Repeated calls are safe.

        Raises ``DOC_EXISTS`` (CONFLICT) when another document has the same values of a unique index.
        """
        ...

    def snapshot(self, folder: Path) -> "AbstractAsyncContextManager[Docs]":
        """Provide the documents for a backup inside the block.

        A store that can provides a copy as of one moment, in a file in ``folder``. Any other store provides itself.
        """
        ...

    async def check(self) -> None:
        """Return if the store can be read and written.

        Raises ``AppError``: it cannot; with a sentence for the operator.
        """
        ...

    async def close(self) -> None:
        """Release the connections."""
        ...
