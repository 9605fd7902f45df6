"""Synthesis of the pitched instruments. Each one renders a :class:`Tone` to float32 [frames] or [2, frames].

Methods: pads use PADsynth (Nasca, 2011: harmonics as narrow bands of noise); voices use a glottal spectrum with vowel formants (after
Klatt, 1980).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.services.generation.engines.procedural.waves import (
    Wave,
    decay,
    fade,
    harmonics,
    lowpass_states,
    midi_to_hz,
    noise,
    phase,
    scan,
    seconds,
    sine,
    tables,
)


@dataclass(frozen=True)
class Tone:
    """One note for an instrument."""

    pitch_midi: int  # MIDI note number
    duration_seconds: float  # length without the release
    velocity: float  # 0 to 1; affects the timbre. The renderer scales the level.
    glide_from_midi: int | None = None  # pitch from which a legato instrument glides, if any
    variant: int = 0  # small number that varies repeated notes (vowels, noise)

    @property
    def hz(self) -> float:
        return float(midi_to_hz(self.pitch_midi))


def _held(tone: Tone, rate_hz: int, recipe: Analog | Pad | Sung) -> Wave:
    """Return attack, exponential decay to a level and a smooth release after the tone, float32 [tone + release]."""
    frames = max(1, round(tone.duration_seconds * rate_hz)) + round(recipe.release_seconds * rate_hz)
    falling = np.float32(1.0 - recipe.sustain) * decay(frames, rate_hz, recipe.half_life_seconds)
    attack_seconds = min(recipe.attack_seconds, 0.6 * tone.duration_seconds)
    return (np.float32(recipe.sustain) + falling) * fade(frames, rate_hz, attack_seconds, recipe.release_seconds)


# --- filtered waves -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Analog:
    """A subtractive synthesiser: detuned waves with a low-pass and an envelope."""

    tilt: float = 1.0  # slope of the harmonics; 1 for a saw wave
    odd: bool = False  # only odd harmonics (a square wave)
    low_hz: float = 300.0  # cutoff at rest and at the peak of the envelope
    high_hz: float = 2500.0
    sweep_half_life_seconds: float = 0.12  # half-life of the cutoff
    half_life_seconds: float = 0.5  # of the level
    sustain: float = 0.7
    attack_seconds: float = 0.004  # of the level
    release_seconds: float = 0.06
    detune_cents: float = 0.0  # detuning of the outermost waves
    voices: int = 1  # number of waves
    sub: float = 0.0  # level of a sine one octave lower
    resonance: float = 0.0  # height of the peak at the cutoff
    vibrato_cents: float = 0.0  # depth of a delayed vibrato


def analog(recipe: Analog, tone: Tone, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Render detuned waves with a sweeping low-pass from one table."""
    envelope = _held(tone, rate_hz, recipe)
    top = recipe.low_hz + (recipe.high_hz - recipe.low_hz) * (0.4 + 0.6 * tone.velocity)
    cutoffs = np.geomspace(recipe.low_hz, max(top, recipe.low_hz + 1.0), 12)
    amplitudes = lowpass_states(tone.hz, rate_hz, cutoffs, recipe.tilt, recipe.resonance)
    if recipe.odd:
        amplitudes[:, 1::2] = 0.0
    table = tables(amplitudes)
    position = 11.0 * decay(envelope.size, rate_hz, recipe.sweep_half_life_seconds)
    pitch = pitch_curve(tone, envelope.size, rate_hz, recipe.vibrato_cents, glide_seconds=0.05)
    base = phase(pitch, envelope.size, rate_hz)
    spread = np.linspace(-1.0, 1.0, recipe.voices) if recipe.voices > 1 else np.zeros(1)
    wave = np.zeros(envelope.size, dtype=np.float32)
    for number, share in enumerate(spread):
        detune = 2.0 ** (share * recipe.detune_cents / 1200.0)
        wave += scan(table, base * detune + number * 0.37, position)
    wave = wave / np.float32(np.sqrt(recipe.voices))
    if recipe.sub:
        wave = wave + recipe.sub * sine(base * 0.5)
    return np.asarray(wave * envelope, dtype=np.float32)


