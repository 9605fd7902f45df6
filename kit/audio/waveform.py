"""Waveforms: the smallest and the largest sample of each stretch of a recording, for drawing.

The format is version 2 of the data format of the BBC's ``audiowaveform``: a header and pairs of 8-bit values, little endian.
"""

import struct

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

PIXEL_FRAMES = 256
"""Frames of each stretch."""

_HEADER = struct.Struct("<iIiiIi")  # version, flags, sample rate, frames per pixel, number of pixels, channels
_VERSION = 2
_EIGHT_BITS = 1
_FULL_SCALE = 128


class Waveform:
    """Computes the waveform of a recording that is given in blocks. It holds 2 bytes for each :data:`PIXEL_FRAMES` frames.

    All channels together make one waveform: the extremes are those of any channel, so channels do not cancel each other out.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._values = bytearray()
        self._rest: Samples | None = None

    def add(self, block: Samples) -> None:
        """Append ``block``, float32 [channels, frames]. The lengths of the blocks do not matter."""
        if self._rest is not None:
            block = np.concatenate([self._rest, block], axis=1)
        whole = block.shape[1] - block.shape[1] % PIXEL_FRAMES
        self._values += _extremes(block[:, :whole])
        self._rest = block[:, whole:].copy()

    def data(self) -> bytes:
        """Return the waveform of all blocks so far. The last stretch may be shorter."""
        rest = b"" if self._rest is None or not self._rest.size else _pair(self._rest)
        return waveform_header(self._sample_rate_hz, (len(self._values) + len(rest)) // 2) + bytes(self._values) + rest

    def values(self, start: int) -> bytes:
        """Return the values of the whole stretches so far, without the first ``start`` bytes."""
        return bytes(self._values[start:])


def waveform_bytes(frame_count: int) -> int:
    return _HEADER.size + 2 * -(-frame_count // PIXEL_FRAMES)


def coarser_waveform(data: bytes, pixel_frames: int) -> bytes:
    """Return a waveform with longer stretches.

    Args:
        pixel_frames: a multiple of :data:`PIXEL_FRAMES`.
    """
    sample_rate_hz = _HEADER.unpack_from(data)[2]
    values = np.frombuffer(data, np.int8, offset=_HEADER.size).reshape(-1, 2)
    starts = np.arange(0, len(values), pixel_frames // PIXEL_FRAMES)
    if not len(values):
        return waveform_header(sample_rate_hz, 0, pixel_frames)
    low, high = np.minimum.reduceat(values[:, 0], starts), np.maximum.reduceat(values[:, 1], starts)
    return waveform_header(sample_rate_hz, len(low), pixel_frames) + np.stack([low, high], axis=1).tobytes()


def _extremes(block: Samples) -> bytes:
    """Return the values of a block of whole stretches."""
    stretches = block.reshape(block.shape[0], -1, PIXEL_FRAMES)
    return _quantized(np.stack([stretches.min(axis=(0, 2)), stretches.max(axis=(0, 2))], axis=1))


def _pair(stretch: Samples) -> bytes:
    return _quantized(np.array([stretch.min(), stretch.max()]))


def _quantized(extremes: Samples) -> bytes:
    return np.clip(np.rint(extremes * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int8).tobytes()


def waveform_header(sample_rate_hz: int, pixel_count: int, pixel_frames: int = PIXEL_FRAMES) -> bytes:
    """Return what a waveform begins with, before two bytes for each pixel."""
    return _HEADER.pack(_VERSION, _EIGHT_BITS, sample_rate_hz, pixel_frames, pixel_count, 1)
