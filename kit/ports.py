"""Ports: Protocols for what lies outside, and the values that cross them. Imports nothing of ours but the error type.

Adapters live in :mod:`kit.adapters` and all pass the contract suites in ``tests/contract``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "AllOf",
    "AtLeast",
    "BlobInfo",
    "BlobWriter",
    "Blobs",
    "Bus",
    "Clock",
    "Collection",
    "Consumer",
    "Contains",
    "Delivery",
    "Doc",
    "Docs",
    "Index",
    "LessThan",
    "OneOf",
    "Subscription",
]


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


# ---------------------------------------------------------------------------------------------------------- documents

Doc = dict[str, Any]
"""A JSON-ready mapping with a string ``id``; the store adds an integer ``revision``, which starts at 1."""


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
    """Condition: the field is an array, and one of its elements is this value."""

    value: str


@dataclass(frozen=True)
class AllOf:
    """Condition: the field meets each of these conditions."""

    conditions: Sequence[Any]


@dataclass(frozen=True)
class Index:
    """An index over top-level fields. With ``present``, only documents where that field is not null are in it.

    ``each`` names the one of the fields, if any, that is an array: a document is in the index once for each different
    element, which is what :class:`Contains` looks up. Such an index is not unique.
    """

    fields: tuple[str, ...]
    unique: bool = False
    present: str | None = None
    each: str | None = None


@dataclass(frozen=True)
class Collection:
    """A named set of documents, its indexes, the field that words are searched in, and what is counted.

    Args:
        text: The field that ``text`` conditions read (see :meth:`Docs.find`); None: the collection has no such search.
        tallies: Combinations of fields whose values many documents share (a model, a category, an owner):
            :meth:`Docs.tally` answers for them without looking at the documents, and conditions of equality on these
            fields are cheap, together with words and in every sort that has an index.
    """

    name: str
    indexes: tuple[Index, ...] = ()
    text: str | None = None
    tallies: tuple[tuple[str, ...], ...] = ()


class Docs(Protocol):
    """A document store: small on purpose, so that SQLite, MongoDB and their like all serve it."""

    async def ensure(self, collection: Collection) -> None:
        """Create the collection and whatever of its indexes, text search and tallies is missing.

        Documents that are there already are taken in. May be repeated, and called by several processes at once.
        """
        ...

    async def insert(self, collection: str, doc: Doc) -> None:
        """Store a new document with revision 1.

        Raises:
            AppError: ``DOC_EXISTS`` (CONFLICT) when the id or a unique index is taken.
        """
        ...

    async def get(self, collection: str, doc_id: str) -> Doc | None: ...

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        text: str = "",
        sort: str | tuple[str, ...] = "id",
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
        after: tuple[Any, ...] | None = None,
    ) -> list[Doc]:
        """Documents that meet every condition (a value, :class:`OneOf`, :class:`LessThan`, :class:`AtLeast`,
        :class:`Contains` or :class:`AllOf` of these) and have any of the words of ``text``.

        Words are compared whole, without regard to case and diacritics. What is written together with punctuation in
        it is a phrase: ``lo-fi`` finds "lo-fi" and "Lo Fi", not "fi lo". A blank ``text`` is no condition; one without
        a letter or digit finds nothing. Nothing in it is a query language (:mod:`kit.words`).

        Sorted by ``sort``, one field or several, all in one direction; documents without the field come before all
        others; ties by id. ``after``, the sort values of the last document seen and its id, gives the next page at the
        same cost as the first; ``offset`` is for contracts that number their pages, and not for use with ``after``.

        Raises:
            ValueError: a word is asked for in a collection without ``text``, or a name is not one.
        """
        ...

    async def count(self, collection: str, where: Mapping[str, Any], *, text: str = "") -> int:
        """How many documents :meth:`find` would find."""
        ...

    async def sample(
        self, collection: str, where: Mapping[str, Any], *, text: str = "", count: int, exclude: Iterable[str] = ()
    ) -> list[Doc]:
        """A random choice of ``count`` documents that meet the conditions, in random order.

        Each is as likely as any other and comes at most once; those whose id is in ``exclude`` do not come. Fewer when
        there are no more.
        """
        ...

    async def tally(self, collection: str, fields: tuple[str, ...]) -> dict[tuple[Any, ...], int]:
        """How many documents have each combination of values of these fields, one of the collection's ``tallies``.

        A document without a field counts under None, one with an array once under each different element (not at all
        when it is empty). Combinations that no document has are left out.

        Raises:
            ValueError: the collection does not keep this tally.
        """
        ...

    async def replace(self, collection: str, doc: Doc, revision: int) -> bool:
        """Compare-and-set: store ``doc`` in place of the one with its id, if that one still has ``revision``.

        The stored document has ``revision + 1``. False when somebody else was faster or the document is gone.
        """
        ...

    async def delete(self, collection: str, doc_id: str) -> bool: ...

    async def close(self) -> None: ...


# -------------------------------------------------------------------------------------------------------------- blobs


@dataclass(frozen=True)
class BlobInfo:
    size_bytes: int
    modify_time: float
    etag: str


class BlobWriter(Protocol):
    async def write(self, data: bytes) -> None:
        """Append. Raises ``STORAGE_FULL`` when there is no room."""
        ...


class Blobs(Protocol):
    """A store of files under keys such as ``tracks/<id>/original.flac``.

    Keys are relative, made of letters, digits, ``-``, ``_``, ``.`` and ``/``, with no empty, ``.`` or ``..`` part; any
    other key is refused with ``BLOB_KEY_INVALID``. A missing blob raises ``BLOB_NOT_FOUND``. A blob appears whole or
    not at all.
    """

    def write(self, key: str) -> AbstractAsyncContextManager[BlobWriter]:
        """Write a blob piece by piece. It appears when the block ends; an exception leaves nothing behind."""
        ...

    async def put_file(self, key: str, path: Path) -> BlobInfo:
        """Store a local file, which the store takes over: it may be moved rather than copied."""
        ...

    async def stat(self, key: str) -> BlobInfo | None: ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from ``start`` on, in pieces of bounded size."""
        ...

    def local(self, key: str) -> AbstractAsyncContextManager[Path]:
        """The blob as a local file to read (never to write) for the length of the block."""
        ...

    def locate(self, key: str) -> str:
        """Where the blob lies, for people: an absolute path or an address."""
        ...

    async def move(self, source: str, target: str) -> None: ...

    async def keys(self, prefix: str) -> list[str]:
        """All keys that begin with ``prefix``, sorted."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a blob; a missing one is fine."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Remove all blobs below a folder (``prefix`` ends with ``/``) and say how many there were."""
        ...

    async def purge_partial(self, older_than_seconds: float) -> int:
        """Remove what writers that died left behind."""
        ...

    async def close(self) -> None: ...


