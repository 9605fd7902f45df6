"""Overlapping frames of a signal that arrives in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Framer"]

_BATCH_FRAMES = 256  # two megabytes of samples: fits the cache, and one fixed size makes results independent of blocks


class Framer:
    """Cuts a signal into centred frames: frame ``t`` is centred on sample ``t * hop_length``, zeros beyond both ends.

    A signal of ``n`` samples has ``1 + n // hop_length`` frames, the same as a centred short-time Fourier transform of
    the whole signal, however it is cut into pieces.

    Args:
        frame_length: samples in a frame, even.
        hop_length: samples between the starts of two frames, at most ``frame_length``.
        dtype: of the samples.
    """

    def __init__(self, frame_length: int, hop_length: int, dtype: Any = np.float32) -> None:
        self._frame_length = frame_length
        self._hop_length = hop_length
        self._pending: NDArray[Any] = np.zeros(frame_length // 2, dtype=dtype)

    def push(self, samples: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Views [frames, frame_length] of all whole batches of frames; valid until the next call."""
        self._pending = np.concatenate([self._pending, samples])
        batch_length = self._frame_length + (_BATCH_FRAMES - 1) * self._hop_length
        start = 0
        while start + batch_length <= self._pending.size:
            yield self._frames(self._pending[start : start + batch_length])
            start += _BATCH_FRAMES * self._hop_length
        self._pending = self._pending[start:].copy()

    def finish(self) -> Iterator[NDArray[Any]]:
        """The frames that remain at the end of the signal."""
        yield from self.push(np.zeros(self._frame_length // 2, dtype=self._pending.dtype))
        if self._pending.size >= self._frame_length:
            yield self._frames(self._pending)

    def _frames(self, samples: NDArray[Any]) -> NDArray[Any]:
        return np.lib.stride_tricks.sliding_window_view(samples, self._frame_length)[:: self._hop_length]
