"""Tracks whose audio is being downloaded.

A download has two documents: the job, and a track without audio that the job completes. The job is stored first. The
ledger then stores the track, and does so again when the job is claimed, so that a crash in between is repaired. What has
become of the download is read from the job and is not stored a second time.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.services.library.jobs.service import Job, JobError, JobState, NewTrack
from soundwright.services.library.storage.service import Storage
from soundwright.services.library.tracks.records import PendingDownload, Track
from soundwright.services.library.tracks.service import change_track

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs
    from soundwright.services.library.tracks.store import TrackDocs

_UNNAMED = NewTrack(title="Download", source="import")
_NAMES = ("title", "artist", "album")
_AUDIO_FIELDS = (
    "filename", "blob_key", "content_type", "content_sha256", "size_bytes", "container", "codec", "sample_rate_hz",
    "channel_count", "frame_count", "duration_seconds", "warnings", "cover_blob_key", "level",
)  # fmt: skip
_CATALOG_FIELDS = ("source", "spotify_id", "spotify_url", "cover_url")
_LOST = JobError(errors.DOWNLOAD_LOST.reason, errors.DOWNLOAD_LOST.sentence)


async def store_track(tracks: "TrackDocs", job: Job) -> Track:
    """Store the track that a download job completes, and return it. Repeating it is harmless.

    A track without audio, for example of a failed download, is assigned to the job. A track with audio stays as it is.

    Raises ``ACCESS_DENIED`` if the track belongs to another owner.
    """
    while True:
        track = await tracks.get(job.track_id)
        if track is None:
            pending = _pending_track(job)
            if await tracks.add(pending):
                return pending
            continue
        if track.owner_id != job.owner_id:
            raise errors.ACCESS_DENIED(what="track")
        if track.blob_key or track.download_job_id == job.id:
            return track
        assigned = dataclasses.replace(track, download_job_id=job.id, update_time=job.create_time)
        if await tracks.replace(assigned):
            return assigned


def _pending_track(job: Job) -> Track:
    return Track(
        id=job.track_id,
        owner_id=job.owner_id,
        network=job.network,
        creator_key=job.creator_key,
        download_job_id=job.id,
        create_time=job.create_time,
        update_time=job.create_time,
        **dataclasses.asdict(job.new_track or _UNNAMED),
    )


class TrackDownloads:
    """Stores the results of downloads in their tracks, and reads the states of downloads."""

    def __init__(self, tracks: "TrackDocs", jobs: "JobDocs", clock: Clock, storage: Storage) -> None:
        self._storage = storage
        self._tracks = tracks
        self._jobs = jobs
        self._clock = clock

    async def record(self, found: Track) -> Track:
        """Store the result of a download: names that the owner has not edited and, if it has a blob key, the audio.

        Raises ``TRACK_NOT_FOUND`` if the track was deleted; ``ACCESS_DENIED`` if it belongs to another owner than
        ``found``; ``AUDIO_EXISTS`` if another download was faster; ``QUOTA_EXCEEDED``.
        """

        def change(track: Track) -> Track:
            if track.owner_id != found.owner_id:
                raise errors.ACCESS_DENIED(what="track")
            if track.blob_key == found.blob_key != "":
                return track
            if track.blob_key:
                raise errors.AUDIO_EXISTS()
            fields = [name for name in _NAMES if name not in track.edited_fields]
            if found.blob_key:
                fields += (*_AUDIO_FIELDS, *_CATALOG_FIELDS)
            values = {field: getattr(found, field) for field in fields}
            return dataclasses.replace(track, **values, update_time=self._clock.now())

        stored = await self._tracks.get(found.id)
        if found.blob_key and stored is not None and not stored.blob_key:
            await self._storage.reserve(stored.owner_id, found.id, found.size_bytes, stored.network)
        changed = await change_track(self._tracks, found.id, change)
        if found.blob_key and stored is not None:
            await self._storage.release(stored.owner_id, found.id, stored.network)
        if changed is None:
            raise errors.TRACK_NOT_FOUND()
        return changed

    async def with_states(self, tracks: Sequence[Track]) -> list[Track]:
        """Return the tracks, each one without audio together with the state of its download."""
        job_ids = [track.download_job_id for track in tracks if not track.blob_key]
        jobs = await self._jobs.by_ids(job_ids)
        return [
            track if track.blob_key else dataclasses.replace(track, pending_download=_state(track, jobs))
            for track in tracks
        ]


def _state(track: Track, jobs: Mapping[str, Job]) -> PendingDownload:
    job = jobs.get(track.download_job_id)
    if job is None:
        return PendingDownload(track.download_job_id, JobState.FAILED, error=_LOST)
    failed = job.state in (JobState.FAILED, JobState.CANCELLED)
    return PendingDownload(job.id, job.state, job.progress_ratio, job.error if failed else None)
