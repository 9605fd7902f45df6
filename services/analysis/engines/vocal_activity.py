"""The ``vocal-level`` engine: when somebody sings, from the level of the vocal stem."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.engines import ModelDeclaration
from soundwright.services.analysis.engines.mono import mono_blocks
from soundwright.services.analysis.service import Engine, Recording, Signal
from soundwright.services.analysis.signals import VOCALS, parts_of

RATE_HZ = 16_000
HOP = 160  # 10 ms
_SMOOTHED, _LOUD = 10, 40  # hops of the mean for decisions, and of that for the level of loud singing
_BEGIN_DB, _GO_ON_DB = -20.0, -26.0  # relative to loud singing
_FLOOR_DB = -45.0  # relative to full scale; what separation leaves of other instruments is quieter
_PAUSE, _SHORTEST = 30, 10  # hops; a longer pause ends a segment, and a shorter segment is a click
_SURE_DB = 20.0  # above the level at which a segment may begin

VOCAL_LEVEL = ModelDeclaration(
    name="vocal-level",
    description="When somebody sings, by the level of the vocal stem",
    architecture="Signal processing",
    outputs=("vocal_activity",),
    code_licence="Apache-2.0",
    needs_weights=False,
    device_memory_bytes=0,
)


class VocalLevelEngine(Engine):
    """Finds the segments in which the vocal stem is loud. A segment begins and ends where its level is a bit lower.

    The result has ``vocal_activity.segments``, with ``start_seconds``, ``end_seconds`` and ``confidence``.
    """

    name = "vocal-level"
    models = (VOCAL_LEVEL,)
    signal = Signal.VOCALS

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Find the segments; see :class:`soundwright.services.analysis.service.Engine`.

        Raises ``NO_STEMS`` if the recording is not a vocal stem.
        """
        if VOCALS not in parts_of(recording):
            raise errors.NO_STEMS(
                "Vocal activity is read from the vocal stem. Separate the track, then analyse it again."
            )
        activity = activity_of(recording, report)
        segments = [
            {
                "start_seconds": round(start * HOP / RATE_HZ, 3),
                "end_seconds": round(end * HOP / RATE_HZ, 3),
                "confidence": round(
                    float(
                        np.clip(
                            0.5 + (activity.level_db[start:end].max() - activity.begin_db) / (2 * _SURE_DB), 0.5, 1.0
                        )
                    ),
                    2,
                ),
            }
            for start, end in activity.spans
        ]
        return {"vocal_activity": {"segments": segments}}


@dataclass(frozen=True)
class Activity:
    """Where a recording is loud.

    Attributes:
        begin_db: the level that each span has somewhere.
        spans: first hop and the one after the last.
    """

    level_db: NDArray[np.float64]
    begin_db: float
    spans: list[tuple[int, int]]


def activity_of(recording: Recording, report: Callable[[float], None]) -> Activity:
    """Return where a recording is loud, relative to the loudest parts of it."""
    power = _powers(recording, report)
    level_db, loud_db = _mean_db(power, _SMOOTHED), _mean_db(power, _LOUD)
    loudest = float(np.percentile(loud_db, 95)) if len(loud_db) else _FLOOR_DB
    begin_db = max(loudest + _BEGIN_DB, _FLOOR_DB)
    return Activity(level_db, begin_db, _segments(level_db, begin_db, begin_db + _GO_ON_DB - _BEGIN_DB))


def _powers(recording: Recording, report: Callable[[float], None]) -> NDArray[np.float64]:
    powers: list[NDArray[np.float64]] = [np.zeros(0)]
    rest = np.zeros(0, np.float32)
    for block in mono_blocks(recording, RATE_HZ, report):
        samples = np.concatenate([rest, block])
        whole = len(samples) - len(samples) % HOP
        powers.append(np.square(samples[:whole].reshape(-1, HOP), dtype=np.float64).mean(axis=1))
        rest = samples[whole:]
    return np.concatenate(powers)


def _mean_db(power: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the level of the mean of ``count`` hops around each hop."""
    if not len(power):
        return power
    return 10.0 * np.log10(np.convolve(power, np.full(count, 1.0 / count), "same")[: len(power)] + 1e-12)


def _segments(level_db: NDArray[np.float64], begin_db: float, go_on_db: float) -> list[tuple[int, int]]:
    """Return where the level exceeds ``go_on_db`` and somewhere ``begin_db``: first hop and the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], level_db > go_on_db, [False]])))
    segments: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if level_db[start:end].max() <= begin_db:
            continue
        if segments and start - segments[-1][1] < _PAUSE:
            start = segments.pop()[0]
        segments.append((start, end))
    return [(start, end) for start, end in segments if end - start >= _SHORTEST]
