"""The edges of the signal, the same for all engines: offsets, channels of opposite polarity, and what no stem contains."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.audio.level import LEVEL_FRAMES, Level
from soundwright.services.separation.service import Engine, Mix, Samples

BLOCK_SECONDS = 5

_LEAST_OFFSET = 0.001
"""Means below this (-60 dBFS) are music. They stay, so that digital silence in a song stays zero."""

_OPPOSITE = 2.0
"""Channels are opposite if their difference has so many times the energy of their sum."""

_RESTS = ("other", "accompaniment", "instrumental", "remainder", "rest")


class Upright:
    """A recording as engines read it: without an offset, and with both channels of each pair in the same polarity.

    Networks and masks expect both. An offset would appear in every stem, and what is opposite in two channels would pass
    for the sound of the room.

    Args:
        level: its level if known, see :meth:`soundwright.kit.audio.level.Level.values`.
    """

    def __init__(self, mix: Mix, level: Sequence[float] = ()) -> None:
        self._mix = mix
        self._level = level
        self._covariance: NDArray[np.float64] | None = None
        self._offsets = np.zeros((mix.channel_count, 1), np.float32)
        self._signs = np.ones((mix.channel_count, 1), np.float32)

    @property
    def sample_rate_hz(self) -> int:
        return self._mix.sample_rate_hz

    @property
    def channel_count(self) -> int:
        return self._mix.channel_count

    @property
    def frame_count(self) -> int:
        return self._mix.frame_count

    def measured(self) -> Iterator[None]:
        """Measure the recording in one pass, once, unless its level is known. Yield for every block, so that the caller can stop."""
        if self._covariance is not None:
            return
        count = self.channel_count
        level = Level(count, self._level)
        for block in self._mix.blocks(LEVEL_FRAMES) if not self._level else ():
            level.add(block)
            yield
        means = level.sums / max(1, self.frame_count)
        covariance = level.products / max(1, self.frame_count) - means @ means.T
        self._offsets = np.where(np.abs(means) < _LEAST_OFFSET, 0, means).astype(np.float32)
        for left, right in (pair for pair in channel_pairs(count, 2) if pair[0] != pair[1]):
            powers, product = covariance[left, left] + covariance[right, right], 2 * covariance[left, right]
            if powers - product > _OPPOSITE * (powers + product):
                self._signs[right] = -1
        self._covariance = covariance * self._signs * self._signs.T

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """Yield consecutive blocks, see :meth:`soundwright.services.separation.service.Mix.blocks`."""
        for block in self._mix.blocks(block_frames):
            yield (block - self._offsets) * self._signs

    def std(self, channels: Sequence[int]) -> np.float32:
        """Return the standard deviation of the mean of some channels. Never zero, so that silence can be divided by it."""
        assert self._covariance is not None
        return np.float32(np.sqrt(max(0.0, self._covariance[np.ix_(channels, channels)].mean())) + 1e-8)

    def restored(self, stem: Samples, with_offset: bool) -> Samples:
        """Return a block of a stem of this recording as a stem of the original one."""
        stem = stem * self._signs
        return stem + self._offsets if with_offset else stem


def rest_of(outputs: Sequence[str]) -> str:
    """Return the stem that takes what no stem contains: the one that is named so, or the last. Empty for a single stem."""
    if len(outputs) < 2:
        return ""
    return next((name for name in _RESTS if name in outputs), outputs[-1])


def separated(
    engine: Engine, mix: Upright, model: str, outputs: Sequence[str], stems: Collection[str] | None = None
) -> Iterator[Mapping[str, Samples]]:
    """Yield consecutive blocks of the stems, as :meth:`Engine.separate` does. All stems of the model add up to the recording.

    Args:
        stems: the stems to yield; None for all.
    """
    wanted = outputs if stems is None else stems
    rest = rest_of(outputs)
    for _ in mix.measured():
        yield {stem: np.zeros((mix.channel_count, 0), np.float32) for stem in wanted}
    incomplete = rest in wanted and not engine.adds_up
    with contextlib.ExitStack() as stack:
        blocks = engine.separate(mix, model, None if incomplete else stems)
        if hasattr(blocks, "close"):
            stack.callback(blocks.close)
        if incomplete:
            blocks = with_remainder(blocks, mix, rest)
        for block in blocks:
            yield {stem: mix.restored(block[stem], stem == rest) for stem in wanted}


def channel_pairs(channel_count: int, model_channel_count: int) -> list[list[int]]:
    """Return the channels that go through a model together. An odd last channel is paired with itself."""
    if model_channel_count == 1:
        return [[channel] for channel in range(channel_count)]
    return [[left, min(left + 1, channel_count - 1)] for left in range(0, channel_count, 2)]


def with_remainder(stems: Iterable[Mapping[str, Samples]], mix: Mix, name: str) -> Iterator[dict[str, Samples]]:
    """Yield blocks of all stems, which add up to the mix: what is missing is added to the stem ``name``, or is that stem.

    It reads the mix once more.
    """
    source = mix.blocks(BLOCK_SECONDS * mix.sample_rate_hz)
    held = np.zeros((mix.channel_count, 0), np.float32)
    for block in stems:
        count = next(iter(block.values())).shape[1]
        while held.shape[1] < count:
            held = np.concatenate([held, next(source)], axis=1)
        missing = held[:, :count] - sum(block.values())
        yield {**block, name: block[name] + missing if name in block else missing}
        held = held[:, count:]
