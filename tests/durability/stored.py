"""What a data directory holds after a crash, compared with the writes that were acknowledged before it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.ports import Contains, OneOf
from tests.durability.writer import BLOB_FOLDER, DATABASE, RECORDS, blob, body
from tests.files import files_below


@dataclass
class Acknowledged:
    """The latest version of everything that a writer reported."""

    docs: dict[str, int] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def add(self, lines: Iterable[bytes]) -> None:
        """Add reports of a writer. Those of two writers may come in another order than the writes."""
        for line in lines:
            report = json.loads(line)
            name, version = report["name"], report["version"]
            if report["kind"] == "secret":
                self.secrets.add(name)
                continue
            known = {"doc": self.docs, "blob": self.blobs}.get(report["kind"])
            if known is None:
                (self.deleted if report["kind"] == "deletion" else self.deleting).add(name)
            else:
                known[name] = max(version, known.get(name, 0))


async def losses(folder: Path, acknowledged: Acknowledged) -> list[str]:
    """Return a line for each acknowledged write that is missing, and for everything that is damaged."""
    secret = folder / "data" / "secret"
    kept = {secret.read_text()} if secret.exists() else set()
    return [
        *("the secret of the platform is lost" for _ in acknowledged.secrets - kept),
        *_damage(folder / DATABASE),
        *await _lost_documents(folder, acknowledged),
        *_lost_files(folder, acknowledged),
    ]


def _damage(database: Path) -> list[str]:
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]


async def _lost_documents(folder: Path, acknowledged: Acknowledged) -> list[str]:
    docs = SqliteDocs(folder / DATABASE)
    found: list[str] = []
    try:
        await docs.ensure(RECORDS)
        stored = {doc["id"]: doc for doc in await docs.find(RECORDS.name, {}, limit=100_000)}
        indexed = await docs.count(RECORDS.name, {"parity": OneOf([0, 1])})
        by_element = await docs.count_each(RECORDS.name, "terms", ["parity 0", "parity 1"])
        current = {
            doc["id"]
            for version in {doc["version"] for doc in stored.values()}
            for doc in await docs.find(RECORDS.name, {"terms": Contains(f"version {version}")}, limit=100_000)
            if doc["version"] == version
        }
    finally:
        await docs.close()
    for name, doc in stored.items():
        if doc != body(name, doc["version"]) | {"revision": doc["version"]}:
            found.append(f"document {name}: version {doc['version']} is damaged, or is revision {doc['revision']}")
        if name in acknowledged.deleted:
            found.append(f"document {name}: it is back")
    for name, version in acknowledged.docs.items():
        kept = stored[name]["version"] if name in stored else 0
        if kept < version and name not in acknowledged.deleting:
            found.append(f"document {name}: version {version} was acknowledged, but {kept} is stored")
    for kept in (indexed, sum(by_element.values()), len(current)):
        if kept != len(stored):
            found.append(f"an index has {kept} of {len(stored)} documents")
    return found


def _lost_files(folder: Path, acknowledged: Acknowledged) -> list[str]:
    root = folder / BLOB_FOLDER
    stored = {}
    for path in files_below(root):
        key, content = path.relative_to(root).as_posix(), path.read_bytes()
        version = content.split(b"\n")[0].decode(errors="replace")
        whole = version.isdecimal() and content == blob(key, int(version))
        stored[key] = int(version) if whole else 0
    found = [f"file {key}: it is damaged" for key in stored if not stored[key] and not key.startswith(".partial/")]
    for key, version in acknowledged.blobs.items():
        if stored.get(key, 0) < version:
            found.append(f"file {key}: version {version} was acknowledged, but {stored.get(key)} is stored")
    return found
