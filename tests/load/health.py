"""How fast ``/health`` answers meanwhile."""

from __future__ import annotations

import statistics

__all__ = ["summary"]


def summary(seconds: list[float]) -> str:
    """Return cells of a table: the number of answers, their median, 99th percentile and maximum in ms.

    Args:
        seconds: from :func:`fuzzing.health_watched`.
    """
    ordered = sorted(1000 * each for each in seconds)
    p99 = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
    return f"{len(ordered)} | {statistics.median(ordered):.0f} | {p99:.0f} | {ordered[-1]:.0f}"
