"""Separates one window of a mix into drums, bass, other and vocals (or another lead)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.separation.engines.dsp.lead import lead_share
from services.separation.engines.dsp.lowend import TOP_HZ, drum_share
from services.separation.engines.dsp.spectral import EPSILON, Real, Stft, median_along, odd, power

__all__ = ["WindowSeparator"]

_STFT_SECONDS = 0.093
_HARMONIC_SECONDS = 0.15
_PERCUSSIVE_HZ = 800.0
_BASS_HZ = 200.0


class WindowSeparator:
    """Separates windows of one sample rate.

    The mix is converted to mid (left plus right) and side (left minus right). With more than two channels, the mid is
    the mean of all. Three soft masks (Wiener-like ratios of estimated powers: Liutkus and Badeau, 2015) separate the
    mid:

    * drums, by harmonic-percussive separation with median filters (Fitzgerald, 2010; Driedger, Müller and Disch, 2014)
      and, in the lowest octaves, by recurring hits (:mod:`.lowend`);
    * bass, which is the rest of the low end;
    * the lead, by its position and its pitch (:mod:`.lead`).

    The side contains drums and others only. ``other`` is the remainder, so that the stems add up to the mix.

    Args:
        sample_rate_hz: sample rate of all windows.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._stft = Stft(sample_rate_hz, _STFT_SECONDS)

    def separate(self, samples: Real) -> NDArray[np.float32]:
        """Return the stems of float32 [channels, frames] in the order of ``STEMS``: float32 [4, channels, frames]."""
        channels = samples.shape[0]
        if channels == 2:
            return self._separate_stereo(samples)
        mid = samples.mean(axis=0, dtype=np.float32)
        side = (samples[0] - samples[-1]) / 2 if channels > 1 else np.zeros_like(mid)
        masks = self._mid_masks(power(self._stft.forward(mid)), power(self._stft.forward(side)))
        stems = np.empty((4, *samples.shape), dtype=np.float32)
        for channel, signal in enumerate(samples):
            stems[:, channel] = self._masked(signal, *masks)
        return stems

    def _separate_stereo(self, samples: Real) -> NDArray[np.float32]:
        mid = (samples[0] + samples[1]) / 2
        side = (samples[0] - samples[1]) / 2
        side_power = power(self._stft.forward(side))
        of_mid = self._masked(mid, *self._mid_masks(power(self._stft.forward(mid)), side_power))
        side_drums = self._masked(side, self._percussive(side_power))[0]
        stems = np.stack([of_mid, of_mid], axis=1)
        stems[0] += np.stack([side_drums, -side_drums])
        stems[2] = samples - stems[0] - stems[1] - stems[3]
        return stems

    def _masked(
        self, signal: Real, drums: Real, bass: Real | None = None, lead: Real | None = None
    ) -> NDArray[np.float32]:
        """Return the stems of one signal, float32 [4, frames]. A missing mask counts as zero."""
        spectrum = self._stft.forward(signal)
        stems = np.zeros((4, signal.size), dtype=np.float32)
        for stem, mask in ((0, drums), (1, bass), (3, lead)):
            if mask is not None:
                stems[stem] = self._stft.inverse(spectrum * mask, signal.size)
        stems[2] = signal - stems[0] - stems[1] - stems[3]
        return stems

    def _percussive(self, mixed: Real) -> Real:
        """Return the share of short broadband sounds in a power spectrum, float32 [hops, bins] in [0, 1]."""
        magnitude = np.sqrt(mixed)
        harmonic = median_along(magnitude, odd(_HARMONIC_SECONDS * self._stft.hops_per_second), axis=0)
        percussive = median_along(magnitude, odd(_PERCUSSIVE_HZ / self._stft.bin_hz[1]), axis=1)
        return np.asarray(percussive**2 / (harmonic**2 + percussive**2 + EPSILON), dtype=np.float32)

    def _mid_masks(self, mid: Real, side: Real) -> tuple[Real, Real, Real]:
        """Return masks for drums, bass and lead in the mid signal, float32 [hops, bins]. Their sum is at most 1."""
        hz = self._stft.bin_hz
        drums = self._percussive(mid)
        hits = drum_share(np.sqrt(mid), self._stft)
        low = hits.shape[1]
        fade = np.clip((TOP_HZ - hz[:low]) / 100.0, 0.0, 1.0)
        drums[:, :low] = fade * hits + (1 - fade) * drums[:, :low]
        rest: Real = np.float32(1) - drums
        low_pass: Real = np.asarray(1 / (1 + (hz / _BASS_HZ) ** 8), dtype=np.float32)
        pitched = rest * (np.float32(1) - low_pass)
        return drums, rest * low_pass, pitched * lead_share(mid * pitched**2, side, self._stft)
