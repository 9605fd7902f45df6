"""Runs analysis jobs."""

from __future__ import annotations

import functools
import json
import time
from typing import Any

from soundwright.analysis.v1 import jobs_pb2
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit.audio import AudioFile, AudioLimits
from kit.compute import ComputeSlots, Report
from kit.engines import ModelSelection
from kit.ports import Blobs
from kit.worker.context import JobContext
from kit.worker.kind import JobKind, WorkQueue, pack
from services.analysis.registry import Registry
from services.analysis.settings import AnalysisSettings


class AnalysisWorker:
    """The handler of analysis jobs."""

    def __init__(
        self,
        registry: Registry,
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        limits: AudioLimits,
    ) -> None:
        self._registry = registry
        self._blobs = blobs
        self._tracks = tracks
        self._slots = slots
        self._limits = limits

    def job_kind(self, settings: AnalysisSettings) -> JobKind[jobs_pb2.AnalysisSpec]:
        """Return the descriptor of analysis jobs."""
        return JobKind(
            kind=job_pb2.JOB_KIND_ANALYSIS,
            spec=jobs_pb2.AnalysisSpec,
            queue=WorkQueue("analysis", settings.analysis_slot_count),
            handler=self.handle,
            attempt_limit=settings.analysis_attempt_limit,
            limits=settings.job_limits,
            affinity=lambda spec: " ".join(sorted(spec.features)),
        )

    async def handle(self, context: JobContext, spec: jobs_pb2.AnalysisSpec) -> job_pb2.JobResult:
        """Measure the track of the job."""
        features = frozenset(spec.features)
        request = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self._tracks.GetTrack(request)).track
        context.audio_seconds = track.duration_seconds
        started = time.monotonic()
        async with self._blobs.local(track.blob_key) as path:
            recording = AudioFile(path, self._limits, frame_count=track.frame_count)
            context.report(0.0, "Analysing")
            work = functools.partial(_analyse, self._registry, recording, features, context.report)
            selection, values = await self._slots.run(work)
        return job_pb2.JobResult(
            engine=selection.engine,
            model=selection.model,
            requested_model=selection.requested_model,
            details=pack(
                jobs_pb2.AnalysisResult(features=sorted(features), values_json=json.dumps(values, allow_nan=False))
            ),
            measurement=_measurement(values),
            compute_seconds=time.monotonic() - started,
        )


def _analyse(
    registry: Registry, recording: AudioFile, features: frozenset[str], report: Report
) -> tuple[ModelSelection, dict[str, Any]]:
    selection = registry.select(registry.default_model)
    with registry.use(selection.model) as engine:
        return selection, engine.analyse(recording, features, report)


def _measurement(values: dict[str, Any]) -> job_pb2.Measurement:
    """Return the values that are shown on the track: tempo and key."""
    return job_pb2.Measurement(bpm=values.get("tempo"), key=values.get("key") or "")
