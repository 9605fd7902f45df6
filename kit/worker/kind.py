"""The descriptor of a job kind: what a service declares once for each kind of job that it runs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from soundwright.kit import errors
from soundwright.kit.worker.context import JobContext
from soundwright.library.v1 import job_pb2

Spec = TypeVar("Spec", bound=Message)

Handler = Callable[[JobContext, Spec], Awaitable[job_pb2.JobResult]]
"""Runs one attempt at a job, given its parsed specification."""

FinishCallback = Callable[[job_pb2.Job], Awaitable[None]]
"""Cleans up after a job that succeeded, failed or was cancelled. It may be called more than once for a job. It must not
raise, and must not take longer than a lease."""


@dataclass(frozen=True)
class WorkQueue:
    """A queue of run commands. All job kinds of a queue share its slots.

    Attributes:
        name: token of the command and event subjects, and label of the metrics.
        slot_count: number of jobs that one process runs at the same time.
    """

    name: str
    slot_count: int


@dataclass(frozen=True)
class JobLimits:
    """How many unfinished jobs of a kind there can be. 0: the service that creates the jobs sets the limit of each request.

    Attributes:
        pending: of an account.
        anonymous: of a caller without an account.
        queue: of all callers.
    """

    pending: int
    anonymous: int
    queue: int


@dataclass(frozen=True)
class JobKind(Generic[Spec]):
    """A kind of job.

    Attributes:
        kind: value of the library's enum.
        attempt_limit: number of attempts after which the job fails permanently.
        limits: how many unfinished jobs there can be.
        output_folder: folder of the blob store for files, see :mod:`soundwright.kit.worker.outputs`. Empty if the jobs store no
            files.
        affinity: returns a text that is equal for jobs that use the same model or do the same, for estimates, or an empty
            string.
        work_seconds: returns the amount of work in seconds of audio, or 0 if it is unknown.
        stages: names and processor types of the stages, in order.
        creates_track: the library stores the track with the job, without audio, and the job completes it.
        public_spec: whether the queue shows the specification to all callers.
    """

    kind: job_pb2.JobKind.ValueType
    spec: type[Spec]
    queue: WorkQueue
    handler: Handler[Spec]
    attempt_limit: int
    limits: JobLimits
    output_folder: str = ""
    affinity: Callable[[Spec], str] = lambda _spec: ""
    work_seconds: Callable[[Spec], float] = lambda _spec: 0.0
    stages: Sequence[tuple[str, str]] = ()
    has_track: bool = True
    creates_track: bool = False
    public_spec: bool = False
    on_finish: FinishCallback | None = None

    def parse(self, job: job_pb2.Job) -> Spec:
        """Return the specification of ``job``.

        Raises ``SPEC_UNREADABLE`` if the job has no specification of this kind.
        """
        spec = self.spec()
        try:
            readable = job.spec.Unpack(spec)
        except DecodeError:
            readable = False
        if not readable:
            raise errors.SPEC_UNREADABLE()
        return spec


def pack(message: Message) -> AnyMessage:
    """Return ``message`` as ``Any``. Equal messages give equal bytes; idempotency fingerprints depend on that."""
    packed = AnyMessage()
    packed.Pack(message, deterministic=True)
    return packed
