"""The level of a whole recording, which separations need before its first sample."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL_FRAMES = 16_384
"""Length of the blocks of :class:`Level`. With blocks of other lengths, the last bits of the sums differ.

In double precision, a block of eight channels fits into the cache of a processor.
"""


class Level:
    """Sums of the samples of each channel, and of the products of each pair of channels.

    Args:
        values: what :meth:`values` returned for a recording.
    """

    def __init__(self, channel_count: int, values: Sequence[float] = ()) -> None:
        self.sums = np.zeros((channel_count, 1))
        self.products = np.zeros((channel_count, channel_count))
        if values:
            self.sums[:, 0] = values[:channel_count]
            self.products[:] = np.reshape(values[channel_count:], self.products.shape)

    def add(self, block: NDArray[np.float32]) -> None:
        """Add the next block, float32 [channels, frames]."""
        exact = block.astype(np.float64)
        self.sums += exact.sum(axis=1, keepdims=True)
        self.products += exact @ exact.T

    def values(self) -> list[float]:
        """Return the sums, then the sums of products, row by row."""
        return [*self.sums[:, 0].tolist(), *self.products.ravel().tolist()]


def is_level(values: Sequence[float], channel_count: int) -> bool:
    return len(values) == channel_count * (1 + channel_count) and bool(np.isfinite(values).all())
