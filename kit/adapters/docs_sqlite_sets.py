# ruff: noqa: S608 (every name in the SQL is checked)
"""Which documents have a value or a word: sets of document numbers, kept beside a collection, and counts of values.

A set answers in microseconds what an index takes milliseconds for when half of all documents match: it is combined with
others, counted and drawn from as one long integer, a bit for each document. It is stored in blocks of documents, each a
list of positions while few are in it, else a bitmap, so that a change rewrites a few hundred bytes.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import compress, product
from typing import Any

from kit import words
from kit.adapters.docs_sqlite_query import column, name
from kit.ports import Collection, Doc

__all__ = [
    "ELEMENT",
    "EVERY",
    "VALUE",
    "WORD",
    "Kept",
    "Key",
    "as_key",
    "build",
    "change",
    "flags",
    "kept",
    "members",
    "numbers",
    "of_numbers",
    "prepare",
    "tally",
]

BLOCK_DOCS = 4096
_BITMAP_BYTES = BLOCK_DOCS // 8
# So many blocks are gathered in memory at a time when sets are built: about a hundred bytes for each word of each text.
_BUILD_BLOCKS = 8

# Kinds of sets. An array has its elements, anything else its value.
ALL, WORD, VALUE, ELEMENT = range(4)
Key = tuple[int, str, str]
"""Kind, field and value as JSON, or the word (there is one field of text at most)."""

EVERY: Key = (ALL, "", "")


@dataclass(frozen=True)
class Kept:
    """What is kept about a collection beside its documents."""

    text: str | None = None
    fields: frozenset[str] = frozenset()
    tallies: frozenset[tuple[str, ...]] = frozenset()

    def __bool__(self) -> bool:
        return self != Kept()

    @classmethod
    def asked(cls, collection: Collection) -> Kept:
        tallied = {field for fields in collection.tallies for field in fields}
        arrays = {index.each for index in collection.indexes if index.each is not None}
        for field in (*tallied, *arrays, *([] if collection.text is None else [collection.text])):
            column(field)  # refuses what is none
        return cls(collection.text, frozenset(tallied | arrays), frozenset(collection.tallies))

    def with_all_of(self, other: Kept) -> Kept:
        return Kept(other.text or self.text, self.fields | other.fields, self.tallies | other.tallies)

    def without(self, other: Kept) -> Kept:
        """What is to be built where ``other`` is there."""
        return Kept(
            self.text if self.text != other.text else None, self.fields - other.fields, self.tallies - other.tallies
        )


# ------------------------------------------------------------------------------------------------------ what is kept


def prepare(connection: sqlite3.Connection) -> None:
    """The table that tells what is kept. No collection can have its name, which is not an identifier."""
    connection.execute('CREATE TABLE IF NOT EXISTS "kept sets" (collection TEXT PRIMARY KEY, kept TEXT NOT NULL)')


def kept(connection: sqlite3.Connection, collection: str) -> Kept:
    """Read anew in every transaction: another process may have begun to keep more."""
    row = connection.execute('SELECT kept FROM "kept sets" WHERE collection = ?', (collection,)).fetchone()
    return _parsed(row[0]) if row else Kept()


@lru_cache
def _parsed(text: str) -> Kept:
    stored = json.loads(text)
    return Kept(stored["text"], frozenset(stored["fields"]), frozenset(map(tuple, stored["tallies"])))


def build(connection: sqlite3.Connection, collection: str, asked: Kept) -> None:
    """Keep also what is asked for, about the documents that are there already too."""
    before = kept(connection, collection)
    missing = asked.without(before)
    if not missing:
        return
    sets, tallies = _tables(collection)
    if not before:
        connection.execute(
            f"CREATE TABLE {sets} (kind INTEGER, field TEXT, value TEXT, block INTEGER, docs BLOB NOT NULL, "
            "PRIMARY KEY (kind, field, value, block)) WITHOUT ROWID"
        )
        connection.execute(
            f"CREATE TABLE {tallies} (fields TEXT, key TEXT, docs INTEGER NOT NULL, PRIMARY KEY (fields, key)) "
            "WITHOUT ROWID"
        )
    if missing.text is not None:
        connection.execute(f"DELETE FROM {sets} WHERE kind = ?", (WORD,))
    counted: Counter[tuple[str, str]] = Counter()
    for docs in _chunks(connection, collection):
        positions: defaultdict[tuple[Key, int], list[int]] = defaultdict(list)
        for number, doc in docs:
            block, position = divmod(number, BLOCK_DOCS)
            for key in _keys(missing, doc):
                positions[key, block].append(position)
            if not before:
                positions[EVERY, block].append(position)
            counted.update(_combinations(missing, doc))
        connection.executemany(
            f"INSERT INTO {sets} VALUES (?, ?, ?, ?, ?)",
            ((*key, block, _stored(positions[key, block])) for key, block in sorted(positions)),
        )
    connection.executemany(
        f"INSERT INTO {tallies} VALUES (?, ?, ?)", ((*combination, count) for combination, count in counted.items())
    )
    connection.execute(
        'INSERT OR REPLACE INTO "kept sets" VALUES (?, ?)',
        (collection, json.dumps(asdict(before.with_all_of(asked)), default=sorted)),
    )


def _chunks(connection: sqlite3.Connection, collection: str) -> Iterator[Iterator[tuple[int, Doc]]]:
    width = _BUILD_BLOCKS * BLOCK_DOCS
    for start in range(0, span(connection, collection), width):
        rows = connection.execute(
            f"SELECT number, body FROM {name(collection)} WHERE number >= ? AND number < ?", (start, start + width)
        )
        yield ((number, json.loads(body)) for number, body in rows)


def change(connection: sqlite3.Connection, collection: str, number: int, old: Doc | None, new: Doc | None) -> None:
    """Bring sets and counts up to date with one document: none before when it is new, none after when it goes.

    Both as read from a body: what was written of it (an array for a tuple) is what will be taken out again.
    """
    about = kept(connection, collection)
    if not about:
        return
    sets, tallies = _tables(collection)
    block, position = divmod(number, BLOCK_DOCS)
    before, after = ({EVERY, *_keys(about, doc)} if doc is not None else set() for doc in (old, new))
    for key in before ^ after:
        where = (*key, block)
        row = connection.execute(
            f"SELECT docs FROM {sets} WHERE kind = ? AND field = ? AND value = ? AND block = ?", where
        ).fetchone()
        docs = _changed(row[0] if row else b"", position, present=key in after)
        if docs:
            connection.execute(f"INSERT OR REPLACE INTO {sets} VALUES (?, ?, ?, ?, ?)", (*where, docs))
        else:
            connection.execute(f"DELETE FROM {sets} WHERE kind = ? AND field = ? AND value = ? AND block = ?", where)
    difference = Counter(_combinations(about, new) if new is not None else ())
    difference.subtract(_combinations(about, old) if old is not None else ())
    for combination, by in difference.items():
        if by:
            connection.execute(
                f"INSERT INTO {tallies} VALUES (?, ?, ?) ON CONFLICT (fields, key) DO UPDATE SET docs = docs + excluded.docs",
                (*combination, by),
            )


# --------------------------------------------------------------------------------------------- from documents to sets


def _keys(about: Kept, doc: Doc) -> Iterator[Key]:
    if about.text is not None and isinstance(text := doc.get(about.text), str):
        yield from ((WORD, "", term) for term in words.terms(text))
    for field in about.fields:
        kind = ELEMENT if isinstance(doc.get(field), list) else VALUE
        yield from ((kind, field, value) for value in _values(doc, field))


def _combinations(about: Kept, doc: Doc) -> Iterator[tuple[str, str]]:
    """Keys of the table of counts: a tally's fields and a combination of their values, both as JSON."""
    for fields in about.tallies:
        for combination in product(*(_values(doc, field) for field in fields)):
            yield json.dumps(fields), f"[{', '.join(combination)}]"


