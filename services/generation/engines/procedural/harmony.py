"""Chords of a key and their notes: functional progressions and voice leading."""

from __future__ import annotations

import re
from dataclasses import dataclass

from soundwright.services.generation.engines.procedural.score import Key

_DEGREES = {"I": 0, "II": 1, "III": 2, "IV": 3, "V": 4, "VI": 5, "VII": 6}
_NUMERAL = re.compile(r"(b?)([IViv]+)(o?)(7?)(sus)?$")
_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True)
class Chord:
    """A chord of a key."""

    root: int  # pitch class
    intervals: tuple[int, ...]  # semitones above the root, ascending from 0

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)


def progression(text: str, key: Key) -> tuple[tuple[Chord, ...], ...]:
    """Return bars of chords for Roman numerals: ``"I V vi IV"`` is one bar each, ``"ii7+V7"`` shares a bar.

    Upper case is major, lower case is minor, ``o`` is diminished, ``7`` adds the seventh of the scale, and ``sus``
    replaces the third by the fourth. A leading ``b`` lowers the degree of the major scale. Other degrees are those of
    the key.
    """
    return tuple(tuple(_chord(numeral, key) for numeral in bar.split("+")) for bar in text.split())


def _chord(numeral: str, key: Key) -> Chord:
    match = _NUMERAL.match(numeral)
    if match is None or match[2].upper() not in _DEGREES:
        raise ValueError(f"{numeral!r} is not a chord")
    flat, roman, diminished, seventh, suspended = match.groups()
    degree = _DEGREES[roman.upper()]
    offset = _MAJOR_SCALE[degree] - 1 if flat else key.scale[degree]
    is_major = roman.isupper()
    third, fifth = (4 if is_major else 3), (6 if diminished else 7)
    intervals = [0, 5 if suspended else third, fifth]
    if seventh:
        natural = (key.scale[(degree + 6) % 7] - offset) % 12
        intervals.append(natural if natural in (9, 10, 11) and not flat else 10)
    return Chord((key.tonic + offset) % 12, tuple(intervals))


def nearest_pitch(pitch_class: int, target_midi: float) -> int:
    """Return the MIDI pitch of a pitch class that is closest to a target."""
    base = round(target_midi)
    return min(
        (base + step for step in range(-6, 7)), key=lambda pitch: (pitch % 12 != pitch_class, abs(pitch - target_midi))
    )


def voicing(chord: Chord, lowest_midi: int, before: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return ascending close-position pitches at or above ``lowest_midi`` with the least movement from ``before``."""
    choices = []
    for start in range(len(chord.intervals)):
        order = chord.pitch_classes[start:] + chord.pitch_classes[:start]
        pitches = [lowest_midi + (order[0] - lowest_midi) % 12]
        for pitch_class in order[1:]:
            pitches.append(pitches[-1] + (pitch_class - pitches[-1]) % 12)
        choices.append(tuple(pitches))
    if not before:
        return min(choices)

    def movement(pitches: tuple[int, ...]) -> float:
        return sum(min(abs(pitch - old) for old in before) for pitch in pitches) + 0.1 * (max(pitches) - lowest_midi)

    return min(choices, key=movement)


def scale_pitches(key: Key, chord: Chord, low_midi: int, high_midi: int) -> tuple[int, ...]:
    """Return the melody pitches over a chord: the scale, without degrees that clash with a chord tone outside it."""
    classes = {(key.tonic + step) % 12 for step in key.scale}
    for outside in set(chord.pitch_classes) - classes:
        classes -= {(outside + 1) % 12, (outside - 1) % 12} - set(chord.pitch_classes)
        classes.add(outside)
    return tuple(pitch for pitch in range(low_midi, high_midi + 1) if pitch % 12 in classes)
