"""Features of the short-time spectrum: timbre, mel bands and pitch classes, computed frame by frame.

The definitions equal the defaults of librosa's functions of the same names, so the values are comparable.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.services.analysis.engines.decibels import limit_db, power_to_db

Floats = NDArray[np.float32]

_ROLLOFF_SHARE = 0.85
_CONTRAST_EDGES_HZ = (0.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0, 12800.0)
_CONTRAST_SHARE = 0.02
_MFCC_COUNT = 13
_MEL_BAND_COUNT = 128
_MAX_COLUMNS = 200
_MAX_ENERGY_COLUMNS = 2000
_CENS_STEPS = (0.05, 0.1, 0.2, 0.4)
_CENS_FRAMES = 41
_ZERO_AMPLITUDE = 1e-10


class EnergyMeter:
    """Measures the root mean square and the zero crossings of each frame."""

    def __init__(self) -> None:
        self._rms: list[Floats] = []
        self._crossings: list[Floats] = []

    def push(self, frames: Floats) -> None:
        """Add frames, float32 [frames, frame_length], not windowed."""
        self._rms.append(np.sqrt(np.mean(np.square(frames), axis=1)))

    def push_crossings(self, crossings: NDArray[np.bool_]) -> None:
        """Add frames of :class:`SignChanges`, bool [frames, frame_length]."""
        # The first value compares with the sample before the frame, so it is not a crossing inside the frame.
        self._crossings.append(crossings[:, 1:].sum(axis=1, dtype=np.float32) / np.float32(crossings.shape[1]))

    def over_time(self) -> tuple[list[float], int]:
        """Return the mean of runs of frames, at most 2000, and the number of frames of a run."""
        rows, run = pooled(np.concatenate(self._rms)[np.newaxis], _MAX_ENERGY_COLUMNS)
        return rows[0], run

    def result(self) -> dict[str, Any]:
        rms = np.concatenate(self._rms).astype(np.float64)
        return {
            "energy": float(rms.mean()),
            "energy_variance": float(rms.var()),
            "energy_max": float(rms.max()),
            "energy_min": float(rms.min()),
            "zero_crossing_rate": float(np.concatenate(self._crossings).mean(dtype=np.float64)),
        }


class SignChanges:
    """Marks the samples whose sign differs from the previous sample. Values close to zero count as positive."""

    def __init__(self) -> None:
        self._last_is_negative: bool | None = None

    def push(self, samples: Floats) -> NDArray[np.bool_]:
        """Return bool [samples] for the next float32 [samples]."""
        if samples.size == 0:
            return np.zeros(0, dtype=np.bool_)
        is_negative = samples < -_ZERO_AMPLITUDE
        first = is_negative[0] if self._last_is_negative is None else self._last_is_negative
        self._last_is_negative = bool(is_negative[-1])
        return np.diff(is_negative, prepend=first)


class SpectralMeter:
    """Measures centroid, bandwidth, rolloff, flatness and contrast of each frame."""

    def __init__(self, sample_rate_hz: int, fft_length: int) -> None:
        self._bins_hz = np.fft.rfftfreq(fft_length, 1.0 / sample_rate_hz).astype(np.float32)
        self._bands = _contrast_bands(self._bins_hz)
        self._columns: list[Floats] = []
        self._valleys: list[Floats] = []
        self._peaks: list[Floats] = []

    def push(self, magnitude: Floats, power: Floats) -> None:
        """Add magnitudes, float32 [frames, bins], and their squares."""
        total = magnitude.sum(axis=1, keepdims=True)
        share = magnitude / np.where(total > np.finfo(np.float32).tiny, total, 1.0)
        centroid = share @ self._bins_hz
        spread = np.square(self._bins_hz - centroid[:, None])
        bandwidth = np.sqrt(np.einsum("ij,ij->i", share, spread))
        running = np.cumsum(magnitude, axis=1)
        rolloff_bin = (running < np.float32(_ROLLOFF_SHARE) * running[:, -1:]).sum(axis=1)
        floored = np.maximum(power, np.float32(1e-10))
        flatness = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
        self._columns.append(np.stack([centroid, bandwidth, self._bins_hz[rolloff_bin], flatness]))
        valleys, peaks = [], []
        for first, last, count in self._bands:
            ordered = np.sort(magnitude[:, first:last], axis=1)
            valleys.append(ordered[:, :count].mean(axis=1))
            peaks.append(ordered[:, -count:].mean(axis=1))
        self._valleys.append(power_to_db(np.stack(valleys)))
        self._peaks.append(power_to_db(np.stack(peaks)))

    def result(self) -> dict[str, Any]:
        centroid, bandwidth, rolloff, flatness = np.concatenate(self._columns, axis=1).astype(np.float64)
        valleys, peaks = np.concatenate(self._valleys, axis=1), np.concatenate(self._peaks, axis=1)
        contrast = limit_db(peaks, peaks.max()) - limit_db(valleys, valleys.max())
        return {
            "spectral_centroid": float(centroid.mean()),
            "spectral_centroid_variance": float(centroid.var()),
            "spectral_rolloff": float(rolloff.mean()),
            "spectral_bandwidth": float(bandwidth.mean()),
            "spectral_contrast": contrast.mean(axis=1, dtype=np.float64).tolist(),
            "spectral_flatness": float(flatness.mean()),
        }


class MelMeter:
    """Measures the level of each mel band in each frame, for timbre and rhythm.

    Levels are limited to 80 dB below the peak of the recording, which is known only at the end. So all levels are kept,
    with 512 bytes per frame.
    """

    def __init__(self, sample_rate_hz: int, fft_length: int) -> None:
        import librosa.filters

        mel = librosa.filters.mel(sr=sample_rate_hz, n_fft=fft_length, n_mels=_MEL_BAND_COUNT)
        self._filters: Floats = np.ascontiguousarray(mel.T, dtype=np.float32)
        self._levels: list[Floats] = []
        self._loudest_db = -np.inf

    def push(self, power: Floats) -> None:
        """Add power spectra, float32 [frames, bins]."""
        levels = power_to_db(power @ self._filters)
        self._loudest_db = max(self._loudest_db, float(levels.max()))
        self._levels.append(levels)

    def batches(self) -> Iterator[Floats]:
        """Yield the levels of all frames in dB, as batches of float32 [frames, bands]."""
        return (limit_db(levels, self._loudest_db) for levels in self._levels)

    def mfcc(self) -> Floats:
        """Return float32 [13, frames]: the mel-frequency cepstral coefficients."""
        # Copies, because slices would keep all coefficients in memory.
        coefficients = (
            scipy.fft.dct(levels, type=2, norm="ortho", axis=1)[:, :_MFCC_COUNT].copy() for levels in self.batches()
        )
        return np.concatenate(list(coefficients)).T

    @staticmethod
    def result(mfcc: Floats) -> dict[str, Any]:
        return {
            "mfcc": mfcc.mean(axis=1, dtype=np.float64).tolist(),
            "mfcc_variance": mfcc.var(axis=1, dtype=np.float64).tolist(),
            "n_mfcc": _MFCC_COUNT,
        }


class ChromaMeter:
    """Measures the power of the twelve pitch classes, C to B, in each frame."""

    def __init__(self, sample_rate_hz: int, fft_length: int) -> None:
        self._filters = _chroma_filters(sample_rate_hz, fft_length)
        self._chroma: list[Floats] = []

    def push(self, power: Floats) -> None:
        """Add power spectra, float32 [frames, bins]."""
        self._chroma.append(power @ self._filters)

    def chroma(self) -> Floats:
        """Return float32 [12, frames]: each frame scaled to a maximum of 1; silence is 0."""
        raw = np.concatenate(self._chroma)
        return _normalised(raw, np.max(raw, axis=1, keepdims=True)).T

    def cens(self) -> Floats:
        """Return float32 [12, frames]: quantised and smoothed over a second, which follows harmony instead of dynamics.

        Chroma energy normalised statistics after Müller and Ewert, "Chroma Toolbox" (ISMIR 2011).
        """
        raw = np.concatenate(self._chroma)
        share = _normalised(raw, raw.sum(axis=1, keepdims=True))
        steps = np.sum([share > step for step in _CENS_STEPS], axis=0) / len(_CENS_STEPS)
        window = np.hanning(_CENS_FRAMES + 2)
        window /= window.sum()
        half = window.size // 2
        smooth = np.stack([np.convolve(row, window)[half : half + row.size] for row in steps.T])
        return _normalised(smooth, np.linalg.norm(smooth, axis=0, keepdims=True)).astype(np.float32)


def pooled(matrix: Floats, max_columns: int = _MAX_COLUMNS) -> tuple[list[list[float]], int]:
    """Average runs of columns so that at most ``max_columns`` remain. Return the rows and the length of a run."""
    run = -(-matrix.shape[1] // max_columns)
    starts = np.arange(0, matrix.shape[1], run)
    counts = np.diff(starts, append=matrix.shape[1])
    means = np.add.reduceat(matrix.astype(np.float64), starts, axis=1) / counts
    return np.round(means, 4).tolist(), run


def _chroma_filters(sample_rate_hz: int, fft_length: int) -> Floats:
    """Return float32 [bins, 12]: the weight of each frequency bin for the pitch classes C to B, tuned to 440 Hz.

    Each bin counts for the pitch classes near it (a Gaussian as wide as the bin, at least a semitone), and less the farther it is
    from five octaves above 27.5 Hz (a Gaussian of two octaves). After Ellis, "Chroma feature analysis and synthesis" (2007).
    librosa has the same function. Its module compiles others for ten seconds when a machine imports it for the first time.
    """
    octaves = np.log2(np.arange(1, fft_length) * sample_rate_hz / fft_length / 27.5)
    octaves = np.concatenate(([octaves[0] - 1.5], octaves))
    widths = np.concatenate((np.maximum(12 * np.diff(octaves), 1.0), [1.0]))
    distances = (12 * octaves[:, None] - np.arange(3, 15) + 6) % 12 - 6  # in semitones; A is 0, C is 3
    weights = np.exp(-0.5 * (2 * distances / widths[:, None]) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    weights *= np.exp(-0.5 * ((octaves[:, None] - 5) / 2) ** 2)
    return weights[: 1 + fft_length // 2].astype(np.float32)


def _normalised(values: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
    """Divide by ``scale`` where it is not zero."""
    return values / np.where(scale > np.finfo(np.float32).tiny, scale, 1.0)


def _contrast_bands(bins_hz: Floats) -> list[tuple[int, int, int]]:
    """Return the first bin, the end bin and the bins per valley or peak of seven octave bands.

    See D.-N. Jiang et al., ICME 2002.
    """
    bands = []
    last_band = len(_CONTRAST_EDGES_HZ) - 2
    for band, (low, high) in enumerate(pairwise(_CONTRAST_EDGES_HZ)):
        first = int(np.searchsorted(bins_hz, low)) - (1 if band > 0 else 0)
        end = bins_hz.size if band == last_band else int(np.searchsorted(bins_hz, high, side="right"))
        count = max(1, round(_CONTRAST_SHARE * (end - first)))
        # The last bin of a band belongs to the next band.
        bands.append((first, end if band == last_band else end - 1, count))
    return bands
