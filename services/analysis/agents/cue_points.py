"""Where a DJ would set markers: phrases counted from the beats, and where the level jumps at one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BEATS_PER_BAR", "Cue", "find_cues"]

BEATS_PER_BAR = 4
_PHRASE_BARS = (32, 16, 8, 4)
_FEWEST_PHRASES = 3
_JUMP_DB = 3.0


@dataclass(frozen=True)
class Cue:
    """A marker: ``kind`` is mix_in, phrase, drop, breakdown or mix_out; ``bar`` counts from 1."""

    kind: str
    bar: int
    time_seconds: float


def find_cues(
    beats_seconds: Sequence[float], levels_db: Sequence[float], level_hop_seconds: float
) -> tuple[int, list[Cue]]:
    """The length of a phrase in bars, and the cues in order.

    Bars have four beats and begin with the first beat. A phrase has 32, 16, 8 or 4 bars: as many as give three of them.
    At a drop the mean level of a phrase is 3 dB or more above the phrase before; at a breakdown as much below.

    Args:
        beats_seconds: times of beats, rising.
        levels_db: a level every ``level_hop_seconds``; empty: drops and breakdowns are not looked for.
        level_hop_seconds: above 0 where there are levels.
    """
    bars = list(beats_seconds[::BEATS_PER_BAR])
    phrase_bars = next((length for length in _PHRASE_BARS if len(bars) >= length * _FEWEST_PHRASES), _PHRASE_BARS[-1])
    starts = list(range(0, len(bars), phrase_bars))
    if not starts:
        return phrase_bars, []
    cues = []
    for place, bar in enumerate(starts):
        kind = "mix_in" if place == 0 else "mix_out" if place == len(starts) - 1 else "phrase"
        if kind == "phrase":
            end = bars[starts[place + 1]]
            before = _mean(levels_db, level_hop_seconds, bars[starts[place - 1]], bars[bar])
            after = _mean(levels_db, level_hop_seconds, bars[bar], end)
            if before is not None and after is not None and abs(after - before) >= _JUMP_DB:
                kind = "drop" if after > before else "breakdown"
        cues.append(Cue(kind, bar + 1, bars[bar]))
    return phrase_bars, cues


def _mean(levels_db: Sequence[float], hop_seconds: float, start_seconds: float, end_seconds: float) -> float | None:
    if hop_seconds <= 0:
        return None
    inside = levels_db[round(start_seconds / hop_seconds) : round(end_seconds / hop_seconds)]
    return sum(inside) / len(inside) if inside else None
