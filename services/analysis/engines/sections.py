"""Divides a recording into sections, and labels those that sound alike with the same letter.

Boundaries are where the sound of the bars before differs from that of the bars after (Foote, "Automatic audio segmentation using
a measure of audio novelty", ICME 2000). The sections are then joined to groups by their mean sound (average linkage).
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.services.analysis.engines.bars import standard

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_UNIT_SECONDS = 2.0  # where there are no bars
_KERNEL_UNITS = 4  # bars before and after a boundary that are compared
_LEAST_UNITS = 2  # bars of a section
_THRESHOLD = 0.2  # of the strongest boundaries
_ALIKE_DISTANCE = 0.35
_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Section:
    """A section.

    Attributes:
        label: sections with the same letter sound alike.
        confidence: how clearly it differs from the section before, 0 to 1.
    """

    start_seconds: float
    end_seconds: float
    label: str
    confidence: float


def find_sections(
    downbeat_seconds: Doubles, mfcc: Floats, chroma: Floats, frames_per_second: float, duration_seconds: float
) -> list[Section]:
    """Return the sections, from the beginning to the end of the recording.

    Args:
        downbeat_seconds: float64 [bars], ascending.
        mfcc: float32 [coefficients, frames]: the first is the level.
        chroma: float32 [12, frames].
        frames_per_second: the frame rate of both.
    """
    edges = _unit_edges(downbeat_seconds, duration_seconds)
    if edges.size < 2 * _LEAST_UNITS:
        return [Section(0.0, duration_seconds, _LABELS[0], 1.0)]
    features = _unit_features(edges, mfcc, chroma, frames_per_second)
    novelty = _novelty(features)
    boundaries = _boundaries(novelty)
    starts = np.array([0, *boundaries])
    ends = np.array([*boundaries, features.shape[0]])
    labels = _labels(np.stack([features[first:last].mean(axis=0) for first, last in zip(starts, ends, strict=True)]))
    times = np.concatenate([[0.0], edges[boundaries], [duration_seconds]])
    strongest = max(float(novelty.max()), 1e-9)
    return [
        Section(
            float(times[place]),
            float(times[place + 1]),
            labels[place],
            float(np.clip(novelty[start] / strongest, 0.0, 1.0)) if place else 1.0,
        )
        for place, start in enumerate(starts)
    ]


def _unit_edges(downbeat_seconds: Doubles, duration_seconds: float) -> Doubles:
    """Return the beginnings of bars, also before the first and after the last downbeat, and of the whole recording."""
    if downbeat_seconds.size < 2:
        return np.arange(0.0, max(duration_seconds, 1e-3), _UNIT_SECONDS)
    bar_seconds = max(float(np.median(np.diff(downbeat_seconds))), 0.25)
    before = np.arange(downbeat_seconds[0] - bar_seconds, 0.0, -bar_seconds)[::-1]
    after = np.arange(downbeat_seconds[-1] + bar_seconds, duration_seconds - bar_seconds / 2, bar_seconds)
    return np.concatenate(
        [[0.0], before[before > 0.3 * bar_seconds], downbeat_seconds[downbeat_seconds > 0.3 * bar_seconds], after]
    )


def _unit_features(edges: Doubles, mfcc: Floats, chroma: Floats, frames_per_second: float) -> Doubles:
    """Return float64 [units, features]: level, timbre and harmony of each unit, with equal weights."""
    frames = np.clip(np.rint(edges * frames_per_second).astype(np.int64), 0, mfcc.shape[1] - 1)
    counts = np.maximum(np.diff(np.append(frames, mfcc.shape[1])), 1)[:, None]

    def means(matrix: Floats) -> Doubles:
        return np.add.reduceat(matrix.T.astype(np.float64), frames, axis=0) / counts

    timbre = standard(means(mfcc[1:]))
    deviation = standard(np.sqrt(np.maximum(means(np.square(mfcc[1:])) - np.square(means(mfcc[1:])), 0.0)))
    harmony = standard(means(chroma))
    level = standard(means(mfcc[:1]))
    return np.concatenate([part / np.sqrt(part.shape[1]) for part in (timbre, deviation, harmony, level)], axis=1)


def _novelty(features: Doubles) -> Doubles:
    """Return float64 [units]: how much the units before each differ from those from it on (checkerboard kernel)."""
    count = features.shape[0]
    novelty = np.zeros(count)
    taper = np.exp(-0.5 * (np.arange(_KERNEL_UNITS) / (0.5 * _KERNEL_UNITS)) ** 2)
    for unit in range(1, count):
        before = features[max(0, unit - _KERNEL_UNITS) : unit][::-1]
        after = features[unit : unit + _KERNEL_UNITS]
        sides = [(side, taper[: side.shape[0]]) for side in (before, after)]
        within = [_mean_distance(side, side) for side in sides]
        across = _mean_distance(*sides)
        novelty[unit] = max(0.0, across - sum(within) / 2)
    return novelty


def _mean_distance(one: tuple[Doubles, Doubles], other: tuple[Doubles, Doubles]) -> float:
    """Return the weighted mean of the distances between units, which are given with their weights."""
    weights = np.outer(one[1], other[1])
    return float((scipy.spatial.distance.cdist(one[0], other[0]) * weights).sum() / weights.sum())


def _boundaries(novelty: Doubles) -> NDArray[np.int64]:
    """Return the units with a peak of novelty, far enough from each other."""
    strong = float(np.percentile(novelty, 95))
    if strong <= 1e-6:
        return np.zeros(0, np.int64)
    peaks, _ = scipy.signal.find_peaks(novelty, height=_THRESHOLD * strong, distance=_LEAST_UNITS)
    return np.asarray(peaks[(peaks >= 2) & (peaks <= novelty.size - 2)], np.int64)


def _labels(means: Doubles) -> list[str]:
    """Return letters, in the order in which the groups of sections begin."""
    if means.shape[0] == 1:
        return [_LABELS[0]]
    distances = scipy.spatial.distance.pdist(means)
    links = scipy.cluster.hierarchy.linkage(distances, "average")
    groups = scipy.cluster.hierarchy.fcluster(links, max(_ALIKE_DISTANCE * float(distances.max()), 1e-9), "distance")
    order = list(dict.fromkeys(groups.tolist()))
    return [_letters(order.index(group)) for group in groups.tolist()]


def _letters(number: int) -> str:
    return (
        _LABELS[number]
        if number < len(_LABELS)
        else _letters(number // len(_LABELS) - 1) + _LABELS[number % len(_LABELS)]
    )
