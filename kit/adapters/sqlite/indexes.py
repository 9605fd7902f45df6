# ruff: noqa: S608 (query.py checks every name in the SQL)
"""Tables and indexes of a collection.

An ordinary index is an SQLite index over expressions of the JSON body. A multikey index is a table with a row for each
different element of the array. Triggers maintain it, whichever process writes the document.
"""

from __future__ import annotations

import sqlite3

from kit.adapters.sqlite.query import column, index_name, name
from kit.ports import Index


def create_table(connection: sqlite3.Connection, collection: str) -> None:
    """Create the table of the collection if it is missing."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {name(collection)} "
        "(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, body TEXT NOT NULL)"
    )


def create_index(connection: sqlite3.Connection, collection: str, index: Index) -> None:
    """Create the index if it is missing, with the documents that already exist.

    Raises:
        ValueError: a name is invalid, or ``each`` is not one of the fields.
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
    keys = ", ".join((*(f'"{field}"' for field in index.fields), "number"))
    sorted_by = ", ".join(str(place + 1) for place in range(len(index.fields) + 1))
    connection.execute(f"CREATE TABLE {table} ({keys}, PRIMARY KEY ({keys})) WITHOUT ROWID")
    connection.execute(f"INSERT INTO {table} {_multikey_rows(index, each, source, f'{source}, ')} ORDER BY {sorted_by}")
    insert = f"INSERT INTO {table} {_multikey_rows(index, each, 'new')};"
    delete = f"DELETE FROM {table} WHERE ({keys}) IN ({_multikey_rows(index, each, 'old')});"
    for event, actions in (
        ("INSERT", f"BEGIN {insert} END"),
        ("DELETE", f"BEGIN {delete} END"),
        ("UPDATE", f"WHEN {changed} BEGIN {delete} {insert} END"),
    ):
        connection.execute(f'CREATE TRIGGER {table[:-1]}_{event.lower()}" AFTER {event} ON {source} {actions}')


def _multikey_rows(index: Index, each: str, document: str, tables: str = "") -> str:
    """Return a query for the rows that a document has in a multikey index.

    Args:
        document: The table of the documents, or ``old`` or ``new`` in a trigger.
        tables: What FROM lists before the elements.
    """
    values = ["element.value" if field == each else column(field, document) for field in index.fields]
    array = f"CASE json_type({document}.body, '$.{each}') WHEN 'array' THEN {column(each, document)} ELSE '[]' END"
    present = " AND ".join(f"{value} IS NOT NULL" for value in values)  # a primary key has no nulls
    return (
        f"SELECT DISTINCT {', '.join(values)}, {document}.number"
        f" FROM {tables}json_each({array}) AS element WHERE {present}"
    )
