"""Estimates the key and the tuning from the pitches of spectral peaks in long windows."""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.services.analysis.agents.camelot import Camelot

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

_LOWEST_HZ = 50.0
_HIGHEST_HZ = 2000.0
_BINS_PER_SEMITONE = 10
_BINS = 12 * _BINS_PER_SEMITONE
_PEAK_RANGE = 0.01  # peaks more than 40 dB below the loudest peak of their frame are leakage and noise
_QUIET_AMPLITUDE = 1e-5  # of a sine; below it, rounding errors appear as pitches
_COMPRESSION = 0.75
_OPENING_SHARE = 0.35
_ENDING_SHARE = 0.05  # recordings often fade out, or are cut
_EDGE_SECONDS = 1.5
_CERTAINTY_STEP = 0.06

# Pitch class distributions of major and minor keys, starting at the tonic (Albrecht and Shanahan, Music Perception 2013).
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)


@dataclass(frozen=True)
class Key:
    """A key and its fit.

    Attributes:
        tonic: pitch class, 0 (C) to 11 (B).
        fit: correlation of the profile of the key with that of the recording, -1 to 1.
    """

    tonic: int
    is_minor: bool
    fit: float

    def __str__(self) -> str:
        return f"{PITCH_CLASSES[self.tonic]} {self.mode}"

    @property
    def mode(self) -> str:
        return "minor" if self.is_minor else "major"

    @property
    def camelot(self) -> str:
        """The position on the Camelot wheel, for example ``8A``. Neighbouring positions mix well."""
        return str(Camelot.of(self.tonic, self.is_minor))


@dataclass(frozen=True)
class Tonality:
    """The pitch classes of a recording.

    Attributes:
        chroma: float64 [12], C to B, with a maximum of 1; all 0 without pitched sound.
        profile: float64 [12], compared with the profiles of keys. It gives more weight to the beginning of the piece, and a
            little to the end, which distinguish a key from its relative and from those a fifth away.
        tuning_cents: the deviation from A = 440 Hz, -50 to 50.
    """

    chroma: Doubles
    profile: Doubles
    tuning_cents: float


class KeyMeter:
    """Collects the spectral peaks of long frames in a fine histogram of pitch classes.

    Peaks represent harmonic sounds and exclude most drums. Their interpolated frequencies resolve low notes that share a
    bin of a short spectrum (Gómez, "Tonal description of polyphonic audio", INFORMS JoC 2006).
    """

    def __init__(self, sample_rate_hz: int, fft_length: int, hop_length: int) -> None:
        """
        Args:
            hop_length: samples from the start of a frame to the next.
        """
        self._frames_per_second = sample_rate_hz / hop_length
        self._window = np.hanning(fft_length + 1)[:-1].astype(np.float32)
        self._bin_hz = sample_rate_hz / fft_length
        self._first = int(_LOWEST_HZ / self._bin_hz)
        self._end = int(_HIGHEST_HZ / self._bin_hz) + 1
        self._histograms: list[Floats] = []

    def push(self, frames: Floats) -> None:
        """Add frames, float32 [frames, fft_length], not windowed."""
        spectrum = np.abs(scipy.fft.rfft(frames * self._window, axis=1)[:, self._first - 1 : self._end + 1])
        middle = spectrum[:, 1:-1]
        quiet = _QUIET_AMPLITUDE * float(self._window.sum()) / 2.0
        floor = np.maximum(_PEAK_RANGE * middle.max(axis=1), quiet)
        is_peak = (middle > spectrum[:, :-2]) & (middle >= spectrum[:, 2:]) & (middle > floor[:, None])
        row, column = np.nonzero(is_peak)
        left, top, right = (np.log(spectrum[row, column + step] + 1e-20) for step in range(3))
        curve = left - 2.0 * top + right
        shift = np.where(curve < -1e-9, 0.5 * (left - right) / np.minimum(curve, -1e-9), 0.0)
        frequency_hz = (column + self._first + shift) * self._bin_hz
        pitch = 12.0 * np.log2(frequency_hz / 440.0) + 9.0
        bins = np.rint(pitch * _BINS_PER_SEMITONE).astype(np.int64) % _BINS
        strength = spectrum[row, column + 1] ** np.float32(_COMPRESSION)
        counts = np.bincount(row * _BINS + bins, strength, minlength=len(frames) * _BINS)
        self._histograms.append(counts.reshape(len(frames), _BINS).astype(np.float32))

    def tonality(self) -> Tonality:
        histograms = np.concatenate(self._histograms)
        tuning_cents = _tuning_cents(histograms.sum(axis=0, dtype=np.float64))
        frames = _chroma(histograms, tuning_cents)
        chroma = _mean_chroma(frames)
        pitched = np.flatnonzero(frames.any(axis=1))
        if pitched.size == 0:
            return Tonality(chroma, chroma, 0.0)
        first, end = pitched[0], pitched[-1] + 1
        edge = max(1, round(_EDGE_SECONDS * self._frames_per_second))
        opening, ending = _mean_chroma(frames[first : first + edge]), _mean_chroma(frames[max(first, end - edge) : end])
        whole_share = 1.0 - _OPENING_SHARE - _ENDING_SHARE
        profile = whole_share * chroma + _OPENING_SHARE * opening + _ENDING_SHARE * ending
        return Tonality(chroma / chroma.max(), profile, tuning_cents)


