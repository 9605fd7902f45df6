"""Notes in what a network says about time and pitch.

Bittner, Bosch, Rubinstein, Meseguer-Brocal, Ewert, "A lightweight instrument-agnostic model for polyphonic note transcription and
multipitch estimation", ICASSP 2022: notes begin at peaks of the onsets and last while the pitch sounds. What is left of the
pitches is made into notes from its strongest point outwards, as Melodia (Salamon and Gómez, 2012) does with contours. The
thresholds are higher and notes may be shorter than in the paper (docs/BENCHMARKS.md).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_ONSET_THRESHOLD = 0.6
_PITCH_THRESHOLD = 0.3
_LONGEST_GAP = 11  # frames below the threshold after which a note has ended
_SHORTEST = 8  # frames; a note is longer
_LEAD_IN = 16  # frames; a pitch is heard so long before a low note begins
_OVERTONES = (12, 19, 24, 28, 31)  # semitones of the second to sixth partial above a note
_TOGETHER = 4  # frames between the beginnings of a note and of its overtones
_CHUNK = 2600  # frames, 30 seconds
_LOOKAHEAD = 860  # frames; a note that lasts longer than them into the next chunk is divided


class NoteEvent(NamedTuple):
    """A note: first frame, frame after its last, index of its pitch, and strength 0 to 1."""

    start: int
    end: int
    pitch: int
    strength: float


class NoteFinder:
    """Finds notes in a stream of probabilities, in bounded memory."""

    def __init__(self, pitch_count: int) -> None:
        self._onsets = np.zeros((0, pitch_count), np.float32)
        self._pitches = np.zeros((0, pitch_count), np.float32)
        self._first = 0  # the frame of the first row
        self._sounding: list[NoteEvent] = []  # notes that last into the rows

    def push(self, onsets: Floats, pitches: Floats) -> Iterator[NoteEvent]:
        """Add frames: probabilities that notes begin and that pitches sound, float32 [frames, pitches]. Yield notes."""
        self._onsets = np.concatenate([self._onsets, onsets])
        self._pitches = np.concatenate([self._pitches, pitches])
        while len(self._onsets) >= _CHUNK + _LOOKAHEAD:
            yield from self._find(_CHUNK)

    def finish(self) -> Iterator[NoteEvent]:
        yield from self._find(len(self._onsets))

    def _find(self, count: int) -> Iterator[NoteEvent]:
        """Yield the notes that begin in the first ``count`` rows, and drop these rows."""
        rest = self._pitches.copy()
        for note in self._sounding:
            _clear(rest, 0, note.end - self._first, note.pitch)
        found = [note for note in _notes(self._onsets, self._pitches, rest) if note.start < count]
        found = [NoteEvent(n.start + self._first, n.end + self._first, n.pitch, n.strength) for n in found]
        self._first += count
        self._onsets, self._pitches = self._onsets[count:], self._pitches[count:]
        self._sounding = [note for note in (*self._sounding, *found) if note.end > self._first]
        yield from sorted(found)


def without_overtones(notes: Iterable[NoteEvent], ratio: float) -> list[NoteEvent]:
    """Return the notes in order, without those that are overtones of another note: their strength is at most ``ratio`` of its."""
    ordered = sorted(notes)
    by_pitch: dict[int, list[NoteEvent]] = defaultdict(list)
    for note in ordered:
        by_pitch[note.pitch].append(note)

    def is_overtone(note: NoteEvent) -> bool:
        for interval in _OVERTONES:
            lower = by_pitch.get(note.pitch - interval, [])
            place = bisect_right(lower, note.start + _TOGETHER, key=lambda other: other.start)
            if place and note.start < lower[place - 1].end and note.strength <= ratio * lower[place - 1].strength:
                return True
        return False

    return [note for note in ordered if not is_overtone(note)]


def _notes(onsets: Floats, pitches: Floats, rest: Floats) -> Iterator[NoteEvent]:
    """Yield all notes, and clear them from ``rest``, a copy of ``pitches``."""
    if len(pitches) < 3:
        return
    peaks = _with_rises(onsets, pitches)
    inner = peaks[1:-1]
    is_peak = (inner > peaks[:-2]) & (inner > peaks[2:]) & (inner >= _ONSET_THRESHOLD)
    # The last first, so that a note ends where the next one of its pitch begins.
    for before, pitch in np.argwhere(is_peak)[::-1].tolist():
        start = before + 1
        end = start + 1 + _sounding_length(rest[start + 1 :, pitch])
        if end - start > _SHORTEST:
            _clear(rest, start, end, pitch)
            yield NoteEvent(start, end, pitch, float(pitches[start:end, pitch].mean()))
    while True:
        middle, pitch = divmod(int(np.argmax(rest)), rest.shape[1])
        if rest[middle, pitch] <= _PITCH_THRESHOLD:
            return
        end = middle + 1 + _sounding_length(rest[middle + 1 :, pitch])
        start = middle - _sounding_length(rest[:middle, pitch][::-1])
        _clear(rest, start, end, pitch)
        leads_in = end < len(pitches) and pitches[end, pitch] >= _PITCH_THRESHOLD  # to a note that begins here
        if end - start > (_LEAD_IN if leads_in else _SHORTEST):
            yield NoteEvent(start, end, pitch, float(pitches[start:end, pitch].mean()))


def _with_rises(onsets: Floats, pitches: Floats) -> Floats:
    """Return the onsets, or how steeply the pitches rise within two frames where that is more."""
    rises = np.zeros_like(pitches)
    rises[2:] = np.minimum(pitches[2:] - pitches[1:-1], pitches[2:] - pitches[:-2]).clip(0.0)
    steepest = rises.max()
    return np.maximum(onsets, rises * (onsets.max() / steepest)) if steepest > 0 else onsets


def _sounding_length(values: Floats) -> int:
    """Return how many values come before the end of a note that goes on here."""
    below = values < _PITCH_THRESHOLD
    if len(below) >= _LONGEST_GAP:
        gaps = np.convolve(below, np.ones(_LONGEST_GAP, np.int64), "valid") == _LONGEST_GAP
        if gaps.any():
            return int(np.argmax(gaps))
    above = np.flatnonzero(~below)
    return int(above[-1]) + 1 if len(above) else 0


def _clear(rest: Floats, start: int, end: int, pitch: int) -> None:
    """Remove a note and its neighbours a semitone away."""
    rest[start:end, max(0, pitch - 1) : pitch + 2] = 0.0
