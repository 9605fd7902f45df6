"""Bus messages to service calls: runs analysis jobs."""

from __future__ import annotations

import json
import time

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit.audio import AudioFile, AudioLimits
from kit.compute import ComputeSlots
from kit.jobs import JobContext
from kit.ports import Blobs
from services.analysis.service import Engine

__all__ = ["AnalysisWorker"]


class AnalysisWorker:
    """The handler of analysis jobs."""

    def __init__(
        self,
        engine: Engine,
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        limits: AudioLimits,
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._tracks = tracks
        self._slots = slots
        self._limits = limits

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Measure the job's track."""
        features = frozenset(json.loads(context.job.spec_json)["features"])
        request = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self._tracks.GetTrack(request)).track
        started = time.monotonic()
        async with self._blobs.local(track.blob_key) as path:
            recording = AudioFile(path, self._limits, frame_count=track.frame_count)
            context.report(0.0, "Analysing")
            values = await self._slots.run(lambda: self._engine.analyse(recording, features, context.report))
        return job_pb2.JobResult(
            engine=self._engine.name,
            model=self._engine.name,
            requested_model=self._engine.name,
            values_json=json.dumps(values, allow_nan=False),
            features=sorted(features),
            compute_seconds=time.monotonic() - started,
        )