def rank_keys(tonality: Tonality) -> list[Key]:
    """Return all 24 keys, best fit first, or an empty list without pitched sound."""
    if not tonality.profile.any():
        return []
    keys = [
        Key(tonic, is_minor, _correlation(tonality.profile, np.roll(profile, tonic)))
        for is_minor, profile in ((False, _MAJOR), (True, _MINOR))
        for tonic in range(12)
    ]
    return sorted(keys, key=lambda key: -key.fit)


def confidences(keys: list[Key]) -> list[float]:
    """Return the confidence of each ranked key, 0 to 1; their sum is at most 1.

    It is the softmax of the fits, times the fit of the best key.
    """
    weights = [math.exp((key.fit - keys[0].fit) / _CERTAINTY_STEP) for key in keys]
    return [max(0.0, keys[0].fit) * weight / sum(weights) for weight in weights]


def _tuning_cents(histogram: Doubles) -> float:
    """Return the circular mean of the deviation from semitones, in cents."""
    angle = 2.0 * np.pi * np.arange(_BINS) / _BINS_PER_SEMITONE
    total = complex(np.sum(histogram * np.exp(1j * angle)))
    return 100.0 * math.atan2(total.imag, total.real) / (2.0 * math.pi) if abs(total) > 1e-9 else 0.0


def _chroma(histograms: Floats, tuning_cents: float) -> Floats:
    """Return float32 [frames, 12]: each frame folded into semitones at the tuning, with a maximum of 1."""
    distance = np.arange(_BINS) / _BINS_PER_SEMITONE - tuning_cents / 100.0 - np.arange(12)[:, None]
    distance = np.remainder(distance + 6.0, 12.0) - 6.0
    fold = np.where(np.abs(distance) < 0.5, np.cos(np.pi * distance) ** 2, 0.0)
    chroma = histograms @ fold.T.astype(np.float32)
    loudest = chroma.max(axis=1, keepdims=True)
    return np.asarray(chroma / np.where(loudest > 0.0, loudest, 1.0), dtype=np.float32)


def _mean_chroma(chroma: Floats) -> Doubles:
    """Return float64 [12]: the mean over frames, scaled to a sum of 1 unless it is silent."""
    mean = chroma.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / mean.sum() if mean.any() else mean)


def _correlation(left: Doubles, right: Doubles) -> float:
    """Return the Pearson correlation, or 0 if an array is constant."""
    left, right = left - left.mean(), right - right.mean()
    scale = math.sqrt(float(left @ left) * float(right @ right))
    return float(left @ right) / scale if scale > 1e-12 else 0.0
