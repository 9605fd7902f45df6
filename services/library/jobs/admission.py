"""Validates requests for jobs and checks their limits."""

import dataclasses
import hashlib
import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import NETWORK_SHARE, Principal
from soundwright.services.library.jobs.order import STARVATION_SECONDS
from soundwright.services.library.jobs.service import (
    Admissions,
    Job,
    JobState,
    NewTrack,
    PackedMessage,
    Priority,
    Reservation,
    Stage,
    granted_priority,
)

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs

_AFFINITY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_OUTPUT_FOLDER = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*")
_KEY_LIMIT = 300  # 255 of a client, and what services append
_HOUR_SECONDS = 3600.0
_RESERVATION_SECONDS = 30.0  # longer than the deadline of the call that creates the job


@dataclass(frozen=True)
class Limits:
    """The limits of the jobs of one kind. 0 means no limit."""

    pending: int = 0  # unfinished jobs per caller
    hourly: int = 0  # jobs that a caller can create per hour
    queue: int = 0  # unfinished jobs of all callers


@dataclass(frozen=True)
class NewJob:
    """A request for a job."""

    kind: str
    track_id: str
    spec: PackedMessage
    attempt_limit: int
    queue: str
    correlation_id: str
    job_id: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    priority: Priority | None = None
    stages: Sequence[Stage] = ()
    output_folder: str = ""
    creates_track: bool = False
    public_spec: bool = False
    affinity: str = ""
    work_seconds: float = 0.0
    starvation_seconds: float = 0.0  # 0: STARVATION_SECONDS
    new_track: NewTrack | None = None
    traceparent: str = ""
    # Of jobs that are created next, without limits. The limits count them with this one.
    further_job_ids: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)


async def reserve(store: "JobDocs", jobs: Sequence[Job], limits: Limits, now: float) -> bool:
    """Reserve places for new jobs of one kind and owner, which must be stored next: for all of them, or for none.

    Between the count of the jobs and the insertion of the new ones, other library processes may count, too. So the place is
    reserved first, and a concurrent reservation makes the compare-and-set fail. The reservation of a process that died
    expires.

    Returns False if other reservations decide, or have come first. Call it again.

    Raises ``AppError``: see :func:`admit`.
    """
    job = jobs[0]
    admissions = await store.admissions.get(job.kind) or Admissions(job.kind)
    valid = [one for one in admissions.reservations if one.expire_time > now]
    # The look-up comes before the count: a job that is stored in between may count twice for a moment, but is never missed.
    stored = await store.by_ids(one.job_id for one in valid)
    pending = [one for one in valid if one.job_id not in stored]
    try:
        await admit(store, job, limits, pending, len(jobs))
    except AppError:
        await admit(store, job, limits, new_count=len(jobs))
        return False
    reserved = [Reservation(one.id, one.owner_id, now + _RESERVATION_SECONDS, one.network) for one in jobs]
    return await store.admissions.put(dataclasses.replace(admissions, reservations=[*pending, *reserved]))


async def release(store: "JobDocs", jobs: Sequence[Job]) -> None:
    """Give up the reservations of jobs that are not stored."""
    released = {job.id for job in jobs}

    def without(admissions: Admissions) -> Admissions:
        others = [one for one in admissions.reservations if one.job_id not in released]
        return dataclasses.replace(admissions, reservations=others)

    await store.admissions.change(jobs[0].kind, without)


async def admit(
    store: "JobDocs", job: Job, limits: Limits, reservations: Sequence[Reservation] = (), new_count: int = 1
) -> None:
    """Check the limits for ``new_count`` new jobs like ``job``. ``reservations`` count like jobs.

    Raises ``TOO_MANY_PENDING`` (meta ``pending_count``, ``max_pending``), ``HOURLY_LIMIT`` (meta ``hourly_limit``,
    ``retry_after`` in seconds) or ``QUEUE_FULL`` (meta ``queue_size``).
    """
    own_count = sum(one.owner_id == job.owner_id for one in reservations)
    await _admit_creator(store, job, {"owner_id": job.owner_id}, limits, own_count, new_count, "You have")
    if job.network is not None:
        # Anonymous callers choose their IDs, and guests cost nothing, so those of one address have limits together.
        shared = Limits(NETWORK_SHARE * limits.pending, NETWORK_SHARE * limits.hourly)
        own_count = sum(one.network == job.network for one in reservations)
        subject = "Callers from your address have"
        await _admit_creator(store, job, {"network": job.network}, shared, own_count, new_count, subject)
    if limits.queue:
        size = await store.count_unfinished(job.kind, {}) + len(reservations)
        if size + new_count > limits.queue:
            full = "The queue is full" if new_count == 1 else f"The queue has no room for {new_count} jobs"
            raise errors.QUEUE_FULL(
                f"{full}: {size} jobs are waiting or running. Try again in a minute.", queue_size=size
            )


