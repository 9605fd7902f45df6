"""Runs analysis jobs."""

import contextlib
import functools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soundwright.analysis.v1 import jobs_pb2
from soundwright.kit import errors
from soundwright.kit.audio import AudioFile, AudioLimits
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.engines import ModelSelection
from soundwright.kit.errors import AppError
from soundwright.kit.notes import each_signal_once
from soundwright.kit.ports import Blobs
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import JobKind, WorkQueue
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.services.analysis.registry import Registry, models_for
from soundwright.services.analysis.service import Recording, Signal
from soundwright.services.analysis.settings import AnalysisSettings
from soundwright.services.analysis.signals import StemSum, chosen_stems, source_text

_MISSING = {"MODEL_UNAVAILABLE", "MODEL_UNSUPPORTED", "WEIGHTS_CHANGED", "CHECKPOINT_UNTRUSTED", "NO_STEMS"}


@dataclass(eq=False)
class AnalysisWorker:
    """The handler of analysis jobs."""

    registry: Registry
    blobs: Blobs
    tracks: library_service_pb2_grpc.TrackServiceStub
    slots: ComputeSlots
    limits: AudioLimits

    def job_kind(self, settings: AnalysisSettings) -> JobKind[jobs_pb2.AnalysisSpec]:
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
        """Measure the track of the job, each feature with the engine that declares it."""
        models = models_for(self.registry, spec.features)
        request = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self.tracks.GetTrack(request)).track
        context.audio_seconds = track.duration_seconds
        started = time.monotonic()
        async with contextlib.AsyncExitStack() as files:
            path = await files.enter_async_context(self.blobs.local(track.blob_key))
            signals: dict[Signal, Recording] = {Signal.MIX: AudioFile(path, self.limits, frame_count=track.frame_count)}
            wanted = {self.registry.engine(model).signal for model in models}
            signals |= await self._stems(track.id, wanted - {Signal.MIX}, files)
            context.report(0.0, "Analysing")
            work = functools.partial(_analyse, self.registry, models, signals, context)
            selection, values = await self.slots.run(work)
        return job_pb2.JobResult(
            engine=selection.engine,
            model=selection.model,
            requested_model=selection.requested_model,
            analysis_json=json.dumps(values, allow_nan=False),
            compute_seconds=time.monotonic() - started,
        )

    async def _stems(
        self, track_id: str, wanted: set[Signal], files: contextlib.AsyncExitStack
    ) -> Mapping[Signal, Recording]:
        """Return the wanted signals for which the track has stems. The files stay open for the length of ``files``."""
        if not wanted:
            return {}
        answer = await self.tracks.ListStems(library_service_pb2.ListStemsRequest(track_id=track_id))
        stems = {stem.name: stem for stem in answer.stems}
        found: dict[Signal, Recording] = {}
        for signal in wanted:
            parts: dict[str, Recording] = {}
            try:
                for name in chosen_stems(signal, stems):
                    path = await files.enter_async_context(self.blobs.local(stems[name].blob_key))
                    parts[name] = AudioFile(path, self.limits, frame_count=stems[name].frame_count)
            except AppError as error:
                if error.reason != errors.BLOB_NOT_FOUND().reason:  # otherwise they were deleted meanwhile
                    raise
            else:
                if parts:
                    found[signal] = StemSum(parts)
        return found


def _analyse(
    registry: Registry, models: Mapping[str, frozenset[str]], signals: Mapping[Signal, Recording], context: JobContext
) -> tuple[ModelSelection, dict[str, Any]]:
    """Run the models one after another. A feature whose model is not available fails alone.

    Returns the first model that ran, and the values of all.

    Raises ``AppError``: no model is available.
    """
    values: dict[str, Any] = {}
    unavailable: list[dict[str, str]] = []
    selections: list[ModelSelection] = []
    failure: AppError | None = None
    for place, (model, features) in enumerate(models.items()):

        def report(share: float, place: int = place, features: frozenset[str] = features) -> None:
            context.report((place + share) / len(models), f"Analysing {', '.join(sorted(features)).replace('_', ' ')}")

        try:
            selection = registry.select(model)
            with registry.use(selection.model) as engine:
                recording = signals.get(engine.signal, signals[Signal.MIX])
                report(0.0)
                measured = engine.analyse(recording, features, report)
        except AppError as error:
            if error.reason not in _MISSING:
                raise
            failure = error
            unavailable += [
                {"feature": feature, "code": error.reason, "message": error.message} for feature in sorted(features)
            ]
            continue
        selections.append(selection)
        for feature in features:
            if isinstance(measured.get(feature), dict):
                measured[feature]["source"] = source_text(recording)
                if registry.declaration(selection.model).needs_weights:
                    measured[feature]["model"] = selection.model
        values |= measured
    if failure is not None and not selections:
        raise failure
    if unavailable:
        values["unavailable"] = unavailable
    return selections[0], each_signal_once(values)
