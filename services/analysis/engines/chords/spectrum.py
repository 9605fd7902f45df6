"""The constant-Q spectrum that the chord networks read, computed octave by octave.

The magnitudes equal those of ``librosa.hybrid_cqt`` with 36 bins per octave, with which the networks were trained. Lower octaves
are computed at lower sample rates. librosa's own module compiles functions for ten seconds when a machine imports it first.
"""

import functools

import numpy as np
import scipy
import soxr
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE_HZ = 22_050
HOP_LENGTH = 512
BIN_COUNT = 252
MARGIN_FRAMES = 40  # half of the longest filter, 0.8 s, and what resampling needs

_BINS_PER_OCTAVE = 36
_OCTAVE_COUNT = BIN_COUNT // _BINS_PER_OCTAVE
_LOWEST_HZ = 440.0 * 2.0 ** (-45 / 12)  # C1
_FFT_LENGTH = 1024
_LONGEST_SHORT = 512  # samples of a filter that is applied to magnitudes
_RATIO = 2.0 ** (2.0 / _BINS_PER_OCTAVE)
_CYCLES = (_RATIO + 1.0) / (_RATIO - 1.0)  # of a filter
_WINDOW = np.hanning(_FFT_LENGTH + 1)[:-1].astype(np.float32)


def spectrum(samples: Floats) -> Floats:
    """Return magnitudes, float32 [frames, 252 bins], of a mono signal at 22050 Hz. Frame ``t`` is centred on sample ``512 * t``.

    Outside the signal, there is silence.
    """
    frame_count = 1 + samples.size // HOP_LENGTH
    octaves = []
    signal, hop = samples, HOP_LENGTH
    for octave in reversed(range(_OCTAVE_COUNT)):
        spectra = _short_spectra(signal, hop, frame_count)
        octaves.append(np.abs(spectra @ _filters(octave)))
        if octave:
            signal, hop = soxr.resample(signal, 2, 1, "HQ"), hop // 2
    magnitudes = np.concatenate(octaves[::-1], axis=1)
    short = _short_filters()
    spectra = np.abs(_short_spectra(samples, HOP_LENGTH, frame_count, _WINDOW))
    magnitudes[:, BIN_COUNT - short.shape[1] :] = spectra @ short
    return np.asarray(magnitudes, np.float32)


def _short_spectra(samples: Floats, hop: int, frame_count: int, window: Floats | None = None) -> NDArray[np.complex64]:
    """Return complex64 [frames, bins]: the spectra of centred frames."""
    missing = (frame_count - 1) * hop + _FFT_LENGTH // 2 - samples.size
    padded = np.pad(samples, (_FFT_LENGTH // 2, max(0, missing)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_LENGTH)[::hop][:frame_count]
    return np.asarray(scipy.fft.rfft(frames if window is None else frames * window, axis=1))


def _frequencies(first: int, last: int) -> NDArray[np.float64]:
    return np.asarray(_LOWEST_HZ * 2.0 ** (np.arange(first, last) / _BINS_PER_OCTAVE))


def _kernels(frequencies: NDArray[np.float64], rate_hz: float) -> NDArray[np.complex128]:
    """Return complex128 [1024, bins]: complex tones under a window of ``_CYCLES`` periods, each with a sum of magnitudes of 1."""
    kernels = np.zeros((_FFT_LENGTH, frequencies.size), np.complex128)
    for column, frequency in enumerate(frequencies):
        size = _CYCLES * rate_hz / frequency
        times = np.arange(-size // 2, size // 2)
        tone = np.exp(2j * np.pi * frequency / rate_hz * times) * scipy.signal.get_window("hann", times.size)
        start = (_FFT_LENGTH - times.size) // 2
        kernels[start : start + times.size, column] = tone / np.abs(tone).sum()
    return kernels


@functools.cache
def _filters(octave: int) -> NDArray[np.complex64]:
    """Return complex64 [bins of the FFT, 36]: the filters of an octave at its sample rate."""
    step = 2 ** (_OCTAVE_COUNT - 1 - octave)
    rate_hz = RATE_HZ / step
    frequencies = _frequencies(octave * _BINS_PER_OCTAVE, (octave + 1) * _BINS_PER_OCTAVE)
    spectra = np.fft.fft(_kernels(frequencies, rate_hz), axis=0)[: _FFT_LENGTH // 2 + 1]
    lengths = _CYCLES * RATE_HZ / frequencies
    return np.asarray(np.conj(spectra) / _FFT_LENGTH * np.sqrt(lengths), np.complex64)


@functools.cache
def _short_filters() -> Floats:
    """Return float32 [bins of the FFT, bins]: the filters that are shorter than a hop, for magnitudes of windowed frames."""
    frequencies = _frequencies(0, BIN_COUNT)
    lengths = _CYCLES * RATE_HZ / frequencies
    frequencies, lengths = frequencies[lengths <= _LONGEST_SHORT], lengths[lengths <= _LONGEST_SHORT]
    spectra = np.fft.fft(_kernels(frequencies, RATE_HZ), axis=0)[: _FFT_LENGTH // 2 + 1]
    return np.asarray(np.abs(spectra) * lengths / _FFT_LENGTH / np.sqrt(_FFT_LENGTH), np.float32)
