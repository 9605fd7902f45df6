"""The gRPC service of jobs: converts messages and calls the domain."""

import contextlib
from collections.abc import AsyncGenerator, Iterable

from soundwright.kit import errors, tracing
from soundwright.kit.log import correlation_id
from soundwright.kit.messages import from_wire, to_wire, word_from_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import job_pb2, library_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.library.jobs.admission import Limits, NewJob
from soundwright.services.library.jobs.attempts import JobAttempts
from soundwright.services.library.jobs.batches import BATCH_SIZE_LIMIT, NewBatch
from soundwright.services.library.jobs.creation import JobCreation
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.queue import JobQueue
from soundwright.services.library.jobs.service import ExternalTask, Job, JobError, JobResult, PackedMessage, Stage
from soundwright.services.library.jobs.watches import JobWatches
from soundwright.services.library.paging import page_request, page_to_wire

_PAGE_SIZE_LIMIT = 100


class JobRpc(library_service_pb2_grpc.JobServiceServicer):
    def __init__(
        self, ledger: JobLedger, creation: JobCreation, attempts: JobAttempts, queue: JobQueue, watches: JobWatches
    ) -> None:
        self._ledger = ledger
        self._creation = creation
        self._attempts = attempts
        self._queue = queue
        self._watches = watches

    async def CreateJob(self, request: pb.CreateJobRequest, context: Context) -> pb.CreateJobResponse:
        job, existed = await self._creation.create(require_principal(), _new_job(request))
        return pb.CreateJobResponse(job=job_to_wire(job), existed=existed)

    async def CreateBatch(self, request: pb.CreateBatchRequest, context: Context) -> pb.CreateBatchResponse:
        batch, jobs, existed = await self._creation.create_batch(
            require_principal(),
            NewBatch(
                jobs=[_new_job(each) for each in request.jobs],
                spec=from_wire(request.spec, PackedMessage),
                correlation_id=correlation_id(),
                job_id=request.job_id,
                idempotency_key=request.idempotency_key,
                traceparent=tracing.traceparent(),
            ),
        )
        return pb.CreateBatchResponse(batch=job_to_wire(batch), existed=existed, jobs=map(listed_job_to_wire, jobs))

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        job = await self._ledger.get(require_principal(), request.job_id)
        position, wait_seconds = await self._queue.position(job) if request.with_position else (0, 0.0)
        view = await self._view(job) if request.with_view else None
        return pb.GetJobResponse(
            job=job_to_wire(job), position=position, estimated_wait_seconds=wait_seconds, view=view
        )

    async def WatchJob(self, request: pb.WatchJobRequest, context: Context) -> AsyncGenerator[pb.WatchJobResponse]:
        last = None
        async with contextlib.aclosing(self._watches.watch(require_principal(), request.job_id)) as states:
            async for job, position in states:
                answer = pb.WatchJobResponse(job=job_to_wire(job), position=position)
                if answer != last:
                    yield (last := answer)

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.GetQueueResponse:
        queue = await self._queue.get(require_principal(), _kind_from_wire(request.kind))
        return to_wire(queue, pb.GetQueueResponse)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        page = await self._ledger.list_jobs(
            require_principal(),
            [_kind_from_wire(kind) for kind in request.kinds],
            [word for state in request.states if (word := word_from_wire(job_pb2.JobState.DESCRIPTOR, state))],
            request.track_id,
            page_request(request, _PAGE_SIZE_LIMIT),
            request.oldest_first,
        )
        views = {job.id: await self._view(job) for job in page.entries} if request.with_views else {}
        jobs = [listed_job_to_wire(job) for job in page.entries]
        return pb.ListJobsResponse(jobs=jobs, views=views, **page_to_wire(page))

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=job_to_wire(await self._ledger.cancel(require_principal(), request.job_id)))

    async def ClaimJob(self, request: pb.ClaimJobRequest, context: Context) -> pb.ClaimJobResponse:
        job, claimed, retry = await self._attempts.claim(
            request.job_id, request.worker_id, request.lease_seconds, request.publication
        )
        return pb.ClaimJobResponse(job=job_to_wire(job), claimed=claimed, retry_after_seconds=retry)

    async def HeartbeatJob(self, request: pb.HeartbeatJobRequest, context: Context) -> pb.HeartbeatJobResponse:
        cancel = await self._attempts.heartbeat(
            request.job_id,
            request.attempt,
            request.lease_seconds,
            request.progress_ratio,
            request.progress_message,
            _stages_from_wire(request.stages),
            from_wire(request.external_task, ExternalTask) if request.HasField("external_task") else None,
        )
        return pb.HeartbeatJobResponse(cancel_requested=cancel)

    async def ReserveJobStorage(
        self, request: pb.ReserveJobStorageRequest, context: Context
    ) -> pb.ReserveJobStorageResponse:
        await self._attempts.reserve_storage(request.job_id, request.attempt, request.size_bytes)
        return pb.ReserveJobStorageResponse()

    async def SucceedJob(self, request: pb.SucceedJobRequest, context: Context) -> pb.SucceedJobResponse:
        job = await self._attempts.succeed(
            request.job_id,
            request.attempt,
            from_wire(request.result, JobResult),
            _stages_from_wire(request.stages),
            request.stored_bytes,
        )
        return pb.SucceedJobResponse(job=job_to_wire(job))

    async def FailJob(self, request: pb.FailJobRequest, context: Context) -> pb.FailJobResponse:
        job = await self._attempts.fail(
            request.job_id,
            request.attempt,
            from_wire(request.error, JobError),
            request.cancelled,
            _stages_from_wire(request.stages),
        )
        return pb.FailJobResponse(job=job_to_wire(job))

    async def ReleaseJob(self, request: pb.ReleaseJobRequest, context: Context) -> pb.ReleaseJobResponse:
        error = from_wire(request.error, JobError) if request.HasField("error") else None
        job = await self._attempts.release(
            request.job_id, request.attempt, request.delay_seconds, error, request.refund_attempt
        )
        return pb.ReleaseJobResponse(job=job_to_wire(job))

    async def _view(self, job: Job) -> pb.JobView:
        position, _ = await self._queue.position(job)
        return pb.JobView(
            track_title=await self._ledger.track_title(require_principal(), job),
            position=position,
            estimated_seconds_left=await self._queue.seconds_left(job, position),
        )


