# ruff: noqa: S608 (query.py checks every name in the SQL)
"""Tables and indexes of a collection.

An ordinary index is an SQLite index over expressions of the JSON body. A multikey index is a table that has, for each different
element of the arrays, the numbers of the documents that have it: a row for a block of 64 numbers, with a bit for each of them and
their count. So an element of half of 100,000 documents has 1,600 rows. Triggers maintain the table, whichever process writes the document.
"""

import sqlite3

from soundwright.kit.adapters.sqlite.query import column, index_name, name
from soundwright.kit.ports import Index


def create_table(connection: sqlite3.Connection, collection: str) -> None:
    """Create the table of the collection if it is missing."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {name(collection)} "
        "(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, body TEXT NOT NULL)"
    )


def create_index(connection: sqlite3.Connection, collection: str, index: Index) -> None:
    """Create the index if it is missing, with the documents that already exist.

    Raises ``ValueError``: a name is invalid, or ``each`` is not one of the fields.
    """
    if index.each is not None:
        _create_multikey_index(connection, collection, index, index.each)
        return
    columns = [column(field) for field in index.fields]
    if not index.unique:
        columns.append("id")  # the last sort field of every page
    only = "" if index.present is None else f" WHERE {column(index.present)} IS NOT NULL"
    connection.execute(
        f"CREATE {'UNIQUE ' * index.unique}INDEX IF NOT EXISTS {index_name(collection, index)} ON {name(collection)} ({', '.join(columns)}){only}"
    )


def _create_multikey_index(connection: sqlite3.Connection, collection: str, index: Index, each: str) -> None:
    if each not in index.fields:
        raise ValueError(f"{each!r} is not a field of the index {index.fields}")
    source, table = name(collection), index_name(collection, index)
    changed = " OR ".join(f"{column(field, 'old')} IS NOT {column(field, 'new')}" for field in index.fields)
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table.strip('"'),)).fetchone():
        return
    keys = ", ".join((*(f'"{field}"' for field in index.fields), "block"))
    connection.execute(
        f"CREATE TABLE {table} ({keys}, bits NOT NULL, size NOT NULL, PRIMARY KEY ({keys})) WITHOUT ROWID"
    )
    every, old, new = (_multikey_rows(index, each, document) for document in (source, "old", "new"))
    connection.execute(
        f"INSERT INTO {table} SELECT {keys}, sum(bits), sum(size) FROM ({every}) GROUP BY {keys} ORDER BY {keys}"
    )
    add = f"INSERT INTO {table} {new} ON CONFLICT DO UPDATE SET bits = bits | excluded.bits, size = size + 1;"
    among = f"({keys}) IN (SELECT {keys} FROM ({old}))"
    remove = (
        f"UPDATE {table} SET bits = bits & ~(1 << (old.number & 63)), size = size - 1 WHERE {among};"
        f" DELETE FROM {table} WHERE size = 0 AND {among};"
    )
    for event, actions in (
        ("INSERT", f"BEGIN {add} END"),
        ("DELETE", f"BEGIN {remove} END"),
        ("UPDATE", f"WHEN {changed} BEGIN {remove} {add} END"),
    ):
        connection.execute(f'CREATE TRIGGER {table[:-1]}_{event.lower()}" AFTER {event} ON {source} {actions}')


def _multikey_rows(index: Index, each: str, document: str) -> str:
    """Return a query for the rows that a document has in a multikey index: each with the bit of this document.

    Args:
        document: The table of the documents, or ``old`` or ``new`` in a trigger.
    """
    values = {field: "element.value" if field == each else column(field, document) for field in index.fields}
    array = f"CASE json_type({document}.body, '$.{each}') WHEN 'array' THEN {column(each, document)} ELSE '[]' END"
    selected = ", ".join(f'{value} AS "{field}"' for field, value in values.items())
    present = " AND ".join(f"{value} IS NOT NULL" for value in values.values())  # a primary key has no nulls
    tables = "" if document in ("old", "new") else f"{document}, "
    return (
        f"SELECT DISTINCT {selected}, {document}.number >> 6 AS block, 1 << ({document}.number & 63) AS bits, 1 AS size"
        f" FROM {tables}json_each({array}) AS element WHERE {present}"
    )