def _values(doc: Doc, field: str) -> set[str]:
    value = doc.get(field)
    elements = value if isinstance(value, list) else [value]
    return {as_key(element) for element in elements if not isinstance(element, list | dict)}


def as_key(value: Any) -> str:
    """Equal numbers are one value, however they are written."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


# ------------------------------------------------------------------------------------------------------- one block


def _stored(positions: list[int]) -> bytes:
    if 2 * len(positions) < _BITMAP_BYTES:
        return struct.pack(f"<{len(positions)}H", *positions)
    bitmap = bytearray(_BITMAP_BYTES)
    _fill(bitmap, positions)
    return bytes(bitmap)


def _changed(docs: bytes, position: int, *, present: bool) -> bytes:
    """The block with or without a document; empty when none is left."""
    if len(docs) < _BITMAP_BYTES:
        others = {each for (each,) in struct.iter_unpack("<H", docs)} - {position}
        return _stored(sorted(others | {position} if present else others))
    bitmap = bytearray(docs)
    bit = 1 << (position & 7)
    bitmap[position >> 3] = bitmap[position >> 3] | bit if present else bitmap[position >> 3] & ~bit
    return bytes(bitmap) if any(bitmap) else b""


def _fill(bitmap: bytearray, positions: Iterable[int], start: int = 0) -> None:
    for position in positions:
        bitmap[start + (position >> 3)] |= 1 << (position & 7)


# ------------------------------------------------------------------------------------------------------------ whole sets


def members(connection: sqlite3.Connection, collection: str, key: Key) -> int:
    """A set as an integer: bit n is document number n."""
    sets, _ = _tables(collection)
    blocks = connection.execute(
        f"SELECT block, docs FROM {sets} WHERE kind = ? AND field = ? AND value = ? ORDER BY block", key
    ).fetchall()
    bitmap = bytearray((blocks[-1][0] + 1) * _BITMAP_BYTES if blocks else 0)
    for block, docs in blocks:
        start = block * _BITMAP_BYTES
        if len(docs) == _BITMAP_BYTES:
            bitmap[start : start + _BITMAP_BYTES] = docs
        else:
            _fill(bitmap, struct.unpack(f"<{len(docs) // 2}H", docs), start)
    return int.from_bytes(bitmap, "little")


def of_numbers(found: Iterable[int]) -> int:
    found = list(found)
    bitmap = bytearray((max(found, default=-1) >> 3) + 1)
    _fill(bitmap, found)
    return int.from_bytes(bitmap, "little")


def flags(docs: int) -> bytes:
    """A byte for each number from 0 on: 1 for those in the set."""
    return format(docs, "b")[::-1].encode().translate(_DIGITS)


def numbers(docs: int) -> list[int]:
    return list(compress(range(docs.bit_length()), flags(docs)))


_DIGITS = bytes.maketrans(b"01", b"\x00\x01")


def span(connection: sqlite3.Connection, collection: str) -> int:
    """One more than the greatest number."""
    return (connection.execute(f"SELECT max(number) FROM {name(collection)}").fetchone()[0] or 0) + 1


def tally(connection: sqlite3.Connection, collection: str, fields: tuple[str, ...]) -> dict[tuple[Any, ...], int]:
    if fields not in kept(connection, collection).tallies:
        raise ValueError(f"{collection} keeps no tally of {fields}")
    _, tallies = _tables(collection)
    rows = connection.execute(f"SELECT key, docs FROM {tallies} WHERE fields = ? AND docs > 0", (json.dumps(fields),))
    return {tuple(json.loads(key)): docs for key, docs in rows}


def _tables(collection: str) -> tuple[str, str]:
    table = name(collection)[:-1]
    return f'{table} sets"', f'{table} tallies"'
