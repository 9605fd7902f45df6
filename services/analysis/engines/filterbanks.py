"""Filter banks that turn power spectra into mel bands, pitch classes and cepstra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["chroma_filters", "dct_matrix", "limit_db", "mel_filters", "power_to_db"]

Floats = NDArray[np.float32]

_FLOOR_POWER = 1e-10
_RANGE_DB = 80.0


def mel_filters(sample_rate_hz: int, fft_length: int, band_count: int = 128) -> Floats:
    """Triangular filters of equal area, evenly spaced on the mel scale from 0 Hz to half the sample rate.

    The scale and normalisation are those of Slaney, "Auditory Toolbox" (1998).

    Returns:
        float32 [band_count, fft_length // 2 + 1].
    """
    bins_hz = np.fft.rfftfreq(fft_length, 1.0 / sample_rate_hz)
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(sample_rate_hz / 2.0), band_count + 2))
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low)
    return filters.astype(np.float32)


def chroma_filters(sample_rate_hz: int, fft_length: int) -> Floats:
    """Filters that collect the power of every pitch class, C to B, tuned to A = 440 Hz.

    Gaussian bumps a semitone wide (a bin wide where bins are wider), with the octaves around middle C weighted most,
    after Ellis, "Chroma feature analysis and synthesis" (2007).

    Returns:
        float32 [12, fft_length // 2 + 1].
    """
    bins_hz = np.arange(1, fft_length) * sample_rate_hz / fft_length
    semitones = 12.0 * np.log2(bins_hz / 27.5)
    # 0 Hz has no pitch: place it 1.5 octaves below the first bin, where the filters are blind.
    semitones = np.concatenate([semitones[:1] - 18.0, semitones])
    widths = np.concatenate([np.maximum(np.diff(semitones), 1.0), [1.0]])
    distance = np.remainder(semitones - np.arange(12)[:, None] + 6.0, 12.0) - 6.0
    filters = np.exp(-0.5 * (2.0 * distance / widths) ** 2)
    filters /= np.linalg.norm(filters, axis=0)
    filters *= np.exp(-0.5 * ((semitones / 12.0 - 5.0) / 2.0) ** 2)
    from_c = np.roll(filters, -3, axis=0)
    return np.ascontiguousarray(from_c[:, : fft_length // 2 + 1], dtype=np.float32)


def dct_matrix(coefficient_count: int, band_count: int) -> Floats:
    """float32 [coefficient_count, band_count]: the orthonormal type-2 cosine transform."""
    angle = np.pi / band_count * (np.arange(band_count) + 0.5) * np.arange(coefficient_count)[:, None]
    matrix = np.sqrt(2.0 / band_count) * np.cos(angle)
    matrix[0] /= np.sqrt(2.0)
    return matrix.astype(np.float32)


def power_to_db(power: Floats) -> Floats:
    """Decibels re 1, from -100 up; of any shape. Limit a whole recording to its top 80 with :func:`limit_db`."""
    return np.float32(10.0) * np.log10(np.maximum(power, np.float32(_FLOOR_POWER)))


def limit_db(levels_db: Floats, loudest_db: float) -> Floats:
    """Levels with everything further than 80 dB below the loudest raised to that floor."""
    return np.maximum(levels_db, np.float32(loudest_db - _RANGE_DB))


def _hz_to_mel(frequency_hz: float) -> float:
    if frequency_hz < 1000.0:
        return frequency_hz * 3.0 / 200.0
    return 15.0 + float(np.log(frequency_hz / 1000.0)) * 27.0 / float(np.log(6.4))


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))
