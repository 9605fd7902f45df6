"""Runs separation jobs at lalal.ai: sends the recording, waits, fetches the stems."""

import asyncio
import functools
import math
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from soundwright.kit import audio
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Blobs
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import JobKind, WorkQueue
from soundwright.kit.worker.outputs import JobOutputs
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc, track_pb2
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.separation import service
from soundwright.services.separation.lalalai.client import (
    STEMS,
    LalalaiClient,
    SplitTrack,
    TaskState,
    failed,
    is_transient,
)
from soundwright.services.separation.lalalai.keys import Key, Keys
from soundwright.services.separation.lalalai.stem_conversion import Recording, copy_recording, fit
from soundwright.services.separation.service import LALALAI, LALALAI_STEMS
from soundwright.services.separation.settings import SeparationSettings
from soundwright.services.separation.stems import Files, OutputFile
from soundwright.services.separation.worker import STEMS_FOLDER

# The progress after each step. The separation at lalal.ai takes longest.
_SENT_RATIO, _SPLIT_RATIO, _FETCHED_RATIO = 0.1, 0.9, 0.95
_POLL_LIMIT_SECONDS = 15.0
_ATTEMPT_LIMIT = 10
_CHECK_SECONDS = 0.25
_RECORD_SECONDS = 60.0
_TIDY_RETRY_SECONDS = (0.5, 1.0, 2.0)
_TIDY_SECONDS = 10.0
log = get_logger()

T = TypeVar("T")


