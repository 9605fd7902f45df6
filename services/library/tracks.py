"""Recordings and what belongs to them: who may have them."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.service import Analysis, AudioOutput, Job, Track, denied, may_see, not_found

__all__ = ["TrackStore", "Tracks"]


class TrackStore(Protocol):
    async def insert_track(self, track: Track) -> None: ...
    async def track(self, track_id: str) -> Track | None: ...
    async def list_tracks(self, owner_id: str, offset: int, limit: int) -> tuple[list[Track], int]: ...
    async def output(self, output_id: str) -> AudioOutput | None: ...
    async def latest_separation(self, track_id: str) -> Job | None: ...
    async def analysis(self, track_id: str) -> Analysis | None: ...


class Tracks:
    """Recordings and what belongs to them."""

    def __init__(self, store: TrackStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, principal: Principal, track: Track) -> Track:
        now = self._clock.now()
        owned = dataclasses.replace(track, owner_id=principal.id, create_time=now, update_time=now)
        await self._store.insert_track(owned)
        return owned

    async def get(self, principal: Principal, track_id: str) -> Track:
        track = await self._store.track(track_id)
        if track is None:
            raise not_found("track")
        if not may_see(principal, track.owner_id):
            raise denied("track")
        return track

    async def list_tracks(self, principal: Principal, offset: int, limit: int) -> tuple[list[Track], int]:
        return await self._store.list_tracks(principal.id, offset, limit)

    async def stem(self, principal: Principal, stem_id: str) -> AudioOutput:
        output = await self._store.output(stem_id)
        if output is None:
            raise not_found("stem")
        if not may_see(principal, output.owner_id):
            raise denied("stem")
        return output

    async def stems(self, principal: Principal, track_id: str) -> list[AudioOutput]:
        """The stems of the track's latest finished separation; none if there is none."""
        await self.get(principal, track_id)
        job = await self._store.latest_separation(track_id)
        return list(job.result.outputs) if job is not None and job.result is not None else []

    async def analysis(self, principal: Principal, track_id: str) -> Analysis:
        await self.get(principal, track_id)
        analysis = await self._store.analysis(track_id)
        if analysis is None:
            raise AppError(
                Code.NOT_FOUND, "ANALYSIS_NOT_FOUND", "This track has not been analysed. Start an analysis first."
            )
        return analysis
