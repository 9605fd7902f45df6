"""The order in which queued jobs start.

This module is the only definition of the order. Positions, lists, estimated waits and claims all use it:

1. Jobs that have waited longer than their starvation timeout ("starving" jobs) start before all others.
2. Within each of the two groups, the higher priority starts first.
3. Within one priority, the job that was created first starts first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soundwright.kit.ports import AtLeast, LessThan
from soundwright.services.library.jobs.service import Job, Priority

STARVATION_SECONDS = 900.0
"""Starvation timeout of jobs whose caller belongs to no tier."""


@dataclass(frozen=True)
class Rank:
    """Queued jobs that start one after the other, in the order of their creation."""

    starving: bool
    priority: Priority

    def conditions(self, now: float) -> dict[str, Any]:
        """Return the document conditions, apart from the priority, that jobs of this rank meet at the time ``now``."""
        return {"starve_time": LessThan(now) if self.starving else AtLeast(now)}


RANKS: Sequence[Rank] = tuple(Rank(starving, priority) for starving in (True, False) for priority in Priority)
"""All ranks, in the order in which their jobs start."""


def rank_of(job: Job, now: float) -> Rank:
    return Rank(job.starve_time < now, job.priority)
