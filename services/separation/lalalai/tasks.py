"""The quota and the cancellation of tasks at lalal.ai, for the current caller."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from soundwright.kit import errors
from soundwright.kit.errors import suppressed
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.separation.lalalai.client import LalalaiClient
from soundwright.services.separation.lalalai.keys import Key, Keys
from soundwright.services.separation.service import LALALAI

_PAGE_SIZE = 100
_PAGE_LIMIT = 200
_UNFINISHED = (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING)


@dataclass(eq=False)
class LalalaiTasks:
    """Serves requests of the current caller about their own jobs at lalal.ai.

    Args:
        clean_up: stops the tasks of a job at lalal.ai, and deletes its files there.
    """

    client: LalalaiClient
    keys: Keys
    jobs: library_service_pb2_grpc.JobServiceStub
    clean_up: Callable[[job_pb2.Job], Awaitable[None]]

    async def require_key(self) -> None:
        """Require that the caller can use lalal.ai.

        Raises ``AppError``: the errors of :meth:`_key`.
        """
        await self._key()

    async def _key(self) -> Key:
        """Return the key for new tasks of the caller.

        Raises ``LALALAI_NOT_CONFIGURED``; ``REGISTRATION_NEEDED``, because each task costs money.
        """
        caller = require_principal()
        if caller.is_guest or caller.is_anonymous:
            raise errors.REGISTRATION_NEEDED()
        return await self.keys.get_current(caller.id)

    async def quota(self) -> pb.GetLalalaiQuotaResponse:
        """Return the remaining minutes of the license, and the minutes that the caller has used.

        Raises ``AppError``: the errors of :meth:`_key`; ``LALALAI_UNAUTHORIZED``, ``LALALAI_ERROR``.
        """
        key = await self._key()
        remaining_minutes = await self.client.minutes_left(key)
        used_seconds = 0.0
        async for job in self._own_jobs([job_pb2.JOB_STATE_SUCCEEDED]):
            if job.result.engine == LALALAI:
                # lalal.ai charges each stem, but not the rest.
                used_seconds += sum(o.frame_count / o.sample_rate_hz for o in job.result.outputs if o.name != "other")
        return pb.GetLalalaiQuotaResponse(
            remaining_minutes=remaining_minutes, used_minutes=used_seconds / 60, own_key=key.own
        )

    async def cancel(self, task_id: str) -> job_pb2.Job:
        """Cancel a task and its job.

        Args:
            task_id: the ID of the task, or of the job, which is known earlier.

        Raises ``TASK_NOT_FOUND``; ``JOB_FINISHED``.
        """
        async for job in self._own_jobs():
            if _is_lalalai(job) and task_id in (job.id, *job.external_task.task_ids):
                cancelled = await self._cancel(job.id)
                await self.clean_up(cancelled)  # the worker of the job also does this, but it may have stopped
                return cancelled
        raise errors.TASK_NOT_FOUND()

    async def cancel_all(self) -> list[job_pb2.Job]:
        """Cancel all unfinished jobs of the caller. Jobs of others that use the same key continue."""
        cancelled = []
        for job in [job async for job in self._own_jobs(_UNFINISHED) if _is_lalalai(job)]:
            with suppressed("JOB_FINISHED"):  # it finished in the meantime
                cancelled.append(await self._cancel(job.id))
        await asyncio.gather(*map(self.clean_up, cancelled))
        return cancelled

    async def _cancel(self, job_id: str) -> job_pb2.Job:
        job: job_pb2.Job = (await self.jobs.CancelJob(library_service_pb2.CancelJobRequest(job_id=job_id))).job
        return job

    async def _own_jobs(self, states: Sequence[job_pb2.JobState.ValueType] = ()) -> AsyncIterator[job_pb2.Job]:
        """Yield the caller's separation jobs, newest first. Yield each job once, even if pages shift in the meantime."""
        seen: set[str] = set()
        for page in range(1, _PAGE_LIMIT + 1):
            request = library_service_pb2.ListJobsRequest(
                page=page, page_size=_PAGE_SIZE, kinds=[job_pb2.JOB_KIND_SEPARATION], states=states
            )
            listed = await self.jobs.ListJobs(request)
            for job in listed.jobs:
                if job.id not in seen:
                    seen.add(job.id)
                    yield job
            if page * _PAGE_SIZE >= listed.total_count:
                return


def _is_lalalai(job: job_pb2.Job) -> bool:
    return bool(job.queue == LALALAI)
