"""Sounds that training examples add to the stem ``other``: melodies of mallets and of synthesizers, and sweeps of noise.

Each function returns float32 [2, frame_count] with a peak of at most 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from dev.training.effects import panned
from dev.training.percussion import BAR, Drum, strike
from dev.training.randomness import log_uniform
from dev.training.score import Note, midi_to_hz
from dev.training.synthesizer import play, random_patch

Samples = NDArray[np.float32]

# Frequencies of the modes of tuned instruments, relative to the first one (Fletcher and Rossing, "The Physics of Musical
# Instruments"): marimba, vibraphone, xylophone, glockenspiel, kalimba, bell, and a string or an electric piano.
_TUNED = (
    (1.0, 3.93, 9.24),
    (1.0, 4.0, 10.3),
    (1.0, 3.0, 6.2),
    BAR,
    (1.0, 6.27, 17.5),
    (1.0, 2.0, 2.4, 3.0, 4.0, 5.33),
    (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0),
)
_SCALES = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
_HIGHEST_HZ = 16_000.0
_SWEEP_FFT = 2048


def mallet_melody(frame_count: int, rate_hz: int, random: np.random.Generator) -> Samples:
    """Return a melody on a tuned instrument that is struck or plucked."""
    ratios = np.array(_TUNED[int(random.integers(len(_TUNED)))])
    strengths = ratios ** -random.uniform(0.3, 2.0) * random.uniform(0.2, 1, len(ratios))
    decay_seconds, faster = log_uniform(random, 0.04, 1.0), random.uniform(0.2, 1.2)
    noise, low_hz = random.uniform(0, 0.5), log_uniform(random, 300, 4000)
    noise_decay_seconds = random.uniform(0.004, 0.03)
    pitches = _pitches(int(random.integers(48, 85)), random)
    bodies = []
    for pitch in pitches:
        first_hz = float(midi_to_hz(float(pitch)))
        bodies.append(
            Drum(
                frequencies_hz=tuple(float(value) for value in first_hz * ratios),
                strengths=tuple(float(value) for value in strengths),
                decay_seconds=tuple(
                    float(value) for value in decay_seconds * (500 / first_hz) ** 0.5 * ratios**-faster
                ),
                drop=0.0,
                noise=float(noise),
                noise_band_hz=(low_hz, min(_HIGHEST_HZ, 4 * low_hz)),
                noise_attack_seconds=0.001,
                noise_decay_seconds=float(noise_decay_seconds),
                width=0.0,
            )
        )
    notes = _melody(len(pitches), frame_count / rate_hz, random)  # whose pitches number the bodies
    return _limited(strike(bodies, notes, frame_count, rate_hz, random))


def synthesizer_melody(frame_count: int, rate_hz: int, random: np.random.Generator) -> Samples:
    """Return a melody or chords of a synthesizer: leads, plucks, stabs and pads, one or three notes at a time."""
    patch = random_patch(random)
    brighter = log_uniform(random, 1, 8)
    patch = replace(
        patch,
        closed_hz=min(_HIGHEST_HZ, patch.closed_hz * brighter),
        open_hz=min(_HIGHEST_HZ, patch.open_hz * brighter),
    )
    pitches = _pitches(int(random.integers(45, 76)), random)
    notes = _melody(len(pitches), frame_count / rate_hz, random)
    out = np.zeros((2, frame_count), np.float32)
    width = random.uniform(0, 0.8)
    for step in (0, 2, 4) if random.random() < 0.5 else (0,):
        voice = [replace(note, pitch_midi=pitches[min(len(pitches) - 1, note.pitch_midi + step)]) for note in notes]
        out += panned(play(patch, voice, frame_count, rate_hz), width * random.uniform(-1, 1))
    return _limited(out)


def noise_sweep(frame_count: int, rate_hz: int, random: np.random.Generator) -> Samples:
    """Return noise whose band and level rise or fall slowly, as before a new part of electronic music."""
    seconds = frame_count / rate_hz
    start, length = random.uniform(-1, 0.7) * seconds, random.uniform(0.4, 2.0) * seconds
    low_hz, octaves = log_uniform(random, 80, 1500), random.uniform(1.5, 6)
    width_octaves, is_rising = random.uniform(0.3, 2), random.random() < 0.6
    hop = _SWEEP_FFT // 4
    _, _, spectra = scipy.signal.stft(
        random.standard_normal((2, frame_count)), nperseg=_SWEEP_FFT, noverlap=_SWEEP_FFT - hop
    )
    times = np.arange(spectra.shape[2]) * hop / rate_hz
    place = (times - start) / length
    place = np.where((place >= 0) & (place <= 1), place if is_rising else 1 - place, 0.0)
    hertz = np.fft.rfftfreq(_SWEEP_FFT, 1 / rate_hz)
    centre = np.log2(low_hz) + octaves * place
    away = (np.log2(np.maximum(hertz, 20))[:, None] - centre) / width_octaves
    gain = np.exp(-(away**2)) * place ** random.uniform(0.3, 3)
    _, sweep = scipy.signal.istft(spectra * gain, nperseg=_SWEEP_FFT, noverlap=_SWEEP_FFT - hop)
    sweep = sweep[:, :frame_count]
    peak = float(np.max(np.abs(sweep)))
    return (0.7 * sweep / peak if peak > 1e-6 else sweep).astype(np.float32)


def _pitches(lowest: int, random: np.random.Generator) -> Sequence[int]:
    """Return the MIDI pitches of two octaves of a scale."""
    scale = _SCALES[int(random.integers(len(_SCALES)))]
    return [lowest + 12 * octave + step for octave in range(2) for step in scale]


def _melody(pitch_count: int, seconds: float, random: np.random.Generator) -> list[Note]:
    """Return notes in a steady rhythm with rests: a walk among so many pitches, or few of them again and again. Their pitches are numbers from 0."""
    step_seconds, busy = log_uniform(random, 0.09, 0.6), random.uniform(0.3, 0.9)
    held = random.uniform(0.3, 1.0)
    step_count = int(seconds / step_seconds) + 1
    places = np.cumsum(random.integers(-3, 4, step_count)) + random.integers(pitch_count)
    if random.random() < 0.4:
        places = np.resize(places[: int(random.choice([1, 2, 3, 4, 8]))], step_count)
    notes = []
    for step, place in enumerate(np.clip(places, 0, pitch_count - 1).tolist()):
        if random.random() < busy:
            notes.append(Note(step * step_seconds, held * step_seconds, place, int(random.integers(50, 128))))
    return notes


def _limited(sound: Samples) -> Samples:
    return sound / max(1.0, float(np.max(np.abs(sound))))
