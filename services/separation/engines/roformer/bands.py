"""The bands of Mel-Band RoFormer."""

import numpy as np
from numpy.typing import NDArray

from soundwright.services.separation.engines.roformer.config import RoformerConfig

# The mel scale of Slaney's Auditory Toolbox: linear up to 1000 Hz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def mel_bands(config: RoformerConfig) -> list[NDArray[np.int64]]:
    """Return the frequency bins of each band, low to high: those between the centres of its two neighbours.

    Raises ``ValueError``: a frequency bin or a band is empty.
    """
    top_hz = config.sample_rate_hz / 2
    centres_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(top_hz), config.mel_band_count + 2))
    bins_hz = np.linspace(0, top_hz, config.bin_count)
    inside = (bins_hz > centres_hz[:-2, None]) & (bins_hz < centres_hz[2:, None])
    # The first and the last bin lie on the edge of their bands.
    inside[0, 0] = inside[-1, -1] = True
    if not inside.any(axis=0).all() or not inside.any(axis=1).all():
        raise ValueError(f"{config.mel_band_count} mel bands do not cover {config.bin_count} frequency bins.")
    return [np.flatnonzero(row) for row in inside]


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _BREAK_HZ else _BREAK_MEL + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)
