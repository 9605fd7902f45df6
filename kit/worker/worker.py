"""Runs jobs: claim, heartbeat, result, acknowledgement. Each step may be repeated after a crash.

The ledger in the library is the source of truth; the bus only transports commands. A handler may run twice, but its
result is stored once: output keys contain the attempt, and the ledger accepts results only from the current attempt.
"""

import asyncio
import functools
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from soundwright.kit import errors, tracing
from soundwright.kit.errors import AppError, Code
from soundwright.kit.free_space import full_disk
from soundwright.kit.log import correlation_scope, get_logger
from soundwright.kit.metrics import (
    JOB_AUDIO,
    JOB_COMPUTE,
    JOB_DURATION,
    JOB_WAIT,
    JOBS_FINISHED,
    WORKER_SLOTS,
    model_label,
)
from soundwright.kit.ports import Blobs, Bus, Consumer, Delivery
from soundwright.kit.security.identity import principal_scope
from soundwright.kit.settings import Settings
from soundwright.kit.worker.commands import CORRELATION_HEADER, queue_consumer
from soundwright.kit.worker.context import JobContext, JobStopped
from soundwright.kit.worker.kind import JobKind
from soundwright.kit.worker.outputs import delete_outputs
from soundwright.library.v1 import command_pb2, events_pb2, job_pb2, library_service_pb2, library_service_pb2_grpc

_PROGRESS_INTERVAL_SECONDS = 0.25
_HEARTBEAT_SECONDS = 1.0
_RETRY_LIMIT_SECONDS = 60.0
_DELAY_SECONDS = 5.0  # until a command comes again whose delivery met a ledger or broker that does not answer
_STOP_SECONDS = 5.0  # for a handler to stop that was told to
_OUTCOMES = ("succeeded", "failed", "cancelled")
log = get_logger()


@dataclass(frozen=True)
class _Outcome:
    result: job_pb2.JobResult | None = None
    error: AppError | None = None
    stopped: str | None = None


