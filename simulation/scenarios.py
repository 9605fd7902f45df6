"""What is simulated: job times, loads, and the policies that are compared."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from services.library.jobs.service import Priority
from simulation.policy import Direction, Rate, ScalingPolicy
from simulation.work import SimulatedJob, poisson

__all__ = ["LOADS", "Load", "alternatives", "job_times"]

_SONG_SECONDS = 210.0
_CLIP_SECONDS = 30.0
_SAMPLE_SIZE = 2_000
_MIX = {Priority.PREMIUM: 0.1, Priority.STANDARD: 0.6, Priority.FREE: 0.3}
DAY_SECONDS = 86_400.0
_LAST_ARRIVAL_SECONDS = 8 * 3_600.0

# The seconds of one job by the seconds of its audio. docs/SCALING.md names the sources.
_DEFAULT_TIMES: Mapping[str, tuple[float, float, float]] = {
    # queue: median length of the audio, seconds for each of its seconds, further seconds of a job
    "separation": (_SONG_SECONDS, 1 / 24.6, 3.0),
    "generation": (_CLIP_SECONDS, 1.0, 1.0),
    "analysis": (_SONG_SECONDS, 0.78 / 180, 0.1),
}


def job_times(queue: str, file: Path | None, source: random.Random) -> Sequence[float]:
    """Return times of jobs in seconds: those in ``file``, a JSON list, or the documented ones of the queue."""
    if file is not None:
        return TypeAdapter(list[float]).validate_python(json.loads(file.read_text()))
    median_seconds, seconds_for_each, further_seconds = _DEFAULT_TIMES[queue]
    lengths = (source.lognormvariate(0.0, 0.35) * median_seconds for _ in range(_SAMPLE_SIZE))
    return [further_seconds + length * seconds_for_each for length in lengths]


@dataclass(frozen=True)
class Load:
    """Arrivals of jobs during a day.

    Attributes:
        arrivals: yields their times, for the mean time of a job and the number of GPUs.
    """

    name: str
    arrivals: Callable[[random.Random, float, int], Iterator[float]]

    def jobs(self, times: Sequence[float], gpu_count: int, source: random.Random) -> list[SimulatedJob]:
        mean_seconds = sum(times) / len(times)
        return [
            SimulatedJob(arrival, source.choice(times), source.choices(list(_MIX), list(_MIX.values()))[0])
            for arrival in self.arrivals(source, mean_seconds, gpu_count)
        ]


def _until_evening(arrivals: Iterator[float]) -> Iterator[float]:
    return itertools.takewhile(lambda time: time < _LAST_ARRIVAL_SECONDS, arrivals)


def _one_burst(source: random.Random, mean_seconds: float, gpu_count: int) -> Iterator[float]:
    return itertools.repeat(3_600.0, 100)


def _albums(source: random.Random, mean_seconds: float, gpu_count: int) -> Iterator[float]:
    for start in _until_evening(poisson(1_200.0, source)):
        yield from itertools.repeat(start, 12)


def _busy(source: random.Random, mean_seconds: float, gpu_count: int) -> Iterator[float]:
    return _until_evening(poisson(mean_seconds / (0.6 * gpu_count), source))


def _sparse(source: random.Random, mean_seconds: float, gpu_count: int) -> Iterator[float]:
    return _until_evening(poisson(3_600.0, source))


LOADS = (
    Load("a burst of 100 jobs", _one_burst),
    Load("for 8 hours, 12 jobs at once every 20 minutes on average", _albums),
    Load("for 8 hours, single jobs that need 60 % of all GPUs", _busy),
    Load("for 8 hours, a single job every hour on average", _sparse),
)


def alternatives(policy: ScalingPolicy, node_count: int) -> dict[str, ScalingPolicy]:
    """Return the policy of the manifests, and others to compare it with, by name."""

    def changed(**changes: object) -> ScalingPolicy:
        return ScalingPolicy.model_validate(policy.model_dump() | changes)

    eager = Direction(stabilization_seconds=60, policies=(Rate(kind="Percent", value=100, period_seconds=15),))
    all_nodes = min(node_count, policy.max_replicas)
    return {
        "manifests": policy,
        "one worker always": changed(min_replicas=1),
        "twice the jobs for a worker": changed(target=policy.target * 2),
        "removes workers after 1 minute": changed(cooldown_seconds=60, scale_down=eager),
        "keeps workers for 30 minutes": changed(
            cooldown_seconds=1_800,
            scale_down=policy.scale_down.model_copy(update={"stabilization_seconds": 1_800}),
        ),
        "KEDA's default values": changed(
            polling_interval_seconds=30,
            cooldown_seconds=300,
            target=10,
            scale_down=Direction(
                stabilization_seconds=300, policies=(Rate(kind="Percent", value=100, period_seconds=15),)
            ),
        ),
        "all nodes always": changed(min_replicas=all_nodes, max_replicas=all_nodes),
    }
