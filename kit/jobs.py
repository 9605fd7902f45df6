"""Running jobs: claim, heartbeat, result, acknowledgement, in the order that makes repeating any of it harmless.

The ledger (library) is the truth, the bus is transport. A handler may run twice; its result exists once, because
outputs lie under a key that holds the attempt and the result is stored only while the attempt is still ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from soundwright.library.v1 import command_pb2, events_pb2, job_pb2, library_service_pb2, library_service_pb2_grpc

from kit.errors import AppError, Code
from kit.log import correlation_id, correlation_scope, get_logger
from kit.metrics import JOB_DURATION, JOB_WAIT, JOBS_FINISHED, JOBS_RUNNING
from kit.ports import Blobs, Bus, Consumer, Delivery

__all__ = [
    "CORRELATION_HEADER",
    "PRIORITIES",
    "Ended",
    "Handler",
    "JobContext",
    "JobWorker",
    "command_subject",
    "create_job",
    "publish_run",
    "run_message_id",
]

PRIORITIES = ("admin", "premium", "standard", "free")
CORRELATION_HEADER = "soundwright-correlation-id"
_ANNOUNCE_SECONDS = 0.25
_HEARTBEAT_SECONDS = 1.0
_RETRY_LIMIT_SECONDS = 60.0
log = get_logger()


def command_subject(service: str) -> str:
    """Where run commands for a service go, without the priority and the affinity that may follow."""
    return f"soundwright.cmd.{service}.v1.job.run"


def run_message_id(job_id: str, attempt: int, publication: int = 0) -> str:
    """Derived, so that the broker drops a repetition; ``publication`` counts the sweeper's, which must get through."""
    return f"{job_id}.run.{attempt}.{publication}"


async def publish_run(bus: Bus, job: job_pb2.Job, publication: int = 0) -> None:
    """Tell the workers of the job's service to look at it."""
    await bus.publish(
        job.command_subject,
        command_pb2.RunJob(job_id=job.id).SerializeToString(),
        message_id=run_message_id(job.id, job.attempt, publication),
        headers={CORRELATION_HEADER: job.correlation_id or correlation_id()},
    )


async def create_job(
    bus: Bus,
    jobs: library_service_pb2_grpc.JobServiceStub,
    service: str,
    request: library_service_pb2.CreateJobRequest,
) -> tuple[job_pb2.Job, bool]:
    """Store a job of ``service`` for the current caller, then tell the workers.

    The job is accepted once it is stored: a crash between the two, or a broker that is away, is the library's sweeper to
    repair. Returns the job, and whether an earlier request with
    the same idempotency key had made it.
    """
    request.command_subject = command_subject(service)
    request.job_id = request.job_id or str(uuid.uuid4())  # chosen here, so that repeating the call is harmless
    answer = await jobs.CreateJob(request)
    if answer.job.state == job_pb2.JOB_STATE_QUEUED:
        try:
            await publish_run(bus, answer.job)
        except AppError as error:
            log.warning("job.not_published", job_id=answer.job.id, reason=error.reason)
    return answer.job, answer.existed


