"""What callers may ask of lalal.ai and cancel there: what is their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2 as pb

from kit.errors import AppError, Code
from kit.identity import require_principal
from kit.jobs import command_subject
from services.separation.lalalai.client import LalalaiClient
from services.separation.lalalai.keys import Keys
from services.separation.service import LALALAI

__all__ = ["LalalaiTasks"]

_PAGE_SIZE = 100
_PAGE_LIMIT = 200
_UNFINISHED = (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING)


class LalalaiTasks:
    """For the current caller.

    Args:
        tidy: stops at lalal.ai what is done there for a job.
    """

    def __init__(
        self,
        client: LalalaiClient,
        keys: Keys,
        jobs: library_service_pb2_grpc.JobServiceStub,
        tidy: Callable[[job_pb2.Job], Awaitable[None]],
    ) -> None:
        self._client = client
        self._keys = keys
        self._jobs = jobs
        self._tidy = tidy

    async def require_key(self) -> None:
        """
        Raises:
            AppError: ``LALALAI_NOT_CONFIGURED``.
        """
        await self._keys.current(require_principal().id)

    async def quota(self) -> pb.GetLalalaiQuotaResponse:
        """
        Raises:
            AppError: ``LALALAI_NOT_CONFIGURED``, ``LALALAI_UNAUTHORIZED``, ``LALALAI_ERROR``.
        """
        key = await self._keys.current(require_principal().id)
        remaining_minutes = await self._client.minutes_left(key)
        used_seconds = 0.0
        async for job in self._own([job_pb2.JOB_STATE_SUCCEEDED]):
            if job.result.engine == LALALAI:
                # What remains behind the stems costs nothing.
                used_seconds += sum(o.frame_count / o.sample_rate_hz for o in job.result.outputs if o.name != "other")
        return pb.GetLalalaiQuotaResponse(
            remaining_minutes=remaining_minutes, used_minutes=used_seconds / 60, own_key=key.own
        )

    async def cancel(self, task_id: str) -> job_pb2.Job:
        """Cancel the job that a task belongs to, and the task.

        Args:
            task_id: lalal.ai's, or the id of the job, which there is sooner.

        Raises:
            AppError: ``TASK_NOT_FOUND``; ``JOB_FINISHED``.
        """
        async for job in self._own():
            if _is_lalalai(job) and task_id in (job.id, *job.outside_work.task_ids):
                cancelled = await self._cancel(job.id)
                await self._tidy(cancelled)  # whoever runs it would do so, too, but may be dead
                return cancelled
        raise AppError(Code.NOT_FOUND, "TASK_NOT_FOUND", "You have no such task at lalal.ai. Check the id.")

    async def cancel_all(self) -> list[job_pb2.Job]:
        """Cancel all of the caller's that is under way, and nothing of anybody else's, whoever's key it is done with."""
        cancelled = []
        for job in [job async for job in self._own(_UNFINISHED) if _is_lalalai(job)]:
            try:
                cancelled.append(await self._cancel(job.id))
            except AppError as error:
                if error.reason != "JOB_FINISHED":  # just now
                    raise
        await asyncio.gather(*map(self._tidy, cancelled))
        return cancelled

    async def _cancel(self, job_id: str) -> job_pb2.Job:
        job: job_pb2.Job = (await self._jobs.CancelJob(library_service_pb2.CancelJobRequest(job_id=job_id))).job
        return job

    async def _own(self, states: Sequence[job_pb2.JobState] = ()) -> AsyncIterator[job_pb2.Job]:
        """The caller's separations, newest first; each once, though pages move when jobs come or end meanwhile."""
        seen: set[str] = set()
        for page in range(1, _PAGE_LIMIT + 1):
            request = library_service_pb2.ListJobsRequest(
                page=page, page_size=_PAGE_SIZE, kinds=[job_pb2.JOB_KIND_SEPARATION], states=states
            )
            listed = await self._jobs.ListJobs(request)
            for job in listed.jobs:
                if job.id not in seen:
                    seen.add(job.id)
                    yield job
            if page * _PAGE_SIZE >= listed.total_count:
                return


def _is_lalalai(job: job_pb2.Job) -> bool:
    return bool(job.command_subject.startswith(command_subject(LALALAI)))
