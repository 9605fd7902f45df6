"""Stores the results of jobs: outputs, stems and analyses, and the values of them that tracks show."""

import asyncio
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from soundwright.services.library.jobs.service import Job, JobResult
from soundwright.services.library.tracks.analyses import Analysis
from soundwright.services.library.tracks.records import StemSet, Track
from soundwright.services.library.tracks.service import BPM_RANGE, KEYS, change_track

if TYPE_CHECKING:
    from soundwright.services.library.tracks.store import TrackDocs


class TrackResults:
    """Stores and removes the results of jobs. Repeated calls are safe."""

    def __init__(self, store: "TrackDocs") -> None:
        self._store = store

    async def store(self, job: Job) -> None:
        """Store the results of a succeeded job, and update its track."""
        result = job.result
        if result is None:
            return
        await self._store.store_outputs([*result.outputs, *([result.mix] if result.mix is not None else [])])
        if not (result.outputs_are_stems or result.analysis_json):
            return
        track = await self._store.get(job.track_id)
        if track is None or not job.is_for_track(track.create_time):
            return
        if result.outputs_are_stems:
            await self._store_stems(job, result, track)
        if result.analysis_json:
            await self._store_analysis(job, result, track)

    async def remove(self, job: Job) -> None:
        """Remove what :meth:`store` stored. The record of the job stays."""
        await self._store.remove_results(job)
        if job.result is not None and job.result.outputs_are_stems:
            track = await self._store.get(job.track_id)
            if track is not None:
                await self._count_stems(job, track)

    async def _store_stems(self, job: Job, result: JobResult, track: Track) -> None:
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

    async def _store_analysis(self, job: Job, result: JobResult, track: Track) -> None:
        await self._store.store_analysis(
            Analysis(
                track_id=track.id,
                job_id=job.id,
                owner_id=job.owner_id,
                engine=result.engine,
                track_create_time=track.create_time,
                create_time=job.finish_time or 0.0,
                values_json=result.analysis_json,
            )
        )
        analysis = await self._store.analysis(track)
        if analysis is not None:
            values = await asyncio.to_thread(json.loads, analysis.values_json)
            await self._change(job, lambda track: _with_measurement(track, values))

    async def _count_stems(self, job: Job, track: Track) -> None:
        latest = await self._store.stem_set(track)
        count = len(latest.stems) if latest is not None else 0
        await self._change(job, lambda track: dataclasses.replace(track, stem_count=count))

    async def _change(self, job: Job, change: Callable[[Track], Track]) -> None:
        """Change the track of the job, unless it was deleted and another track has its ID."""
        await change_track(
            self._store, job.track_id, lambda track: change(track) if job.is_for_track(track.create_time) else track
        )


def _with_measurement(track: Track, values: Mapping[str, Any]) -> Track:
    """Return the track with measured tempo and key. Fields that the owner has edited do not change."""
    measured: dict[str, Any] = {}
    if BPM_RANGE[0] <= (values.get("tempo") or 0.0) <= BPM_RANGE[1]:
        measured["bpm"] = round(values["tempo"], 2)
    if values.get("key") in KEYS:
        measured["key"] = values["key"]
    new = {field: value for field, value in measured.items() if field not in track.edited_fields}
    return dataclasses.replace(track, analyzed=True, **new)
