"""What callers ask for, how many jobs they may have, and how many may wait in all."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from services.library.service import Job, JobState, Priority, Stage, entitled

__all__ = ["AdmissionStore", "Limits", "NewJob", "admit", "queued", "repeated"]

_AFFINITY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Limits:
    """Of the jobs of one kind; 0: any number."""

    pending: int = 0  # unfinished ones of one caller
    hourly: int = 0  # that one caller may create in an hour
    queue: int = 0  # unfinished ones of all callers


@dataclass(frozen=True)
class NewJob:
    """What a caller asks for."""

    kind: str
    track_id: str
    spec_json: str
    attempt_limit: int
    command_subject: str
    correlation_id: str
    job_id: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    priority: Priority | None = None
    stages: Sequence[Stage] = ()
    affinity: str = ""
    work_seconds: float = 0.0
    limits: Limits = field(default_factory=Limits)


class AdmissionStore(Protocol):
    async def count_unfinished(self, kind: str, owner_id: str | None = None) -> int: ...
    async def count_created(self, kind: str, owner_id: str, since: float) -> int: ...
    async def created_since(self, kind: str, owner_id: str, since: float, skip: int) -> Job | None: ...


async def admit(store: AdmissionStore, job: Job, limits: Limits) -> None:
    """
    Raises:
        AppError: ``TOO_MANY_PENDING`` (meta ``pending_count``, ``max_pending``), ``HOURLY_LIMIT`` (meta
            ``hourly_limit``, ``retry_after`` in seconds) or ``QUEUE_FULL`` (meta ``queue_size``).
    """
    if limits.pending:
        pending = await store.count_unfinished(job.kind, job.owner_id)
        if pending >= limits.pending:
            raise AppError(
                Code.RATE_LIMITED,
                "TOO_MANY_PENDING",
                f"You have {pending} unfinished jobs; {limits.pending} are allowed at a time. "
                "Wait until one is done, or cancel one that waits.",
                {"pending_count": pending, "max_pending": limits.pending},
            )
    if limits.hourly:
        since = job.create_time - _HOUR_SECONDS
        created = await store.count_created(job.kind, job.owner_id, since)
        if created >= limits.hourly:
            # When this one is an hour old, there is room again.
            freeing = await store.created_since(job.kind, job.owner_id, since, skip=created - limits.hourly)
            age = job.create_time - freeing.create_time if freeing else 0.0
            seconds = max(1, math.ceil(_HOUR_SECONDS - age))
            raise AppError(
                Code.RATE_LIMITED,
                "HOURLY_LIMIT",
                f"You have used up your {limits.hourly} jobs an hour. Try again in {_span(seconds)}.",
                {"hourly_limit": limits.hourly, "retry_after": seconds},
            )
    if limits.queue:
        size = await store.count_unfinished(job.kind)
        if size >= limits.queue:
            raise AppError(
                Code.UNAVAILABLE,
                "QUEUE_FULL",
                f"The queue is full: {size} jobs are waiting or in work. Try again in a few minutes.",
                {"queue_size": size},
            )


def _span(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'s' * (minutes > 1)}"


def queued(principal: Principal, new: NewJob, now: float) -> Job:
    """The job that this asks for.

    Raises:
        AppError: ``AFFINITY_INVALID`` or ``WORK_INVALID``.
    """
    if new.affinity and not _AFFINITY.fullmatch(new.affinity):
        raise AppError(
            Code.INVALID_ARGUMENT, "AFFINITY_INVALID", "An affinity is made of lower-case letters, digits and hyphens."
        )
    if not 0.0 <= new.work_seconds < math.inf:
        raise AppError(Code.INVALID_ARGUMENT, "WORK_INVALID", "The work of a job is a number of seconds, 0 or more.")
    priority = entitled(principal, new.priority)
    return Job(
        id=new.job_id or str(uuid.uuid4()),
        kind=new.kind,
        owner_id=principal.id,
        track_id=new.track_id,
        state=JobState.QUEUED,
        priority=priority,
        spec_json=new.spec_json,
        attempt_limit=max(1, new.attempt_limit),
        command_subject=".".join((new.command_subject, priority, *([new.affinity] if new.affinity else []))),
        correlation_id=new.correlation_id,
        create_time=now,
        fingerprint=new.fingerprint or _fingerprint(new),
        idempotency_key=new.idempotency_key or None,
        affinity=new.affinity,
        work_seconds=new.work_seconds,
        stages=list(new.stages),
        due_time=now,
    )


def repeated(existing: Job, job: Job) -> Job:
    """The job that an earlier request made, if it was the same request.

    Raises:
        AppError: ``IDEMPOTENCY_KEY_REUSED``.
    """
    if existing.fingerprint != job.fingerprint:
        raise AppError(
            Code.CONFLICT,
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key was used for another request. Use a new key for a new request.",
        )
    return existing


def _fingerprint(new: NewJob) -> str:
    return hashlib.sha256(json.dumps([new.kind, new.track_id, new.spec_json]).encode()).hexdigest()
