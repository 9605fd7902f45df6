"""Combines the estimates of several models, block by block."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from soundwright.services.separation.scratch import ScratchSignal
from soundwright.services.separation.service import Samples

_WINDOW_SECONDS = 4096 / 44_100
_OVERLAP = 4
_HOPS_AT_ONCE = 32

Stored = Sequence[Mapping[str, ScratchSignal]]
"""The stems of each model but the last."""

Blocks = Iterator[Mapping[str, Samples]]


def averaged(stored: Stored, last: Blocks, weights: Sequence[float]) -> Iterator[dict[str, Samples]]:
    """Yield blocks of the weighted mean of the estimates.

    Args:
        last: blocks of the stems of the last model, as it computes them.
        weights: positive, one for each model.
    """
    shares = [np.float32(weight / sum(weights)) for weight in weights]
    for estimates in _parallel(stored, last):
        yield {
            stem: np.sum([share * part for share, part in zip(shares, parts, strict=True)], axis=0, dtype=np.float32)
            for stem, parts in estimates.items()
        }


def strongest(stored: Stored, last: Blocks, sample_rate_hz: int) -> Iterator[dict[str, Samples]]:
    """Yield blocks of stems with, in each bin of their short-time spectra, the estimate of the largest magnitude.

    Among equal magnitudes the first model wins. Equal estimates are reproduced exactly. Blocks are shorter and longer than
    those of ``last``, since a window has to be complete.
    """
    combiners: dict[str, _Strongest] = {}
    for estimates in _parallel(stored, last):
        for stem in estimates.keys() - combiners.keys():
            combiners[stem] = _Strongest(sample_rate_hz)
        yield {stem: combiners[stem].add(np.stack(parts)) for stem, parts in estimates.items()}
    yield {stem: combiner.finish() for stem, combiner in combiners.items()}


def _parallel(stored: Stored, last: Blocks) -> Iterator[dict[str, list[Samples]]]:
    """Yield the blocks of all models, as many frames as ``last`` yields."""
    with contextlib.ExitStack() as stack:
        readers = [
            {stem: stack.enter_context(signal.reader()) for stem, signal in signals.items()} for signals in stored
        ]
        for block in last:
            yield {
                stem: [*(each[stem].read(samples.shape[1]) for each in readers), samples]
                for stem, samples in block.items()
            }


class _Strongest:
    """Combines the estimates of one stem by their short-time Fourier transforms.

    The windows are square roots of Hann windows for analysis and synthesis with four-fold overlap, whose products add up to
    a constant. What is transformed back is the difference from the first estimate, which is exactly zero where that wins.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._size = int(2 ** max(6, round(math.log2(sample_rate_hz * _WINDOW_SECONDS))))
        self._hop = self._size // _OVERLAP
        phase = 2 * np.pi * np.arange(self._size) / self._size
        self._window: NDArray[np.float32] = np.sqrt(0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self._held: NDArray[np.float32] | None = None  # [models, channels, frames] that no window has passed
        self._sums = np.zeros((0, 0), np.float32)  # [channels, frames] of the windows so far, from the same frame
        self._given = 0  # frames that came in
        self._taken = 0  # frames that went out

    def add(self, parts: NDArray[np.float32]) -> Samples:
        """Take the next frames of all estimates, float32 [models, channels, frames], and return the finished ones."""
        if self._held is None:
            edge = self._size - self._hop  # so that as many windows cover the first frames as any others
            self._held = np.zeros((*parts.shape[:2], edge), np.float32)
            self._sums = np.zeros((parts.shape[1], edge), np.float32)
            self._taken = -edge
        self._given += parts.shape[2]
        self._held = np.concatenate([self._held, parts], axis=2)
        finished = [np.zeros((parts.shape[1], 0), np.float32)]
        while (hops := (self._held.shape[2] - self._size) // self._hop + 1) > 0:
            finished.append(self._pass(self._held, min(hops, _HOPS_AT_ONCE)))
        return np.concatenate(finished, axis=1)

    def finish(self) -> Samples:
        assert self._held is not None
        missing = self._given - max(0, self._taken)
        rest = self.add(np.zeros((*self._held.shape[:2], 2 * self._size), np.float32))
        return rest[:, :missing]

    def _pass(self, held: NDArray[np.float32], hops: int) -> Samples:
        """Process ``hops`` windows and return the frames that no later window changes."""
        frames = self._size + (hops - 1) * self._hop
        windows = np.lib.stride_tricks.sliding_window_view(held[..., :frames], self._size, axis=-1)
        spectra = np.fft.rfft(windows[:, :, :: self._hop] * self._window, axis=-1)
        best = np.abs(spectra).argmax(axis=0, keepdims=True)
        change = np.take_along_axis(spectra, best, axis=0)[0] - spectra[0]
        pieces = np.fft.irfft(change, n=self._size, axis=-1) * (self._window * np.float32(2 / _OVERLAP))

        sums = np.zeros((held.shape[1], frames), np.float32)
        sums[:, : self._sums.shape[1]] = self._sums
        for index in range(hops):
            start = index * self._hop
            sums[:, start : start + self._size] += pieces[:, index]
        done = hops * self._hop
        finished = held[0, :, :done] + sums[:, :done]
        self._held, self._sums = held[..., done:], sums[:, done:]
        outside = min(done, max(0, -self._taken))
        self._taken += done
        return finished[:, outside:]
