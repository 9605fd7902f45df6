"""Runs separation jobs."""

import contextlib
import functools
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundwright.kit import audio
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.engines import MeasuredSpeeds, ModelAvailability
from soundwright.kit.messages import to_wire
from soundwright.kit.ports import Blobs
from soundwright.kit.worker import live
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import JobKind, WorkQueue, pack
from soundwright.kit.worker.outputs import JobOutputs
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.separation.plans import all_models
from soundwright.services.separation.registry import Registry
from soundwright.services.separation.separating import Run, separate
from soundwright.services.separation.settings import SeparationSettings
from soundwright.services.separation.stems import describe_selection

STEMS_FOLDER = "stems"


def compute_queue(settings: SeparationSettings) -> WorkQueue:
    """Return the queue of jobs that run an engine. They share its slots."""
    return WorkQueue("separation", settings.separation_slot_count)


@dataclass(eq=False, kw_only=True)
class SeparationWorker:
    """The handler of separation jobs."""

    processes: EngineProcesses[Registry]
    blobs: Blobs
    tracks: library_service_pb2_grpc.TrackServiceStub
    scratch: Path
    limits: audio.AudioLimits
    speeds: MeasuredSpeeds
    availability: ModelAvailability

    def job_kind(self, settings: SeparationSettings) -> JobKind[jobs_pb2.SeparationSpec]:
        return JobKind(
            kind=job_pb2.JOB_KIND_SEPARATION,
            spec=jobs_pb2.SeparationSpec,
            queue=compute_queue(settings),
            handler=self.handle,
            attempt_limit=settings.separation_attempt_limit,
            limits=settings.job_limits,
            output_folder=STEMS_FOLDER,
            affinity=_affinity,
            on_finish=self.clean_up,
        )

    async def handle(self, context: JobContext, spec: jobs_pb2.SeparationSpec) -> job_pb2.JobResult:
        started = time.monotonic()
        async with self.recording(context) as (mix, folder):
            context.report(0.0, await self._progress_text(spec))
            note = folder / "live.json"
            work = functools.partial(separate, spec=spec, mix=mix, folder=folder, live=note)
            async with live.published(self.blobs, context, note):
                done = await self.processes.run(work, context.report)
            if len(done.runs) == 1:
                self.availability.note(done.selection)
            if len(done.runs) == 1 and not spec.parameters.stems:  # some models are quicker for some stems
                self.speeds.note(done.runs[0].model, context.audio_seconds, done.runs[0].seconds)
            async with JobOutputs(self.blobs, context) as store:
                context.report(1.0, "Storing the stems")
                result = job_pb2.JobResult(outputs_are_stems=True)
                for output, file in done.outputs:
                    result.outputs.append(await store.put(output, file))
                result.mix.CopyFrom(await store.put(*done.mix))
                describe_selection(done.selection, result)
                result.details.CopyFrom(pack(_details(done.runs)))
                result.compute_seconds = time.monotonic() - started
                return result

    async def clean_up(self, job: job_pb2.Job) -> None:
        """Delete what could be heard while the job ran."""
        await live.delete_live(self.blobs, job)

    async def _progress_text(self, spec: jobs_pb2.SeparationSpec) -> str:
        """Return what a job does, with the model that runs if that is another one than requested."""
        if len(all_models(spec.parameters)) > 1:
            return "Separating"
        return f"Separating with {(await self.availability.expected(spec.model, spec.parameters.stems)).model}"

    @contextlib.asynccontextmanager
    async def recording(self, context: JobContext) -> AsyncIterator[tuple[audio.AudioFile, Path]]:
        """Provide the job's decoded audio and a temporary folder inside the block."""
        request = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self.tracks.GetTrack(request)).track
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as folder:
            async with self.blobs.local(track.blob_key) as path:
                context.audio_seconds = track.duration_seconds
                yield (
                    audio.AudioFile(path, self.limits, frame_count=track.frame_count, level=list(track.level)),
                    Path(folder),
                )


def _affinity(spec: jobs_pb2.SeparationSpec) -> str:
    """Return a text that is equal for jobs that take as long for the same recording."""
    return " ".join([spec.model, *spec.parameters.stems, spec.parameters.combine])


def _details(runs: Sequence[Run]) -> jobs_pb2.SeparationDetails:
    return jobs_pb2.SeparationDetails(
        runs=[to_wire(run, jobs_pb2.ModelRun, compute_seconds=run.seconds) for run in runs]
    )
