"""Cue points for DJs: phrases counted in bars, phrase boundaries where the level jumps, and the likely chorus."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_PHRASE_BARS = (32, 16, 8, 4)
_FEWEST_PHRASES = 3
_JUMP_DB = 3.0


@dataclass(frozen=True)
class Cue:
    """A cue point. ``kind`` is mix_in, phrase, drop, breakdown or mix_out. ``bar`` counts from 1."""

    kind: str
    bar: int
    time_seconds: float


def find_cues(
    bars_seconds: Sequence[float], levels_db: Sequence[float], level_hop_seconds: float
) -> tuple[int, list[Cue]]:
    """Return the length of a phrase in bars, and the cue points in order.

    A phrase has 32, 16, 8 or 4 bars: the longest length that gives
    at least three phrases. At a drop, the mean level of a phrase is at least 3 dB above that of the phrase before. At a
    breakdown it is at least 3 dB below.

    Args:
        bars_seconds: times of the first beats of the bars, ascending.
        levels_db: a level every ``level_hop_seconds``. If empty, no drops and breakdowns are found.
        level_hop_seconds: time between levels; must be positive if there are levels.
    """
    phrase_bars = next(
        (length for length in _PHRASE_BARS if len(bars_seconds) >= length * _FEWEST_PHRASES), _PHRASE_BARS[-1]
    )
    starts = list(range(0, len(bars_seconds), phrase_bars))
    if not starts:
        return phrase_bars, []
    cues = []
    for place, bar in enumerate(starts):
        kind = "mix_in" if place == 0 else "mix_out" if place == len(starts) - 1 else "phrase"
        if kind == "phrase":
            start, end = bars_seconds[bar], bars_seconds[starts[place + 1]]
            before = _mean(levels_db, level_hop_seconds, bars_seconds[starts[place - 1]], start)
            after = _mean(levels_db, level_hop_seconds, start, end)
            if before is not None and after is not None and abs(after - before) >= _JUMP_DB:
                kind = "drop" if after > before else "breakdown"
        cues.append(Cue(kind, bar + 1, bars_seconds[bar]))
    return phrase_bars, cues


def likely_chorus(sections: Sequence[tuple[str, float]]) -> str | None:
    """Return the letter of the sections that are probably the chorus; None if no letter occurs twice.

    It occurs most often. Among equally frequent letters, its sections are the longest together.

    Args:
        sections: letter and length in seconds, in the order of the song.
    """
    counts = Counter(label for label, _ in sections)
    label = max(
        counts, key=lambda each: (counts[each], sum(length for one, length in sections if one == each)), default=None
    )
    return label if label is not None and counts[label] > 1 else None


def _mean(levels_db: Sequence[float], hop_seconds: float, start_seconds: float, end_seconds: float) -> float | None:
    if hop_seconds <= 0:
        return None
    inside = levels_db[round(start_seconds / hop_seconds) : round(end_seconds / hop_seconds)]
    return sum(inside) / len(inside) if inside else None
