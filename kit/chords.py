"""Names of chords: what musicians write, and Harte's syntax ("Symbolic representation of musical chords", ISMIR 2005)."""

import re

SUFFIXES = {
    "maj": "",
    "min": "m",
    "aug": "aug",
    "dim": "dim",
    "maj7": "maj7",
    "7": "7",
    "min7": "m7",
    "minmaj7": "mmaj7",
    "hdim7": "m7b5",
    "dim7": "dim7",
    "maj6": "6",
    "min6": "m6",
    "maj9": "maj9",
    "9": "9",
    "min9": "m9",
    "maj(9)": "add9",
    "11": "11",
    "13": "13",
    "sus4": "sus4",
    "sus2": "sus2",
    "sus4(b7)": "7sus4",
}
"""What musicians write after the root, by the quality in Harte's syntax."""

NO_CHORD = "N.C."
_QUALITIES = {suffix: quality for quality, suffix in SUFFIXES.items()}
_CHORD = re.compile(
    rf"([A-G][#b]?)({'|'.join(sorted(map(re.escape, _QUALITIES), key=len, reverse=True))})(?:/([A-G][#b]?))?"
)
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1}
_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


def harte(label: str) -> str:
    """Return a chord such as ``F#m7/E`` in Harte's syntax, such as ``F#:min7/b7``; ``N`` for :data:`NO_CHORD`.

    Raises ``ValueError``: the label is not a chord.
    """
    if label == NO_CHORD:
        return "N"
    match = _CHORD.fullmatch(label)
    if match is None:
        raise ValueError(f"need chords such as Am7, F#m7b5, G/B, Dsus4 or {NO_CHORD}")
    root, suffix, bass = match.groups()
    degree = _DEGREES[(_pitch_class(bass) - _pitch_class(root)) % 12] if bass else "1"
    return f"{root}:{_QUALITIES[suffix]}" + (f"/{degree}" if degree != "1" else "")


def _pitch_class(name: str) -> int:
    return _LETTERS[name[0]] + _ACCIDENTALS[name[1:]]


def short_key(key: str) -> str:
    """Return a key such as "A minor" as musicians abbreviate it: "Am"."""
    tonic, _, mode = key.partition(" ")
    return tonic + ("m" if mode == "minor" else "")
