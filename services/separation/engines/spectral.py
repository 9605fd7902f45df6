"""Time-frequency tools of the engines without weights: an exactly invertible STFT, and fast median filters.

Spectra are complex64 [..., hops, bins]. Each hop is one row, so a row is contiguous for the FFT.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.services.separation.engines.windows import overlap_add, trapezoid
from soundwright.services.separation.service import Mix, Samples

Real = NDArray[np.float32]
Spectrum = NDArray[np.complex64]

EPSILON = np.float32(1e-12)
"""Added to powers before a division, so that silence gives finite masks. Far below the noise floor of 24-bit audio."""


_OVERLAP = 8
_LONGEST_SECONDS = 12.0
_LONGEST_SAMPLES = 4_000_000
"""Maximum number of samples (frames times channels) of a window. Bounds memory at high rates and channel counts."""


@dataclass(frozen=True)
class Stft:
    """Short-time Fourier transform with Hann windows for analysis and synthesis, and eight-fold overlap.

    Args:
        window_seconds: requested window length. The nearest power of two in frames is used, at least 64.
    """

    sample_rate_hz: int
    window_seconds: float

    @cached_property
    def size(self) -> int:
        return int(2 ** max(6, round(math.log2(self.sample_rate_hz * self.window_seconds))))

    @property
    def hop(self) -> int:
        return self.size // _OVERLAP

    @property
    def hops_per_second(self) -> float:
        return self.sample_rate_hz / self.hop

    @cached_property
    def bin_hz(self) -> Real:
        """Centre frequencies in Hz, float32 [bins]."""
        return np.arange(self.size // 2 + 1, dtype=np.float32) * np.float32(self.sample_rate_hz / self.size)

    @cached_property
    def _window(self) -> Real:
        phase = 2.0 * np.pi * np.arange(self.size) / self.size
        return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    def forward(self, signal: Real) -> Spectrum:
        """Return the transform of float32 [..., frames] as complex64 [..., hops, bins].

        Eight windows cover every frame.
        """
        edge = self.size - self.hop
        frames = signal.shape[-1]
        hops = -(-(frames + edge) // self.hop)
        padding = [(0, 0)] * (signal.ndim - 1) + [(edge, hops * self.hop - frames)]
        padded = np.pad(signal, padding)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=-1)[..., :: self.hop, :]
        return np.asarray(scipy.fft.rfft(windows * self._window, axis=-1), dtype=np.complex64)

    def inverse(self, spectrum: Spectrum, frames: int) -> Real:
        """Return the signal whose transform is ``spectrum``, float32 [..., frames], exact up to rounding."""
        # Squared Hann windows add up to 3/8 of their overlap everywhere.
        pieces = scipy.fft.irfft(spectrum, n=self.size, axis=-1) * (self._window * np.float32(8.0 / (3.0 * _OVERLAP)))
        hops = spectrum.shape[-2]
        parts = pieces.reshape(*pieces.shape[:-1], _OVERLAP, self.hop)
        signal = np.zeros((*pieces.shape[:-2], hops + _OVERLAP - 1, self.hop), dtype=np.float32)
        for part in range(_OVERLAP):
            signal[..., part : part + hops, :] += parts[..., part, :]
        edge = self.size - self.hop
        return signal.reshape(*signal.shape[:-2], -1)[..., edge : edge + frames]


def power(spectrum: Spectrum) -> Real:
    """Return the squared magnitude, float32 in the shape of ``spectrum``."""
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)


def median_along(values: Real, length: int, axis: int) -> Real:
    """Return the running median of odd ``length`` along ``axis`` of float32 [hops, bins], mirrored at the edges.

    The rows are concatenated with mirrored margins between them: one-dimensional median filtering is an order of
    magnitude faster than two-dimensional filtering with a line as its footprint.
    """
    rows = values if axis == 1 else values.T
    half = min(length // 2, rows.shape[1] - 1)
    if half < 1:
        return values
    padded = np.pad(rows, ((0, 0), (half, half)), mode="reflect")
    filtered = scipy.ndimage.median_filter(padded.ravel(), size=2 * half + 1).reshape(padded.shape)[:, half:-half]
    return np.asarray(filtered if axis == 1 else filtered.T, dtype=np.float32)


def percussive_share(magnitude: Real, hops: int, bins: int) -> Real:
    """Return the share of short broadband sounds in a magnitude spectrum, float32 [hops, bins] in [0, 1].

    Args:
        magnitude: float32 [hops, bins].
        hops, bins: lengths of the median filters along time and along frequency.
    """
    harmonic = median_along(magnitude, hops, axis=0) ** 2
    percussive = median_along(magnitude, bins, axis=1) ** 2
    return np.asarray((percussive + EPSILON / 2) / (harmonic + percussive + EPSILON), dtype=np.float32)


def in_windows(
    mix: Mix, split: Callable[[Samples], Mapping[str, Samples]], stems: Collection[str] | None
) -> Iterator[Mapping[str, Samples]]:
    """Yield consecutive blocks of what ``split`` returns for windows of a recording, cross-faded over a second.

    Args:
        split: returns named parts, float32 [channels, frames], of a window of the same shape.
        stems: the names of the wanted parts; None: all.
    """
    window = min(round(_LONGEST_SECONDS * mix.sample_rate_hz), _LONGEST_SAMPLES // mix.channel_count)
    overlap = min(mix.sample_rate_hz, window // 8)
    yield from overlap_add(
        mix.blocks(mix.sample_rate_hz),
        lambda samples: {part: output for part, output in split(samples).items() if stems is None or part in stems},
        frame_count=mix.frame_count,
        window_frames=window,
        hop_frames=window - overlap,
        weight=trapezoid(window, overlap),
    )
