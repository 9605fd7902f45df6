"""The arithmetic of Kubernetes' HorizontalPodAutoscaler, without a clock of its own.

It follows ``pkg/controller/podautoscaler`` of Kubernetes for one external metric of the type AverageValue, with a behavior
for each direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from simulation.policy import Rate, ScalingPolicy

__all__ = ["HorizontalPodAutoscaler"]

_TOLERANCE = 0.1


class HorizontalPodAutoscaler:
    """Recommends a number of replicas. It remembers its recommendations and changes, as the behaviors need them."""

    def __init__(self, policy: ScalingPolicy) -> None:
        self._policy = policy
        # KEDA switches between 0 and 1 replicas itself.
        self._min_replicas = max(1, policy.min_replicas)
        self._recommendations: list[tuple[float, int]] = []
        self._changes: list[tuple[float, int]] = []
        windows = [direction.stabilization_seconds for direction in (policy.scale_up, policy.scale_down)]
        periods = [rate.period_seconds for rate in (*policy.scale_up.policies, *policy.scale_down.policies)]
        self._memory_seconds = max(windows + periods)

    def sync(self, now: float, replicas: int, jobs: int) -> int:
        """Return the number of replicas from now on.

        Args:
            now: in seconds, not before the previous call.
            replicas: the number that the Deployment asks for now.
            jobs: the metric.
        """
        if replicas == 0:
            return 0  # scaling is disabled until KEDA starts the first replica
        if not self._min_replicas <= replicas <= self._policy.max_replicas:
            wanted = min(max(replicas, self._min_replicas), self._policy.max_replicas)
        else:
            if not self._recommendations:
                self._recommendations.append((now, replicas))
            wanted = self._limited(now, replicas, self._stabilized(now, replicas, self._needed(replicas, jobs)))
        if wanted != replicas:
            self._changes.append((now, wanted - replicas))
        self._forget(now)
        return wanted

    def _needed(self, replicas: int, jobs: int) -> int:
        ratio = jobs / (self._policy.target * replicas)
        return replicas if abs(ratio - 1) <= _TOLERANCE else math.ceil(jobs / self._policy.target)

    def _stabilized(self, now: float, replicas: int, needed: int) -> int:
        """Return ``needed``, unless a recommendation in the window of its direction was closer to ``replicas``."""
        up = min([needed, *self._recommended_since(now - self._policy.scale_up.stabilization_seconds)])
        down = max([needed, *self._recommended_since(now - self._policy.scale_down.stabilization_seconds)])
        self._recommendations.append((now, needed))
        return min(max(replicas, up), down)

    def _recommended_since(self, start: float) -> list[int]:
        return [replicas for time, replicas in self._recommendations if time > start]

    def _limited(self, now: float, replicas: int, wanted: int) -> int:
        if wanted > replicas:
            allowed = max(self._bounds(now, replicas, self._policy.scale_up.policies, +1))
            return min(wanted, max(allowed, replicas), self._policy.max_replicas)
        if wanted < replicas:
            allowed = min(self._bounds(now, replicas, self._policy.scale_down.policies, -1))
            return max(wanted, min(allowed, replicas), self._min_replicas)
        return replicas

    def _bounds(self, now: float, replicas: int, rates: Sequence[Rate], sign: int) -> list[int]:
        bounds = []
        for rate in rates:
            at_start = replicas - sum(change for time, change in self._changes if time > now - rate.period_seconds)
            if rate.kind == "Pods":
                bounds.append(at_start + sign * rate.value)
            elif sign > 0:
                bounds.append(math.ceil(at_start * (1 + rate.value / 100)))
            else:
                bounds.append(int(at_start * (1 - rate.value / 100)))
        return bounds

    def _forget(self, now: float) -> None:
        self._recommendations = [item for item in self._recommendations if item[0] >= now - self._memory_seconds]
        self._changes = [item for item in self._changes if item[0] >= now - self._memory_seconds]
