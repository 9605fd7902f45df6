"""Splits a stream of samples into overlapping frames."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# 2 MB of samples, which fit the CPU cache. A fixed size makes the results independent of the block size.
_BATCH_FRAMES = 256


class Framer:
    """Splits a signal into centred frames. Frame ``t`` is centred on sample ``t * hop_length``; both ends are zero-padded.

    A signal of ``n`` samples has ``1 + n // hop_length`` frames, like a centred short-time Fourier transform of the whole
    signal. The result does not depend on the block sizes.
    """

    def __init__(self, frame_length: int, hop_length: int, dtype: Any = np.float32) -> None:
        """
        Args:
            frame_length: samples per frame, an even number.
            hop_length: samples from the start of a frame to the next, at most ``frame_length``.
        """
        self._frame_length = frame_length
        self._hop_length = hop_length
        self._pending: NDArray[Any] = np.zeros(frame_length // 2, dtype=dtype)

    def push(self, samples: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Add samples. Yield complete batches as views [frames, frame_length], which are valid until the next call."""
        self._pending = np.concatenate([self._pending, samples])
        batch_length = self._frame_length + (_BATCH_FRAMES - 1) * self._hop_length
        start = 0
        while start + batch_length <= self._pending.size:
            yield self._frames(self._pending[start : start + batch_length])
            start += _BATCH_FRAMES * self._hop_length
        self._pending = self._pending[start:].copy()

    def finish(self) -> Iterator[NDArray[Any]]:
        """Yield the remaining frames at the end of the signal."""
        yield from self.push(np.zeros(self._frame_length // 2, dtype=self._pending.dtype))
        if self._pending.size >= self._frame_length:
            yield self._frames(self._pending)

    def _frames(self, samples: NDArray[Any]) -> NDArray[Any]:
        return np.lib.stride_tricks.sliding_window_view(samples, self._frame_length)[:: self._hop_length]
