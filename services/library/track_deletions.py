"""Deletion of tracks: at once for everybody, and to the end whatever happens in between.

The record of a deletion is written first and removed last. In between, every step may be repeated: the sweeper does so
until the last job of the track has ended and nothing is left of it. The records of the jobs stay, for history.
"""

from __future__ import annotations

import uuid
from typing import Protocol

from kit.errors import AppError
from kit.identity import Principal
from kit.log import get_logger
from kit.ports import Blobs, Clock
from services.library.ledger import JobLedger
from services.library.service import Job, Track, not_found
from services.library.tracks import TrackDeletion, require_owner

__all__ = ["TrackDeletionStore", "TrackDeletions"]

_LIBRARY = Principal("service:library", "service")
_JOB_FOLDERS = ("stems", "pipeline")
_DELETION_BATCH = 100
_JOB_BATCH = 100
log = get_logger()


class TrackDeletionStore(Protocol):
    async def track(self, track_id: str) -> Track | None: ...
    async def remove_track(self, track_id: str) -> bool: ...
    async def begin_deletion(self, deletion: TrackDeletion) -> None: ...
    async def pending_deletions(self, limit: int) -> list[TrackDeletion]: ...
    async def end_deletion(self, deletion_id: str) -> None: ...
    async def jobs_of_track(self, track_id: str, after_id: str, limit: int) -> list[Job]: ...
    async def job(self, job_id: str) -> Job | None: ...
    async def remove_results(self, job: Job) -> None: ...


class TrackDeletions:
    """Takes tracks out of the library, with all that jobs made of them."""

    def __init__(self, store: TrackDeletionStore, ledger: JobLedger, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock

    async def delete(self, principal: Principal, track_id: str) -> None:
        """
        Raises:
            AppError: ``TRACK_NOT_FOUND``, also for whoever comes second; ``ACCESS_DENIED``.
        """
        track = await self._store.track(track_id)
        if track is None:
            raise not_found("track")
        require_owner(principal, track)
        deletion = TrackDeletion(
            id=str(uuid.uuid4()),
            track_id=track.id,
            owner_id=track.owner_id,
            blob_key=track.blob_key,
            track_create_time=track.create_time,
            delete_time=self._clock.now(),
        )
        await self._store.begin_deletion(deletion)
        if not await self._store.remove_track(track.id):
            raise not_found("track")
        log.info("track.deleted", track_id=track.id)
        await self._go_on(deletion)

    async def resume(self) -> int:
        """Go on with deletions that were not finished; says with how many."""
        pending = await self._store.pending_deletions(_DELETION_BATCH)
        for deletion in pending:
            await self._go_on(deletion)
        return len(pending)

    async def _go_on(self, deletion: TrackDeletion) -> None:
        """As far as it goes now: it is gone for its owner, and the next round sees to the rest."""
        try:
            await self._remove(deletion)
        except AppError as error:
            log.warning("track.deletion_interrupted", track_id=deletion.track_id, reason=error.reason)

    async def _remove(self, deletion: TrackDeletion) -> None:
        track = await self._store.track(deletion.track_id)
        if track is not None and track.create_time == deletion.track_create_time:
            await self._store.remove_track(track.id)
        await self._blobs.delete(deletion.blob_key)
        ended = True
        last = ""
        while jobs := await self._store.jobs_of_track(deletion.track_id, last, _JOB_BATCH):
            last = jobs[-1].id
            for job in jobs:
                if _belongs(job, deletion):
                    ended = await self._end(job) and ended
        if ended:
            await self._store.end_deletion(deletion.id)

    async def _end(self, job: Job) -> bool:
        """Cancel a job and remove what it made; says whether it has ended, so that it makes nothing more."""
        if not job.state.terminal:
            try:
                job = await self._ledger.cancel(_LIBRARY, job.id)
            except AppError as error:
                if error.reason != "JOB_FINISHED":
                    raise
                job = await self._store.job(job.id) or job
        await self._store.remove_results(job)
        for folder in (*_JOB_FOLDERS, f"tracks/{job.track_id}"):
            await self._blobs.delete_prefix(f"{folder}/{job.id}/")
        return job.state.terminal


def _belongs(job: Job, deletion: TrackDeletion) -> bool:
    """Whether it is a job of the deleted track, and not of one that came under the same id later."""
    if job.track_create_time is None:
        return job.create_time <= deletion.delete_time
    return job.track_create_time == deletion.track_create_time