@dataclass(eq=False, kw_only=True)
class LalalaiWorker:
    """The handler of jobs at lalal.ai, and their clean-up.

    The ledger stores lalal.ai's identifiers of a job as soon as they are known, so that a later attempt resumes the work
    and a cancellation reaches lalal.ai. Nothing is charged twice: every request for work carries the job's id as
    idempotency key.
    """

    client: LalalaiClient
    keys: Keys
    processes: EngineProcesses[None]
    blobs: Blobs
    jobs: library_service_pb2_grpc.JobServiceStub
    tracks: library_service_pb2_grpc.TrackServiceStub
    scratch: Path
    limits: audio.AudioLimits
    settings: SeparationSettings

    def job_kind(self) -> JobKind[jobs_pb2.SeparationSpec]:
        """Return the descriptor of these jobs. Their queue is their own, since they wait for another service."""
        return JobKind(
            kind=job_pb2.JOB_KIND_SEPARATION,
            spec=jobs_pb2.SeparationSpec,
            queue=WorkQueue(LALALAI, self.settings.separation_lalalai_slot_count),
            handler=self.handle,
            attempt_limit=self.settings.separation_attempt_limit,
            limits=self.settings.job_limits,
            output_folder=STEMS_FOLDER,
            affinity=lambda spec: f"{LALALAI} {spec.model}",
            on_finish=self.clean_up,
        )

    async def handle(self, context: JobContext, spec: jobs_pb2.SeparationSpec) -> job_pb2.JobResult:
        """Separate the job's track. A cancellation stops it at any moment."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as name:
            splitter, outputs, mix = await _stoppable(context, self._separate(context, spec, Path(name)))
            async with JobOutputs(self.blobs, context) as store:
                context.report(1.0, "Storing the stems")
                result = job_pb2.JobResult(
                    engine=LALALAI, model=splitter, requested_model=spec.model, outputs_are_stems=True
                )
                for output, file in outputs:
                    result.outputs.append(await store.put(output, file))
                result.mix.CopyFrom(await store.put(*mix))
                result.compute_seconds = time.monotonic() - started
                return result

    async def clean_up(self, job: job_pb2.Job) -> None:
        """Cancel a job's task at lalal.ai unless the job succeeded, and delete its recording there.

        A failure is only logged, because lalal.ai deletes recordings after a day.
        """
        if not job.HasField("external_task"):
            return
        work = job.external_task
        try:
            async with asyncio.timeout(_TIDY_SECONDS):
                key = await self.keys.get_used(job.owner_id, work.own_key)
                try:
                    if work.task_ids and job.state != job_pb2.JOB_STATE_SUCCEEDED:
                        await _retry(lambda: self.client.cancel(key, work.task_ids))
                finally:
                    await _retry(lambda: self.client.delete(key, work.source_id))  # this also cancels the task
        except (AppError, TimeoutError) as error:
            log.warning("lalalai.cleanup_failed", job_id=job.id, error=str(error) or "timeout")

    async def _separate(
        self, context: JobContext, spec: jobs_pb2.SeparationSpec, folder: Path
    ) -> tuple[str, Files, OutputFile]:
        request = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self.tracks.GetTrack(request)).track
        try:
            async with asyncio.timeout(self.settings.lalalai_deadline_seconds):
                key, task_id = await self._start_task(context, spec, track)
                state = await self._wait_for_task(context, key, task_id)
                files = await self._fetch_stems(context, state.tracks or [], folder)
        except TimeoutError:
            raise failed("the time limit was exceeded") from None
        recording = Recording(track.sample_rate_hz, track.channel_count, track.frame_count)
        encoding = cast(service.Format, spec.parameters.format)
        work = functools.partial(
            fit, files=files, folder=folder, recording=recording, encoding=encoding, limits=self.limits
        )
        context.report(_FETCHED_RATIO, "Converting the stems")
        outputs = await self.processes.run(work, _part(context, _FETCHED_RATIO, 1.0))
        async with self.blobs.local(track.blob_key) as path:
            copying = functools.partial(
                copy_recording, recording=path, frame_count=track.frame_count, folder=folder, limits=self.limits
            )
            mix = await self.processes.run(copying, context.report)
        return state.splitter if state.splitter in service.SPLITTERS else spec.model, outputs, mix

    async def _start_task(
        self, context: JobContext, spec: jobs_pb2.SeparationSpec, track: track_pb2.Track
    ) -> tuple[Key, str]:
        """Return the key and the task of an earlier attempt, or upload the recording and start a task."""
        job, work = context.job, job_pb2.ExternalTask()
        if job.HasField("external_task"):
            work.CopyFrom(job.external_task)
            key = await self.keys.get_used(job.owner_id, work.own_key)
        else:
            key = await self.keys.get_current(job.owner_id)
            work.own_key = key.own
            async with self.blobs.local(track.blob_key) as path:
                # A neutral name, because the name of the file is private.
                name, report = f"recording.{track.container}", _part(context, 0.0, _SENT_RATIO)
                upload = functools.partial(self.client.upload, key, path, name, report)
                work.source_id = await self._with_retries(context, "Sending the recording to lalal.ai", upload)
            await self._record(job, work)
        if not work.task_ids:
            splitter = "" if spec.model == service.NEWEST_SPLITTER else spec.model
            split = functools.partial(
                self.client.split, key, work.source_id, LALALAI_STEMS, splitter, idempotency_key=job.id
            )
            work.task_ids.append(await self._with_retries(context, "Waiting for lalal.ai", split))
            await self._record(job, work)
        return key, work.task_ids[0]

    async def _record(self, job: job_pb2.Job, work: job_pb2.ExternalTask) -> None:
        """Store the IDs in the ledger now. After a crash, the next attempt needs them to resume the paid work."""
        await self.jobs.HeartbeatJob(
            library_service_pb2.HeartbeatJobRequest(
                job_id=job.id, attempt=job.attempt, lease_seconds=self.settings.lease_seconds, external_task=work
            ),
            timeout=_RECORD_SECONDS,
        )

    async def _wait_for_task(self, context: JobContext, key: Key, task_id: str) -> TaskState:
        """Poll a task until it finishes, and return its final state."""
        delay_seconds = self.settings.lalalai_poll_seconds
        report = _part(context, _SENT_RATIO, _SPLIT_RATIO)
        while True:
            check = functools.partial(self.client.check, key, task_id)
            state = await self._with_retries(context, "lalal.ai is separating", check)
            report(state.ratio)
            if state.tracks is not None:
                return state
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(_POLL_LIMIT_SECONDS, delay_seconds * 1.5)

    async def _fetch_stems(self, context: JobContext, tracks: Sequence[SplitTrack], folder: Path) -> dict[str, Path]:
        """Download all stems to ``folder``, and return the files by our names of the stems."""
        by_label = {track.label: track for track in tracks if track.type == "stem"}
        expected = {stem: by_label.get(STEMS[stem]) for stem in LALALAI_STEMS}
        expected["other"] = next((track for track in tracks if track.type == "back"), None)
        if missing := [stem for stem, track in expected.items() if track is None]:
            raise failed(f"stems are missing: {', '.join(missing)}")
        files = {}
        report = _part(context, _SPLIT_RATIO, _FETCHED_RATIO)
        for stem, track in expected.items():
            assert track is not None
            file = folder / f"{stem}.fetched"
            download = functools.partial(self.client.download, track.url, file)
            await self._with_retries(context, "Fetching the stems from lalal.ai", download)
            files[stem] = file
            report(len(files) / len(expected))
        return files

    async def _with_retries(self, context: JobContext, message: str, request: Callable[[], Awaitable[T]]) -> T:
        """Repeat a request while lalal.ai is unavailable, with increasing delays.

        Raises ``AppError``: a final error, also if lalal.ai is unavailable too often.
        """
        delay_seconds = self.settings.lalalai_retry_seconds
        for attempt in range(1, _ATTEMPT_LIMIT + 1):
            context.report(0.0, message)
            try:
                return await request()
            except AppError as error:
                if not is_transient(error):
                    raise
                if attempt == _ATTEMPT_LIMIT:
                    raise failed(f"it was unavailable {_ATTEMPT_LIMIT} times in a row") from None
                limit_seconds = self.settings.lalalai_retry_limit_seconds
                seconds = max(min(delay_seconds, limit_seconds), error.meta.get("retry_after", 0))
                log.info("lalalai.unavailable", job_id=context.job.id, error=error.message, retry_seconds=seconds)
            context.report(0.0, f"lalal.ai is busy; retrying in {math.ceil(seconds)} s")
            await asyncio.sleep(seconds)
            delay_seconds *= 2
        raise AssertionError("unreachable")


async def _stoppable(context: JobContext, work: Coroutine[Any, Any, T]) -> T:
    """Run ``work``, and cancel it when the job must stop."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=_CHECK_SECONDS))[0]:
            context.check()
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _retry(request: Callable[[], Awaitable[None]]) -> None:
    """Repeat a request a few times while lalal.ai is unavailable."""
    for delay_seconds in _TIDY_RETRY_SECONDS:
        try:
            return await request()
        except AppError as error:
            if not is_transient(error):
                raise
        await asyncio.sleep(delay_seconds)
    return await request()


def _part(context: JobContext, start: float, end: float) -> Callable[[float], None]:
    """Return a progress callback for the part of the job from ``start`` to ``end``."""
    return lambda share: context.report(start + (end - start) * share)