def _new_job(request: pb.CreateJobRequest) -> NewJob:
    return from_wire(
        request,
        NewJob,
        kind=_kind_from_wire(request.kind),
        spec=from_wire(request.spec, PackedMessage),  # absent: an empty one
        correlation_id=correlation_id(),
        traceparent=tracing.traceparent(),
        further_job_ids=tuple(request.further_job_ids[:BATCH_SIZE_LIMIT]),
        limits=Limits(request.pending_limit, request.hourly_limit, request.queue_limit),
    )


def _kind_from_wire(kind: job_pb2.JobKind.ValueType) -> str:
    word = word_from_wire(job_pb2.JobKind.DESCRIPTOR, kind)
    if word is None:
        raise errors.JOB_KIND_INVALID()
    return word


def _stages_from_wire(stages: Iterable[job_pb2.Stage]) -> list[Stage]:
    return [from_wire(stage, Stage) for stage in stages]


def job_to_wire(job: Job) -> job_pb2.Job:
    return to_wire(job, job_pb2.Job)


def listed_job_to_wire(job: Job) -> job_pb2.Job:
    """Return the message of a job in a list, without details, so that a page does not exceed the message size limit."""
    message = job_to_wire(job)
    if message.HasField("batch"):
        message.batch.ClearField("jobs")
    if message.HasField("result"):
        message.result.ClearField("details")
        message.result.ClearField("analysis_json")
    return message
