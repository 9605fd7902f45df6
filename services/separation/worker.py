"""Runs separation jobs."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import jobs_pb2

from kit import audio
from kit.compute import EngineProcesses, Report
from kit.engines import MeasuredSpeeds, ModelSelection
from kit.ports import Blobs
from kit.worker.context import JobContext
from kit.worker.kind import JobKind, WorkQueue
from kit.worker.outputs import JobOutputs
from services.separation import service
from services.separation.registry import Registry
from services.separation.settings import SeparationSettings
from services.separation.stems import (
    Files,
    OutputFile,
    audio_extension,
    describe_selection,
    separate_to_files,
    write_mix,
)

__all__ = ["STEMS_FOLDER", "SeparationWorker", "compute_queue"]

STEMS_FOLDER = "stems"


def compute_queue(settings: SeparationSettings) -> WorkQueue:
    """Return the queue of jobs that run an engine. They share its slots."""
    return WorkQueue("separation", settings.separation_slot_count)


class SeparationWorker:
    """The handler of separation jobs."""

    def __init__(
        self,
        *,
        processes: EngineProcesses[Registry],
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        scratch: Path,
        limits: audio.AudioLimits,
        speeds: MeasuredSpeeds,
    ) -> None:
        self._processes = processes
        self._blobs = blobs
        self._tracks = tracks
        self._scratch = scratch
        self._limits = limits
        self._speeds = speeds

    def job_kind(self, settings: SeparationSettings) -> JobKind[jobs_pb2.SeparationSpec]:
        """Return the descriptor of separation jobs."""
        return JobKind(
            kind=job_pb2.JOB_KIND_SEPARATION,
            spec=jobs_pb2.SeparationSpec,
            queue=compute_queue(settings),
            handler=self.handle,
            attempt_limit=settings.separation_attempt_limit,
            limits=settings.job_limits,
            output_folder=STEMS_FOLDER,
            affinity=lambda spec: spec.model,
        )

    async def handle(self, context: JobContext, spec: jobs_pb2.SeparationSpec) -> job_pb2.JobResult:
        """Separate the job's track into stems."""
        encoding = cast(service.Format, spec.format)
        started = time.monotonic()
        async with self.recording(context) as (mix, folder):
            context.report(0.0, "Separating")
            work = functools.partial(_separate, model=spec.model, encoding=encoding, mix=mix, folder=folder)
            selection, outputs, whole, seconds = await self._processes.run(work, context.report)
            self._speeds.note(selection.model, context.audio_seconds, seconds)
            async with JobOutputs(self._blobs, context) as store:
                context.report(1.0, "Storing the stems")
                result = job_pb2.JobResult(outputs_are_stems=True)
                for output, file in outputs:
                    result.outputs.append(await store.put(output, file))
                result.mix.CopyFrom(await store.put(*whole))
                describe_selection(selection, result)
                result.compute_seconds = time.monotonic() - started
                return result

    @contextlib.asynccontextmanager
    async def recording(self, context: JobContext) -> AsyncIterator[tuple[audio.AudioFile, Path]]:
        """Provide the job's decoded audio and a temporary folder inside the block."""
        request = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self._tracks.GetTrack(request)).track
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            async with self._blobs.local(track.blob_key) as path:
                context.audio_seconds = track.duration_seconds
                yield audio.AudioFile(path, self._limits, frame_count=track.frame_count), Path(folder)


def _separate(
    registry: Registry, report: Report, *, model: str, encoding: service.Format, mix: audio.AudioFile, folder: Path
) -> tuple[ModelSelection, Files, OutputFile, float]:
    selection = registry.select(model)
    stems = registry.declaration(selection.model).outputs
    files = {stem: folder / f"{stem}.{audio_extension(encoding)}" for stem in stems}
    with registry.use(selection.model) as engine:
        started = time.monotonic()
        outputs = separate_to_files(engine, selection.model, mix, files, encoding, report)
        seconds = time.monotonic() - started
    return selection, outputs, write_mix(mix, folder, report), seconds
