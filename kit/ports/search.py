"""The ``Search`` port: full-text search with filters, sorted pages, random samples and facet counts.

An index holds one entry for each searchable document. The document store is the source of truth: the caller writes the
document first and its entry afterwards, and repairs the index after a crash between the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Search", "SearchEntry", "SearchIndex", "SearchPage", "SearchQuery"]


@dataclass(frozen=True)
class SearchIndex:
    """The definition of an index. A change of it makes the index incomplete (see :meth:`Search.ensure`).

    Args:
        name: An identifier.
        facets: The facets that queries filter by.
        orders: The sort orders of queries, each a tuple of sort keys. A query can set bounds for the first key of an
            order.
        counted: Combinations of facets for which :meth:`Search.facet_counts` returns counts.
    """

    name: str
    facets: tuple[str, ...]
    orders: tuple[tuple[str, ...], ...]
    counted: tuple[tuple[str, ...], ...] = ()

    @property
    def sort_keys(self) -> tuple[str, ...]:
        """Every sort key of the orders, once."""
        return tuple(dict.fromkeys(key for order in self.orders for key in order))


@dataclass(frozen=True)
class SearchEntry:
    """The entry of a document in an index.

    Args:
        revision: The revision of the document. A lower revision never replaces a higher one.
        text: The searchable text.
        facets: The values of each facet. A missing facet has no values.
        sort_keys: A number for every sort key of the index.
    """

    id: str
    revision: int
    text: str
    facets: Mapping[str, Sequence[str]]
    sort_keys: Mapping[str, float]


@dataclass(frozen=True)
class SearchQuery:
    """Conditions that an entry must meet, all of them.

    Args:
        text: Words; an entry matches if it has any of them. Words are compared whole, without case and diacritics.
            Words joined by punctuation are a phrase: ``lo-fi`` finds "lo-fi" and "Lo Fi", but not "fi lo". A blank text
            is no condition; a text without letters and digits finds nothing. The first 256 words and phrases
            count. The text has no query syntax (:mod:`kit.tokenizer`).
        prefix: The last word of the text also matches the beginning of a word: ``lo-f`` finds "lo-fi".
        facets: For each facet, a value that the entry must have.
        minimums: For each sort key, the least value. The key must be the first of an order.
        maximums: For each sort key, the greatest value. The key must be the first of an order.
        only_ids: Return only entries with these ids.
        exclude_ids: Do not return entries with these ids.
    """

    text: str = ""
    prefix: bool = False
    facets: Mapping[str, str] = field(default_factory=dict)
    minimums: Mapping[str, float] = field(default_factory=dict)
    maximums: Mapping[str, float] = field(default_factory=dict)
    only_ids: Sequence[str] | None = None
    exclude_ids: Sequence[str] = ()


@dataclass(frozen=True)
class SearchPage:
    """A page of ids, and the number of entries on all pages."""

    ids: list[str]
    total: int


class Search(Protocol):
    """Search indexes. Methods other than ``ensure`` name an index that :meth:`ensure` has created on this object.

    Methods raise ``ValueError`` for facets, sort keys, orders and combinations that the index does not define.
    """

    async def ensure(self, index: SearchIndex) -> bool:
        """Create the index if it is missing, or empty it if its definition or the format of the adapter changed.

        Repeated and concurrent calls, by several processes too, are safe.

        Returns:
            True if the index is complete. If False, the caller puts an entry for every document and then calls
            :meth:`complete`.
        """
        ...

    async def complete(self, index: str) -> None:
        """Mark the index as complete: it has an entry for every document."""
        ...

    async def put(self, index: str, entries: Sequence[SearchEntry]) -> int:
        """Add or replace entries. An entry whose stored revision is equal or higher stays as it is.

        Returns:
            The number of entries that were added or replaced.
        """
        ...

    async def remove(self, index: str, ids: Sequence[str]) -> None:
        """Remove entries. Missing ones are ignored."""
        ...

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
        """Return a page of the entries that match, sorted by one of the orders of the index; ties are sorted by id.

        A limit of 0 returns only the total.
        """
        ...

    async def sample(self, index: str, query: SearchQuery, count: int) -> list[str]:
        """Return the ids of up to ``count`` different entries that match, chosen at random, in random order.

        Every matching entry has the same chance.
        """
        ...

    async def facet_counts(self, index: str, facets: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        """Return the number of entries for each combination of values of these facets.

        An entry with several values counts once for each combination. Combinations without an entry are left out.
        """
        ...
