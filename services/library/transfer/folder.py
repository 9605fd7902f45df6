"""The layout of a backup folder.

``manifest.json`` names the current snapshot and is replaced last, so an interrupted backup leaves the one before as it was.

- ``snapshot-<time>/<collection>.jsonl``: the documents of a collection by id, one JSON object for each line
- ``snapshot-<time>/blobs.jsonl``: key, size and hash of each blob, by key
- ``blobs/``: the blobs under their keys
- ``secret``, ``admin-token``: copies from the data directory
"""

import contextlib
import fcntl
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soundwright.kit import errors
from soundwright.kit.durable import make_folder, sync
from soundwright.kit.security.private_files import write_private
from soundwright.services.library.transfer.files import BlobCopy

PRIVATE_FILES = ("secret", "admin-token")
_FORMAT = 1
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class BlobEntry:
    """A line of ``blobs.jsonl``."""

    key: str
    copy: BlobCopy

    def to_line(self) -> str:
        fields = {"key": self.key, "size_bytes": self.copy.size_bytes, "sha256": self.copy.sha256}
        return json.dumps(fields) + "\n"

    @staticmethod
    def of(fields: dict[str, Any]) -> "BlobEntry":
        return BlobEntry(fields["key"], BlobCopy(fields["size_bytes"], fields["sha256"]))


class BackupFolder:
    """A folder that holds one backup, and while a new one is written, both."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def blobs_url(self) -> str:
        return (self.path / "blobs").as_uri()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder, readable for its owner only, and keep other backups out of it.

        Raises ``BACKUP_RUNNING``.
        """
        make_folder(self.path, mode=0o700)
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.BACKUP_RUNNING(folder=self.path) from None
            yield

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest, or None if there is no complete backup.

        Raises ``BACKUP_UNREADABLE`` if another version wrote it.
        """
        path = self.path / _MANIFEST
        if not path.exists():
            return None
        manifest: dict[str, Any] = json.loads(path.read_text())
        if manifest.get("format") != _FORMAT:
            raise errors.BACKUP_UNREADABLE(format=manifest.get("format"))
        return manifest

    def require_manifest(self) -> dict[str, Any]:
        """Return the manifest. Raises ``BACKUP_MISSING``, ``BACKUP_UNREADABLE``."""
        manifest = self.manifest()
        if manifest is None:
            raise errors.BACKUP_MISSING(folder=self.path)
        return manifest

    def fingerprint(self) -> str:
        return hashlib.sha256((self.path / _MANIFEST).read_bytes()).hexdigest()

    def publish(self, manifest: dict[str, Any]) -> None:
        """Make a snapshot the current one, durably."""
        snapshot = self.path / manifest["snapshot"]
        for path in (*snapshot.iterdir(), snapshot, self.path):
            sync(path)
        write_private(self.path / _MANIFEST, json.dumps({"format": _FORMAT, **manifest}, indent=2) + "\n")

    def new_snapshot(self) -> Path:
        path = self.path / f"snapshot-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        path.mkdir()
        return path

    def snapshots(self) -> list[Path]:
        """Return the folders of all snapshots, also of interrupted ones, the oldest first."""
        return sorted(self.path.glob("snapshot-*"))


class KnownBlobs:
    """The entries of a ``blobs.jsonl``, for keys that are asked for in order. A line that was cut off ends the file."""

    def __init__(self, path: Path) -> None:
        self._entries = _entries(path)
        self._next = next(self._entries, None)

    def get(self, key: str) -> BlobEntry | None:
        """Return the entry of a key. It must not be less than the key of the call before."""
        while self._next is not None and self._next.key < key:
            self._next = next(self._entries, None)
        return self._next if self._next is not None and self._next.key == key else None


def _entries(path: Path) -> Iterator[BlobEntry]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for text in file:
            try:
                yield BlobEntry.of(json.loads(text))
            except ValueError:
                return


async def entries_of(path: Path) -> AsyncIterator[BlobEntry]:
    for entry in _entries(path):
        yield entry
