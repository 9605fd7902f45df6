"""Rendering and mixing of a score: parts, stems, and the gains of the master, which every stem gets alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dev.training.composer import Palette, Voice
from dev.training.effects import (
    compressed,
    driven,
    equalised,
    granulated,
    limiter_gain,
    panned,
    reverberated,
    saturated,
)
from dev.training.kits import Kit, render_hit
from dev.training.percussion import random_drum, strike
from dev.training.score import STEMS, Note, Part, Score
from dev.training.singing import Singer, SungNote, sing
from dev.training.soundfont import Font, SampledNote, render_note
from dev.training.sources import Catalogue
from dev.training.synthesizer import play, pluck, random_patch, random_string
from dev.training.voices import RATE_HZ, VoiceBank

Samples = NDArray[np.float32]

CEILING = 0.97
# Levels of parts before the mix, as RMS over the frames in which they sound.
_PART_LEVEL = 0.05
_ROLE_DB = {"kit": 4.0, "bass": 2.0, "voice": 0.5}
_FADE_SECONDS = 0.01
_MODELLED_DRUM_COUNT = 8


@dataclass(frozen=True)
class Instruments:
    """The sounds that a score names."""

    fonts: Mapping[str, Font]
    kits: Callable[[str], Kit | tuple[Font, int, int]]
    voices: Mapping[str, VoiceBank]


def instruments_of(catalogue: Catalogue, split: str) -> Instruments:
    """Return the sounds of a split. Files are read at their first use."""
    kits = {kit.name: kit for kit in catalogue.kits(split)}
    return Instruments(catalogue.fonts(split), lambda name: catalogue.kit(kits[name]), catalogue.voices(split))


def palette_of(catalogue: Catalogue, split: str) -> Palette:
    """Return what the composer may use of a catalogue."""
    voices = catalogue.voices(split)
    return Palette(
        tuple(catalogue.fonts(split)),
        tuple((kit.name, kit.family) for kit in catalogue.kits(split)),
        tuple(Voice(name, bank.pitch_hz, len(bank.syllables)) for name, bank in voices.items()),
    )


def mix(score: Score, instruments: Instruments) -> dict[str, Samples]:
    """Render a score and return its stems, float32 [2, frames] at 44.1 kHz. Their sum stays below :data:`CEILING`."""
    rng = np.random.default_rng([3, score.seed])
    frames = round(score.seconds * RATE_HZ)
    stems = {stem: np.zeros((2, frames), np.float32) for stem in STEMS}
    sends = {stem: np.zeros((2, frames), np.float32) for stem in STEMS}
    kicks = [
        note.start_seconds for part in score.parts if part.role == "kit" for note in part.notes if note.pitch_midi == 36
    ]
    pumping = score.truth.style in ("house", "techno", "synthwave", "disco") and bool(rng.random() < 0.6)
    balance = {stem: float(rng.normal(0, 2.0)) for stem in STEMS}
    for part in score.parts:
        samples = _finished(part, render_part(part, frames, instruments))
        if samples is None:
            continue
        if pumping and part.stem in ("bass", "other"):
            samples = samples * _ducking(kicks, frames)
        samples *= np.float32(10 ** (balance[part.stem] / 20))
        stems[part.stem] += samples
        sends[part.stem] += samples * np.float32(part.reverb)
    seconds, damping = float(rng.uniform(0.5, 2.4)), float(rng.uniform(2500, 9000))
    for stem in STEMS:
        if np.any(sends[stem]):
            stems[stem] += reverberated(sends[stem], RATE_HZ, seconds, damping)
        if rng.random() < 0.5 and np.any(stems[stem]):
            stems[stem] = saturated(stems[stem], float(rng.uniform(0.2, 0.9)))
    _master(stems, rng)
    return stems


def _master(stems: dict[str, Samples], rng: np.random.Generator) -> None:
    """Set the loudness of the song and limit its peaks: one gain per frame, for all stems."""
    total = np.sum(list(stems.values()), axis=0)
    level = float(np.sqrt(np.mean(total**2))) + 1e-9
    gain = 10 ** (float(rng.uniform(-21, -11)) / 20) / level
    curve = limiter_gain(total * np.float32(gain), RATE_HZ, CEILING) * np.float32(gain)
    fade = round(_FADE_SECONDS * RATE_HZ)
    curve[len(curve) - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    for samples in stems.values():
        samples *= curve


def _ducking(kicks: list[float], frames: int) -> Samples:
    """Return the gain of parts that give way to the bass drum."""
    depth = np.zeros(frames, np.float32)
    shape = (0.7 * np.exp(-np.arange(round(0.25 * RATE_HZ)) / (0.09 * RATE_HZ))).astype(np.float32)
    for kick in kicks:
        first = int(kick * RATE_HZ)
        end = min(frames, first + len(shape))
        if end > first:
            depth[first:end] = np.maximum(depth[first:end], shape[: end - first])
    return 1.0 - depth


def render_part(part: Part, frames: int, instruments: Instruments) -> Samples:
    """Return the notes of a part without effects."""
    out = np.zeros((2, frames), np.float32)
    if part.kind == "voice":
        return _sung(part, frames, instruments.voices[part.source])
    random = np.random.default_rng([6, part.seed])
    if part.kind == "synthesizer":
        return play(random_patch(random), part.notes, frames, RATE_HZ)
    if part.kind == "string":
        return pluck(random_string(random), part.notes, frames, RATE_HZ, random)
    if part.kind == "percussion":
        drums = [random_drum(random) for _ in range(_MODELLED_DRUM_COUNT)]
        return strike(drums, part.notes, frames, RATE_HZ, random)
    if part.kind == "kit":
        kit = instruments.kits(part.source)
        if isinstance(kit, Kit):
            for note in part.notes:
                render_hit(out, kit, _sampled(note), RATE_HZ)
            return out
        font, bank, program = kit
    else:
        font, bank, program = instruments.fonts[part.source], 0, part.program
    regions = font.regions(bank, program) or font.regions(bank, 0)
    for note in part.notes:
        render_note(out, font, regions, _sampled(note), RATE_HZ)
    return out


def _sampled(note: Note) -> SampledNote:
    return SampledNote(
        round(note.start_seconds * RATE_HZ),
        round(note.duration_seconds * RATE_HZ),
        note.pitch_midi,
        note.velocity,
        note.slide_semitones,
    )


def _sung(part: Part, frames: int, bank: VoiceBank) -> Samples:
    rng = np.random.default_rng(part.seed)
    effects = part.effects
    singer = Singer(
        formant_ratio=effects.get("formant", 1.0),
        vibrato_hz=effects.get("vibrato_hz", 5.5),
        vibrato_cents=effects.get("vibrato", 35.0),
        portamento_seconds=effects.get("portamento", 0.06),
        breath=effects.get("breath", 0.1),
        brightness_db=effects.get("brightness", 0.0),
    )
    mono = np.zeros(frames, np.float32)
    for phrase in part.phrases:
        late = float(np.clip(rng.normal(0, 0.012), -0.02, 0.02)) if part.role == "backing" else 0.0
        notes = [
            SungNote(note.start_seconds + late, note.duration_seconds, note.pitch_midi, note.velocity, note.syllable)
            for note in phrase
        ]
        sing(mono, bank, singer, notes, rng)
    return np.stack([mono, mono])


def _finished(part: Part, samples: Samples) -> Samples | None:
    """Apply the effects of a part and set its level. Return nothing if the part is silent."""
    rng = np.random.default_rng([4, part.seed])
    if float(np.max(np.abs(samples))) < 1e-6:
        return None
    if part.effects.get("drive"):
        samples = driven(samples, RATE_HZ, float(rng.uniform(4, 22)))
    if part.effects.get("grains"):
        samples = granulated(samples, rng, RATE_HZ)
    if part.stem == "vocals" and part.kind == "voice":
        cut, high, middle_hz, middle = (
            float(rng.uniform(60, 120)),
            float(rng.uniform(2, 8)),
            float(rng.uniform(1800, 3600)),
            float(rng.uniform(2, 7)),
        )
    else:
        cut = float(rng.uniform(60, 160)) if part.stem == "other" else 0.0
        high, middle_hz, middle = float(rng.normal(1, 2.5)), float(2 ** rng.uniform(8, 12)), float(rng.normal(0, 2.5))
    samples = equalised(samples, RATE_HZ, float(rng.normal(0, 1.5)), middle_hz, middle, high, cut)
    if part.stem in ("vocals", "bass") or rng.random() < 0.5:
        samples = compressed(samples, RATE_HZ, float(rng.uniform(-8, 3)), float(rng.uniform(2, 5)))
    if part.role in ("piano", "strings", "kit") and rng.random() < 0.3:
        # A narrower or wider stereo image.
        middle_channel = samples.mean(axis=0, keepdims=True)
        samples = middle_channel + (samples - middle_channel) * np.float32(rng.uniform(0.0, 1.3))
    samples = panned(samples, part.pan)
    power = np.mean(samples**2, axis=0)
    sounding = power > 1e-4 * float(np.max(power))
    level = float(np.sqrt(np.mean(power[sounding])))
    wanted = _PART_LEVEL * 10 ** ((part.level_db + _ROLE_DB.get(part.role, 0.0)) / 20)
    return np.asarray(samples * np.float32(wanted / level), np.float32)
