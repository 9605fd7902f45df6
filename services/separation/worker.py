"""Bus messages to service calls: runs separation jobs."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit import audio
from kit.compute import EngineProcesses, Report
from kit.jobs import JobContext
from kit.outputs import JobOutputs
from kit.ports import Blobs
from services.separation import service
from services.separation.stems import Choice, EngineRoom, Files, audio_extension, separate_to_files

__all__ = ["SeparationWorker"]


class SeparationWorker:
    """The handler of separation jobs."""

    def __init__(
        self,
        *,
        processes: EngineProcesses[EngineRoom],
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        scratch: Path,
        limits: audio.AudioLimits,
    ) -> None:
        self._processes = processes
        self._blobs = blobs
        self._tracks = tracks
        self._scratch = scratch
        self._limits = limits

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Separate the job's track into stems."""
        spec = service.SeparationSpec(**json.loads(context.job.spec_json))
        started = time.monotonic()
        async with self.recording(context) as (mix, folder):
            context.report(0.0, "Separating")
            work = functools.partial(_separate, spec=spec, mix=mix, folder=folder)
            choice, outputs = await self._processes.run(work, context.report)
            async with JobOutputs(self._blobs, "stems", context.job) as store:
                context.report(1.0, "Storing the stems")
                result = job_pb2.JobResult()
                for output, file in outputs:
                    result.outputs.append(await store.put(output, file))
                choice.describe(result)
                result.compute_seconds = time.monotonic() - started
                return result

    @contextlib.asynccontextmanager
    async def recording(self, context: JobContext) -> AsyncIterator[tuple[audio.AudioFile, Path]]:
        """The job's decoded audio and a folder for temporary files, for the length of the block."""
        request = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self._tracks.GetTrack(request)).track
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            async with self._blobs.local(track.blob_key) as path:
                yield audio.AudioFile(path, self._limits, frame_count=track.frame_count), Path(folder)


def _separate(
    room: EngineRoom, report: Report, *, spec: service.SeparationSpec, mix: audio.AudioFile, folder: Path
) -> tuple[Choice, Files]:
    choice = room.choose(spec.model)
    engine = room.engine(service.engine_of(choice.model))
    files = {stem: folder / f"{stem}.{audio_extension(spec.format)}" for stem in engine.stems(choice.model)}
    return choice, separate_to_files(engine, choice.model, mix, files, spec.format, report)
