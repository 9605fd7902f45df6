"""Stores the results of jobs in tracks and catalog, on behalf of the ledger."""

from typing import TYPE_CHECKING

from soundwright.kit.ports import Clock
from soundwright.services.library.catalog.records import Clip
from soundwright.services.library.jobs.ledger import JobLedger, JobTrack
from soundwright.services.library.jobs.service import GeneratedClip, Job, JobResult
from soundwright.services.library.storage.service import Storage
from soundwright.services.library.stores import Stores
from soundwright.services.library.tracks.downloads import store_track
from soundwright.services.library.tracks.results import TrackResults

if TYPE_CHECKING:
    from soundwright.services.library.catalog.store import CatalogStore
    from soundwright.services.library.tracks.store import TrackDocs


def build_ledger(stores: Stores, clock: Clock, storage: Storage) -> JobLedger:
    """Build the ledger over the stores of tracks and clips."""
    results = JobResults(stores.tracks, TrackResults(stores.tracks), stores.clips)
    return JobLedger(stores.jobs, results, clock, storage)


class JobResults:
    """Stores the results of jobs. A :class:`~soundwright.services.library.jobs.ledger.ResultStore`."""

    def __init__(self, tracks: "TrackDocs", track_results: TrackResults, catalog: "CatalogStore") -> None:
        self._tracks = tracks
        self._track_results = track_results
        self._catalog = catalog

    async def track(self, track_id: str) -> JobTrack | None:
        return await self._tracks.get(track_id)

    async def store_track(self, job: Job) -> JobTrack:
        return await store_track(self._tracks, job)

    async def store_results(self, job: Job) -> None:
        await self._track_results.store(job)
        if job.result is not None and job.result.clip is not None:
            await self._catalog.store_clip(_clip(job, job.result, job.result.clip))

    async def remove_results(self, job: Job) -> None:
        await self._track_results.remove(job)


def _clip(job: Job, result: JobResult, made: GeneratedClip) -> Clip:
    """Return the catalog's record of a clip: the worker's description, with owner, priority and time of the job."""
    return Clip(
        **vars(made),  # a clip has all fields of its description
        id=job.id,
        owner_id=job.owner_id,
        model=result.requested_model,
        engine=result.engine,
        engine_model=result.model,
        degraded=result.degraded,
        priority=job.priority,
        create_time=job.finish_time or job.create_time,
        creator_key=job.creator_key,
    )
