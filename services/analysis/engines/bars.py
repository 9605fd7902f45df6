"""Finds the metre and the first beats of bars, from the beats.

Chords change, and bass and bass drum enter, on the first beat of a bar. Each beat gets a score from these, and dynamic programming
chooses the bars with the best scores, as Krebs, Böck and Widmer (ISMIR 2013) and Papadopoulos and Peeters
(IEEE TASLP 2011) do with models of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_METRES = {4: 1.0, 3: 0.85, 2: 0.55, 6: 0.6}  # beats per bar, and how likely that is beforehand
_LOW_BANDS = 6  # of 128 mel bands: below about 170 Hz
_LOW_WEIGHT = 0.5  # of attacks; that of changes of chords is 1
_CHORD_BEATS = 2
_NEAR_FRAMES = 3
_IRREGULAR_COST = 12.0
_LEAST_BARS = 2


@dataclass(frozen=True)
class Bars:
    """The bars of a recording.

    Attributes:
        beats_per_bar: 0 if there are too few beats.
        downbeat_seconds: float64 [bars], ascending; some of the beats.
        confidence: 0 (another metre or another beat fits as well) to 1.
    """

    beats_per_bar: int
    downbeat_seconds: Doubles
    confidence: float


def find_attacks(levels: Iterable[Floats]) -> Doubles:
    """Return float64 [frames], at least 0: the rise of the amplitude of the lowest mel bands.

    Args:
        levels: consecutive batches of levels in dB, float32 [frames, bands].
    """
    low = [np.power(10.0, batch[:, :_LOW_BANDS] / 20.0).mean(axis=1, dtype=np.float64) for batch in levels]
    return np.maximum(np.diff(np.concatenate(low), prepend=0.0), 0.0)


def find_bars(beat_seconds: Doubles, attacks: Doubles, chroma: Floats, frames_per_second: float) -> Bars:
    """Find the bars of a recording.

    Args:
        beat_seconds: float64 [beats], ascending.
        attacks: see :func:`find_attacks`.
        chroma: float32 [12, frames].
        frames_per_second: the frame rate of the others.
    """
    if beat_seconds.size < _LEAST_BARS * min(_METRES):
        return Bars(0, np.zeros(0), 0.0)
    scores = _beat_scores(np.rint(beat_seconds * frames_per_second).astype(np.int64), attacks, chroma)
    hypotheses = []
    for metre, prior in _METRES.items():
        if beat_seconds.size < _LEAST_BARS * metre:
            continue
        for phase in range(metre):
            is_first = np.arange(scores.size) % metre == phase
            hypotheses.append((prior * _difference(scores, is_first), metre))
    hypotheses.sort(reverse=True)
    best, metre = hypotheses[0]
    if best <= 0.0:
        return Bars(4, beat_seconds[::4], 0.0)
    positions = _positions(scores, metre)
    # A metre of twice or half as many beats is no contradiction.
    other = next((score for score, each in hypotheses[1:] if each == metre), 0.0)
    return Bars(metre, beat_seconds[positions == 0], float(np.clip(1.0 - max(other, 0.0) / best, 0.0, 1.0)))


def _beat_scores(frames: NDArray[np.int64], attacks: Doubles, chroma: Floats) -> Doubles:
    """Return float64 [beats]: how much each beat looks like the first one of a bar, with mean 0 and deviation 1."""
    frames = np.clip(frames, 0, chroma.shape[1] - 1)
    sums = np.concatenate([np.zeros((12, 1)), np.cumsum(chroma, axis=1, dtype=np.float64)], axis=1)
    edges = np.append(frames, chroma.shape[1])
    change = np.zeros(frames.size)
    for beat in range(frames.size):
        before = sums[:, edges[beat]] - sums[:, edges[max(0, beat - _CHORD_BEATS)]]
        after = sums[:, edges[min(frames.size, beat + _CHORD_BEATS)]] - sums[:, edges[beat]]
        scale = np.linalg.norm(before) * np.linalg.norm(after)
        change[beat] = 1.0 - before @ after / scale if scale > 0.0 else 0.0
    offsets = np.arange(-_NEAR_FRAMES, _NEAR_FRAMES + 1)
    near = attacks[np.clip(frames[:, None] + offsets, 0, attacks.size - 1)].max(axis=1)
    return standard(standard(change) + _LOW_WEIGHT * standard(np.sqrt(near)))


def standard(values: Doubles) -> Doubles:
    """Return values with mean 0 and deviation 1 in each column; all 0 where they are alike."""
    deviation = values.std(axis=0)
    differs = deviation > 1e-9
    return np.where(differs, (values - values.mean(axis=0)) / np.where(differs, deviation, 1.0), 0.0)


def _difference(scores: Doubles, is_first: NDArray[np.bool_]) -> float:
    """Return by how many standard errors first beats score more than others."""
    share = float(is_first.mean())
    difference = float(scores[is_first].mean() - scores[~is_first].mean())
    return difference * float(np.sqrt(scores.size * share * (1.0 - share)))


def _positions(scores: Doubles, metre: int) -> NDArray[np.int64]:
    """Return int64 [beats]: the position of each beat in its bar. A bar may end early, at a cost (Viterbi)."""
    total = np.zeros(metre)
    origins = np.zeros((scores.size, metre), np.int64)
    gain = np.full(metre, -1.0 / (metre - 1))
    gain[0] = 1.0
    for beat, score in enumerate(scores):
        moved = np.roll(total, 1)
        origin = (np.arange(metre) - 1) % metre
        best = int(np.argmax(total))
        if total[best] - _IRREGULAR_COST > moved[0]:
            moved[0], origin[0] = total[best] - _IRREGULAR_COST, best
        total = moved + gain * score
        origins[beat] = origin
    positions = np.zeros(scores.size, np.int64)
    state = int(np.argmax(total))
    for beat in reversed(range(scores.size)):
        positions[beat] = state
        state = int(origins[beat, state])
    return positions
