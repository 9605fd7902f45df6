"""The library's queries, in domain words, over the document store."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from kit.ports import AtLeast, Collection, Doc, Index, LessThan, OneOf
from services.library.service import Job, JobState, Priority
from services.library.track_store import TrackDocs, from_doc

__all__ = ["LibraryStore"]

_JOBS = Collection(
    "jobs",
    (
        Index(("owner_id", "create_time")),
        Index(("owner_id", "idempotency_key"), unique=True, present="idempotency_key"),
        Index(("track_id", "kind", "state", "finish_time")),
        # Limits, places in the queue, and how fast it moves.
        Index(("owner_id", "kind", "state")),
        Index(("kind", "state", "priority", "create_time")),
        Index(("kind", "state", "affinity", "finish_time")),
        # What the sweeper looks for; finished jobs are in none of these.
        Index(("due_time",), present="due_time"),
        Index(("lease_until",), present="lease_until"),
        Index(("unfiled",), present="unfiled"),
        Index(("untold",), present="untold"),
        Index(("state", "command_subject")),
        Index(("create_time",)),
    ),
    tallies=(("kind", "state"),),
)
_UNFINISHED = OneOf([JobState.QUEUED, JobState.RUNNING])


def _jobs(docs: list[Doc]) -> list[Job]:
    return [from_doc(Job, doc) for doc in docs]


def _created(kind: str, owner_id: str, since: float) -> dict[str, Any]:
    return {"owner_id": owner_id, "kind": kind, "create_time": AtLeast(since)}


def _queued(kind: str, priority: Priority) -> dict[str, Any]:
    return {"kind": kind, "state": JobState.QUEUED, "priority": priority}


class LibraryStore(TrackDocs):
    """Tracks, jobs, outputs and analyses."""

    async def prepare(self) -> None:
        await super().prepare()
        await self._docs.ensure(_JOBS)
        await self.complete_tracks()

    async def ping(self) -> bool:
        await self._docs.get("tracks", "-")
        return True

    # jobs

    async def insert_job(self, job: Job) -> None:
        await self._docs.insert("jobs", dataclasses.asdict(job))

    async def job(self, job_id: str) -> Job | None:
        doc = await self._docs.get("jobs", job_id)
        return from_doc(Job, doc) if doc else None

    async def job_by_key(self, owner_id: str, idempotency_key: str) -> Job | None:
        found = await self._docs.find("jobs", {"owner_id": owner_id, "idempotency_key": idempotency_key}, limit=1)
        return from_doc(Job, found[0]) if found else None

    async def replace_job(self, job: Job) -> bool:
        return await self._docs.replace("jobs", dataclasses.asdict(job), job.revision)

    async def list_jobs(
        self,
        owner_id: str,
        kinds: Sequence[str],
        states: Sequence[str],
        track_id: str,
        offset: int,
        limit: int,
        oldest_first: bool = False,
    ) -> tuple[list[Job], int]:
        where: dict[str, Any] = {"owner_id": owner_id}
        if kinds:
            where["kind"] = OneOf(list(kinds))
        if states:
            where["state"] = OneOf(list(states))
        if track_id:
            where["track_id"] = track_id
        docs = await self._docs.find(
            "jobs", where, sort="create_time", descending=not oldest_first, offset=offset, limit=limit
        )
        return _jobs(docs), await self._docs.count("jobs", where)

    async def newest_jobs(self, offset: int, limit: int) -> list[Job]:
        """Everybody's."""
        return _jobs(await self._docs.find("jobs", {}, sort="create_time", descending=True, offset=offset, limit=limit))

    async def count_by_kind_and_state(self) -> dict[tuple[str, str], int]:
        return {
            (kind, state): count for (kind, state), count in (await self._docs.tally("jobs", ("kind", "state"))).items()
        }

    async def overdue_leases(self, now: float, limit: int) -> list[Job]:
        """Running jobs whose worker has not been heard of in time, longest first."""
        return _jobs(await self._docs.find("jobs", {"lease_until": LessThan(now)}, sort="lease_until", limit=limit))

    async def due_jobs(self, before: float, limit: int, after: Job | None = None) -> list[Job]:
        """Queued jobs that might have started before this time, longest first; those behind ``after``, if it is given."""
        place = (after.due_time, after.id) if after else None
        where = {"due_time": LessThan(before)}
        return _jobs(await self._docs.find("jobs", where, sort="due_time", limit=limit, after=place))

    async def unfinished_count(self, command_subject: str) -> int:
        """Jobs that have a command with the broker, unless it was lost: a running job keeps its own until it ends."""
        return await self._docs.count("jobs", {"state": _UNFINISHED, "command_subject": command_subject})

    async def unfiled_jobs(self, limit: int) -> list[Job]:
        return _jobs(await self._docs.find("jobs", {"unfiled": True}, limit=limit))

    async def untold_jobs(self, limit: int) -> list[Job]:
        """Finished jobs whose end is not recorded for webhooks yet."""
        return _jobs(await self._docs.find("jobs", {"untold": True}, limit=limit))

    # limits and the queue

    async def count_unfinished(self, kind: str, owner_id: str | None = None) -> int:
        owner = {} if owner_id is None else {"owner_id": owner_id}
        return await self._docs.count("jobs", {**owner, "kind": kind, "state": _UNFINISHED})

    async def count_created(self, kind: str, owner_id: str, since: float) -> int:
        return await self._docs.count("jobs", _created(kind, owner_id, since))

    async def created_since(self, kind: str, owner_id: str, since: float, skip: int) -> Job | None:
        """The oldest of these jobs but ``skip``."""
        where = _created(kind, owner_id, since)
        found = _jobs(await self._docs.find("jobs", where, sort="create_time", offset=skip, limit=1))
        return found[0] if found else None

    async def running_jobs(self, kind: str, limit: int) -> list[Job]:
        """Oldest start first."""
        where = {"kind": kind, "state": JobState.RUNNING}
        return _jobs(await self._docs.find("jobs", where, sort="start_time", limit=limit))

    async def queued_jobs(self, kind: str, limit: int) -> list[Job]:
        """By priority, then first come first."""
        found: list[Job] = []
        for priority in Priority:
            where = _queued(kind, priority)
            found += _jobs(await self._docs.find("jobs", where, sort="create_time", limit=limit - len(found)))
            if len(found) >= limit:
                break
        return found

    async def count_queued(self, kind: str) -> int:
        return await self._docs.count("jobs", {"kind": kind, "state": JobState.QUEUED})

    async def count_ahead(self, job: Job) -> int:
        """Queued jobs of its kind that stand before it in the order of :meth:`queued_jobs`."""
        order = list(Priority)
        before = order[: order.index(job.priority)]
        same = _queued(job.kind, job.priority)
        counts = [
            await self._docs.count("jobs", {**same, "create_time": LessThan(job.create_time)}),
            await self._docs.count("jobs", {**same, "create_time": job.create_time, "id": LessThan(job.id)}),
        ]
        if before:
            counts.append(await self._docs.count("jobs", {**same, "priority": OneOf(before)}))
        return sum(counts)

    async def latest_successes(self, kind: str, affinity: str, since: float, limit: int) -> list[Job]:
        where = {"kind": kind, "state": JobState.SUCCEEDED, "affinity": affinity, "finish_time": AtLeast(since)}
        return _jobs(await self._docs.find("jobs", where, sort="finish_time", descending=True, limit=limit))