class JobWorker:
    """Runs the jobs of one queue, a bounded number at a time.

    Each command lets the worker run one job of the queue. The ledger chooses which, so it may be another job than the command
    names.

    Args:
        kinds: descriptors that share one queue.
        drain_seconds: how long a stopping worker waits for running jobs, in seconds.
    """

    def __init__(
        self,
        kinds: Sequence[JobKind[Any]],
        *,
        bus: Bus,
        jobs: library_service_pb2_grpc.JobServiceStub,
        blobs: Blobs,
        lease_seconds: float,
        drain_seconds: float,
    ) -> None:
        (queue,) = {kind.queue for kind in kinds}
        self._kinds = {kind.kind: kind for kind in kinds}
        self._queue = queue.name
        self._bus = bus
        self._jobs = jobs
        self._blobs = blobs
        self._slot_count = queue.slot_count
        self._lease_seconds = lease_seconds
        self._delay_seconds = min(lease_seconds, _DELAY_SECONDS)
        self._drain_seconds = drain_seconds
        # If the ledger is restarting, waiting for it is cheaper than repeating the finished work.
        self._store_timeout_seconds = max(30.0, lease_seconds)
        self._running: set[JobContext] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until ``stopping`` is set. Then wait briefly for running jobs, and release those that do not finish."""
        consumer = await self._bus.consumer(*queue_consumer(self._queue), ack_wait_seconds=self._lease_seconds)
        loops = [asyncio.create_task(self._serve(consumer, stopping)) for _ in range(self._slot_count)]
        waiter = asyncio.create_task(stopping.wait())
        self._count_slots()
        for kind in self._kinds:  # counters that begin at 0: Prometheus does not count the step from nothing to 1
            for outcome in _OUTCOMES:
                JOBS_FINISHED.labels(_word(job_pb2.JobKind, kind), outcome)
        try:
            await asyncio.wait([*loops, waiter], return_when=asyncio.FIRST_COMPLETED)
            if not stopping.is_set():
                for loop in loops:
                    if loop.done():
                        loop.result()  # a loop ends early only by an error
            # A loop that has no command ends at once. One that claims a job is not among the running ones yet.
            await asyncio.wait(loops, timeout=self._drain_seconds)
            for context in self._running:
                context.stop("stopping")
            _, unfinished = await asyncio.wait(loops, timeout=_STOP_SECONDS)
            for loop in unfinished:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
        finally:
            for task in (waiter, *loops):
                task.cancel()
            await consumer.close()

    async def _serve(self, consumer: Consumer, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            taking = asyncio.create_task(consumer.next())
            ending = asyncio.create_task(stopping.wait())
            await asyncio.wait({taking, ending}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            if not taking.done():
                taking.cancel()
                return
            delivery = taking.result()
            try:
                await self._deliver(delivery)
            except AppError as error:
                # The ledger or the broker does not answer. The lease expires, and the broker delivers the command again.
                log.warning("job.interrupted", reason=error.reason, error=error.message)
                await delivery.nak(self._delay_seconds)

    async def _deliver(self, delivery: Delivery) -> None:
        """Run the job that the ledger chooses for this command, if there is one."""
        with correlation_scope(delivery.headers.get(CORRELATION_HEADER, "")):
            try:
                command = command_pb2.RunJob.FromString(delivery.payload)
            except DecodeError:
                log.error("command.unreadable")
                await delivery.term()
                return
            try:
                claim = await self._jobs.ClaimJob(
                    library_service_pb2.ClaimJobRequest(
                        job_id=command.job_id,
                        publication=command.publication,
                        worker_id=f"{self._queue}-{uuid.uuid4().hex}",
                        lease_seconds=self._lease_seconds,
                    )
                )
            except AppError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
                await delivery.term()
                return
            if not claim.claimed:
                if claim.retry_after_seconds > 0:
                    await delivery.nak(claim.retry_after_seconds)
                else:
                    # The job has ended. Its worker may have died before it published the event, so this publishes
                    # the event again; the broker drops repetitions.
                    await self._finish(claim.job, delivery)
                return
        with correlation_scope(claim.job.correlation_id):  # the command may name another job
            await self._run_job(claim.job, delivery)

    async def _run_job(self, job: job_pb2.Job, delivery: Delivery) -> None:
        context = JobContext(job, functools.partial(self._reserve, job))
        started = time.monotonic()
        if job.attempt == 1:
            JOB_WAIT.labels(_kind_name(job), _word(job_pb2.Priority, job.priority)).observe(
                max(0.0, job.start_time.ToNanoseconds() - job.create_time.ToNanoseconds()) / 1e9
            )
        log.info("job.started", job_id=job.id, attempt=job.attempt, track_id=job.track_id)
        self._running.add(context)
        self._count_slots()
        heartbeats = asyncio.create_task(self._send_heartbeats(context, delivery))
        kind = _kind_name(job)
        # The span continues the trace of the request that created the job. Another job's command may have led here.
        command = delivery.headers.get(tracing.TRACEPARENT, "")
        with tracing.span(f"job {kind}", "consumer", parent=job.traceparent, link=command) as span:
            span.set("soundwright.job.id", job.id)
            span.set("soundwright.job.attempt", job.attempt)
            try:
                outcome = await self._attempt(context)
            finally:
                heartbeats.cancel()
                await asyncio.gather(heartbeats, return_exceptions=True)
                self._running.discard(context)
                self._count_slots()
            state = await self._store_outcome(context, delivery, outcome)
            model = model_label(outcome.result.model if outcome.result else "")
            span.set("soundwright.job.outcome", state)
            span.set("soundwright.model", model)
            if outcome.error is not None:
                span.fail(outcome.error.reason)
        seconds = time.monotonic() - started
        JOB_DURATION.labels(kind, model, state).observe(seconds)
        if outcome.result is not None and context.audio_seconds > 0:
            JOB_AUDIO.labels(kind, model).inc(context.audio_seconds)
            JOB_COMPUTE.labels(kind, model).inc(outcome.result.compute_seconds)
        error = outcome.error
        log.info(
            f"job.{state}",
            job_id=job.id,
            attempt=job.attempt,
            seconds=round(seconds, 3),
            **({"reason": error.reason, "error": error.message} if error else {}),
        )

    async def _attempt(self, context: JobContext) -> _Outcome:
        """Run the handler and return its outcome. A cancellation that arrives after the result is ignored."""
        try:
            kind = self._kind(context.job)
            return _Outcome(result=await kind.handler(context, kind.parse(context.job)))
        except JobStopped as stop:
            return _Outcome(stopped=stop.reason)
        except asyncio.CancelledError:
            # The process stops before the handler does. The job is released nevertheless.
            return _Outcome(stopped="stopping")
        except AppError as error:
            return _Outcome(error=error)
        except MemoryError:
            return _Outcome(error=errors.OUT_OF_MEMORY("The worker ran out of memory."))
        except Exception as error:
            if full := full_disk(error):
                return _Outcome(error=full)
            log.exception("job.crashed", job_id=context.job.id)
            return _Outcome(error=errors.INTERNAL("An internal error stopped this job. Try again in a minute."))

    def _kind(self, job: job_pb2.Job) -> JobKind[Any]:
        kind = self._kinds.get(job.kind)
        if kind is None:  # a newer release created the job, and its workers can run it
            raise errors.JOB_KIND_UNKNOWN()
        return kind

    async def _send_heartbeats(self, context: JobContext, delivery: Delivery) -> None:
        """Extend the lease and the delivery, publish progress, and stop the handler when the job is cancelled."""
        published_version = -1
        heartbeat_at = time.monotonic()
        while True:
            await asyncio.sleep(_PROGRESS_INTERVAL_SECONDS)
            version, ratio, message, stages = context.snapshot()
            job = context.job
            if version != published_version:
                published_version = version
                event = events_pb2.JobProgressed(
                    job_id=job.id, owner_id=job.owner_id, kind=job.kind, attempt=job.attempt,
                    progress_ratio=ratio, progress_message=message,
                )  # fmt: skip
                await self._bus.publish_transient(self._event_subject("progressed"), event.SerializeToString())
            if time.monotonic() - heartbeat_at < min(_HEARTBEAT_SECONDS, self._lease_seconds / 4):
                continue
            heartbeat_at = time.monotonic()
            try:
                answer = await self._jobs.HeartbeatJob(
                    library_service_pb2.HeartbeatJobRequest(
                        job_id=job.id, attempt=job.attempt, lease_seconds=self._lease_seconds,
                        progress_ratio=ratio, progress_message=message, stages=stages,
                    ),
                    timeout=self._lease_seconds,
                )  # fmt: skip
                await delivery.in_progress()
                if answer.cancel_requested:
                    context.stop("cancelled")
            except AppError as error:
                if error.code in (Code.STALE, Code.NOT_FOUND):
                    context.stop("lost")
                    return
                log.warning("job.heartbeat_missed", job_id=job.id, reason=error.reason)

    async def _store_outcome(self, context: JobContext, delivery: Delivery, outcome: _Outcome) -> str:
        """Store the outcome, publish it and acknowledge the command, in this order.

        Returns:
            "succeeded", "failed", "cancelled", "released" (the job is queued again) or "lost" (another worker has it).
        """
        job = context.job
        stages = context.snapshot()[3]
        if context.stop_reason == "lost" and outcome.result is None:
            return "lost"  # another worker has claimed the job and acknowledges its own delivery
        if outcome.result is not None:
            request = library_service_pb2.SucceedJobRequest(
                job_id=job.id, attempt=job.attempt, result=outcome.result, stages=stages,
                stored_bytes=context.stored_bytes,
            )  # fmt: skip
            try:
                finished = (await self._jobs.SucceedJob(request, timeout=self._store_timeout_seconds)).job
            except AppError as error:
                if error.code is not Code.STALE:
                    raise
                if job.output_folder:
                    await delete_outputs(self._blobs, job.output_folder, job.id, [job.attempt])
                return "lost"
        elif outcome.stopped == "stopping":
            await self._release(job, 0.0, None)
            await delivery.nak(0.0)
            return "released"
        elif outcome.error is not None and outcome.error.retryable:
            delay = min(_RETRY_LIMIT_SECONDS, 2.0**job.attempt)
            finished = await self._release(job, delay, outcome.error)
            if finished.attempt != job.attempt:
                return "lost"
            if finished.state == job_pb2.JOB_STATE_QUEUED:
                await delivery.nak(delay)
                return "released"
        else:
            failure = outcome.error or errors.CANCELLED("The job was cancelled.")
            failed = library_service_pb2.FailJobRequest(
                job_id=job.id, attempt=job.attempt, stages=stages, cancelled=outcome.stopped == "cancelled",
                error=job_pb2.JobError(reason=failure.reason, message=failure.message),
            )  # fmt: skip
            try:
                finished = (await self._jobs.FailJob(failed, timeout=self._store_timeout_seconds)).job
            except AppError as error:
                if error.code is not Code.STALE:
                    raise
                return "lost"
        await self._finish(finished, delivery)
        name = _state_name(finished)
        JOBS_FINISHED.labels(_kind_name(job), name).inc()
        return name

    def _count_slots(self) -> None:
        busy_count = len(self._running)
        WORKER_SLOTS.labels(self._queue, "busy").set(busy_count)
        WORKER_SLOTS.labels(self._queue, "idle").set(self._slot_count - busy_count)

    async def _reserve(self, job: job_pb2.Job, size_bytes: int) -> None:
        """Reserve space for all files of this attempt."""
        request = library_service_pb2.ReserveJobStorageRequest(
            job_id=job.id, attempt=job.attempt, size_bytes=size_bytes
        )
        with principal_scope(None):  # the handler may run for the owner of the job
            await self._jobs.ReserveJobStorage(request)

    async def _release(self, job: job_pb2.Job, delay: float, error: AppError | None) -> job_pb2.Job:
        request = library_service_pb2.ReleaseJobRequest(
            job_id=job.id, attempt=job.attempt, delay_seconds=delay, refund_attempt=error is None
        )
        if error is not None:
            request.error.CopyFrom(job_pb2.JobError(reason=error.reason, message=error.message))
        return (await self._jobs.ReleaseJob(request, timeout=self._store_timeout_seconds)).job

    async def _finish(self, job: job_pb2.Job, delivery: Delivery) -> None:
        """Publish the event of a finished job, and acknowledge its command.

        If the broker does not take the event, for example because its disk is full, the command comes again, and its
        delivery publishes the event.
        """
        if not await self._publish_finished(job):
            await delivery.nak(self._delay_seconds)
        elif job.state == job_pb2.JOB_STATE_SUCCEEDED:
            await delivery.ack()
        else:
            await delivery.term()

    async def _publish_finished(self, job: job_pb2.Job) -> bool:
        """Publish the event of a finished job, and call the ``on_finish`` of its kind. Return whether the broker took it."""
        name = _state_name(job)
        event = events_pb2.JobFinished(
            job_id=job.id, owner_id=job.owner_id, kind=job.kind, state=job.state, track_id=job.track_id,
            error=job.error if job.HasField("error") else None, batch_id=job.batch_id,
        )  # fmt: skip
        try:
            await self._bus.publish(self._event_subject(name), event.SerializeToString(), message_id=f"{job.id}.{name}")
            is_published = True
        except AppError as error:
            log.warning("job.event_delayed", job_id=job.id, reason=error.reason, error=error.message)
            is_published = False
        kind = self._kinds.get(job.kind)
        if kind is not None and kind.on_finish is not None:
            await kind.on_finish(job)
        return is_published

    def _event_subject(self, name: str) -> str:
        return f"soundwright.evt.{self._queue}.v1.job.{name}"


def _kind_name(job: job_pb2.Job) -> str:
    """Return the kind of a job as the ledger and metrics name it, for example ``separation``."""
    return _word(job_pb2.JobKind, job.kind)


def _state_name(job: job_pb2.Job) -> str:
    return _word(job_pb2.JobState, job.state)


def _word(enum: Any, number: int) -> str:
    """Return the word of an enum value, or ``unknown`` for a value of a newer release."""
    values = enum.DESCRIPTOR.values_by_number
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return values[number].name.removeprefix(prefix).lower() if number in values else "unknown"


def job_workers(
    kinds: Sequence[JobKind[Any]],
    *,
    bus: Bus,
    jobs: library_service_pb2_grpc.JobServiceStub,
    blobs: Blobs,
    settings: Settings,
) -> list[JobWorker]:
    """Return one worker for each queue of ``kinds`` that this process serves (``SOUNDWRIGHT_WORKER_QUEUES``)."""
    queues = dict.fromkeys(kind.queue for kind in kinds)
    return [
        JobWorker(
            [kind for kind in kinds if kind.queue == queue],
            bus=bus,
            jobs=jobs,
            blobs=blobs,
            lease_seconds=settings.lease_seconds,
            drain_seconds=settings.drain_seconds,
        )
        for queue in queues
        if settings.serves_queue(queue.name)
    ]
