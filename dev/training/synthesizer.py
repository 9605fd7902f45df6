"""Monophonic synthesizers for basses: a subtractive one, and a model of a plucked string."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from dev.training.compiled import compiled
from dev.training.randomness import log_uniform
from dev.training.score import Note, midi_to_hz

Samples = NDArray[np.float32]

_CYCLE_FRAMES = 2048
_HIGHEST_HZ = 12_000.0
_SMOOTHING_SECONDS = 0.002


@dataclass(frozen=True)
class Patch:
    """The settings of the subtractive synthesizer: one or two oscillators, a low-pass filter, and two envelopes.

    Attributes:
        harmonics: ``sine``, ``triangle``, ``square`` or ``sawtooth``.
        detune_cents: distance of the second oscillator, or 0 for one oscillator.
        closed_hz, open_hz: cutoff frequencies of the low-pass filter, without and with its envelope.
        filter_seconds: time in which the filter closes, to 1/e.
        wobble_hz: frequency of an oscillator that opens the filter too, or 0.
        attack_seconds, release_seconds: times in which a note rises and falls.
        decay_seconds: time in which a held note falls, to 1/e. Infinite for notes that last.
        glide_seconds: time in which the pitch follows the notes, to 1/e.
        drop_semitones: how much higher a note begins, as basses of drum machines do, or 0.
        drop_seconds: time in which it falls to its pitch, to 1/e.
    """

    harmonics: str
    detune_cents: float
    closed_hz: float
    open_hz: float
    filter_seconds: float
    wobble_hz: float
    attack_seconds: float
    release_seconds: float
    decay_seconds: float
    glide_seconds: float
    drop_semitones: float
    drop_seconds: float


def random_patch(random: np.random.Generator) -> Patch:
    """Return a bass: from a plain sine wave, long or as short as a bass drum, to bright plucks and slow pads."""
    between = functools.partial(log_uniform, random)
    closed_hz = between(50, 500)
    return Patch(
        harmonics=str(random.choice(["sine", "triangle", "square", "sawtooth"], p=[0.35, 0.15, 0.2, 0.3])),
        detune_cents=float(random.uniform(3, 15)) if random.random() < 0.3 else 0.0,
        closed_hz=closed_hz,
        open_hz=closed_hz * between(1, 12),
        filter_seconds=between(0.05, 0.8),
        wobble_hz=between(0.5, 6) if random.random() < 0.15 else 0.0,
        attack_seconds=between(0.002, 0.3 if random.random() < 0.3 else 0.03),
        release_seconds=between(0.01, 0.3),
        decay_seconds=between(0.06, 2.5) if random.random() < 0.45 else math.inf,
        glide_seconds=between(0.01, 0.1) if random.random() < 0.3 else 0.0,
        drop_semitones=between(2, 24) if random.random() < 0.25 else 0.0,
        drop_seconds=between(0.01, 0.06),
    )


def play(patch: Patch, notes: Sequence[Note], frame_count: int, rate_hz: int) -> Samples:
    """Return the sound of notes, float32 [2, frame_count]. A note ends where the next one begins."""
    pitch, level, envelope = np.full(frame_count, np.nan), np.zeros(frame_count), np.zeros(frame_count)
    for note, following in _with_following(notes):
        first = round(note.start_seconds * rate_hz)
        end = frame_count if following is None else min(round(following.start_seconds * rate_hz), frame_count)
        if end <= first:
            continue
        seconds = np.arange(end - first) / rate_hz
        rise = np.minimum(1.0, seconds / patch.attack_seconds)
        fall = np.exp(-np.maximum(0.0, seconds - note.duration_seconds) / patch.release_seconds)
        pitch[first:end] = note.pitch_midi + patch.drop_semitones * np.exp(-seconds / patch.drop_seconds)
        level[first:end] = note.velocity / 127 * rise * fall * np.exp(-seconds / patch.decay_seconds)
        envelope[first:end] = np.exp(-seconds / patch.filter_seconds)
    if not np.any(level):
        return np.zeros((2, frame_count), np.float32)
    hertz = midi_to_hz(_glided(pitch, patch.glide_seconds, rate_hz))
    sound = _oscillator(patch.harmonics, hertz, rate_hz)
    if patch.detune_cents:
        sound = (sound + _oscillator(patch.harmonics, hertz * 2 ** (patch.detune_cents / 1200), rate_hz)) / 2
    if patch.wobble_hz:
        wave = np.sin(2 * np.pi * patch.wobble_hz * np.arange(frame_count) / rate_hz)
        envelope = np.maximum(envelope, 0.5 - 0.5 * wave)
    # Smooth changes, so that a note that the next one cuts off does not click.
    level, envelope = (_smoothed(values, _SMOOTHING_SECONDS, rate_hz) for values in (level, envelope))
    closed, opened = (_low_passed(sound, cutoff_hz, rate_hz) for cutoff_hz in (patch.closed_hz, patch.open_hz))
    mono = level * (closed + envelope * (opened - closed))
    return np.tile(mono.astype(np.float32), (2, 1))


def _oscillator(harmonics: str, hertz: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Return a wave whose harmonics stay below 12 kHz, read from a table with one cycle."""
    numbers = np.arange(1, max(1, int(_HIGHEST_HZ / float(hertz.max()))) + 1)
    odd = numbers % 2
    strengths = {
        "sine": (numbers == 1).astype(float),
        "triangle": odd * (1 - (numbers - 1) % 4) / numbers**2,
        "square": odd / numbers,
        "sawtooth": 1 / numbers,
    }[harmonics]
    spectrum = np.zeros(_CYCLE_FRAMES // 2 + 1, np.complex128)
    kept = min(len(numbers), _CYCLE_FRAMES // 2 - 1)
    spectrum[1 : kept + 1] = -0.5j * _CYCLE_FRAMES * strengths[:kept]
    cycle = np.fft.irfft(spectrum, _CYCLE_FRAMES)
    phase = np.cumsum(hertz / rate_hz) % 1.0
    return np.interp(phase * _CYCLE_FRAMES, np.arange(_CYCLE_FRAMES + 1), np.append(cycle, cycle[0]))


def _glided(pitch: NDArray[np.float64], glide_seconds: float, rate_hz: int) -> NDArray[np.float64]:
    """Return the pitch of each frame, also before the first note, as it follows the notes."""
    known = np.flatnonzero(~np.isnan(pitch))
    pitch = pitch.copy()
    pitch[: known[0]] = pitch[known[0]]
    return _smoothed(pitch, glide_seconds, rate_hz) if glide_seconds else pitch


def _smoothed(values: NDArray[np.float64], seconds: float, rate_hz: int) -> NDArray[np.float64]:
    keep = math.exp(-1 / (seconds * rate_hz))
    smooth, _ = scipy.signal.lfilter([1 - keep], [1, -keep], values, zi=[keep * values[0]])
    return np.asarray(smooth)


def _low_passed(sound: NDArray[np.float64], cutoff_hz: float, rate_hz: int) -> NDArray[np.float64]:
    sections = scipy.signal.butter(2, cutoff_hz, "lowpass", fs=rate_hz, output="sos")
    return np.asarray(scipy.signal.sosfilt(sections, sound))


@dataclass(frozen=True)
class String:
    """A string of an electric or acoustic bass, as the sum of its modes.

    Attributes:
        strengths: of the first harmonics, float64 [harmonics], before those of the place of plucking.
        pluck: where the string is plucked, as a share of its length.
        decay_seconds: time in which the first harmonic of a note of 55 Hz falls, to 1/e.
        damping: how much faster the nth harmonic falls: the rate grows with ``1 + damping * n**2``.
        stiffness: the nth harmonic is at ``n * sqrt(1 + stiffness * n**2)`` times the pitch.
        noise: strength of the noise of the finger.
        release_seconds: time in which a note falls when it ends, to 1/e.
    """

    strengths: tuple[float, ...]
    pluck: float
    decay_seconds: float
    damping: float
    stiffness: float
    noise: float
    release_seconds: float


def random_string(random: np.random.Generator) -> String:
    """Return a string: dull or bright, with the formants of a pickup or body at random."""
    numbers = np.arange(1, 49)
    tilt, pickup, formant = random.uniform(0.0, 1.2), random.uniform(0.05, 0.35), math.exp(random.uniform(1.0, 2.6))
    strengths = numbers**-tilt * 10 ** (random.normal(0, 3, len(numbers)) / 20)
    if random.random() < 0.7:
        strengths *= np.abs(np.sin(np.pi * numbers * pickup)) + 0.05
    if random.random() < 0.7:
        strengths *= 1 + random.uniform(0.5, 4) * np.exp(-((np.log(numbers / formant) / 0.4) ** 2))
    return String(
        strengths=tuple(float(value) for value in strengths),
        pluck=float(random.uniform(0.04, 0.4)),
        decay_seconds=log_uniform(random, 0.4, 3.0),
        damping=log_uniform(random, 0.0005, 0.02),
        stiffness=log_uniform(random, 1e-6, 3e-4),
        noise=float(random.uniform(0, 0.15)),
        release_seconds=log_uniform(random, 0.01, 0.1),
    )


def pluck(
    string: String, notes: Sequence[Note], frame_count: int, rate_hz: int, random: np.random.Generator
) -> Samples:
    """Return the sound of plucked notes, float32 [2, frame_count]. A note ends where the next one begins."""
    out = np.zeros(frame_count + rate_hz)
    numbers = np.arange(1, len(string.strengths) + 1)
    for note, following in _with_following(notes):
        first = round(note.start_seconds * rate_hz)
        if first >= frame_count:
            break
        held = note.duration_seconds
        if following is not None:
            held = min(held, max(0.02, following.start_seconds - note.start_seconds))
        count = min(len(out) - first, round((held + 5 * string.release_seconds) * rate_hz))
        hertz = midi_to_hz(note.pitch_midi)
        frequencies = hertz * numbers * np.sqrt(1 + string.stiffness * numbers**2)
        loud = note.velocity / 127
        # Soft notes are duller.
        strengths = np.array(string.strengths) * np.abs(np.sin(np.pi * numbers * string.pluck)) * loud ** (numbers**0.5)
        rates = (1 + string.damping * numbers**2) / string.decay_seconds * (hertz / 55.0) ** 0.5
        heard = frequencies < _HIGHEST_HZ
        tone = np.zeros(count)
        _add_modes(
            tone,
            2 * np.pi * frequencies[heard] / rate_hz,
            strengths[heard] / np.sqrt(np.sum(strengths**2) + 1e-12),
            np.exp(-rates[heard] / rate_hz),
        )
        burst = min(count, round(0.01 * rate_hz))
        tone[:burst] += string.noise * loud * random.standard_normal(burst) * np.linspace(1, 0, burst)
        after = np.arange(count) / rate_hz - held
        rise = np.minimum(1.0, np.arange(count) / (0.001 * rate_hz))
        out[first : first + count] += loud * tone * rise * np.exp(-np.maximum(0.0, after) / string.release_seconds)
    return np.tile(out[:frame_count].astype(np.float32), (2, 1))


@compiled
def _add_modes(
    out: NDArray[np.float64], angles: NDArray[np.float64], strengths: NDArray[np.float64], decays: NDArray[np.float64]
) -> None:
    """Add decaying sine waves: each step turns a phasor and shortens it."""
    for mode in range(len(angles)):
        turn_x, turn_y = decays[mode] * math.cos(angles[mode]), decays[mode] * math.sin(angles[mode])
        x, y = strengths[mode], 0.0
        for frame in range(len(out)):
            out[frame] += y
            x, y = x * turn_x - y * turn_y, x * turn_y + y * turn_x


def _with_following(notes: Sequence[Note]) -> Iterator[tuple[Note, Note | None]]:
    """Yield notes in the order of their starts, each with the one that ends it."""
    ordered = sorted(notes, key=lambda note: note.start_seconds)
    return itertools.zip_longest(ordered, ordered[1:])
