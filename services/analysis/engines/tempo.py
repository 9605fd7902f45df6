"""Tempo and beats, from how the level of low and high mel bands rises again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Onsets", "Rhythm", "TempoCandidate", "find_onsets", "find_rhythm"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_LOW_BANDS = 10  # mel bands below about 300 Hz: kick drum and bass apart from all above
_TREND_SECONDS = 1.0
_GRID_BPM: Doubles = np.exp(np.arange(math.log(30.0), math.log(300.0), 0.005))
_METRE = (0.5, 1.0, 2.0, 4.0)
_BEATS = (1.0, 2.0, 4.0)
_MANY_BEATS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_PREFERRED_BPM = 120.0
_PREFERENCE_OCTAVES = 1.0
_FASTEST_BEAT_BPM = 200.0
_SLOWEST_BEAT_BPM = 40.0
_ALIKE = 0.95
_ABSENT = 0.1
_MIN_PERIODS = 3.0
_TIGHTNESS = 100.0
_MIN_RISE_DB = 0.05


@dataclass(frozen=True)
class TempoCandidate:
    """A tempo that explains the onsets.

    Args:
        tempo_bpm: beats a minute.
        strength: 0 to 1, relative to the best score of all.
    """

    tempo_bpm: float
    strength: float


@dataclass(frozen=True)
class Rhythm:
    """What a recording's onsets say.

    Args:
        tempo_bpm: beats a minute; 0 where nothing repeats.
        confidence: 0 (nothing repeats) to 1 (every beat is like the last).
        alternatives: other readings, the strongest first: half and double tempo, other metres.
        beat_seconds: float64 [beats], rising.
    """

    tempo_bpm: float
    confidence: float
    alternatives: tuple[TempoCandidate, ...]
    beat_seconds: Doubles


@dataclass(frozen=True)
class Onsets:
    """Strength of onsets in every frame.

    Args:
        rise_db: float64 [2, frames], at least 0: mean rise of low and of high bands. A soft hi-hat counts like a loud
            bass drum, which tells periods well.
        attack: float64 [frames], at least 0: mean rise of amplitude. Loud strokes stand out, which tells beats from
            off-beats.
    """

    rise_db: Doubles
    attack: Doubles


_NO_RHYTHM = Rhythm(0.0, 0.0, (), np.zeros(0))


def find_onsets(levels: Iterable[Floats]) -> Onsets:
    """How much the level of mel bands rises from frame to frame: spectral flux (Bello et al., IEEE TSAP 2005).

    Args:
        levels: dB, float32 [frames, bands] each, consecutive, at least one.
    """
    rises, attacks = [], []
    before: Floats | None = None
    for batch in levels:
        joined = np.concatenate([batch[:1] if before is None else before, batch])
        rise = np.maximum(np.diff(joined, axis=0), 0.0)
        rises.append(np.stack([rise[:, :_LOW_BANDS].mean(axis=1), rise[:, _LOW_BANDS:].mean(axis=1)]))
        amplitude = np.power(np.float32(10.0), joined / np.float32(20.0))
        attacks.append(np.maximum(np.diff(amplitude, axis=0), 0.0).mean(axis=1))
        before = batch[-1:]
    return Onsets(np.concatenate(rises, axis=1).astype(np.float64), np.concatenate(attacks).astype(np.float64))


def find_rhythm(onsets: Onsets, frames_per_second: float, duration_seconds: float) -> Rhythm:
    """Tempo and beats of a recording.

    A beat repeats at its own period, at half of it and at two and four periods, so tempi are ranked by the mean
    autocorrelation there; what remains open, the octave above all, is weighed by how people tap: log-normal around
    120 bpm (Parncutt, Music Perception 1994). Beats follow by dynamic programming (Ellis, JNMR 2007).

    Args:
        onsets: of all its frames.
        frames_per_second: of the onsets.
        duration_seconds: of the recording; no beat lies beyond it.
    """
    strength = onsets.rise_db
    if float(strength.sum(axis=0).max()) < _MIN_RISE_DB:
        return _NO_RHYTHM
    trend_frames = round(_TREND_SECONDS * frames_per_second) | 1
    peaks = strength - ndimage.uniform_filter1d(strength, trend_frames, axis=1, mode="nearest")
    by_band = _autocorrelation(peaks)
    repetition = by_band.mean(axis=0)
    periods = 60.0 / _GRID_BPM * frames_per_second
    periods = periods[periods * _MIN_PERIODS <= strength.shape[1]]
    if periods.size == 0:
        return _NO_RHYTHM
    tempi_bpm = 60.0 * frames_per_second / periods
    evidence = np.maximum(_comb(repetition, periods, _METRE), 0.0)
    preference = np.exp(-0.5 * (np.log2(tempi_bpm / _PREFERRED_BPM) / _PREFERENCE_OCTAVES) ** 2)
    score = evidence * preference
    best = int(np.argmax(score))
    if score[best] <= 1e-6:
        return _NO_RHYTHM
    coarse = float(periods[best]) * _octave_correction(by_band, float(periods[best]), float(tempi_bpm[best]))
    period = _refined(repetition, coarse)
    tempo_bpm = 60.0 * frames_per_second / period
    frames = _track_beats(onsets.attack, period)
    return Rhythm(
        tempo_bpm=tempo_bpm,
        confidence=float(np.clip(_comb(repetition, np.array([period]), _BEATS)[0], 0.0, 1.0)),
        alternatives=_alternatives(tempi_bpm, score / score[best], tempo_bpm),
        beat_seconds=np.clip(frames / frames_per_second, 0.0, duration_seconds),
    )


def _autocorrelation(peaks: Doubles) -> Doubles:
    """float64 [bands, lags]: of the bands that have onsets, 1 at lag 0, up to three quarters of the signal."""
    frames = peaks.shape[1]
    spectrum = np.fft.rfft(peaks, 1 << (2 * frames - 1).bit_length(), axis=1)
    products = np.fft.irfft(np.square(np.abs(spectrum)), axis=1)[:, : max(1, 3 * frames // 4)]
    products /= frames - np.arange(products.shape[1])
    energy = products[:, :1]
    heard = energy[:, 0] > 1e-9
    return np.asarray(products[heard] / energy[heard]) if heard.any() else np.zeros((1, products.shape[1]))


def _octave_correction(by_band: Doubles, period: float, tempo_bpm: float) -> float:
    """0.5 or 2 where no preference is needed to tell how many pulses are beats, else 1.

    Pulses that are all alike, as of a metronome, are all beats; a beat that no band repeats is none.
    """

    def repetition(multiple: float) -> Doubles:
        # The area of a peak, since a lag between two frames has half of its height in each.
        lag = round(multiple * period)
        return np.asarray(np.maximum(by_band[:, max(1, lag - 2) : lag + 3], 0.0).sum(axis=1))

    half, once, twice = repetition(0.5), repetition(1.0), repetition(2.0)
    if 2.0 * tempo_bpm <= _FASTEST_BEAT_BPM and bool(np.all(half > _ALIKE * once)):
        return 0.5
    if tempo_bpm / 2.0 >= _SLOWEST_BEAT_BPM and bool(np.all(once < _ABSENT * twice)):
        return 2.0
    return 1.0


def _comb(repetition: Doubles, periods: Doubles, multiples: Sequence[float]) -> Doubles:
    """float64 [periods]: mean autocorrelation at the multiples of each period that the signal is long enough for."""
    lags = periods[:, None] * np.asarray(multiples)
    known = lags <= repetition.size - 1
    values = np.interp(lags, np.arange(repetition.size), repetition)
    return np.asarray((values * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def _refined(repetition: Doubles, period: float) -> float:
    """The period within 1 % that repeats best over many beats, far finer than a frame."""
    near = period * np.linspace(0.99, 1.01, 201)
    evidence = _comb(repetition, near, [m for m in _MANY_BEATS if m * near[-1] <= repetition.size - 1] or [1.0])
    return float(near[np.argmax(evidence)])


def _alternatives(tempi_bpm: Doubles, score: Doubles, tempo_bpm: float) -> tuple[TempoCandidate, ...]:
    """The strongest other peaks of the score."""
    found = []
    rising = np.diff(score, prepend=0.0, append=0.0)
    for index in np.flatnonzero((rising[:-1] > 0) & (rising[1:] <= 0)):
        octaves = math.log2(tempi_bpm[index] / tempo_bpm)
        if abs(octaves) > 0.06:
            # Twice or half of the tempo is known as finely as the tempo itself.
            is_octave = abs(octaves - round(octaves)) < 0.04
            exact_bpm = tempo_bpm * 2.0 ** round(octaves) if is_octave else float(tempi_bpm[index])
            found.append(TempoCandidate(exact_bpm, float(score[index])))
    return tuple(sorted(found, key=lambda candidate: -candidate.strength)[:3])


def _track_beats(strength: Doubles, period: float) -> Doubles:
    """float64 [beats]: the frames, strong and evenly spaced, of the best sequence of beats."""
    reach = np.arange(-math.ceil(period), math.ceil(period) + 1)
    smooth = np.convolve(strength, np.exp(-0.5 * (reach * 32.0 / period) ** 2))[reach.size // 2 :][: strength.size]
    smooth = smooth / max(float(smooth.std()), 1e-9)
    steps = np.arange(-round(2.0 * period), -max(1, round(period / 2.0)) + 1)
    cost = -_TIGHTNESS * np.log(-steps / period) ** 2
    total = np.zeros(strength.size - steps[0])
    first = -steps[0]
    origin = np.full(strength.size, -1)
    audible = 0.01 * float(smooth.max())
    begun = False
    for frame in range(strength.size):
        options = total[frame + first + steps[0] : frame + first + steps[-1] + 1] + cost
        choice = int(np.argmax(options))
        total[frame + first] = smooth[frame] + options[choice]
        # Before the first sound there is nothing to continue.
        if begun or smooth[frame] >= audible:
            begun = True
            origin[frame] = frame + steps[choice]
    return _trimmed(_traced(total[first:], origin, steps.size), smooth)


def _traced(total: Doubles, origin: NDArray[np.int64], span: int) -> NDArray[np.int64]:
    """int64 [beats]: the way back from the best of the last frames."""
    last = max(0, total.size - span)
    frame = last + int(np.argmax(total[last:]))
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(origin[frame])
    return np.array(beats[::-1], dtype=np.int64)


def _trimmed(beats: NDArray[np.int64], strength: Doubles) -> Doubles:
    """The beats from the first to the last that coincide with a sound, each moved to the top of its peak."""
    at_beats = strength[beats]
    audible = np.flatnonzero(at_beats > 0.03 * math.sqrt(float(np.square(at_beats).mean())))
    if audible.size == 0:
        return np.zeros(0)
    kept = beats[audible[0] : audible[-1] + 1]
    inner = np.clip(kept, 1, strength.size - 2)
    left, middle, right = strength[inner - 1], strength[inner], strength[inner + 1]
    curve = left - 2.0 * middle + right
    is_peak = (curve < -1e-9) & (middle >= left) & (middle >= right)
    shift = np.where(is_peak, 0.5 * (left - right) / np.where(is_peak, curve, 1.0), 0.0)
    return np.asarray(kept + shift, dtype=np.float64)
