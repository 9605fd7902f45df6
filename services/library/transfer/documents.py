"""Documents in transit: which collections there are, reading them in order, comparing and writing them."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundwright.kit import errors
from soundwright.kit.ports import Collection, Doc, Docs
from soundwright.services.library.documents import walk

Progress = Callable[[str], None]
"""Takes a line for the operator."""

COLLECTIONS = (
    # A document is read before those that it refers to, so a store that changes meanwhile has them in the backup, too.
    "votes", "favorites", "tag_suggestions", "plays", "play_hours", "play_listeners", "playlists", "clips",
    "deleted_clips", "outputs", "stem_sets", "analyses", "track_links", "setlists", "webhook_deliveries", "webhooks", "conversation_messages",
    "conversations", "jobs", "tracks", "deleted_tracks", "email_queue", "sessions", "tokens", "links", "connections",
    "login_throttle", "audit", "consents", "accounts", "deleted_accounts", "schema",
)  # fmt: skip
"""The collections of the library, in the order in which a backup reads them."""

TRANSIENT_COLLECTIONS = ("admissions", "imports", "library_processes", "storage_reservations")
"""Collections that describe processes on one store and stay there."""

_BATCH = 500


@dataclass
class CollectionDigest:
    """The number of documents of a collection, and the SHA-256 of their lines in the order of their ids."""

    count: int = 0

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, doc: Doc) -> None:
        self.count += 1
        self._hash.update(line(doc))

    def to_json(self) -> dict[str, Any]:
        return {"count": self.count, "sha256": self._hash.hexdigest()}


def line(doc: Doc) -> bytes:
    return json.dumps(doc, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


async def read_lines(path: Path) -> AsyncIterator[Doc]:
    with path.open("rb") as file:
        for text in file:
            doc: Doc = json.loads(text)
            yield doc


async def synchronise(source: AsyncIterator[Doc], target: Docs, collection: str, progress: Progress) -> None:
    """Make a collection equal to ``source``, which yields documents by id. Documents that are equal are not written."""
    await target.ensure(Collection(collection))
    pending: list[Doc] = []
    written = 0
    async for wanted, present in _pairs(source, walk(target, collection)):
        if wanted is None:
            assert present is not None
            await target.delete(collection, present["id"])
        elif wanted != present:
            pending.append(wanted)
        if len(pending) == _BATCH:
            await target.load(collection, pending)
            written += len(pending)
            progress(f"{collection}: {written} documents written")
            pending.clear()
    await target.load(collection, pending)


async def compare(source: AsyncIterator[Doc], target: Docs, collection: str) -> CollectionDigest:
    """Compare a collection with ``source``, which yields documents by id, and return the digest of both.

    Raises ``COPY_DIFFERS``.
    """
    expected, found = CollectionDigest(), CollectionDigest()
    async for wanted, present in _pairs(source, walk(target, collection)):
        if wanted is not None:
            expected.add(wanted)
        if present is not None:
            found.add(present)
    if expected.to_json() != found.to_json():
        raise errors.COPY_DIFFERS(collection=collection, source_count=expected.count, target_count=found.count)
    return found


async def _pairs(left: AsyncIterator[Doc], right: AsyncIterator[Doc]) -> AsyncIterator[tuple[Doc | None, Doc | None]]:
    """Merge two iterators that are sorted by id. Documents with the same id come together."""
    one, other = await anext(left, None), await anext(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one["id"] < other["id"]):
            yield one, None
            one = await anext(left, None)
        elif one is None or other["id"] < one["id"]:
            yield None, other
            other = await anext(right, None)
        else:
            yield one, other
            one, other = await anext(left, None), await anext(right, None)
