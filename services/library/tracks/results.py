"""Stores the results of jobs: outputs, stems and analyses, and the values of them that tracks show."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from soundwright.services.library.jobs.service import Job, JobResult, Measurement
from soundwright.services.library.tracks.service import BPM_RANGE, KEYS, Analysis, StemSet, Track, change_track

if TYPE_CHECKING:
    from soundwright.services.library.tracks.store import TrackDocs


class TrackResults:
    """Stores and removes the results of jobs. Repeated calls are safe."""

    def __init__(self, store: TrackDocs) -> None:
        self._store = store

    async def store(self, job: Job) -> None:
        """Store the results of a succeeded job, and update its track."""
        result = job.result
        if result is None:
            return
        await self._store.store_outputs([*result.outputs, *([result.mix] if result.mix is not None else [])])
        if result.outputs_are_stems:
            await self._store_stems(job, result)
        if result.measurement is not None and result.details is not None:
            await self._store.store_analysis(
                Analysis(
                    track_id=job.track_id,
                    job_id=job.id,
                    owner_id=job.owner_id,
                    engine=result.engine,
                    details=result.details,
                    measurement=result.measurement,
                    create_time=job.finish_time or 0.0,
                )
            )
            analysis = await self._store.analysis(job.track_id)
            if analysis is not None:
                await self._change(job, lambda track: _with_measurement(track, analysis.measurement))

    async def remove(self, job: Job) -> None:
        """Remove what :meth:`store` stored. The record of the job stays."""
        await self._store.remove_results(job)
        if job.result is not None and job.result.outputs_are_stems:
            track = await self._store.track(job.track_id)
            if track is not None:
                await self._count_stems(job, track)

    async def _store_stems(self, job: Job, result: JobResult) -> None:
        track = await self._store.track(job.track_id)
        if track is None or not job.is_for_track(track.create_time):
            return
        await self._store.store_stems(
            StemSet(
                track_id=track.id,
                job_id=job.id,
                track_create_time=track.create_time,
                create_time=job.finish_time or 0.0,
                stems=result.outputs,
                mix=result.mix,
            )
        )
        await self._count_stems(job, track)

    async def _count_stems(self, job: Job, track: Track) -> None:
        latest = await self._store.stem_set(track)
        count = len(latest.stems) if latest is not None else 0
        await self._change(job, lambda track: dataclasses.replace(track, stem_count=count))

    async def _change(self, job: Job, change: Callable[[Track], Track]) -> None:
        """Change the track of the job, unless it was deleted and another track has its ID."""
        await change_track(
            self._store, job.track_id, lambda track: change(track) if job.is_for_track(track.create_time) else track
        )


def _with_measurement(track: Track, measurement: Measurement) -> Track:
    """Return the track with measured tempo and key. Fields that the owner has edited do not change."""
    measured: dict[str, Any] = {}
    if measurement.bpm is not None and BPM_RANGE[0] <= measurement.bpm <= BPM_RANGE[1]:
        measured["bpm"] = round(measurement.bpm, 2)
    if measurement.key in KEYS:
        measured["key"] = measurement.key
    new = {field: value for field, value in measured.items() if field not in track.edited_fields}
    return dataclasses.replace(track, analyzed=True, **new)
