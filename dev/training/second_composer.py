"""Songs of another composer, for evaluation alone: the one that composes clips in ``services/generation``.

It shares no code, patterns, progressions or melodies with ``composer.py``, which composes all songs for training. Its notes
are played by the instruments, kits and voices of the palette.
"""

from __future__ import annotations

import math

import numpy as np

from dev.training.composer import Palette, Voice, one_at_a_time, phrases_of
from dev.training.score import PITCH_CLASSES, Note, Part, Score, Truth, midi_to_hz
from soundwright.services.generation.engines.procedural.arrange import Plan, arrange
from soundwright.services.generation.engines.procedural.score import Key, Song, Track
from soundwright.services.generation.engines.procedural.styles import STYLES

# Only styles in which somebody plays drums or sings.
STYLE_NAMES = tuple(name for name in STYLES if name not in ("ambient", "classical"))
"""Styles in the order of the numbers of songs."""

# General MIDI programs from 0. The guitars of rock are distorted by the mix.
_PROGRAMS = {
    "bass_sub": 39, "bass_saw": 38, "bass_reese": 39, "bass_electric": 33, "bass_pick": 34, "bass_upright": 32, "bass_fm": 36,
    "sax": 65, "flute": 73, "clarinet": 71, "trumpet": 56, "violin": 40, "cello": 42, "synth_lead": 81, "square_lead": 80,
    "guitar_lead": 27, "piano": 0, "epiano": 4, "organ": 16, "pad": 89, "dark_pad": 95, "strings": 48, "choir": 52, "brass": 61,
    "nylon_guitar": 24, "steel_guitar": 25, "clean_guitar": 27, "muted_guitar": 28, "power_guitar": 27, "harp": 46,
    "synth_pluck": 84, "saw_chord": 90, "bell": 14, "marimba": 12,
}  # fmt: skip
_DISTORTED = {"power_guitar", "guitar_lead"}
_ROLES = {"piano": "piano", "strings": "strings", "brass": "brass", "pad": "pad", "dark_pad": "pad"}
_ELECTRONIC_KITS = {"kit_electronic", "kit_808"}
_SYLLABLES = 24


def arranged(number: int, seconds: float, palette: Palette) -> Score:
    """Return song ``number``, in the style of that number of :data:`STYLE_NAMES`.

    Args:
        palette: what the song may use.
    """
    random = np.random.default_rng([11, number])
    style = STYLE_NAMES[number % len(STYLE_NAMES)]
    slow, _, fast = STYLES[style].tempo_bpm
    key = Key(int(random.integers(12)), bool(random.random() < 0.5))
    sung = [lead for lead in STYLES[style].leads if lead.startswith("voice")]
    lead = str(random.choice(sung)) if sung and random.random() < 0.8 else ""
    tempo_bpm = round(float(random.uniform(slow, fast)), 2)
    song = arrange(Plan(f"{style} {number}", style, tempo_bpm, key, seconds, int(random.integers(2**31)), lead=lead))
    parts = [_part(song, track, palette, random) for track in song.tracks if track.notes]
    truth = Truth(
        style=style,
        tempo_bpm=tempo_bpm,
        key=f"{PITCH_CLASSES[key.tonic]} {'minor' if key.is_minor else 'major'}",
        mode="aeolian" if key.is_minor else "ionian",
        meter=(song.beats_per_bar, 2),
        beats=tuple(float(beat) for beat in song.beat_seconds.round(5)),
        downbeats=tuple(float(beat) for beat in song.downbeat_seconds.round(5)),
        sections=(),
        chords=(),
    )
    return Score(number, seconds, truth, tuple(parts))


def _part(song: Song, track: Track, palette: Palette, random: np.random.Generator) -> Part:
    notes = [
        Note(
            round(note.start_beat * song.seconds_per_beat, 5),
            round(max(0.03, note.duration_beats * song.seconds_per_beat), 5),
            note.pitch_midi,
            max(1, min(127, round(127 * note.velocity))),
        )
        for note in sorted(track.notes, key=lambda note: (note.start_beat, note.pitch_midi))
        if note.start_beat * song.seconds_per_beat < song.duration_seconds
    ]
    seed, name = int(random.integers(2**31)), track.instrument
    level_db = 20 * math.log10(max(0.05, track.gain))
    if track.stem == "drums":
        wanted = "electronic" if name in _ELECTRONIC_KITS else "acoustic"
        kits = [kit for kit, family in palette.kits if family == wanted] or [kit for kit, _ in palette.kits]
        return Part(
            "kit", "drums", "kit", str(random.choice(kits)), tuple(notes), level_db=level_db, reverb=0.1, seed=seed
        )
    if name.startswith("voice"):
        return _voice_part(notes, palette.voices[int(random.integers(len(palette.voices)))], level_db, random)
    return Part(
        _ROLES.get(name, "bass" if track.stem == "bass" else "lead"),
        _stem(track),
        "font",
        str(random.choice(palette.fonts)),
        tuple(notes),
        _PROGRAMS[name],
        level_db=level_db,
        pan=track.pan,
        reverb=float(random.uniform(0.02, 0.3)),
        effects={"drive": 1.0} if name in _DISTORTED else {},
        seed=seed,
    )


def _stem(track: Track) -> str:
    """Return the stem of an instrument, as in songs for training: choirs are vocals, and melodies of instruments are not."""
    if track.instrument == "choir":
        return "vocals"
    return "other" if track.stem == "vocals" else track.stem


def _voice_part(notes: list[Note], voice: Voice, level_db: float, random: np.random.Generator) -> Part:
    """Return a lead voice that sings the melody in the octave next to its own."""
    centre = 69 + 12 * math.log2(voice.pitch_hz / midi_to_hz(69.0)) + 5
    octaves = round((centre - float(np.median([note.pitch_midi for note in notes]))) / 12)
    lyrics = random.integers(voice.syllables, size=_SYLLABLES)
    line = [
        Note(
            note.start_seconds,
            note.duration_seconds,
            note.pitch_midi + 12 * octaves,
            note.velocity,
            syllable=int(lyrics[number % _SYLLABLES]),
        )
        for number, note in enumerate(one_at_a_time(notes))
    ]
    effects = {
        "formant": float(random.uniform(0.92, 1.1)),
        "vibrato": float(random.uniform(10, 50)),
        "vibrato_hz": float(random.uniform(4.8, 6.4)),
        "portamento": float(random.uniform(0.03, 0.1)),
        "breath": float(random.uniform(0.03, 0.2)),
        "brightness": float(random.uniform(0, 8)),
    }
    return Part(
        "voice",
        "vocals",
        "voice",
        voice.name,
        tuple(line),
        phrases=phrases_of(line),
        level_db=level_db + float(random.uniform(0, 3)),
        reverb=float(random.uniform(0.05, 0.3)),
        effects=effects,
        seed=int(random.integers(2**31)),
    )
