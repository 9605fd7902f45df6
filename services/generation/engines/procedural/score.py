"""The score: notes, times and instruments before rendering.

A score is also ground truth: tests and benchmarks compare the results of analysis with its tempo, key and beats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEMS = ("drums", "bass", "vocals", "other")
"""The stems of a song, in the order that separation uses."""

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#", "Cb": "B", "Fb": "E", "E#": "F", "B#": "C"}


@dataclass(frozen=True)
class Key:
    """A major or minor key."""

    tonic: int  # pitch class, 0 (C) to 11 (B)
    is_minor: bool  # natural minor with a raised leading note in dominant chords; otherwise major

    def __str__(self) -> str:
        return f"{PITCH_CLASSES[self.tonic]} {'minor' if self.is_minor else 'major'}"

    @property
    def scale(self) -> tuple[int, ...]:
        """Semitones of the seven degrees above the tonic."""
        return (0, 2, 3, 5, 7, 8, 10) if self.is_minor else (0, 2, 4, 5, 7, 9, 11)

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key with a name like ``"A minor"``, ``"C# major"`` or ``"Bb major"``.

        Raises:
            ValueError: the text is not the name of a key.
        """
        name, _, mode = text.strip().partition(" ")
        name = name[:1].upper() + name[1:]
        name = _FLATS.get(name, name)
        if name not in PITCH_CLASSES or mode not in ("major", "minor"):
            raise ValueError(f"{text!r} is not a key")
        return cls(PITCH_CLASSES.index(name), mode == "minor")


@dataclass(frozen=True)
class Note:
    """One event of a track."""

    start_beat: float  # beats from the start of the song, at least 0
    duration_beats: float  # length in beats, above 0; instruments add their own release
    pitch_midi: int  # MIDI note number (60 is middle C); for drums the General MIDI drum
    velocity: float  # loudness, above 0, at most 1


@dataclass(frozen=True)
class Track:
    """One player."""

    stem: str  # the stem that the track belongs to, one of STEMS
    instrument: str  # a name in instruments.INSTRUMENTS
    notes: tuple[Note, ...]  # notes in any order
    gain: float = 1.0  # linear level in the mix; 1 is the same loudness for every instrument
    pan: float = 0.0  # -1 (left) to 1 (right)


@dataclass(frozen=True)
class Song:
    """A piece."""

    name: str  # short and unique
    tempo_bpm: float  # quarter notes per minute, constant; beat 0 is at second 0
    key: str  # a name like `"A minor"` or `"C# major"`, spelled with sharps
    beats_per_bar: int  # quarter notes per bar
    duration_seconds: float  # length of the rendered audio
    tracks: tuple[Track, ...]  # the players
    brightness: float = 1.0  # treble of the mix: 0 as it was recorded, 1 as in pop, and less below 0

    @property
    def seconds_per_beat(self) -> float:
        return 60.0 / self.tempo_bpm

    @property
    def beat_seconds(self) -> NDArray[np.float64]:
        """Times of all beats in seconds, float64 [beats]; the first is 0."""
        count = int(np.ceil(self.duration_seconds / self.seconds_per_beat - 1e-9))
        return np.asarray(np.arange(count) * self.seconds_per_beat, dtype=np.float64)

    @property
    def downbeat_seconds(self) -> NDArray[np.float64]:
        """Start times of all bars in seconds, float64 [bars]."""
        return self.beat_seconds[:: self.beats_per_bar]

    def frames(self, sample_rate_hz: int) -> int:
        """Length of the rendered audio in frames."""
        return round(self.duration_seconds * sample_rate_hz)
