"""How often a caller may call: a window of one minute per caller and class, in memory."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from kit.ports import Clock

__all__ = ["Allowance", "RateClass", "RateLimiter"]


class RateClass(enum.StrEnum):
    """Kinds of calls with budgets of their own, so that one cannot eat up another's."""

    NORMAL = "normal"
    HEAVY = "heavy"
    POLLING = "polling"
    FILES = "files"
    REPORTS = "reports"
    PAGES = "pages"


@dataclass(frozen=True)
class Allowance:
    """What is left to a caller after one call."""

    limit: int
    remaining: int
    reset_time: int
    """Seconds since 1970 at which the budget is whole again."""
    retry_after_seconds: int
    """0 if the call is allowed."""

    @property
    def headers(self) -> dict[str, str]:
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_time),
        }
        return headers | ({"Retry-After": str(self.retry_after_seconds)} if self.retry_after_seconds else {})


@dataclass
class _Window:
    start_time: float
    count: int


class RateLimiter:
    """Counts calls. A caller's window opens with the first call and lasts a minute; refused calls do not count.

    Args:
        limits: calls per window for each class.
        clock: the time.
        window_seconds: length of the window.
        window_limit: how many windows are remembered; beyond that the oldest one is forgotten, whoever floods us
            with new identities.
    """

    def __init__(
        self, limits: Mapping[RateClass, int], clock: Clock, window_seconds: float = 60.0, window_limit: int = 50_000
    ) -> None:
        self._limits = dict(limits)
        self._clock = clock
        self._window_seconds = window_seconds
        self._window_limit = window_limit
        self._windows: OrderedDict[tuple[str, RateClass], _Window] = OrderedDict()  # oldest first

    def take(self, identity: str, rate_class: RateClass) -> Allowance:
        """Count one call of ``identity``, if its budget allows it."""
        now = self._clock.now()
        self._forget(now)
        limit = self._limits[rate_class]
        window = self._windows.setdefault((identity, rate_class), _Window(now, 0))
        allowed = window.count < limit
        window.count += allowed
        end = window.start_time + self._window_seconds
        return Allowance(
            limit=limit,
            remaining=limit - window.count,
            reset_time=math.ceil(end),
            retry_after_seconds=0 if allowed else max(1, math.ceil(end - now)),
        )

    def _forget(self, now: float) -> None:
        """Drop windows that are over; they lie in the order in which they opened."""
        while self._windows:
            oldest = next(iter(self._windows.values()))
            over = not (oldest.start_time <= now < oldest.start_time + self._window_seconds)
            if not over and len(self._windows) < self._window_limit:
                return
            self._windows.popitem(last=False)

    def __len__(self) -> int:
        return len(self._windows)
