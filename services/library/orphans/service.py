"""Finds and deletes orphans.

A file is an orphan if no record names it, no unfinished job can still publish it, and it is old enough. The age covers the time
between the storing of a file and that of its record. Each file is judged by the record that its key leads to:

- ``tracks/<track>/...`` belongs to a track, and while it is downloaded, to the job in the key.
- ``<folder>/<attempt>/<job>/...`` belongs to a job.
- ``uploads/...`` and ``check/...`` are temporary.

The waveform of a file belongs to the same record.

Files with other keys are not the platform's, and stay.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit.log import get_logger
from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Blobs, Clock
from soundwright.kit.worker.derived_files import described_key

if TYPE_CHECKING:
    from soundwright.services.library.orphans.store import BlobDocs

MIN_AGE_SECONDS = 3600.0
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TEMPORARY = ("uploads", "check")
log = get_logger()


@dataclass(frozen=True)
class KeyOwner:
    """The records that a key leads to. Both ids are empty for temporary files."""

    track_id: str = ""
    job_id: str = ""


@dataclass(frozen=True)
class Orphan:
    key: str
    size_bytes: int
    age_seconds: float


def owner_of_key(key: str) -> KeyOwner | None:
    """Return the records that a key leads to, or None if the platform does not make such keys."""
    folder, *parts = key.split("/")
    if folder in _TEMPORARY:
        return KeyOwner()
    jobs = [part for part in parts[:-1] if _UUID.fullmatch(part)]
    if folder == "tracks":
        return KeyOwner(track_id=parts[0], job_id=jobs[1] if len(jobs) > 1 else "") if parts[:1] == jobs[:1] else None
    return KeyOwner(job_id=jobs[0]) if len(parts) > 2 and parts[0].isdecimal() and parts[1:2] == jobs[:1] else None


class Orphans:
    """Orphans of a file store."""

    def __init__(self, blobs: Blobs, records: "BlobDocs", clock: Clock) -> None:
        self._blobs = blobs
        self._records = records
        self._clock = clock

    async def find(self, older_than_seconds: float) -> AsyncIterator[Orphan]:
        """Yield the orphans of at least this age, but not younger than an hour."""
        latest = self._clock.now() - max(older_than_seconds, MIN_AGE_SECONDS)
        known: tuple[KeyOwner | None, frozenset[str] | None] = (None, None)  # files of one owner follow each other
        async for key, info in self._blobs.scan(""):
            owner = owner_of_key(key)
            if owner is None or info.modify_time > latest:
                continue
            if owner != known[0]:
                known = (owner, None)  # files whose record cannot be read stay
                with failures_logged("orphan.record_unreadable", key=key):
                    known = (owner, await self._records.named(owner))
            if known[1] is not None and key not in known[1] and described_key(key) not in known[1]:
                yield Orphan(key, info.size_bytes, self._clock.now() - info.modify_time)

    async def delete(self, older_than_seconds: float) -> list[Orphan]:
        """Delete the orphans of at least this age, and the parts of uploads that were not completed. Return the orphans."""
        with failures_logged("orphan.parts_not_deleted"):
            await self._blobs.purge_partial(max(older_than_seconds, MIN_AGE_SECONDS))
        deleted = []
        async for orphan in self.find(older_than_seconds):
            with failures_logged("orphan.not_deleted", key=orphan.key):
                await self._blobs.delete(orphan.key)
                log.info("orphan.deleted", key=orphan.key, size_bytes=orphan.size_bytes)
                deleted.append(orphan)
        return deleted
