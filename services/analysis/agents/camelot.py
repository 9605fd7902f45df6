"""Compatibility of keys (the Camelot wheel) and of tempos (beat matching)."""

import re
from dataclasses import dataclass

TEMPO_TOLERANCE = 0.06
"""Maximum relative change of a tempo. Turntables commonly have this range."""
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_KEY = re.compile(r"([A-Ga-g])([#♯b♭]?)\s*(major|maj|minor|min|m)?")
_CODE = re.compile(r"(1[0-2]|[1-9])\s*([ABab])")


@dataclass(frozen=True)
class Camelot:
    """A position on the Camelot wheel.

    Args:
        number: 1 to 12, along the circle of fifths.
        letter: A (minor) or B (major).
    """

    number: int
    letter: str

    def __str__(self) -> str:
        return f"{self.number}{self.letter}"

    @classmethod
    def of(cls, tonic: int, is_minor: bool) -> "Camelot":
        """Return the position of a key, given its tonic as a pitch class from 0 (C) to 11 (B)."""
        major_tonic = tonic + 3 if is_minor else tonic
        return cls((major_tonic * 7 + 7) % 12 + 1, "A" if is_minor else "B")

    @property
    def relative(self) -> "Camelot":
        """The relative minor of a major key, or the relative major of a minor key."""
        return Camelot(self.number, "B" if self.letter == "A" else "A")

    def compatible(self) -> "tuple[Camelot, ...]":
        """Return the compatible keys: the same key, one step down, one step up, and the relative key."""
        down, up = (self.number - 2) % 12 + 1, self.number % 12 + 1
        return self, Camelot(down, self.letter), Camelot(up, self.letter), self.relative

    def relation(self, other: "Camelot") -> str | None:
        """Return the relation of ``other`` to this key in words, or None if the keys are not compatible."""
        words = ("same key", "one step down", "one step up", "relative")
        return dict(zip(self.compatible(), words, strict=True)).get(other)

    def distance(self, other: "Camelot") -> int:
        """Return the steps on the wheel, 0 to 7. A change between major and minor counts as one step."""
        apart = abs(self.number - other.number)
        return min(apart, 12 - apart) + (self.letter != other.letter)


def parse_key(text: str) -> Camelot | None:
    """Return the position of a key such as ``A minor``, ``F# major``, ``Bbm`` or ``8A``, or None for other text."""
    text = text.strip()
    if code := _CODE.fullmatch(text):
        return Camelot(int(code[1]), code[2].upper())
    if not (named := _KEY.fullmatch(text)):
        return None
    tonic = (_NATURALS[named[1].upper()] + _ACCIDENTALS[named[2]]) % 12
    return Camelot.of(tonic, named[3] in ("minor", "min", "m"))


@dataclass(frozen=True)
class TempoMatch:
    """How the tempo of one track is matched to another.

    Args:
        change_percent: change of playing speed; negative is slower.
        feel: ``same``, ``half`` or ``double``: the factor at which the tempo is counted.
    """

    change_percent: float
    feel: str


def match_tempo(tempo_bpm: float, other_bpm: float) -> TempoMatch | None:
    """Return the change that brings ``other_bpm`` to ``tempo_bpm``; None if it exceeds :data:`TEMPO_TOLERANCE`.

    A tempo of 0 is unknown and does not match.
    """
    if tempo_bpm <= 0 or other_bpm <= 0:
        return None
    changes = {
        feel: tempo_bpm / (other_bpm * factor) - 1 for feel, factor in (("same", 1), ("half", 0.5), ("double", 2))
    }
    feel = min(changes, key=lambda name: abs(changes[name]))
    # Allow for rounding errors at the tolerance.
    return TempoMatch(100 * changes[feel], feel) if abs(changes[feel]) <= TEMPO_TOLERANCE + 1e-9 else None
