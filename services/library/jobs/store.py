"""Queries about jobs."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from soundwright.kit.ports import AtLeast, Collection, Docs, Index, LessThan, OneOf
from soundwright.services.library.jobs.order import RANKS, Rank, rank_of
from soundwright.services.library.jobs.service import BATCH, Admissions, Job, JobState, Priority
from soundwright.services.library.paging import Page, PageRequest
from soundwright.services.library.table import Table

_JOBS = Collection(
    "jobs",
    (
        Index(("owner_id", "create_time")),
        Index(("owner_id", "idempotency_key"), unique=True, present="idempotency_key"),
        Index(("track_id", "kind", "state", "finish_time")),
        # Limits, places in the queue, and how fast it moves.
        Index(("owner_id", "kind", "state")),
        Index(("network", "kind", "state"), present="network"),
        Index(("network", "kind", "create_time"), present="network"),
        Index(("kind", "state", "priority", "create_time")),
        Index(("state", "queue", "priority", "create_time")),
        Index(("command_id",), present="command_id"),
        Index(("kind", "state", "affinity", "finish_time")),
        # Queries of the sweeper. Finished jobs are not in these indexes.
        Index(("due_time",), present="due_time"),
        Index(("lease_until",), present="lease_until"),
        Index(("results_pending",), present="results_pending"),
        Index(("webhooks_pending",), present="webhooks_pending"),
        Index(("create_time",)),
        Index(("owner_id", "stored_bytes"), present="stored_bytes"),
        # The administration.
        Index(("kind", "state", "create_time")),
        Index(("stored_bytes",), present="stored_bytes"),
        Index(("network", "stored_bytes"), present="network"),
    ),
)
_ADMISSIONS = Collection("admissions")
# The clocks of two libraries may differ by this much without delaying a job.
_CLOCK_TOLERANCE_SECONDS = 0.05
_UNFINISHED = OneOf([JobState.QUEUED, JobState.RUNNING])


def _created(kind: str, creator: Mapping[str, str], since: float) -> dict[str, Any]:
    return {**creator, "kind": kind, "create_time": AtLeast(since)}


def _queued(kind: str, rank: Rank, now: float) -> dict[str, Any]:
    """Return the conditions for the queued jobs of a kind that have a rank."""
    return {"kind": kind, "state": JobState.QUEUED, "priority": rank.priority, **rank.conditions(now)}


class JobDocs(Table[Job]):
    """The records of jobs."""

    def __init__(self, docs: Docs) -> None:
        super().__init__(docs, _JOBS, Job)
        self.admissions = Table(docs, _ADMISSIONS, Admissions)

    async def prepare(self) -> None:
        await super().prepare()
        await self.admissions.prepare()

    async def job_by_key(self, owner_id: str, idempotency_key: str) -> Job | None:
        return await self.first({"owner_id": owner_id, "idempotency_key": idempotency_key})

    async def list_jobs(
        self,
        owner_id: str,
        kinds: Sequence[str],
        states: Sequence[str],
        track_id: str,
        asked: PageRequest,
        oldest_first: bool = False,
        creator_key: str | None = None,
    ) -> Page[Job]:
        where: dict[str, Any] = {"owner_id": owner_id}
        if creator_key is not None:
            where["creator_key"] = creator_key
        if kinds:
            where["kind"] = OneOf(list(kinds))
        if states:
            where["state"] = OneOf(list(states))
        if track_id:
            where["track_id"] = track_id
        return await self.adjacent_page(where, asked, sort=("create_time",), descending=not oldest_first)

    async def newest_jobs(self, offset: int, limit: int, kinds: Sequence[str], states: Sequence[str]) -> list[Job]:
        """Return the jobs of these kinds and states of all owners, newest first. Without kinds, return all jobs."""
        where = {"kind": OneOf(list(kinds)), "state": OneOf(list(states))} if kinds else {}
        return await self.find(where, sort="create_time", descending=True, offset=offset, limit=limit)

    async def count_by_kind_and_state(self) -> dict[tuple[str, str], int]:
        """Return the number of jobs for each kind and state. Each kind takes a look-up, each state a count."""
        counts: dict[tuple[str, str], int] = {}
        least, order = "", ("kind", "state", "priority", "create_time")
        while found := await self.first({"kind": AtLeast(least)}, sort=order):
            kind = found.kind
            for state in JobState:
                if count := await self.count({"kind": kind, "state": state}):
                    counts[kind, state] = count
            least = kind + "\0"  # the next greater text
        return counts

    async def overdue_leases(self, now: float, limit: int) -> list[Job]:
        """Return running jobs whose lease has expired, the earliest first."""
        return await self.find({"lease_until": LessThan(now)}, sort="lease_until", limit=limit)

    async def due_jobs(self, before: float, limit: int, after: Job | None = None) -> list[Job]:
        """Return queued jobs that were due before this time, the earliest first; only those after ``after``, if it is given."""
        return await self.find({"due_time": LessThan(before)}, sort="due_time", limit=limit, after=after)

    async def unfinished_count(self, queue: str) -> int:
        """Return how many commands of a queue the broker should hold: one for each unfinished job."""
        return await self.count({"state": _UNFINISHED, "queue": queue})

    # claims

    async def job_started_by(self, command_id: str) -> Job | None:
        return await self.first({"command_id": command_id}, sort="start_time", descending=True)

    async def next_job(self, queue: str, now: float) -> Job | None:
        """Return the job of a queue that starts next: one whose worker died, else the first queued job that may start."""
        dead = {"state": JobState.RUNNING, "queue": queue, "lease_until": LessThan(now)}
        due = {"state": JobState.QUEUED, "queue": queue, "due_time": LessThan(now + _CLOCK_TOLERANCE_SECONDS)}
        ranked = ({**due, "priority": rank.priority, **rank.conditions(now)} for rank in RANKS)
        # At the same time, because a worker waits for the answer.
        found = await asyncio.gather(
            self.first(dead, sort="lease_until"), *(self.first(where, sort="create_time") for where in ranked)
        )
        return next(filter(None, found), None)

    async def next_change_time(self, queue: str) -> float | None:
        """Return when a lease of the queue ends or a delayed job may start, whichever is first; None: no such job."""
        times: list[float] = []
        for state, time in ((JobState.RUNNING, "lease_until"), (JobState.QUEUED, "due_time")):
            docs = await self._docs.find(self._name, {"state": state, "queue": queue}, sort=time, limit=1)
            times += [doc[time] for doc in docs]
        return min(times, default=None)

    async def unfinished_batches(self, limit: int, after: Job | None = None) -> list[Job]:
        """Return unfinished batches, the oldest first; only those after ``after``, if it is given."""
        return await self.find({"kind": BATCH, "state": _UNFINISHED}, sort="create_time", limit=limit, after=after)

    async def count_unfinished_of(self, job_ids: Sequence[str]) -> int:
        """Return how many of these jobs have not ended."""
        return await self.count({"id": OneOf(list(job_ids)), "state": _UNFINISHED})

    async def jobs_with_pending_results(self, limit: int) -> list[Job]:
        return await self.find({"results_pending": True}, limit=limit)

    async def jobs_with_pending_webhooks(self, limit: int) -> list[Job]:
        """Return finished jobs whose end is not recorded for webhooks yet."""
        return await self.find({"webhooks_pending": True}, limit=limit)

    # limits and the queue

    async def count_unfinished(self, kind: str, creator: Mapping[str, str]) -> int:
        return await self.count({**creator, "kind": kind, "state": _UNFINISHED})

    async def count_created(self, kind: str, creator: Mapping[str, str], since: float) -> int:
        return await self.count(_created(kind, creator, since))

    async def created_since(self, kind: str, creator: Mapping[str, str], since: float, skip: int) -> Job | None:
        """Return the oldest job that the creator created since then, after skipping ``skip`` jobs."""
        return await self.first(_created(kind, creator, since), sort="create_time", offset=skip)

    async def running_jobs(self, kind: str, limit: int) -> list[Job]:
        """Return the running jobs of a kind in the order in which they started."""
        return await self.find({"kind": kind, "state": JobState.RUNNING}, sort="start_time", limit=limit)

    async def queued_jobs(self, kind: str, now: float, limit: int) -> list[Job]:
        """Return the queued jobs of a kind in the order in which they start."""
        found: list[Job] = []
        for rank in RANKS:
            found += await self.find(_queued(kind, rank, now), sort="create_time", limit=limit - len(found))
            if len(found) >= limit:
                break
        return found

    async def queued(self, kind: str, priority: Priority) -> tuple[int, float | None]:
        """Return the number of queued jobs, and the time at which the oldest was created."""
        where = {"kind": kind, "state": JobState.QUEUED, "priority": priority}
        oldest = await self.first(where, sort="create_time")
        return (await self.count(where), oldest.create_time) if oldest else (0, None)

    async def count_queued(self, kind: str) -> int:
        return await self.count({"kind": kind, "state": JobState.QUEUED})

    async def count_ahead(self, job: Job, now: float) -> int:
        """Return how many queued jobs of its kind start before a queued job."""
        own = rank_of(job, now)
        same = _queued(job.kind, own, now)
        count = await self.count({**same, "create_time": LessThan(job.create_time)})
        count += await self.count({**same, "create_time": job.create_time, "id": LessThan(job.id)})
        for _, group in groupby(RANKS[: RANKS.index(own)], key=lambda rank: rank.starving):
            ranks = list(group)
            where = {**_queued(job.kind, ranks[0], now), "priority": OneOf([rank.priority for rank in ranks])}
            count += await self.count(where)
        return count

    async def latest_successes(self, kind: str, affinity: str, since: float, limit: int) -> list[Job]:
        where = {"kind": kind, "state": JobState.SUCCEEDED, "affinity": affinity, "finish_time": AtLeast(since)}
        return await self.find(where, sort="finish_time", descending=True, limit=limit)
