"""A look-ahead limiter: leaves alone what stays below full scale, and turns down, in time and smoothly, what would not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

__all__ = ["CEILING", "REACH_SECONDS", "Limiter"]

Block = NDArray[np.float64]
"""float64 [channels, frames]."""

CEILING = 10 ** (-0.1 / 20)
"""Where samples beyond full scale end up, or below."""
REACH_SECONDS = 0.02


class Limiter:
    """Keeps a signal that comes in blocks within full scale.

    Each sample beyond full scale asks for the gain that brings it to :data:`CEILING`. The gain applied is the lowest asked
    for within :data:`REACH_SECONDS` before and after, averaged over a Hann window of the same reach: so it is never above
    what any sample asks for, and it moves as slowly as the look-ahead allows. Further away from peaks it is 1, exactly.
    All channels get the same gain. Where blocks begin and end makes no difference.

    Attributes:
        engaged: whether anything was turned down so far.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self.engaged = False
        self._reach = max(1, round(REACH_SECONDS * sample_rate_hz))
        window = signal.windows.hann(2 * self._reach + 3)[1:-1]
        self._window = window / window.sum()

    def limited(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same number of frames, within full scale. Holds twice the reach and a block."""
        margin = 2 * self._reach  # the lowest gain reaches as far as the average over it
        asked = np.ones(margin)  # for the frames held, and for a margin before them
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
        """``block``, where ``asked`` covers it and a margin on both sides."""
        if asked.min() == 1.0:
            return block
        self.engaged = True
        lowest = ndimage.minimum_filter1d(asked, 2 * self._reach + 1, mode="constant", cval=1.0)
        lowest = lowest[self._reach : len(lowest) - self._reach]
        # 1 minus the average of what is missing: where nothing is, the gain is 1 to the last bit.
        missing = signal.oaconvolve(1.0 - lowest, self._window, mode="valid")
        return block * (1.0 - np.maximum(missing, 0.0))
