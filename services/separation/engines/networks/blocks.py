"""Streams of blocks around the networks: batches and sample rates."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from soundwright.services.separation.engines.networks.bag import Bag
from soundwright.services.separation.engines.windows import Window
from soundwright.services.separation.service import Mix, Samples
from soundwright.services.separation.upright import BLOCK_SECONDS


def batches(windows: Iterable[Window], count: Callable[[], int]) -> Iterator[Sequence[Window]]:
    """Yield runs of consecutive windows of equal size; ``count`` returns the length of the next one at most."""
    for _, run in itertools.groupby(windows, key=lambda window: (window.frame_count, window.samples.shape)):
        while batch := list(itertools.islice(run, count())):
            yield batch


def blocks_at_rate(mix: Mix, sample_rate_hz: int, frame_count: int) -> Iterator[Samples]:
    """Return the blocks of the mix at another sample rate, exactly ``frame_count`` frames."""
    blocks = mix.blocks(BLOCK_SECONDS * mix.sample_rate_hz)
    if sample_rate_hz == mix.sample_rate_hz:
        return blocks
    from soundwright.kit.audio import resample_blocks

    resampled = resample_blocks(blocks, mix.sample_rate_hz, sample_rate_hz, mix.channel_count)
    return _exactly(resampled, mix.channel_count, frame_count)


def stems_at_rate(stems: Iterator[Mapping[str, Samples]], bag: Bag, mix: Mix) -> Iterator[dict[str, Samples]]:
    import soxr

    # soundwright.kit.audio buffers blocks. Here a block of zero frames must pass at once, because callers stop at it.
    row_count = len(bag.stems) * mix.channel_count
    stream = soxr.ResampleStream(bag.sample_rate_hz, mix.sample_rate_hz, row_count, dtype="float32", quality="HQ")

    def resampled() -> Iterator[Samples]:
        for block in stems:
            rows = np.concatenate([block[stem] for stem in bag.stems])
            yield stream.resample_chunk(np.ascontiguousarray(rows.T)).T
        yield stream.resample_chunk(np.zeros((0, row_count), np.float32), last=True).T

    for block in _exactly(resampled(), row_count, mix.frame_count):
        yield dict(zip(bag.stems, np.split(block, len(bag.stems)), strict=True))


def _exactly(blocks: Iterable[Samples], channel_count: int, frame_count: int) -> Iterator[Samples]:
    """Yield exactly ``frame_count`` frames: resampling may return a few frames more or less."""
    left = frame_count
    for block in blocks:
        yield block[:, :left]
        left -= min(left, block.shape[1])
    if left:
        yield np.zeros((channel_count, left), np.float32)
