"""The mel scale: triangular filters that turn spectra into bands, as in librosa.

Slaney, "Auditory Toolbox", 1998: linear below 1 kHz, logarithmic above. HTK: O'Shaughnessy, "Speech Communication", 1987.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LINEAR_HZ = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: ArrayLike, *, htk: bool = False) -> NDArray[np.float64]:
    values = np.asarray(hz, np.float64)
    if htk:
        return 2595.0 * np.log10(1.0 + values / 700.0)
    log = _LOG_FROM_MEL + np.log(np.maximum(values, _LOG_FROM_HZ) / _LOG_FROM_HZ) / _LOG_STEP
    return np.where(values < _LOG_FROM_HZ, values / _LINEAR_HZ, log)


def mel_to_hz(mel: ArrayLike, *, htk: bool = False) -> NDArray[np.float64]:
    values = np.asarray(mel, np.float64)
    if htk:
        return np.asarray(700.0 * (10.0 ** (values / 2595.0) - 1.0))
    log = _LOG_FROM_HZ * np.exp(_LOG_STEP * (np.maximum(values, _LOG_FROM_MEL) - _LOG_FROM_MEL))
    return np.where(values < _LOG_FROM_MEL, values * _LINEAR_HZ, log)


def mel_filters(
    sample_rate_hz: int, fft_length: int, band_count: int, *, low_hz: float = 0.0, high_hz: float, htk: bool = False,
    equal_area: bool = True,
) -> NDArray[np.float32]:  # fmt: skip
    """Return triangular filters that are equally wide in mel, float32 [bands, fft_length // 2 + 1].

    Args:
        equal_area: all filters have the same area (Slaney's norm). Otherwise each has the peak 1.
    """
    edges_mel = np.linspace(hz_to_mel(low_hz, htk=htk), hz_to_mel(high_hz, htk=htk), band_count + 2)
    edges = mel_to_hz(edges_mel, htk=htk)
    bins = np.fft.rfftfreq(fft_length, 1.0 / sample_rate_hz)
    distances = edges[:, None] - bins
    widths = np.diff(edges)[:, None]
    filters = np.maximum(0.0, np.minimum(-distances[:-2] / widths[:-1], distances[2:] / widths[1:]))
    if equal_area:
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return filters.astype(np.float32)
