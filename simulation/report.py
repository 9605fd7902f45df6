"""Figures of a simulated run, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulation.model import Run

__all__ = ["Figures", "percentile", "table"]


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest of the values that ``percent`` % of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True)
class Figures:
    """What a policy means for users and for the bill.

    Attributes:
        utilisation: the part of the time of held GPUs for which jobs ran.
    """

    wait_p50_seconds: float
    wait_p95_seconds: float
    wait_max_seconds: float
    gpu_hours: float
    node_hours: float
    utilisation: float
    replica_peak: int

    @classmethod
    def of(cls, run: Run, slot_count: int) -> Figures:
        waits = [job.wait_seconds for job in run.jobs]
        held_seconds = run.gpu_seconds * slot_count
        return cls(
            percentile(waits, 50),
            percentile(waits, 95),
            max(waits),
            run.gpu_seconds / 3600,
            run.node_seconds / 3600,
            run.busy_seconds / held_seconds if held_seconds else 0.0,
            max(replicas for _, replicas in run.replicas),
        )

    def cells(self) -> list[str]:
        return [
            f"{self.wait_p50_seconds:.0f}", f"{self.wait_p95_seconds:.0f}", f"{self.wait_max_seconds:.0f}",
            f"{self.gpu_hours:.1f}", f"{self.node_hours:.1f}", f"{self.utilisation:.0%}", str(self.replica_peak),
        ]  # fmt: skip


HEAD = ("wait p50, s", "p95, s", "max, s", "pod hours", "node hours", "busy", "most replicas")


def table(rows: Sequence[tuple[str, Sequence[str]]], head: Sequence[str] = HEAD) -> str:
    """Return a Markdown table with numbers on the right."""
    lines = [["", *head], ["---", *["---:"] * len(head)], *([name, *cells] for name, cells in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
