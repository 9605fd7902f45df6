"""Streams of blocks around the networks: levels, channel pairs, batches and sample rates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from services.separation.engines.networks.bag import Bag
from services.separation.engines.windows import Window
from services.separation.service import Mix, Samples

__all__ = ["Level", "batches", "blocks_at_rate", "channel_pairs", "stems_at_rate", "with_remainder"]

BLOCK_SECONDS = 5


class Level:
    """Mean and standard deviation of a signal that arrives in blocks (Chan, Golub and LeVeque, 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, block: Samples) -> None:
        """Add the next block, float32 [frames]."""
        if not len(block):
            return
        mean = float(block.mean(dtype=np.float64))
        delta = mean - self._mean
        count = self._count + len(block)
        self._squares += float(np.square(block - mean, dtype=np.float64).sum())
        self._squares += delta * delta * self._count * len(block) / count
        self._mean += delta * len(block) / count
        self._count = count

    @property
    def mean(self) -> np.float32:
        """Mean of all blocks so far."""
        return np.float32(self._mean)

    @property
    def std(self) -> np.float32:
        """Standard deviation of all blocks so far. Never zero, so that silence can be divided by it."""
        return np.float32(math.sqrt(self._squares / max(1, self._count - 1)) + 1e-8)


def channel_pairs(channel_count: int, model_channel_count: int) -> list[list[int]]:
    """Return the channels that go through a model together. An odd last channel is paired with itself."""
    if model_channel_count == 1:
        return [[channel] for channel in range(channel_count)]
    return [[left, min(left + 1, channel_count - 1)] for left in range(0, channel_count, 2)]


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
    from kit.audio import resample_blocks

    resampled = resample_blocks(blocks, mix.sample_rate_hz, sample_rate_hz, mix.channel_count)
    return _exactly(resampled, mix.channel_count, frame_count)


def stems_at_rate(stems: Iterator[Mapping[str, Samples]], bag: Bag, mix: Mix) -> Iterator[dict[str, Samples]]:
    """Yield blocks of all stems, resampled to the sample rate and the length of the mix."""
    import soxr

    # kit.audio buffers blocks. Here a block of zero frames must pass at once, because callers stop at it.
    row_count = len(bag.stems) * mix.channel_count
    stream = soxr.ResampleStream(bag.sample_rate_hz, mix.sample_rate_hz, row_count, dtype="float32", quality="HQ")

    def resampled() -> Iterator[Samples]:
        for block in stems:
            rows = np.concatenate([block[stem] for stem in bag.stems])
            yield stream.resample_chunk(np.ascontiguousarray(rows.T)).T
        yield stream.resample_chunk(np.zeros((0, row_count), np.float32), last=True).T

    for block in _exactly(resampled(), row_count, mix.frame_count):
        yield dict(zip(bag.stems, np.split(block, len(bag.stems)), strict=True))


def with_remainder(stems: Iterable[Mapping[str, Samples]], mix: Mix, name: str) -> Iterator[dict[str, Samples]]:
    """Yield blocks of all stems, and under ``name`` the mix without them. It reads the mix once more."""
    source = mix.blocks(BLOCK_SECONDS * mix.sample_rate_hz)
    held = np.zeros((mix.channel_count, 0), np.float32)
    for block in stems:
        count = next(iter(block.values())).shape[1]
        while held.shape[1] < count:
            held = np.concatenate([held, next(source)], axis=1)
        yield {**block, name: held[:, :count] - sum(block.values())}
        held = held[:, count:]


def _exactly(blocks: Iterable[Samples], channel_count: int, frame_count: int) -> Iterator[Samples]:
    """Yield exactly ``frame_count`` frames: resampling may return a few frames more or less."""
    left = frame_count
    for block in blocks:
        yield block[:, :left]
        left -= min(left, block.shape[1])
    if left:
        yield np.zeros((channel_count, left), np.float32)
