"""Reads a recording as one channel at another sample rate."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.audio import resample_blocks
from soundwright.kit.audio.downmix import Downmix
from soundwright.services.analysis.service import Recording

Floats = NDArray[np.float32]

_LARGEST_SAMPLE = np.float32(
    1000.0
)  # 60 dB above full scale; larger values are invalid, and their squares would overflow
_BLOCK_FRAMES = 65_536


def finite(block: Floats) -> Floats:
    """Return a block without values that are not numbers or too large."""
    return np.clip(np.nan_to_num(block), -_LARGEST_SAMPLE, _LARGEST_SAMPLE)


def mono_blocks(recording: Recording, rate_hz: int, report: Callable[[float], None]) -> Iterator[Floats]:
    """Yield the mono mix of a recording at another sample rate, float32 [frames], in blocks of any length.

    Args:
        report: called with the share of the recording that was read.
    """
    expected = max(1, recording.frame_count)
    downmix = Downmix(recording.channel_count)

    def mixed() -> Iterator[Floats]:
        done = 0
        for block in recording.blocks(_BLOCK_FRAMES):
            yield downmix.push(finite(block))
            done += block.shape[1]
            report(min(1.0, done / expected))

    for samples in resample_blocks(mixed(), recording.sample_rate_hz, rate_hz, 1):
        yield samples[0]
