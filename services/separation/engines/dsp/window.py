"""One window of a mix into drums, bass, other and vocals (or whatever leads)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.separation.engines.dsp.spectral import EPSILON, Real, Stft, median_along, odd, power

STEMS = ("drums", "bass", "other", "vocals")


class WindowSeparator:
    """Separates windows of one sample rate.

    Args:
        sample_rate_hz: of all windows.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._short = Stft(sample_rate_hz, 0.046)
        self._long = Stft(sample_rate_hz, 0.093)

    def separate(self, samples: Real) -> NDArray[np.float32]:
        """float32 [4, channels, frames] of float32 [channels, frames], in the order of :data:`STEMS`; sums to it."""
        frames = samples.shape[1]
        mid = samples.mean(axis=0, dtype=np.float32)
        side = (samples[0] - samples[1]) / 2 if samples.shape[0] > 1 else np.zeros_like(mid)

        drum_mask = self._drum_mask(power(self._short.forward(mid)))
        drums = np.stack([self._short.inverse(self._short.forward(channel) * drum_mask, frames) for channel in samples])
        rest = samples - drums
        mid = rest.mean(axis=0, dtype=np.float32)
        side = (rest[0] - rest[1]) / 2 if rest.shape[0] > 1 else np.zeros_like(mid)
        bass_mask, lead_mask = self._pitched_masks(power(self._long.forward(mid)), power(self._long.forward(side)))
        bass = np.empty_like(rest)
        lead = np.empty_like(rest)
        for channel, signal in enumerate(rest):
            spectrum = self._long.forward(signal)
            bass[channel] = self._long.inverse(spectrum * bass_mask, frames)
            lead[channel] = self._long.inverse(spectrum * lead_mask, frames)
        return np.stack([drums, bass, rest - bass - lead, lead])

    def _drum_mask(self, mixed: Real) -> Real:
        magnitude = np.sqrt(mixed)
        stft = self._short
        harmonic = median_along(magnitude, odd(0.2 * stft.hops_per_second), axis=0)
        percussive = median_along(magnitude, odd(500.0 / stft.bin_hz[1]), axis=1)
        return percussive**2 / (harmonic**2 + percussive**2 + EPSILON)

    def _pitched_masks(self, mid: Real, side: Real) -> tuple[Real, Real]:
        hz = self._long.bin_hz
        low = 1 / (1 + (hz / 200.0) ** 8)
        centre = np.maximum(mid - 2 * side, 0) / (mid + EPSILON)
        band = (hz > 200) & (hz < 8000)
        return np.broadcast_to(low, mid.shape).astype(np.float32), (centre * (1 - low) * band).astype(np.float32)
