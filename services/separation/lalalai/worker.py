"""Runs the separation jobs that lalal.ai does: sends the recording, waits, fetches the stems."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc, track_pb2

from kit import audio
from kit.compute import EngineProcesses
from kit.errors import AppError
from kit.jobs import JobContext
from kit.log import get_logger
from kit.outputs import JobOutputs
from kit.ports import Blobs
from services.separation import service
from services.separation.lalalai.client import STEMS, LalalaiClient, SplitTrack, TaskState, failed, is_passing
from services.separation.lalalai.fitting import Recording, fit
from services.separation.lalalai.keys import Key, Keys
from services.separation.service import LALALAI, LALALAI_STEMS, LalalaiSpec
from services.separation.settings import SeparationSettings

__all__ = ["LalalaiWorker"]

# Shares of the work: lalal.ai's own is by far the longest.
_SENT_RATIO, _SPLIT_RATIO, _FETCHED_RATIO = 0.1, 0.9, 0.95
_POLL_LIMIT_SECONDS = 15.0
_TRY_LIMIT = 10
_LOOK_SECONDS = 0.25
_RECORD_SECONDS = 60.0
_TIDY_PAUSES_SECONDS = (0.5, 1.0, 2.0)
_TIDY_SECONDS = 10.0
log = get_logger()

T = TypeVar("T")


class LalalaiWorker:
    """The handler of jobs that lalal.ai does, and what tidies up behind them.

    What a job goes by there is in the ledger as soon as it is known. So an attempt that takes over goes on where the one
    before it stood, and whoever cancels the job knows what to cancel there. Nothing is paid twice: every request for work
    carries the same key against repetition, which is the job's id.
    """

    def __init__(
        self,
        *,
        client: LalalaiClient,
        keys: Keys,
        processes: EngineProcesses[None],
        blobs: Blobs,
        jobs: library_service_pb2_grpc.JobServiceStub,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        scratch: Path,
        limits: audio.AudioLimits,
        settings: SeparationSettings,
    ) -> None:
        self._client = client
        self._keys = keys
        self._processes = processes
        self._blobs = blobs
        self._jobs = jobs
        self._tracks = tracks
        self._scratch = scratch
        self._limits = limits
        self._settings = settings

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Have the job's track taken apart. Stops at any moment when the job is to stop."""
        started = time.monotonic()
        spec = LalalaiSpec(**json.loads(context.job.spec_json))
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            splitter, outputs = await _stoppable(context, self._separate(context, spec, Path(name)))
            async with JobOutputs(self._blobs, "stems", context.job) as store:
                context.report(1.0, "Storing the stems")
                result = job_pb2.JobResult(engine=LALALAI, model=splitter, requested_model=spec.model)
                for output, file in outputs:
                    result.outputs.append(await store.put(output, file))
                result.compute_seconds = time.monotonic() - started
                return result

    async def tidy(self, job: job_pb2.Job) -> None:
        """Cancel what lalal.ai still does for a job that is over or about to be, and remove its recording there.

        Whatever prevents it is logged and no more: lalal.ai forgets recordings after a day anyway.
        """
        if not job.HasField("outside_work"):
            return
        work = job.outside_work
        try:
            async with asyncio.timeout(_TIDY_SECONDS):
                key = await self._keys.used(job.owner_id, work.own_key)
                try:
                    if work.task_ids and job.state != job_pb2.JOB_STATE_SUCCEEDED:
                        await _again(lambda: self._client.cancel(key, work.task_ids))
                finally:
                    await _again(lambda: self._client.delete(key, work.source_id))  # which cancels, too
        except (AppError, TimeoutError) as error:
            log.warning("lalalai.left_untidy", job_id=job.id, error=str(error) or "no answer in time")

    async def _separate(
        self, context: JobContext, spec: LalalaiSpec, folder: Path
    ) -> tuple[str, list[tuple[job_pb2.AudioOutput, Path]]]:
        asked = library_service_pb2.GetTrackRequest(track_id=context.job.track_id)
        track = (await self._tracks.GetTrack(asked)).track
        try:
            async with asyncio.timeout(self._settings.lalalai_deadline_seconds):
                key, task_id = await self._begun(context, spec, track)
                done = await self._done(context, key, task_id)
                files = await self._fetched(context, done.tracks or [], folder)
        except TimeoutError:
            raise failed("it was not done in time") from None
        recording = Recording(track.sample_rate_hz, track.channel_count, track.frame_count)
        work = functools.partial(
            fit, files=files, folder=folder, recording=recording, encoding=spec.format, limits=self._limits
        )
        context.report(_FETCHED_RATIO, "Converting the stems")
        outputs = await self._processes.run(work, _part(context, _FETCHED_RATIO, 1.0))
        return done.splitter if done.splitter in service.SPLITTERS else spec.model, outputs

    async def _begun(self, context: JobContext, spec: LalalaiSpec, track: track_pb2.Track) -> tuple[Key, str]:
        """Key and task: those of an attempt before this one, or new ones."""
        job, work = context.job, job_pb2.OutsideWork()
        if job.HasField("outside_work"):
            work.CopyFrom(job.outside_work)
            key = await self._keys.used(job.owner_id, work.own_key)
        else:
            key = await self._keys.current(job.owner_id)
            work.own_key = key.own
            async with self._blobs.local(track.blob_key) as path:
                # Its own name is nobody's business there.
                name, sent = f"recording.{track.container}", _part(context, 0.0, _SENT_RATIO)
                sending = functools.partial(self._client.upload, key, path, name, sent)
                work.source_id = await self._patiently(context, "Sending the recording to lalal.ai", sending)
            await self._record(job, work)
        if not work.task_ids:
            splitter = "" if spec.model == service.NEWEST_SPLITTER else spec.model
            splitting = functools.partial(
                self._client.split, key, work.source_id, LALALAI_STEMS, splitter, idempotency_key=job.id
            )
            work.task_ids.append(await self._patiently(context, "Waiting for lalal.ai", splitting))
            await self._record(job, work)
        return key, work.task_ids[0]

    async def _record(self, job: job_pb2.Job, work: job_pb2.OutsideWork) -> None:
        """Put it into the ledger now: after a crash it is the only way back to what is paid for."""
        await self._jobs.HeartbeatJob(
            library_service_pb2.HeartbeatJobRequest(
                job_id=job.id,
                attempt=job.attempt,
                lease_seconds=self._settings.lease_seconds,
                outside_work=work,
            ),
            timeout=_RECORD_SECONDS,
        )

    async def _done(self, context: JobContext, key: Key, task_id: str) -> TaskState:
        pause = self._settings.lalalai_poll_seconds
        report = _part(context, _SENT_RATIO, _SPLIT_RATIO)
        while True:
            checking = functools.partial(self._client.check, key, task_id)
            state = await self._patiently(context, "lalal.ai is separating", checking)
            report(state.ratio)
            if state.tracks is not None:
                return state
            await asyncio.sleep(pause)
            pause = min(_POLL_LIMIT_SECONDS, pause * 1.5)

    async def _fetched(self, context: JobContext, tracks: Sequence[SplitTrack], folder: Path) -> dict[str, Path]:
        """The files of all stems by our names for them."""
        by_label = {track.label: track for track in tracks if track.type == "stem"}
        wanted = {stem: by_label.get(STEMS[stem]) for stem in LALALAI_STEMS}
        wanted["other"] = next((track for track in tracks if track.type == "back"), None)
        if missing := [stem for stem, track in wanted.items() if track is None]:
            raise failed(f"it gave no {', '.join(missing)}")
        files = {}
        report = _part(context, _SPLIT_RATIO, _FETCHED_RATIO)
        for stem, track in wanted.items():
            assert track is not None
            file = folder / f"{stem}.fetched"
            fetching = functools.partial(self._client.download, track.url, file)
            await self._patiently(context, "Fetching the stems from lalal.ai", fetching)
            files[stem] = file
            report(len(files) / len(wanted))
        return files

    async def _patiently(self, context: JobContext, message: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again as long as lalal.ai is busy, after longer and longer pauses.

        Raises:
            AppError: a final one, also when lalal.ai is busy for too long.
        """
        pause = self._settings.lalalai_retry_seconds
        for number in range(1, _TRY_LIMIT + 1):
            context.report(0.0, message)
            try:
                return await ask()
            except AppError as error:
                if not is_passing(error):
                    raise
                if number == _TRY_LIMIT:
                    raise failed(f"it was busy or away {_TRY_LIMIT} times in a row") from None
                seconds = max(min(pause, self._settings.lalalai_retry_limit_seconds), error.meta.get("retry_after", 0))
                log.info("lalalai.busy", job_id=context.job.id, error=error.message, pause_seconds=seconds)
            context.report(0.0, f"lalal.ai is busy; retrying in {math.ceil(seconds)} s")
            await asyncio.sleep(seconds)
            pause *= 2
        raise AssertionError("unreachable")


async def _stoppable(context: JobContext, work: Coroutine[Any, Any, T]) -> T:
    """Do ``work``, and break it off when the job is to stop, whatever it is waiting for."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
            context.check()
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _again(ask: Callable[[], Awaitable[None]]) -> None:
    """Ask a few times while lalal.ai is busy."""
    for pause in _TIDY_PAUSES_SECONDS:
        try:
            return await ask()
        except AppError as error:
            if not is_passing(error):
                raise
        await asyncio.sleep(pause)
    return await ask()


def _part(context: JobContext, start: float, end: float) -> Callable[[float], None]:
    """Reports a part of the job's progress."""
    return lambda share: context.report(start + (end - start) * share)
