"""A model of percussion: struck membranes, bars and shells, shakers and brushes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from dev.training.randomness import log_uniform
from dev.training.score import Note

Samples = NDArray[np.float32]

# Frequencies of the modes of ideal bodies, relative to the first one (Fletcher and Rossing, "The Physics of Musical Instruments").
_MEMBRANE = (1.0, 1.59, 2.14, 2.30, 2.65, 2.92, 3.16, 3.50, 3.60, 4.06)
BAR = (1.0, 2.76, 5.40, 8.93, 13.34)
_BODIES = ("membrane", "bar", "shell", "noise")
_HIGHEST_HZ = 16_000.0
_SILENT = 1e-3


@dataclass(frozen=True)
class Drum:
    """An instrument: the modes of a body, which a stroke excites, and the noise of the stroke.

    Attributes:
        frequencies_hz, strengths, decay_seconds: of each mode; a mode falls to 1/e in its time.
        drop: share by which the pitch of a hard stroke is higher at first.
        noise: strength of the noise beside the modes, from 0 to 1.
        noise_band_hz: lowest and highest frequency of the noise.
        noise_attack_seconds, noise_decay_seconds: times in which the noise rises and falls, the latter to 1/e.
        width: difference of the channels, from 0 for mono to 1.
    """

    frequencies_hz: tuple[float, ...]
    strengths: tuple[float, ...]
    decay_seconds: tuple[float, ...]
    drop: float
    noise: float
    noise_band_hz: tuple[float, float]
    noise_attack_seconds: float
    noise_decay_seconds: float
    width: float


def random_drum(random: np.random.Generator) -> Drum:
    """Return an instrument: from a deep drum to a woodblock, a cowbell, a cymbal, a shaker or a brush."""
    body = str(random.choice(_BODIES, p=[0.45, 0.15, 0.2, 0.2]))
    first_hz = log_uniform(random, 70, 900) if body == "membrane" else log_uniform(random, 250, 2500)
    ratios = {
        "membrane": np.array(_MEMBRANE),
        "bar": np.array(BAR),
        "shell": np.sort(np.append(1.0, random.uniform(1.1, 12, int(random.integers(6, 24))))),
        "noise": np.ones(1),
    }[body]
    ratios = ratios * (1 + random.normal(0, 0.01, len(ratios)))
    decay_seconds = log_uniform(random, 0.03, 0.8 if body == "shell" else 0.4)
    low_hz = log_uniform(random, 200, 6000)
    return Drum(
        frequencies_hz=tuple(float(value) for value in first_hz * ratios),
        strengths=tuple(float(value) for value in ratios ** -random.uniform(0.2, 1.5) * random.uniform(0.3, 1, len(ratios))),
        decay_seconds=tuple(float(value) for value in decay_seconds * ratios ** -random.uniform(0.0, 1.0)),
        drop=float(random.uniform(0, 0.3)) if body == "membrane" and random.random() < 0.5 else 0.0,
        noise=1.0 if body == "noise" else float(random.uniform(0, 0.6)),
        noise_band_hz=(low_hz, min(_HIGHEST_HZ, low_hz * log_uniform(random, 1.5, 8))),
        noise_attack_seconds=log_uniform(random, 0.02, 0.1) if body == "noise" and random.random() < 0.5 else 0.001,
        noise_decay_seconds=log_uniform(random, 0.01, 0.25),
        width=float(random.uniform(0, 0.6)),
    )  # fmt: skip


def strike(
    drums: Sequence[Drum], notes: Sequence[Note], frame_count: int, rate_hz: int, random: np.random.Generator
) -> Samples:
    """Return the sound of strokes, float32 [2, frame_count]. The pitch of a note chooses the instrument."""
    out = np.zeros((2, frame_count), np.float32)
    strokes = {
        pitch: _stroke(drums[pitch % len(drums)], rate_hz, random) for pitch in {note.pitch_midi for note in notes}
    }
    for note in notes:
        first = round(note.start_seconds * rate_hz)
        sound = strokes[note.pitch_midi][:, : max(0, frame_count - first)]
        out[:, first : first + sound.shape[1]] += sound * np.float32((note.velocity / 127) ** 1.5)
    return out


def _stroke(drum: Drum, rate_hz: int, random: np.random.Generator) -> Samples:
    """Return one stroke, float32 [2, frames], until it is silent, with a peak of about 0.3."""
    longest = max(*drum.decay_seconds, drum.noise_decay_seconds)
    seconds = np.arange(round((drum.noise_attack_seconds - longest * math.log(_SILENT)) * rate_hz)) / rate_hz
    # The integral of a pitch that falls within 20 ms.
    turned = seconds + drum.drop * 0.02 * (1 - np.exp(-seconds / 0.02))
    body = np.zeros(len(seconds))
    for hertz, strength, decay in zip(drum.frequencies_hz, drum.strengths, drum.decay_seconds, strict=True):
        if hertz < _HIGHEST_HZ:
            body += strength * np.sin(2 * np.pi * hertz * turned) * np.exp(-seconds / decay)
    sections = scipy.signal.butter(2, drum.noise_band_hz, "bandpass", fs=rate_hz, output="sos")
    shape = np.minimum(1.0, seconds / drum.noise_attack_seconds) * np.exp(-seconds / drum.noise_decay_seconds)
    common, left, right = scipy.signal.sosfilt(sections, random.standard_normal((3, len(seconds)))) * shape
    noise = common + drum.width * np.stack([left, right])
    sound = (1 - drum.noise) * _scaled(body) + drum.noise * _scaled(noise)
    return np.broadcast_to(sound, (2, len(seconds))).astype(np.float32)


def _scaled(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    return sound * 0.3 / max(1e-9, float(np.max(np.abs(sound))))
