"""Beats and bars of an analysis as musical time, for files that other programs open."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.midi import TICKS_PER_QUARTER

_DEFAULT_BPM = 120.0
_LONGEST_BEAT_SECONDS = 4.0  # a longer gap between beats has beats that were not heard


@dataclass(frozen=True)
class Grid:
    """Where musical time is in a recording.

    Attributes:
        seconds: ascending times, the first at 0.
        metres: tick, beats per bar and exponent of the unit, where the metre changes.
    """

    seconds: NDArray[np.float64]
    ticks: NDArray[np.int64]
    metres: Sequence[tuple[int, int, int]]

    def tick(self, seconds: float) -> int:
        """Return the tick at a time. After the last beat, the tempo stays."""
        if seconds > self.seconds[-1]:
            pace = (self.ticks[-1] - self.ticks[-2]) / (self.seconds[-1] - self.seconds[-2])
            return round(float(self.ticks[-1] + (seconds - self.seconds[-1]) * pace))
        return round(float(np.interp(seconds, self.seconds, self.ticks)))

    def tempos(self) -> list[tuple[int, float, float]]:
        """Return tick, seconds, and the seconds of a quarter from there on, where the tempo changes by a microsecond."""
        quarters = np.diff(self.seconds) / np.diff(self.ticks) * TICKS_PER_QUARTER
        changes = np.concatenate([[True], np.diff(np.rint(quarters * 1e6)) != 0])
        return [
            (int(tick), float(seconds), float(quarter))
            for tick, seconds, quarter in zip(
                self.ticks[:-1][changes], self.seconds[:-1][changes], quarters[changes], strict=True
            )
        ]

    def points(self) -> Iterator[tuple[int, float, float, tuple[int, int] | None]]:
        """Yield tick, seconds and the seconds of a quarter, where tempo or metre changes, and the metre if it does."""
        metres = {tick: (beats, exponent) for tick, beats, exponent in self.metres}
        changes = {tick: (seconds, quarter) for tick, seconds, quarter in self.tempos()}
        before = (-1, 0.0, 0.0)
        for tick in sorted({*changes, *metres}):
            if tick in changes:
                before = (tick, *changes[tick])
            start, seconds, quarter = before
            yield tick, seconds + (tick - start) / TICKS_PER_QUARTER * quarter, quarter, metres.get(tick)


def song_grid(values: Mapping[str, Any]) -> Grid:
    """Return the grid of the beats and bars of an analysis. Without beats, the tempo is steady.

    The recording begins on a beat: if the first beat comes late, as many beats precede it as fit.
    """
    bars = values.get("bars") or {}
    downbeats = np.asarray(bars.get("downbeats") or [], np.float64)
    beats = np.unique(np.asarray(values.get("beats") or [], np.float64))
    in_eighths = bars.get("beats_per_bar") == 6
    unit = TICKS_PER_QUARTER // 2 if in_eighths else TICKS_PER_QUARTER
    if len(beats) < 2:
        beat_seconds = 60.0 / (values.get("tempo") or _DEFAULT_BPM)
        return Grid(np.array([0.0, beat_seconds]), np.array([0, unit]), [])
    gaps = np.diff(beats)
    usual = float(np.median(gaps))
    steps = np.where(gaps > _LONGEST_BEAT_SECONDS, np.maximum(1, np.rint(gaps / usual)), 1).astype(np.int64)
    lead = round(float(beats[0]) / usual)
    numbers = lead + np.concatenate([[0], np.cumsum(steps)])
    seconds = beats
    seconds = np.concatenate([[0.0], beats if lead else beats[1:]])
    ticks = (np.concatenate([[0], numbers]) if lead else numbers) * unit
    firsts = np.unique(np.rint(np.interp(downbeats, beats, numbers)).astype(np.int64))
    return Grid(seconds, ticks, _metres(firsts, unit, 3 if in_eighths else 2))


def sections_of(values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (values.get("sections") or {}).get("segments", ())
    return found


def _metres(firsts: NDArray[np.int64], unit: int, exponent: int) -> list[tuple[int, int, int]]:
    """Return the metres of bars that begin at the beats ``firsts``. What comes before is a bar of its own, or several."""
    if len(firsts) < 2:
        return []
    lengths = np.diff(firsts)
    pickup = int(firsts[0] % lengths[0])
    bars = [(0, pickup), (pickup, int(lengths[0])), *zip(firsts.tolist(), lengths.tolist(), strict=False)]
    found: list[tuple[int, int, int]] = []
    for beat, beat_count in bars:
        if beat_count and (not found or found[-1][1] != beat_count):
            found.append((beat * unit, min(beat_count, 255), exponent))
    return found