# --- pads ---------------------------------------------------------------------------------------------------------

_PAD_SIZES = (2**14, 2**17)


@dataclass(frozen=True)
class Pad:
    """Harmonics as narrow bands of noise: an ensemble in stereo."""

    tilt: float = 1.0  # slope of the harmonics
    cutoff_hz: float = 4000.0  # upper edge
    spread_cents: float = 22.0  # width of the bands, which is the size of the ensemble
    attack_seconds: float = 0.25  # of the level
    release_seconds: float = 0.5
    sustain: float = 1.0  # of the level
    half_life_seconds: float = 1.0


def pad(recipe: Pad, tone: Tone, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Render PADsynth with one inverse FFT per side, read from a random position, float32 [2, frames]."""
    envelope = _held(tone, rate_hz, recipe)
    hz = tone.hz
    n = harmonics(hz, rate_hz, limit=64)
    levels = 1.0 / n**recipe.tilt / (1.0 + (n * hz / (recipe.cutoff_hz * (0.6 + 0.5 * tone.velocity))) ** 4)
    frames = envelope.size
    # The shortest table that contains most of the note, so that its repetition is inaudible.
    size = int(np.clip(2 ** np.ceil(np.log2(frames)), _PAD_SIZES[0], _PAD_SIZES[1]))
    per_bin = rate_hz / size
    profile = np.zeros(size // 2 + 1, dtype=np.float32)
    for number, level in zip(n, levels, strict=True):
        centre = number * hz / per_bin
        width = max(0.6, centre * (2.0 ** (recipe.spread_cents / 1200.0) - 1.0))
        low, high = max(1, int(centre - 3 * width)), min(int(centre + 3 * width) + 2, size // 2)
        if high > low:
            distance = (np.arange(low, high, dtype=np.float32) - centre) / width
            profile[low:high] += level / np.sqrt(width) * np.exp(-(distance**2))
    used = int(np.flatnonzero(profile > 1e-6 * profile.max())[-1]) + 1
    spectrum = np.zeros((2, size // 2 + 1), dtype=np.complex64)
    turns = rng.random((2, used), dtype=np.float32) * np.float32(2.0 * np.pi)
    spectrum[:, :used].real = profile[:used] * np.cos(turns)
    spectrum[:, :used].imag = profile[:used] * np.sin(turns)
    loop = scipy.fft.irfft(spectrum, n=size, axis=1)
    loop /= np.sqrt(np.mean(loop**2, axis=1, keepdims=True)) + 1e-12
    start = int(rng.integers(size))
    around = np.concatenate([loop[:, start:], *([loop] * (frames // size + 1))], axis=1)[:, :frames]
    return np.asarray(around * envelope * np.float32(0.3), dtype=np.float32)


# --- voices ---------------------------------------------------------------------------------------------

# Formant frequency (Hz), bandwidth (Hz) and level (dB) of sung vowels.
VOWELS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "ah": ((760, 90, 0), (1180, 110, -5), (2850, 160, -10), (3500, 180, -13), (4900, 250, -30)),
    "oh": ((460, 70, 0), (840, 90, -7), (2750, 160, -15), (3400, 180, -17), (4900, 250, -38)),
    "ee": ((330, 60, 0), (2150, 120, -12), (2900, 150, -16), (3600, 180, -19), (4950, 250, -30)),
    "eh": ((580, 80, 0), (1800, 110, -9), (2650, 150, -14), (3500, 170, -20), (4950, 250, -32)),
}
_SYLLABLES = (("ah", "ah"), ("oh", "ah"), ("eh", "ee"), ("ah", "oh"), ("ee", "eh"), ("oh", "oh"))


def formant_gain(frequency_hz: NDArray[np.floating], vowel: str) -> NDArray[np.float64]:
    """Return the linear gain of a vocal tract, float64 in the shape of the argument."""
    gain = np.full(np.shape(frequency_hz), 0.012)
    for centre, bandwidth, level_db in VOWELS[vowel]:
        gain = gain + 10.0 ** (level_db / 20.0) / (1.0 + ((frequency_hz - centre) / bandwidth) ** 2)
    return gain


def pitch_curve(
    tone: Tone, frames: int, rate_hz: int, vibrato_cents: float, glide_seconds: float, scoop_cents: float = 0.0
) -> NDArray[np.float64]:
    """Return the frequency with a glide from the previous note and a delayed vibrato, float64 [frames]."""
    time = seconds(frames, rate_hz).astype(np.float64)
    cents = np.zeros(frames)
    if tone.glide_from_midi is not None:
        cents += 100.0 * (tone.glide_from_midi - tone.pitch_midi) * np.exp(-time / (glide_seconds / 3.0))
    elif scoop_cents:
        cents -= scoop_cents * np.exp(-time / 0.035)
    if vibrato_cents:
        depth = vibrato_cents * np.clip((time - 0.18) / 0.35, 0.0, 1.0)
        cents += depth * np.sin(2.0 * np.pi * 5.4 * time + tone.variant)
    return tone.hz * np.exp2(cents / 1200.0)


@dataclass(frozen=True)
class Sung:
    """A singer."""

    vowel: str = ""  # a fixed vowel in VOWELS, or empty to sing syllables
    breath: float = 0.05  # level of the breath noise
    tract: float = 1.0  # scale of the formants; below 1 for a larger (deeper) singer
    vibrato_cents: float = 28.0  # depth of the vibrato
    attack_seconds: float = 0.035  # of the level
    half_life_seconds: float = 0.8
    sustain: float = 0.8
    release_seconds: float = 0.09


def sung(recipe: Sung, tone: Tone, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Render a sung syllable: glottal harmonics with formants that move between vowels."""
    begins = tone.glide_from_midi is None
    envelope = _held(tone, rate_hz, recipe if begins else replace(recipe, attack_seconds=0.02))
    frames = envelope.size
    pitch = pitch_curve(tone, frames, rate_hz, recipe.vibrato_cents, glide_seconds=0.09, scoop_cents=70.0)
    n = harmonics(tone.hz, rate_hz, limit=120)
    first, last = (recipe.vowel, recipe.vowel) if recipe.vowel else _SYLLABLES[tone.variant % len(_SYLLABLES)]
    # In louder singing the glottis closes faster, so the slope is flatter.
    source = 1.0 / n ** (1.25 - 0.35 * tone.velocity)
    share = np.linspace(0.0, 1.0, 6)[:, None]
    at = n * tone.hz / recipe.tract
    amplitudes = source * formant_gain(at, first) ** (1.0 - share) * formant_gain(at, last) ** share
    amplitudes = amplitudes / np.sqrt(np.sum(amplitudes**2, axis=1, keepdims=True))
    # Spread phases lower the crest factor, as in a real voice.
    table = tables(amplitudes, -np.pi * n * (n - 1.0) / n.size)
    position = 5.0 * np.clip(seconds(frames, rate_hz) / (0.7 * tone.duration_seconds + 0.05), 0.0, 1.0)
    tremor = 1.0 + 0.04 * sine(phase(5.4, frames, rate_hz))
    wave = scan(table, phase(pitch, frames, rate_hz), position) * tremor
    air = noise(frames, rate_hz, rng, 1800.0, 7500.0)
    wave = wave + recipe.breath * air
    if begins:
        # A consonant: a short burst of high noise at the start of the syllable.
        puff = noise(frames, rate_hz, rng, 3500.0, 9500.0) * fade(frames, rate_hz, 0.012, 0.01)
        wave = wave + 0.25 * puff * decay(frames, rate_hz, 0.018)
    return np.asarray(wave * envelope, dtype=np.float32)
