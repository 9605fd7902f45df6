"""A look-ahead limiter: leaves samples below full scale unchanged, and smoothly reduces the gain around peaks above."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float64]
"""float64 [channels, frames]."""

CEILING = 10 ** (-0.1 / 20)
"""Highest level of samples where the limiter is active: -0.1 dBFS."""
REACH_SECONDS = 0.02


class Limiter:
    """Keeps a signal that arrives in blocks within full scale.

    Each sample above full scale requires the gain that brings it to :data:`CEILING`. The applied gain is the lowest
    required gain within :data:`REACH_SECONDS` before and after, averaged over a Hann window of the same reach. It
    therefore never exceeds what any sample requires, and changes as slowly as the look-ahead allows. Further away from
    peaks it is 1. All channels get the same gain. Block boundaries do not affect the result.

    Attributes:
        engaged: whether the gain was reduced anywhere so far.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self.engaged = False
        self._reach = max(1, round(REACH_SECONDS * sample_rate_hz))
        window = np.hanning(2 * self._reach + 3)[1:-1]
        self._window = window / window.sum()

    def limited(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the same number of frames, within full scale. Holds twice the reach and one block in memory."""
        margin = 2 * self._reach  # the sliding minimum and the average each extend by the reach
        asked = np.ones(margin)  # required gains of the frames held and of a margin before them
        held: Block | None = None
        for block in blocks:
            peaks = np.abs(block).max(axis=0, initial=0.0)
            held = block if held is None else np.concatenate((held, block), axis=1)
            asked = np.concatenate((asked, np.where(peaks > 1.0, CEILING / np.maximum(peaks, 1.0), 1.0)))
            count = held.shape[1] - margin
            if count > 0:
                yield self._turned_down(held[:, :count], asked)
                held, asked = held[:, count:], asked[count:]
        if held is not None:
            yield self._turned_down(held, np.concatenate((asked, np.ones(margin))))

    def _turned_down(self, block: Block, asked: NDArray[np.float64]) -> Block:
        """Return ``block`` with the gain applied. ``asked`` covers the block and a margin on both sides."""
        if asked.min() == 1.0:
            return block
        self.engaged = True
        lowest = _sliding_minimum(asked, 2 * self._reach + 1)
        # 1 minus the average reduction: without a reduction the gain is 1 up to rounding.
        missing = _convolved(1.0 - lowest, self._window)
        return block * (1.0 - np.maximum(missing, 0.0))


def _sliding_minimum(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the minimum of each ``width`` neighbours; ``width - 1`` values fewer than the input.

    The time does not depend on the width (M. van Herk, "A fast algorithm for local minimum and maximum filters on
    rectangular and octagonal kernels", 1992): each window is the end of one section of ``width`` values and the
    beginning of the next one.
    """
    padded = np.pad(values, (0, -len(values) % width), constant_values=np.inf).reshape(-1, width)
    beginnings = np.minimum.accumulate(padded, axis=1).ravel()
    ends = np.minimum.accumulate(padded[:, ::-1], axis=1)[:, ::-1].ravel()
    count = len(values) - width + 1
    minimum: NDArray[np.float64] = np.minimum(ends[:count], beginnings[width - 1 : width - 1 + count])
    return minimum


def _convolved(values: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the convolution where the window lies within the values, computed with an FFT."""
    size = 1 << (len(values) - 1).bit_length()  # the wrapped-around part is discarded
    spectrum = np.fft.rfft(values, size) * np.fft.rfft(window, size)
    return np.fft.irfft(spectrum, size)[len(window) - 1 : len(values)]