async def _admit_creator(
    store: "JobDocs", job: Job, creator: Mapping[str, str], limits: Limits, reserved: int, new_count: int, subject: str
) -> None:
    """Check the limits for ``new_count`` jobs of one creator. ``reserved`` others are about to be stored."""
    if limits.pending:
        pending = await store.count_unfinished(job.kind, creator) + reserved
        if pending + new_count > limits.pending:
            advice = "Wait until a job ends, or cancel one."
            if new_count > 1:
                advice = (
                    f"This request has {new_count} more. Wait until jobs end, cancel some, or request fewer at a time."
                )
            raise errors.TOO_MANY_PENDING(
                f"{subject} {pending} unfinished jobs; {limits.pending} are allowed at a time. {advice}",
                pending_count=pending,
                max_pending=limits.pending,
            )
    if limits.hourly:
        since = job.create_time - _HOUR_SECONDS
        created = await store.count_created(job.kind, creator, since)
        if created + reserved + new_count > limits.hourly:
            # The new jobs are allowed as soon as this one is an hour old.
            skip = max(0, created + new_count - 1 - limits.hourly)
            freeing = await store.created_since(job.kind, creator, since, skip)
            age = job.create_time - freeing.create_time if freeing else 0.0
            seconds = max(1, math.ceil(_HOUR_SECONDS - age))
            raise errors.HOURLY_LIMIT(
                f"{subject} used up {limits.hourly} jobs an hour. Try again in {_span(seconds)}.",
                hourly_limit=limits.hourly,
                retry_after=seconds,
            )


def _span(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'s' * (minutes > 1)}"


def queued(principal: Principal, new: NewJob, now: float) -> Job:
    """Return the new job of a request.

    Raises ``IDEMPOTENCY_KEY_INVALID``, ``AFFINITY_INVALID``, ``OUTPUT_FOLDER_INVALID``, ``WORK_INVALID`` or
    ``STARVATION_INVALID``.
    """
    if len(new.idempotency_key) > _KEY_LIMIT:
        raise errors.IDEMPOTENCY_KEY_INVALID()
    if new.affinity and not _AFFINITY.fullmatch(new.affinity):
        raise errors.AFFINITY_INVALID()
    if new.output_folder and not _OUTPUT_FOLDER.fullmatch(new.output_folder):
        raise errors.OUTPUT_FOLDER_INVALID()
    if not 0.0 <= new.work_seconds < math.inf:
        raise errors.WORK_INVALID()
    if not 0.0 <= new.starvation_seconds < math.inf:
        raise errors.STARVATION_INVALID()
    priority = granted_priority(principal, new.priority)
    return Job(
        id=new.job_id or str(uuid.uuid4()),
        kind=new.kind,
        owner_id=principal.id,
        track_id=new.track_id,
        state=JobState.QUEUED,
        priority=priority,
        spec=new.spec,
        attempt_limit=max(1, new.attempt_limit),
        queue=new.queue,
        correlation_id=new.correlation_id,
        create_time=now,
        fingerprint=new.fingerprint or fingerprint(new.kind, new.track_id, new.spec),
        idempotency_key=new.idempotency_key or None,
        network=principal.network or None,
        creator_key=principal.creator_key or None,
        output_folder=new.output_folder,
        creates_track=new.creates_track,
        public_spec=new.public_spec,
        affinity=new.affinity,
        work_seconds=new.work_seconds,
        stages=list(new.stages),
        new_track=new.new_track,
        traceparent=new.traceparent,
        due_time=now,
        starve_time=now + (new.starvation_seconds or STARVATION_SECONDS),
    )


def repeated(existing: Job, job: Job) -> Job:
    """Return the existing job of an idempotency key if both requests are equal.

    Raises ``IDEMPOTENCY_KEY_REUSED`` if they differ.
    """
    if existing.fingerprint != job.fingerprint:
        raise errors.IDEMPOTENCY_KEY_REUSED()
    return existing


def fingerprint(kind: str, track_id: str, spec: PackedMessage) -> str:
    """Return a hash that is equal for equal requests. Callers serialize specifications deterministically."""
    return hashlib.sha256(json.dumps([kind, track_id, spec.type_url, spec.value]).encode()).hexdigest()
