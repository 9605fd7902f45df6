"""Which keys and tempos mix well: the Camelot wheel, and beats that can be matched."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["TEMPO_TOLERANCE", "Camelot", "TempoMatch", "match_tempo", "parse_key"]

TEMPO_TOLERANCE = 0.06
"""How far a tempo may be bent, as a share of it: what turntables have always had."""
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_KEY = re.compile(r"([A-Ga-g])([#♯b♭]?)\s*(major|maj|minor|min|m)?")
_CODE = re.compile(r"(1[0-2]|[1-9])\s*([ABab])")


@dataclass(frozen=True)
class Camelot:
    """A place on the wheel.

    Args:
        number: 1 to 12, round the circle of fifths.
        letter: A (minor) or B (major).
    """

    number: int
    letter: str

    def __str__(self) -> str:
        return f"{self.number}{self.letter}"

    @classmethod
    def of(cls, tonic: int, is_minor: bool) -> Camelot:
        """The place of a key by its pitch class, 0 (C) to 11 (B)."""
        major_tonic = tonic + 3 if is_minor else tonic
        return cls((major_tonic * 7 + 7) % 12 + 1, "A" if is_minor else "B")

    @property
    def relative(self) -> Camelot:
        """The minor of this major, or the other way round."""
        return Camelot(self.number, "B" if self.letter == "A" else "A")

    def compatible(self) -> tuple[Camelot, ...]:
        """What mixes well with this key: itself, one step down, one step up, its relative."""
        down, up = (self.number - 2) % 12 + 1, self.number % 12 + 1
        return self, Camelot(down, self.letter), Camelot(up, self.letter), self.relative

    def relation(self, other: Camelot) -> str | None:
        """How ``other`` goes with this key, in words; None if it does not."""
        words = ("same key", "one step down", "one step up", "relative")
        return dict(zip(self.compatible(), words, strict=True)).get(other)

    def distance(self, other: Camelot) -> int:
        """Steps on the wheel, 0 to 7; changing between major and minor is a step."""
        apart = abs(self.number - other.number)
        return min(apart, 12 - apart) + (self.letter != other.letter)


def parse_key(text: str) -> Camelot | None:
    """The place of a key such as ``A minor``, ``F# major``, ``Bbm`` or ``8A``; None for anything else."""
    text = text.strip()
    if code := _CODE.fullmatch(text):
        return Camelot(int(code[1]), code[2].upper())
    if not (named := _KEY.fullmatch(text)):
        return None
    tonic = (_NATURALS[named[1].upper()] + _ACCIDENTALS[named[2]]) % 12
    return Camelot.of(tonic, named[3] in ("minor", "min", "m"))


@dataclass(frozen=True)
class TempoMatch:
    """How a tempo is brought to another one.

    Args:
        change_percent: by how much it is played faster (slower if below 0).
        feel: ``same``, ``half`` or ``double``: it is counted at so many times its tempo.
    """

    change_percent: float
    feel: str


def match_tempo(tempo_bpm: float, other_bpm: float) -> TempoMatch | None:
    """How ``other_bpm`` becomes ``tempo_bpm`` within :data:`TEMPO_TOLERANCE`; None if it cannot, or one is unknown (0)."""
    if tempo_bpm <= 0 or other_bpm <= 0:
        return None
    changes = {
        feel: tempo_bpm / (other_bpm * factor) - 1 for feel, factor in (("same", 1), ("half", 0.5), ("double", 2))
    }
    feel = min(changes, key=lambda name: abs(changes[name]))
    # A hair more than the tolerance is what rounding makes of the tolerance.
    return TempoMatch(100 * changes[feel], feel) if abs(changes[feel]) <= TEMPO_TOLERANCE + 1e-9 else None
