"""What a composer writes: parts with notes in seconds, and the truth about a song."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pitch = TypeVar("Pitch", float, NDArray[np.float64])

STEMS = ("drums", "bass", "other", "vocals")
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def midi_to_hz(pitch_midi: Pitch) -> Pitch:
    """Return the frequency of a MIDI pitch, A4 = 69 = 440 Hz."""
    return 440.0 * 2.0 ** ((pitch_midi - 69) / 12)


@dataclass(frozen=True)
class Note:
    """A note. ``syllable`` numbers the syllable of a voice, and ``slide_semitones`` is where the note glides from."""

    start_seconds: float
    duration_seconds: float
    pitch_midi: int
    velocity: int
    slide_semitones: float = 0.0
    syllable: int = 0


@dataclass(frozen=True)
class Part:
    """An instrument, kit or voice, its notes and its place in the mix.

    Attributes:
        role: what it plays, for example ``lead``, ``pad`` or ``kit``. The mixer treats parts by their role.
        kind: ``font``, ``kit``, ``voice``, ``synthesizer``, ``string`` or ``percussion``.
        source: name of the SoundFont, kit or voice in the catalogue; empty for the other kinds.
        program: General MIDI program of a SoundFont.
        phrases: for voices, notes that are sung in one breath.
        level_db: level in the mix, relative to other parts.
        seed: of random choices while rendering.
    """

    role: str
    stem: str
    kind: str
    source: str
    notes: tuple[Note, ...]
    program: int = 0
    phrases: tuple[tuple[Note, ...], ...] = ()
    level_db: float = 0.0
    pan: float = 0.0
    reverb: float = 0.1
    effects: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Truth:
    """What is known about a song.

    Attributes:
        tempo_bpm: 60 divided by the median time between beats.
        key: for example ``A minor``: tonic and major or minor, which is the nearest one for other modes.
        mode: for example ``dorian``.
        meter: beats per bar, and parts of a beat: 2 if halved, 3 if divided in three.
        beats: times of all beats in seconds.
        downbeats: times of the first beats of bars.
        sections: start in seconds and name of each section.
    """

    style: str
    tempo_bpm: float
    key: str
    mode: str
    meter: tuple[int, int]
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    sections: tuple[tuple[float, str], ...]
    chords: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Score:
    """A composed song."""

    seed: int
    seconds: float
    truth: Truth
    parts: tuple[Part, ...]
