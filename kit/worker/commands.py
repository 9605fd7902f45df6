"""Creates jobs in the ledger and publishes the commands that make workers run them."""

import asyncio
import re
import uuid
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from soundwright.kit import errors, tracing
from soundwright.kit.errors import AppError
from soundwright.kit.log import correlation_id, get_logger
from soundwright.kit.ports import Bus
from soundwright.kit.security.identity import current_principal
from soundwright.kit.worker.kind import JobKind, Spec, pack
from soundwright.library.v1 import command_pb2, job_pb2, library_service_pb2, library_service_pb2_grpc

_AFFINITY_LENGTH = 64
_BATCH_SECONDS = 25.0
CORRELATION_HEADER = "soundwright-correlation-id"
log = get_logger()


def command_subject(queue: str) -> str:
    return f"soundwright.cmd.{queue}.v1.job.run"


def queue_consumer(queue: str) -> tuple[str, str]:
    """Return the durable name of a queue's consumer, whose lag autoscalers read, and its subject."""
    return f"{queue}_job_run", command_subject(queue)


def run_message_id(job_id: str, attempt: int, publication: int = 0) -> str:
    """Return the message id of a run command. The broker drops messages whose id it has seen recently.

    Args:
        publication: how often the library's sweeper has published the command. It makes each of its commands different.
    """
    return f"{job_id}.run.{attempt}.{publication}"


async def publish_run(bus: Bus, job: job_pb2.Job, publication: int = 0) -> None:
    """Publish the run command of ``job``, which lets a worker run one job of its queue."""
    subject = command_subject(job.queue)
    with tracing.span(f"publish {subject}", "producer") as span:
        span.set("messaging.system", "nats")
        span.set("messaging.destination.name", subject)
        span.set("soundwright.job.id", job.id)
        await bus.publish(
            subject,
            command_pb2.RunJob(job_id=job.id, publication=publication).SerializeToString(),
            message_id=run_message_id(job.id, job.attempt, publication),
            headers={CORRELATION_HEADER: job.correlation_id or correlation_id(), **tracing.headers()},
        )


async def create_job(
    bus: Bus,
    jobs: library_service_pb2_grpc.JobServiceStub,
    kind: JobKind[Spec],
    spec: Spec,
    request: library_service_pb2.CreateJobRequest,
) -> tuple[job_pb2.Job, bool]:
    """Store a job for the current caller, then publish its run command.

    The job is accepted once it is stored. If the command cannot be published, the library's sweeper publishes it later.

    Args:
        request: the fields that are specific to the job, such as track and idempotency key. The descriptor supplies the
            other fields.

    Returns the job, and whether an earlier request with the same idempotency key created it.

    Raises ``TRACK_NOT_FOUND`` if the job needs a track and the request names none; errors of the library.
    """
    _fill_from_kind(kind, spec, request)
    answer = await jobs.CreateJob(request)
    await _publish_first_run(bus, answer.job)
    return answer.job, answer.existed


async def create_batch(
    bus: Bus,
    jobs: library_service_pb2_grpc.JobServiceStub,
    spec: Message,
    idempotency_key: str,
    wanted: Sequence[tuple[JobKind[Any], Any, library_service_pb2.CreateJobRequest]],
) -> tuple[job_pb2.Job, bool]:
    """Store a batch of jobs for the current caller, all or none, then publish their run commands.

    Args:
        spec: the specification of the batch, by which repeated requests are compared.
        wanted: the jobs, each as :func:`create_job` takes it; at least one, and all of one kind.

    Returns the batch, and whether an earlier request with the same idempotency key created it.
    """
    for kind, job_spec, request in wanted:
        _fill_from_kind(kind, job_spec, request)
    batch_id = str(uuid.uuid4())
    answer = await jobs.CreateBatch(
        library_service_pb2.CreateBatchRequest(
            job_id=batch_id,
            spec=pack(spec),
            idempotency_key=idempotency_key or batch_id,
            jobs=[request for _, _, request in wanted],
        ),
        timeout=_BATCH_SECONDS,
    )
    await asyncio.gather(*(_publish_first_run(bus, job) for job in answer.jobs))
    return answer.batch, answer.existed


async def _publish_first_run(bus: Bus, job: job_pb2.Job) -> None:
    """Publish the run command of a queued job. If the broker does not take it, the library's sweeper publishes it later."""
    if job.state == job_pb2.JOB_STATE_QUEUED:
        try:
            await publish_run(bus, job)
        except AppError as error:
            log.warning("job.not_published", job_id=job.id, reason=error.reason)


def _fill_from_kind(kind: JobKind[Spec], spec: Spec, request: library_service_pb2.CreateJobRequest) -> None:
    if kind.has_track and not request.track_id:
        raise errors.TRACK_NOT_FOUND()
    request.kind = kind.kind
    request.spec.CopyFrom(pack(spec))
    # Chosen here, so that the client of the library can repeat the call.
    request.job_id = request.job_id or str(uuid.uuid4())
    request.idempotency_key = request.idempotency_key or request.job_id
    request.attempt_limit = kind.attempt_limit
    principal = current_principal()
    anonymous = principal is not None and (principal.is_anonymous or principal.is_guest)
    request.pending_limit = request.pending_limit or (kind.limits.anonymous if anonymous else kind.limits.pending)
    request.queue_limit = request.queue_limit or kind.limits.queue
    request.queue = kind.queue.name
    request.output_folder = request.output_folder or kind.output_folder
    request.affinity = _affinity_word(kind.affinity(spec))
    request.work_seconds = kind.work_seconds(spec)
    request.creates_track = kind.creates_track
    request.public_spec = kind.public_spec
    for name, processor_type in kind.stages:
        request.stages.add(name=name, processor_type=processor_type, state=job_pb2.JOB_STATE_QUEUED)


def _affinity_word(text: str) -> str:
    """Return an affinity with the letters that the library takes: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_AFFINITY_LENGTH]
