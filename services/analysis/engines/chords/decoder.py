"""From probabilities in each frame to chords with a beginning and an end, and the names of chords."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.chords import NO_CHORD, SUFFIXES

Floats = NDArray[np.float32]

PART_SIZES = (73, 13, 4, 4, 3, 3)
"""Classes of the parts of a chord: triad with root, bass, seventh, ninth, eleventh, thirteenth."""

_OFFSETS = (0, *accumulate(PART_SIZES[:-1]))
_CHANGE_COST = 30.0  # of another chord, as a logarithm of a probability; that of the authors
_LEAST_PROBABILITY = 1e-10
_PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_BATCH_FRAMES = 4096

# The classes of the network for each quality of a chord: triad, seventh, ninth, eleventh and thirteenth.
_QUALITIES: tuple[tuple[tuple[int, int, int, int, int], str], ...] = (
    ((0, 0, 0, 0, 0), "maj"),
    ((1, 0, 0, 0, 0), "min"),
    ((5, 0, 0, 0, 0), "aug"),
    ((4, 0, 0, 0, 0), "dim"),
    ((0, 1, 0, 0, 0), "maj7"),
    ((0, 2, 0, 0, 0), "7"),
    ((1, 2, 0, 0, 0), "min7"),
    ((4, 2, 0, 0, 0), "hdim7"),
    ((4, 3, 0, 0, 0), "dim7"),
    ((0, 1, 1, 0, 0), "maj9"),
    ((0, 2, 1, 0, 0), "9"),
    ((1, 2, 1, 0, 0), "min9"),
    ((0, 2, 1, 1, 0), "11"),
    ((0, 2, 1, 1, 1), "13"),
    ((2, 0, 0, 0, 0), "sus4"),
    ((3, 0, 0, 0, 0), "sus2"),
    ((2, 2, 0, 0, 0), "sus4(b7)"),
)
# Other basses than the root: the quality, semitones above the root, and the degree in Harte's syntax.
_INVERSIONS = (
    ("maj", 4, "3"), ("maj", 7, "5"), ("maj", 2, "2"), ("maj", 10, "b7"),
    ("min", 3, "b3"), ("min", 7, "5"), ("min", 2, "2"), ("min", 10, "b7"),
)  # fmt: skip


@dataclass(frozen=True)
class Chord:
    """A chord of the vocabulary.

    Attributes:
        name: in Harte's syntax.
        label: as musicians write it.
    """

    name: str
    label: str
    classes: tuple[int, ...]


def _vocabulary() -> Iterator[Chord]:
    """Yield "no chord", and all others in all keys."""
    yield Chord("N", NO_CHORD, (0, 0))
    for (triad, *extensions), name in _QUALITIES:
        suffix = SUFFIXES[name]
        basses = [(0, ""), *((step, degree) for quality, step, degree in _INVERSIONS if quality == name)]
        for step, degree in basses:
            for root, pitch in enumerate(_PITCH_CLASSES):
                bass = (root + step) % 12
                yield Chord(
                    f"{pitch}:{name}/{degree}" if degree else f"{pitch}:{name}",
                    f"{pitch}{suffix}/{_PITCH_CLASSES[bass]}" if degree else f"{pitch}{suffix}",
                    (1 + 12 * triad + root, 1 + bass, *extensions),
                )


VOCABULARY = tuple(_vocabulary())


def decode(probabilities: Floats) -> list[tuple[int, int, Chord, float]]:
    """Return the most probable chords, each with its first frame, its end and the mean probability of its triad.

    A chord lasts until another one is so much more probable that it outweighs the cost of a change (Viterbi).

    Args:
        probabilities: float32 [frames, 100], the parts side by side.
    """
    frame_count = probabilities.shape[0]
    origins = np.empty(frame_count, np.int32)  # the best chord of the frame before
    changes = np.empty((frame_count, len(VOCABULARY)), np.bool_)
    score = np.zeros(len(VOCABULARY))
    for start in range(0, frame_count, _BATCH_FRAMES):
        for place, observed in enumerate(_log_probabilities(probabilities[start : start + _BATCH_FRAMES])):
            frame = start + place
            best = int(np.argmax(score))
            changed = score[best] - _CHANGE_COST if frame else -np.inf
            origins[frame] = best
            np.less(score, changed, out=changes[frame])
            score = np.maximum(score, changed) + observed
    path = np.empty(frame_count, np.int32)
    chord = int(np.argmax(score))
    for frame in reversed(range(frame_count)):
        path[frame] = chord
        if changes[frame, chord]:
            chord = int(origins[frame])
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), frame_count]
    found = []
    for first, last in pairwise(edges):
        chosen = VOCABULARY[path[first]]
        found.append((first, last, chosen, float(probabilities[first:last, chosen.classes[0]].mean())))
    return found


def _log_probabilities(probabilities: Floats) -> NDArray[np.float64]:
    """Return float64 [frames, chords]: the sum of the logarithms of the parts of each chord."""
    logarithms = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    return np.asarray(logarithms @ _PARTS)


def _parts() -> NDArray[Any]:
    """Return float32 [100, chords]: 1 for each part of a chord."""
    parts = np.zeros((sum(PART_SIZES), len(VOCABULARY)), np.float32)
    for column, chord in enumerate(VOCABULARY):
        for offset, number in zip(_OFFSETS, chord.classes, strict=False):
            parts[offset + number, column] = 1.0
    return parts


_PARTS = _parts()
