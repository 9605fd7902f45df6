"""Mixes channels to one."""

import numpy as np
from numpy.typing import NDArray

_OPPOSITE = -0.5  # correlation of two channels; that of the room in a wide recording is above


class Downmix:
    """The mean of the channels of a stream. A channel whose polarity is inverted cancels nothing: its sign is changed."""

    def __init__(self, channel_count: int) -> None:
        self._products = np.zeros((channel_count, channel_count))

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mix, float32 [1, frames], of the next block, float32 [channels, frames], which holds finite samples.

        The blocks so far decide about the polarity, which is that of the loudest channel.
        """
        self._products += block.astype(np.float64) @ block.T
        energies = self._products.diagonal()
        loudest = int(np.argmax(energies))
        opposite = self._products[loudest] < _OPPOSITE * np.sqrt(energies * energies[loudest])
        signs = np.where(opposite, np.float32(-1.0), np.float32(1.0))
        return (block * signs[:, None]).mean(axis=0, keepdims=True, dtype=np.float32)
