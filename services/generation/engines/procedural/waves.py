"""Building blocks of the instruments: wavetables, envelopes and coloured noise, all vectorised.

Tables contain one period (float32 [states, size + 1]; the last column equals the first, so interpolation needs no
modulo). :func:`scan` reads them with a phase in periods and a position between states. This one function serves filter
sweeps, vowels and decaying strings.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

Wave = NDArray[np.float32]

TABLE_SIZE = 1024


def midi_to_hz(pitch_midi: ArrayLike) -> NDArray[np.float64]:
    """Return the frequency of a MIDI pitch, A4 = 69 = 440 Hz."""
    return np.asarray(440.0 * 2.0 ** ((np.asarray(pitch_midi, dtype=np.float64) - 69.0) / 12.0))


def seconds(frames: int, rate_hz: int) -> Wave:
    """Return the time of every frame in seconds, float32 [frames]."""
    return np.arange(frames, dtype=np.float32) / np.float32(rate_hz)


def phase(frequency_hz: ArrayLike, frames: int, rate_hz: int) -> NDArray[np.float64]:
    """Return the elapsed periods for a constant or moving ([frames]) frequency, float64 [frames]."""
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    if frequency.ndim == 0:
        return np.asarray(np.arange(frames) * (float(frequency) / rate_hz), dtype=np.float64)
    return np.cumsum(frequency) / rate_hz


def sine(periods: NDArray[np.floating]) -> Wave:
    """Return the sine of a phase in periods, float32 [frames]."""
    turns = (2.0 * np.pi * (periods - np.floor(periods))).astype(np.float32)
    return np.asarray(np.sin(turns), dtype=np.float32)


def harmonics(frequency_hz: float, rate_hz: int, limit: int = TABLE_SIZE // 2 - 1) -> NDArray[np.float64]:
    """Return 1, 2, ... for the harmonics below the Nyquist frequency, float64 [count]."""
    count = int(np.clip(0.42 * rate_hz / frequency_hz, 1, limit))
    return np.arange(1, count + 1, dtype=np.float64)


def tables(amplitudes: NDArray[np.floating], phases: NDArray[np.floating] | float = 0.0) -> Wave:
    """Return periods for harmonic amplitudes [states, count], harmonic 1 first, float32 [states, TABLE_SIZE + 1]."""
    amplitudes = np.atleast_2d(amplitudes)
    spectrum = np.zeros((amplitudes.shape[0], TABLE_SIZE // 2 + 1), dtype=np.complex64)
    spectrum[:, 1 : amplitudes.shape[1] + 1] = amplitudes * (-1j * np.exp(1j * np.asarray(phases)))
    periods = scipy.fft.irfft(spectrum, axis=1) * np.float32(TABLE_SIZE / 2)
    return np.concatenate([periods, periods[:, :1]], axis=1).astype(np.float32)


def scan(table: Wave, periods: NDArray[np.floating], position: ArrayLike = 0.0) -> Wave:
    """Return ``table`` read at a phase in periods and a position between states (both may move), float32 [frames]."""
    size = table.shape[1] - 1
    column = (periods - np.floor(periods)) * size
    left = column.astype(np.int32)
    right_share = (column - left).astype(np.float32)
    if table.shape[0] == 1:
        row = table[0]
        low = row[left]
        return np.asarray(low + right_share * (row[left + 1] - low), dtype=np.float32)
    place = np.clip(np.asarray(position, dtype=np.float32), 0, table.shape[0] - 1.001)
    upper = place.astype(np.int32)
    lower_share = place - upper
    flat = table.reshape(-1)
    index = upper * (size + 1) + left
    low = flat[index]
    first = low + right_share * (flat[index + 1] - low)
    index = index + (size + 1)
    low = flat[index]
    second = low + right_share * (flat[index + 1] - low)
    return np.asarray(first + lower_share * (second - first), dtype=np.float32)


def lowpass_states(
    frequency_hz: float, rate_hz: int, cutoffs_hz: ArrayLike, tilt: float = 1.0, resonance: float = 0.0
) -> NDArray[np.float64]:
    """Return 1/n**tilt harmonics after a 24 dB per octave low-pass at each cutoff, float64 [states, count]."""
    n = harmonics(frequency_hz, rate_hz)
    ratio = n * frequency_hz / np.atleast_1d(np.asarray(cutoffs_hz, dtype=np.float64))[:, None]
    response = 1.0 / (1.0 + ratio**4) + resonance * np.exp(-(((ratio - 1.0) / 0.25) ** 2))
    return np.asarray(response / n**tilt)


def fade(frames: int, rate_hz: int, attack_seconds: float, release_seconds: float) -> Wave:
    """Return a raised-cosine rise and fall with ones in between, shortened if they do not fit, float32 [frames]."""
    rise = min(max(1, round(attack_seconds * rate_hz)), frames // 2)
    fall = min(max(1, round(release_seconds * rate_hz)), frames - rise)
    envelope = np.ones(frames, dtype=np.float32)
    if rise:
        envelope[:rise] = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    if fall:
        envelope[frames - fall :] = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return envelope


def lines(points: NDArray[np.floating], hop: int) -> Wave:
    """Return straight lines between points that are ``hop`` frames apart, float32 [hop * (points - 1)]."""
    start, ramp = points[:-1].astype(np.float32), np.arange(hop, dtype=np.float32) / hop
    return np.asarray(
        (start[:, None] + np.diff(points).astype(np.float32)[:, None] * ramp).reshape(-1), dtype=np.float32
    )


def decay(frames: int, rate_hz: int, half_life_seconds: float) -> Wave:
    """Return an exponential decay from 1 with a half-life of ``half_life_seconds``, float32 [frames]."""
    return np.asarray(np.exp2(-seconds(frames, rate_hz) / half_life_seconds), dtype=np.float32)


def noise(frames: int, rate_hz: int, rng: np.random.Generator, low_hz: float = 20.0, high_hz: float = 20_000.0) -> Wave:
    """Return Gaussian noise of unit RMS in a band with soft edges of 12 dB per octave, float32 [frames]."""
    size = scipy.fft.next_fast_len(max(frames, 64), real=True)
    frequency = scipy.fft.rfftfreq(size, 1.0 / rate_hz)
    frequency[0] = 1.0
    shape = 1.0 / np.sqrt((1.0 + (low_hz / frequency) ** 4) * (1.0 + (frequency / high_hz) ** 4))
    white = rng.standard_normal(size, dtype=np.float32)
    band = scipy.fft.irfft(scipy.fft.rfft(white) * shape.astype(np.float32), n=size)[:frames]
    return np.asarray(band / (np.sqrt(np.mean(band**2)) + 1e-9), dtype=np.float32)


def peak_normalised(wave: Wave, peak: float = 1.0) -> Wave:
    """Return the wave scaled to ``peak``. Silence stays silence."""
    highest = float(np.max(np.abs(wave), initial=0.0))
    return wave if highest < 1e-9 else (wave * np.float32(peak / highest)).astype(np.float32)
