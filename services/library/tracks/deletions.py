"""Deletion of tracks. A deleted track disappears at once; its files and documents are removed even after a crash.

The record of a deletion is written first and removed last. The sweeper repeats the steps in between until all jobs of
the track have ended and nothing is left. The records of the jobs remain as history.
"""

import uuid
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Blobs, Clock
from soundwright.kit.security.identity import Principal
from soundwright.kit.worker.derived_files import waveform_key
from soundwright.kit.worker.outputs import delete_outputs
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.service import Job
from soundwright.services.library.tracks.records import TrackDeletion
from soundwright.services.library.tracks.service import require_owner

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs
    from soundwright.services.library.tracks.store import TrackDocs

_LIBRARY = Principal("service:library", "service")
_JOB_BATCH = 100
log = get_logger()


class TrackDeletions:
    """Deletes tracks and all results of their jobs."""

    def __init__(self, store: "TrackDocs", jobs: "JobDocs", ledger: JobLedger, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock

    async def delete(self, principal: Principal, track_id: str) -> None:
        """Delete a track. Concurrent calls that find the track all succeed.

        Raises ``TRACK_NOT_FOUND``, ``ACCESS_DENIED``.
        """
        track = await self._store.get(track_id)
        if track is None:
            raise errors.TRACK_NOT_FOUND()
        require_owner(principal, track)
        deletion = TrackDeletion(
            id=str(uuid.uuid4()),
            track_id=track.id,
            owner_id=track.owner_id,
            blob_key=track.blob_key,
            cover_blob_key=track.cover_blob_key,
            track_create_time=track.create_time,
            delete_time=self._clock.now(),
        )
        await self._store.deletions.insert(deletion)
        if await self._store.delete(track.id):  # the sweeper or a concurrent call may have been faster
            log.info("track.deleted", track_id=track.id)
        await self._go_on(deletion)

    async def resume(self) -> int:
        """Continue unfinished deletions. Return their number."""
        count = 0
        async for deletion in self._store.deletions.walk():
            await self._go_on(deletion)
            count += 1
        return count

    async def _go_on(self, deletion: TrackDeletion) -> None:
        """Continue a deletion as far as possible now. The sweeper continues the rest later."""
        with failures_logged("track.deletion_interrupted", track_id=deletion.track_id):
            await self._remove(deletion)

    async def _remove(self, deletion: TrackDeletion) -> None:
        track = await self._store.get(deletion.track_id)
        if track is not None and track.create_time == deletion.track_create_time:
            await self._store.delete(track.id)
        await self._store.links.delete_all({"track_id": deletion.track_id})
        if deletion.blob_key:
            await self._blobs.delete(deletion.blob_key)
            await self._blobs.delete(waveform_key(deletion.blob_key))
        if deletion.cover_blob_key:
            await self._blobs.delete(deletion.cover_blob_key)
        ended = True
        last: Job | None = None
        while jobs := await self._jobs.find({"track_id": deletion.track_id}, after=last, limit=_JOB_BATCH):
            last = jobs[-1]
            for job in jobs:
                if _belongs(job, deletion):
                    ended = await self.end_job(job) and ended
        if ended:
            await self._store.deletions.delete(deletion.id)

    async def end_job(self, job: Job) -> bool:
        """Cancel a job and remove its results and files. Return whether it has ended and thus stores nothing more."""
        if not job.state.terminal:
            try:
                job = await self._ledger.cancel(_LIBRARY, job.id)
            except AppError as error:
                if error.reason != "JOB_FINISHED":
                    raise
                job = await self._jobs.get(job.id) or job
        await self._store.remove_results(job)
        if job.output_folder:
            await delete_outputs(self._blobs, job.output_folder, job.id, range(1, job.attempt + 1))
            await self._ledger.remove_results(job.id)
        return job.state.terminal


def _belongs(job: Job, deletion: TrackDeletion) -> bool:
    """Return whether a job is for the deleted track, and not for a later track with the same id."""
    if job.track_create_time is None:
        return job.create_time <= deletion.delete_time
    return job.track_create_time == deletion.track_create_time