# ---------------------------------------------------------------------------------------------------------------- bus


class Delivery(Protocol):
    """One delivery of one message. Exactly one of ``ack``, ``nak``, ``term`` ends it."""

    payload: bytes
    headers: Mapping[str, str]

    async def ack(self) -> None:
        """Done; the broker confirms."""
        ...

    async def nak(self, delay_seconds: float) -> None:
        """Deliver again after the delay."""
        ...

    async def term(self) -> None:
        """Never deliver again."""
        ...

    async def in_progress(self) -> None:
        """Restart the time within which the delivery must be ended."""
        ...


class Consumer(Protocol):
    """A durable group of workers on a queue.

    Priorities are subjects: the first is served first, and at times a lower one, so that none starves. One more word
    behind the priority is an affinity (``...free.music``). Inside a priority it is first come first served, but a worker
    goes on with the affinity that it served last, for some messages, when others wait too. Affinities need not be
    known beforehand.
    """

    async def next(self) -> Delivery:
        """The next message. Waits until there is one; cancelling the wait loses nothing."""
        ...

    async def close(self) -> None: ...


class Subscription(Protocol):
    """A listener to events."""

    async def close(self) -> None: ...


class Bus(Protocol):
    """Transport of commands (each to one worker, until acknowledged) and events (to whoever listens)."""

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Hand a message to the broker and wait until it has it.

        A ``message_id`` that the broker saw a short while ago is dropped as a repetition.
        """
        ...

    async def announce(self, subject: str, payload: bytes) -> None:
        """Send a message that may be lost, e.g. progress."""
        ...

    async def consumer(self, durable: str, subjects: Sequence[str], *, ack_wait_seconds: float) -> Consumer:
        """Join a durable consumer of these command subjects, which differ in the last word, highest priority first.

        It serves each of them and all affinities below it.
        """
        ...

    async def subscribe(self, pattern: str, listener: Callable[[str, bytes], None]) -> Subscription:
        """Hear what is published from now on: ``listener`` is called with subject and payload, in the order of sending.

        In a pattern ``*`` stands for one word and a last ``>`` for all that follow. Every subscription gets everything,
        as far as the connection holds: what is sent while it is away, or faster than it is heard, is lost. It takes
        itself up again. The listener must return at once; what it raises is logged.
        """
        ...

    async def backlog(self, subject: str) -> int:
        """How many messages of a command subject are stored: waiting or being worked on."""
        ...

    async def connected(self) -> bool: ...

    async def close(self) -> None: ...
