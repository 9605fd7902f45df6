# ruff: noqa: S608 (every name in the SQL is checked)
"""Tables of a search index, and the rows of its entries.

``<name> search`` has a row for each entry, with a column for each sort key and an SQLite index for each order.
``<name> words`` is an FTS5 table whose content is that table: ``words`` holds the words of the text as
:mod:`kit.tokenizer` folds them, and ``facets`` holds one term for each facet value, so that FTS5 intersects words and
facets itself. ``<name> facet counts`` has a row for each combination that is counted, and one for the version of the index. Triggers maintain the latter two.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import product
from typing import Any

from kit.adapters.sqlite.query import name
from kit.ports import SearchEntry, SearchIndex
from kit.tokenizer import words

__all__ = [
    "counts_table",
    "create_tables",
    "drop_tables",
    "entries_table",
    "facet_term",
    "order_index",
    "row_of",
    "upsert",
    "words_table",
]


# Names of collections contain no spaces, so these names cannot clash with the tables of collections.


def entries_table(index: str) -> str:
    """Return the quoted name of the table of entries."""
    return f'{name(index)[:-1]} search"'


def words_table(index: str) -> str:
    """Return the quoted name of the FTS5 table."""
    return f'{name(index)[:-1]} words"'


def counts_table(index: str) -> str:
    """Return the quoted name of the table of facet counts."""
    return f'{name(index)[:-1]} facet counts"'


def order_index(index: str, order: tuple[str, ...]) -> str:
    """Return the quoted name of the SQLite index of an order."""
    return f'{name(index)[:-1]} by {" ".join(order)}"'


def drop_tables(connection: sqlite3.Connection, index: str) -> None:
    """Drop the tables of the index, if they exist."""
    for table in (words_table(index), entries_table(index), counts_table(index)):
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def create_tables(connection: sqlite3.Connection, index: SearchIndex) -> None:
    """Create the tables of the index.

    Raises:
        ValueError: a name is invalid.
    """
    entries, terms, counts = entries_table(index.name), words_table(index.name), counts_table(index.name)
    keys = "".join(f", {name(key)} REAL NOT NULL" for key in index.sort_keys)
    connection.execute(
        f"CREATE TABLE {entries} (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL,"
        f" words TEXT NOT NULL, facets TEXT NOT NULL, combinations TEXT NOT NULL{keys})"
    )
    for order in index.orders:
        columns = ", ".join(map(name, order))
        connection.execute(f"CREATE INDEX {order_index(index.name, order)} ON {entries} ({columns}, id)")
    # The ascii tokenizer splits folded words at blanks and nowhere else.
    connection.execute(
        f"CREATE VIRTUAL TABLE {terms} USING fts5 (words, facets, content = {entries}, content_rowid = number,"
        " tokenize = ascii, columnsize = 0)"
    )
    connection.execute(
        f"CREATE TABLE {counts} (facets TEXT, facet_values TEXT, entry_count INTEGER NOT NULL,"
        " PRIMARY KEY (facets, facet_values)) WITHOUT ROWID"
    )
    # One more row counts the changes of words and facets: the version that cached hits belong to.
    connection.execute(f"INSERT INTO {counts} VALUES ('', '', 1)")
    next_version = f"UPDATE {counts} SET entry_count = entry_count + 1 WHERE facets = '' AND facet_values = '';"
    add_terms = f"INSERT INTO {terms} (rowid, words, facets) VALUES (new.number, new.words, new.facets);"
    remove_terms = (
        f"INSERT INTO {terms} ({terms}, rowid, words, facets) VALUES ('delete', old.number, old.words, old.facets);"
    )
    combination = "json_extract(value, '$[0]'), json_extract(value, '$[1]')"
    add_counts = (
        f"INSERT INTO {counts} SELECT {combination}, 1 FROM json_each(new.combinations) WHERE true"
        " ON CONFLICT DO UPDATE SET entry_count = entry_count + 1;"
    )
    remove_counts = (
        f"UPDATE {counts} SET entry_count = entry_count - 1 WHERE (facets, facet_values) IN"
        f" (SELECT {combination} FROM json_each(old.combinations));"
    )
    changed_terms = "WHEN old.words IS NOT new.words OR old.facets IS NOT new.facets"
    changed_counts = "WHEN old.combinations IS NOT new.combinations"
    for title, event, actions in (
        ("add terms", "INSERT", f"BEGIN {add_terms} {next_version} END"),
        ("remove terms", "DELETE", f"BEGIN {remove_terms} {next_version} END"),
        ("change terms", "UPDATE", f"{changed_terms} BEGIN {remove_terms} {add_terms} {next_version} END"),
        ("add counts", "INSERT", f"BEGIN {add_counts} END"),
        ("remove counts", "DELETE", f"BEGIN {remove_counts} END"),
        ("change counts", "UPDATE", f"{changed_counts} BEGIN {remove_counts} {add_counts} END"),
    ):
        connection.execute(f'CREATE TRIGGER {entries[:-1]} {title}" AFTER {event} ON {entries} {actions}')


def upsert(index: SearchIndex) -> str:
    """Return the statement that stores a row of :func:`row_of`, unless the stored revision is equal or higher."""
    columns = ["id", "revision", "words", "facets", "combinations", *map(name, index.sort_keys)]
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    return (
        f"INSERT INTO {entries_table(index.name)} AS stored ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT (id) DO UPDATE SET {changes} WHERE excluded.revision > stored.revision"
    )


def row_of(index: SearchIndex, entry: SearchEntry) -> tuple[Any, ...]:
    """Return the values that :func:`upsert` stores.

    Raises:
        ValueError: the entry has a facet that the index does not define, or lacks a sort key.
    """
    if not entry.facets.keys() <= set(index.facets) or not entry.sort_keys.keys() >= set(index.sort_keys):
        raise ValueError(f"the entry does not fit the index {index.name}")
    terms = sorted({facet_term(facet, value) for facet, values in entry.facets.items() for value in values})
    combinations = [
        (json.dumps(facets), json.dumps(values))
        for facets in index.counted
        for values in sorted(set(product(*(entry.facets.get(facet, ()) for facet in facets))))
    ]
    return (
        entry.id,
        entry.revision,
        " ".join(words(entry.text)),
        " ".join(terms),
        json.dumps(combinations),
        *(float(entry.sort_keys[key]) for key in index.sort_keys),
    )


def facet_term(facet: str, value: str) -> str:
    """Return the term of a facet value: hexadecimal digits, because the tokenizer splits at punctuation."""
    return f"{facet}={value}".encode("utf-8", "surrogatepass").hex()
