"""Restore of a backup into empty stores: the blobs first, then the documents that name them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundwright.kit import errors
from soundwright.kit.ports import Blobs, Clock, Docs
from soundwright.services.library.schema import LATEST_VERSION
from soundwright.services.library.transfer.documents import CollectionDigest, Progress, compare, read_lines, synchronise
from soundwright.services.library.transfer.files import copy_blob, holds, in_pages
from soundwright.services.library.transfer.folder import BackupFolder, BlobEntry, entries_of
from soundwright.services.library.transfer.running_libraries import begin_import, end_import, require_unused


@dataclass(eq=False)
class Restore:
    """Restores one backup. After an interruption, a second run completes it.

    Args:
        stored: the blobs in the folder.
    """

    docs: Docs
    blobs: Blobs
    folder: BackupFolder
    stored: Blobs
    clock: Clock
    progress: Progress

    async def run(self) -> None:
        """Restore the backup.

        Raises ``BACKUP_MISSING``, ``BACKUP_UNREADABLE``, ``BACKUP_DAMAGED`` before anything is written;
        ``STORE_IN_USE``, ``STORE_NOT_EMPTY``; ``BLOB_DAMAGED``.
        """
        manifest = await self._checked()
        snapshot = self.folder.path / manifest["snapshot"]
        await require_unused(self.docs, self.clock)
        await begin_import(self.docs, self.folder.fingerprint())
        await self._copy_blobs(snapshot / "blobs.jsonl", manifest["blobs"]["count"])
        for name in manifest["collections"]:
            await synchronise(read_lines(snapshot / f"{name}.jsonl"), self.docs, name, self.progress)
        for name in manifest["collections"]:
            digest = await compare(read_lines(snapshot / f"{name}.jsonl"), self.docs, name)
            self.progress(f"{name}: {digest.count} documents, sha256 {digest.to_json()['sha256']}")
        await end_import(self.docs)
        self.progress(f"The backup of {manifest['create_time']} is restored.")

    async def _checked(self) -> dict[str, Any]:
        """Return the manifest after checking the documents of the backup against it."""
        manifest = self.folder.require_manifest()
        if manifest["schema_version"] > LATEST_VERSION:
            raise errors.BACKUP_TOO_NEW(version=manifest["schema_version"], latest_version=LATEST_VERSION)
        for name, expected in manifest["collections"].items():
            if await _digest_of(self.folder.path / manifest["snapshot"] / f"{name}.jsonl") != expected:
                raise errors.BACKUP_DAMAGED(
                    f"The documents of the collection {name} in the backup are not those that were written."
                )
        return manifest

    async def _copy_blobs(self, path: Path, total: int) -> None:
        count = 0
        async for page in in_pages(entries_of(path), self._copy_blob):
            count += len(page)
            self.progress(f"files: {count} of {total}")
        if count != total:
            raise errors.BACKUP_DAMAGED(count=count, expected=total)

    async def _copy_blob(self, entry: BlobEntry) -> None:
        if not await holds(self.blobs, entry.key, entry.copy):
            await copy_blob(self.stored, self.blobs, entry.key, entry.copy)


async def _digest_of(path: Path) -> dict[str, Any]:
    digest = CollectionDigest()
    if path.exists():
        async for doc in read_lines(path):
            digest.add(doc)
    return digest.to_json()