class _Stop(Exception):
    """Raised inside a handler to make it stop; ``why`` is "cancelled", "lost" or "stopping"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class JobContext:
    """What a handler knows and may say about the job that it runs. ``report`` and ``check`` work from any thread."""

    def __init__(self, job: job_pb2.Job) -> None:
        self.job = job
        self._lock = threading.Lock()
        self._ratio = 0.0
        self._message = ""
        self._stages: list[job_pb2.Stage] = list(job.stages)
        self._stop: str | None = None
        self._version = 0

    def report(self, ratio: float, message: str | None = None) -> None:
        """Record progress, 0 to 1; it never falls. Raises to stop the handler, which lets that through."""
        with self._lock:
            if ratio > self._ratio:
                self._ratio = min(1.0, ratio)
                self._version += 1
            if message is not None and message != self._message:
                self._message = message
                self._version += 1
        self.check()

    def set_stages(self, stages: Sequence[job_pb2.Stage]) -> None:
        """Replace the stage records."""
        with self._lock:
            self._stages = [_copy(stage) for stage in stages]
            self._version += 1

    def check(self) -> None:
        """Raise if the job was cancelled, taken over by another worker, or the process is stopping."""
        if self._stop is not None:
            raise _Stop(self._stop)

    def stop(self, why: str) -> None:
        self._stop = self._stop or why

    @property
    def stop_reason(self) -> str | None:
        return self._stop

    def snapshot(self) -> tuple[int, float, str, list[job_pb2.Stage]]:
        with self._lock:
            return self._version, self._ratio, self._message, [_copy(stage) for stage in self._stages]


def _copy(stage: job_pb2.Stage) -> job_pb2.Stage:
    copy = job_pb2.Stage()
    copy.CopyFrom(stage)
    return copy


Handler = Callable[[JobContext], Awaitable[job_pb2.JobResult]]
Ended = Callable[[job_pb2.Job], Awaitable[None]]


@dataclass(frozen=True)
class _Outcome:
    result: job_pb2.JobResult | None = None
    error: AppError | None = None
    stopped: str | None = None


class JobWorker:
    """Runs the jobs of one service, a bounded number at a time.

    Jobs of one affinity are preferred for a while, for all slots together. A job whose affinity is new, or no longer
    known, comes to the handler like any other: it knows what there is, and refuses what there is not.

    Args:
        ended: told of every job that is over, whoever ended it, and perhaps more than once: to tidy up behind it. It must
            not take longer than a lease, nor raise.
    """

    def __init__(
        self,
        *,
        service: str,
        bus: Bus,
        jobs: library_service_pb2_grpc.JobServiceStub,
        blobs: Blobs,
        handler: Handler,
        slot_count: int,
        lease_seconds: float,
        drain_seconds: float = 2.0,
        ended: Ended | None = None,
    ) -> None:
        self._ended = ended
        self._service = service
        self._bus = bus
        self._jobs = jobs
        self._blobs = blobs
        self._handler = handler
        self._slot_count = slot_count
        self._lease_seconds = lease_seconds
        self._drain_seconds = drain_seconds
        # Work that is done is worth waiting for a ledger that restarts; a takeover meanwhile is fenced off anyway.
        self._settle_seconds = max(30.0, lease_seconds)
        self._worker_id = f"{service}-{uuid.uuid4().hex[:12]}"
        self._running: set[JobContext] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until ``stopping`` is set; then give the jobs in work a moment, and hand back what is not done."""
        subjects = [f"{command_subject(self._service)}.{priority}" for priority in PRIORITIES]
        consumer = await self._bus.consumer(f"{self._service}_job_run", subjects, ack_wait_seconds=self._lease_seconds)
        loops = [asyncio.create_task(self._serve(consumer, stopping)) for _ in range(self._slot_count)]
        waiter = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([*loops, waiter], return_when=asyncio.FIRST_COMPLETED)
            if not stopping.is_set():
                for loop in loops:
                    if loop.done():
                        loop.result()  # a loop ends early only by an error
            if self._running:
                await asyncio.wait(loops, timeout=self._drain_seconds)
            for context in self._running:
                context.stop("stopping")
            _, unfinished = await asyncio.wait(loops, timeout=self._drain_seconds)
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
                # The ledger or the broker does not answer: the command comes again, and the lease runs out.
                log.warning("job.interrupted", reason=error.reason, error=error.message)
                await delivery.nak(min(self._lease_seconds, 5.0))

    async def _deliver(self, delivery: Delivery) -> None:
        with correlation_scope(delivery.headers.get(CORRELATION_HEADER, "")):
            try:
                job_id = command_pb2.RunJob.FromString(delivery.payload).job_id
            except DecodeError:
                log.error("command.unreadable")
                await delivery.term()
                return
            try:
                claim = await self._jobs.ClaimJob(
                    library_service_pb2.ClaimJobRequest(
                        job_id=job_id, worker_id=self._worker_id, lease_seconds=self._lease_seconds
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
                    # It ended before, perhaps without having been told: say so again, the broker drops repetitions.
                    await self._announce_end(claim.job)
                    await delivery.ack()
                return
            await self._work(claim.job, delivery)

    async def _work(self, job: job_pb2.Job, delivery: Delivery) -> None:
        context = JobContext(job)
        started = time.monotonic()
        if job.attempt == 1:
            JOB_WAIT.labels(self._service).observe(
                max(0.0, job.start_time.ToNanoseconds() - job.create_time.ToNanoseconds()) / 1e9
            )
        log.info("job.started", job_id=job.id, attempt=job.attempt, track_id=job.track_id)
        self._running.add(context)
        JOBS_RUNNING.labels(self._service).inc()
        beating = asyncio.create_task(self._beat(context, delivery))
        try:
            outcome = await self._attempt(context)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            self._running.discard(context)
            JOBS_RUNNING.labels(self._service).dec()
        ended = await self._settle(context, delivery, outcome)
        seconds = time.monotonic() - started
        engine = outcome.result.engine if outcome.result else ""
        JOB_DURATION.labels(self._service, engine, ended).observe(seconds)
        error = outcome.error
        log.info(
            f"job.{ended}",
            job_id=job.id,
            attempt=job.attempt,
            seconds=round(seconds, 3),
            **({"reason": error.reason, "error": error.message} if error else {}),
        )

    async def _attempt(self, context: JobContext) -> _Outcome:
        try:
            # A wish to cancel that comes after the result is there comes too late.
            return _Outcome(result=await self._handler(context))
        except _Stop as stop:
            return _Outcome(stopped=stop.why)
        except asyncio.CancelledError:
            # The process ends and the handler did not stop by itself in time: the job is handed back all the same.
            return _Outcome(stopped="stopping")
        except AppError as error:
            return _Outcome(error=error)
        except MemoryError:
            return _Outcome(error=AppError(Code.UNAVAILABLE, "OUT_OF_MEMORY", "The worker ran out of memory."))
        except Exception:
            log.exception("job.crashed", job_id=context.job.id)
            return _Outcome(
                error=AppError(Code.INTERNAL, "INTERNAL", "Something went wrong on our side while working on this job.")
            )

    async def _beat(self, context: JobContext, delivery: Delivery) -> None:
        """Keep lease and delivery alive, tell about progress, and hear about cancellation."""
        announced = -1
        beat_at = time.monotonic()
        while True:
            await asyncio.sleep(_ANNOUNCE_SECONDS)
            version, ratio, message, stages = context.snapshot()
            job = context.job
            if version != announced:
                announced = version
                event = events_pb2.JobProgressed(
                    job_id=job.id, owner_id=job.owner_id, kind=job.kind, attempt=job.attempt,
                    progress_ratio=ratio, progress_message=message,
                )  # fmt: skip
                await self._bus.announce(self._event_subject("progressed"), event.SerializeToString())
            if time.monotonic() - beat_at < min(_HEARTBEAT_SECONDS, self._lease_seconds / 4):
                continue
            beat_at = time.monotonic()
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

    async def _settle(self, context: JobContext, delivery: Delivery, outcome: _Outcome) -> str:
        """Store how the attempt ended, tell, and acknowledge, in this order. Says how it ended."""
        job = context.job
        stages = context.snapshot()[3]
        if context.stop_reason == "lost" and outcome.result is None:
            return "lost"  # another worker has it; this delivery is not ours to end any more
        if outcome.result is not None:
            request = library_service_pb2.SucceedJobRequest(
                job_id=job.id, attempt=job.attempt, result=outcome.result, stages=stages
            )
            try:
                ended = (await self._jobs.SucceedJob(request, timeout=self._settle_seconds)).job
            except AppError as error:
                if error.code is not Code.STALE:
                    raise
                for output in outcome.result.outputs:
                    await self._blobs.delete(output.blob_key)
                return "lost"
        elif outcome.stopped == "stopping":
            await self._release(job, 0.0, None)
            await delivery.nak(0.0)
            return "released"
        elif outcome.error is not None and outcome.error.retryable:
            delay = min(_RETRY_LIMIT_SECONDS, 2.0**job.attempt)
            ended = await self._release(job, delay, outcome.error)
            if ended.attempt != job.attempt:
                return "lost"
            if ended.state == job_pb2.JOB_STATE_QUEUED:
                await delivery.nak(delay)
                return "released"
        else:
            failure = outcome.error or AppError(Code.CANCELLED, "CANCELLED", "The job was cancelled.")
            failing = library_service_pb2.FailJobRequest(
                job_id=job.id, attempt=job.attempt, stages=stages, cancelled=outcome.stopped == "cancelled",
                error=job_pb2.JobError(reason=failure.reason, message=failure.message),
            )  # fmt: skip
            try:
                ended = (await self._jobs.FailJob(failing, timeout=self._settle_seconds)).job
            except AppError as error:
                if error.code is not Code.STALE:
                    raise
                return "lost"
        await self._announce_end(ended)
        await (delivery.ack() if ended.state == job_pb2.JOB_STATE_SUCCEEDED else delivery.term())
        name = job_pb2.JobState.Name(ended.state).removeprefix("JOB_STATE_").lower()
        JOBS_FINISHED.labels(self._service, name).inc()
        return name

    async def _release(self, job: job_pb2.Job, delay: float, error: AppError | None) -> job_pb2.Job:
        request = library_service_pb2.ReleaseJobRequest(
            job_id=job.id, attempt=job.attempt, delay_seconds=delay, refund_attempt=error is None
        )
        if error is not None:
            request.error.CopyFrom(job_pb2.JobError(reason=error.reason, message=error.message))
        return (await self._jobs.ReleaseJob(request, timeout=self._settle_seconds)).job

    async def _announce_end(self, job: job_pb2.Job) -> None:
        fact = job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_").lower()
        event = events_pb2.JobFinished(
            job_id=job.id, owner_id=job.owner_id, kind=job.kind, state=job.state, track_id=job.track_id,
            error=job.error if job.HasField("error") else None,
        )  # fmt: skip
        with contextlib.suppress(AppError):  # the ledger has it; whoever listens asks there in the end
            await self._bus.publish(self._event_subject(fact), event.SerializeToString(), message_id=f"{job.id}.{fact}")
        if self._ended is not None:
            await self._ended(job)

    def _event_subject(self, fact: str) -> str:
        return f"soundwright.evt.{self._service}.v1.job.{fact}"
