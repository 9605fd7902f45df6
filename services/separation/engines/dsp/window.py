"""One window of a mix into drums, bass, other and vocals (or whatever leads)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.separation.engines.dsp import lowend
from services.separation.engines.dsp.spectral import EPSILON, Real, Stft, median_along, odd, power

STEMS = ("drums", "bass", "other", "vocals")
HT=0.2
PF=500.0
BETA=1.0

class WindowSeparator:
    """Separates windows of one sample rate.

    Args:
        sample_rate_hz: of all windows.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._stft = Stft(sample_rate_hz, 0.093)

    def separate(self, samples: Real) -> NDArray[np.float32]:
        """float32 [4, channels, frames] of float32 [channels, frames], in the order of :data:`STEMS`; sums to it."""
        frames = samples.shape[1]
        if samples.shape[0] == 2:
            parts = np.stack([samples[0] + samples[1], samples[0] - samples[1]]) / 2
        else:
            parts = samples
        mid = self._stft.forward(samples.mean(axis=0, dtype=np.float32))
        side = self._stft.forward((samples[0] - samples[-1]) / 2)
        drums, bass, lead = self._mid_masks(power(mid), power(side))
        stems = np.zeros((4, *parts.shape), dtype=np.float32)
        for part, signal in enumerate(parts):
            if part == 1 and samples.shape[0] == 2:
                stems[0, part] = self._stft.inverse(side * self._percussive(power(side)), frames)
            else:
                spectrum = mid if samples.shape[0] <= 2 else self._stft.forward(signal)
                stems[0, part] = self._stft.inverse(spectrum * drums, frames)
                stems[1, part] = self._stft.inverse(spectrum * bass, frames)
                stems[3, part] = self._stft.inverse(spectrum * lead, frames)
        stems[2] = parts - stems[0] - stems[1] - stems[3]
        if samples.shape[0] == 2:
            stems = np.stack([stems[:, 0] + stems[:, 1], stems[:, 0] - stems[:, 1]], axis=1)
        return stems

    def _percussive(self, mixed: Real) -> Real:
        magnitude = np.sqrt(mixed)
        stft = self._stft
        harmonic = median_along(magnitude, odd(HT * stft.hops_per_second), axis=0)
        percussive = median_along(magnitude, odd(PF / stft.bin_hz[1]), axis=1)
        return percussive**2 / (BETA*harmonic**2 + percussive**2 + EPSILON)

    def _mid_masks(self, mid: Real, side: Real) -> tuple[Real, Real, Real]:
        hz = self._stft.bin_hz
        drums = self._percussive(mid)
        kick = lowend.drum_share(np.sqrt(mid), self._stft)
        bins = kick.shape[1]
        fade = np.clip((lowend.TOP_HZ - hz[:bins]) / 100.0, 0, 1)
        drums[:, :bins] = fade * kick + (1 - fade) * drums[:, :bins]
        low = 1 / (1 + (hz / 200.0) ** 8)
        centre = np.maximum(mid - 2 * side, 0) / (mid + EPSILON)
        band = (hz > 200) & (hz < 8000)
        rest = 1 - drums
        return drums, (rest * low).astype(np.float32), (rest * centre * (1 - low) * band).astype(np.float32)
