"""Recordings in memory, for tests of engines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from soundwright.services.separation.service import Samples


@dataclass
class ArrayMix:
    """A recording that an engine reads in blocks."""

    samples: Samples
    sample_rate_hz: int = 44_100

    @property
    def channel_count(self) -> int:
        return self.samples.shape[0]

    @property
    def frame_count(self) -> int:
        return self.samples.shape[1]

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        for start in range(0, self.frame_count, block_frames):
            yield self.samples[:, start : start + block_frames]


def song(channel_count: int, frame_count: int, seed: int = 0, sample_rate_hz: int = 44_100) -> Samples:
    """Coloured noise around a note, with an offset, so that nothing is symmetric or centred by chance."""
    rng = np.random.default_rng(seed)
    noise = np.cumsum(rng.normal(0, 0.02, (channel_count, frame_count)), axis=1)
    noise -= np.linspace(0, 1, frame_count) * noise[:, -1:]
    note = 0.3 * np.sin(2 * np.pi * 440 * np.arange(frame_count) / sample_rate_hz)
    return (noise + note + 0.05).astype(np.float32)


def joined(blocks: Iterator[Mapping[str, Samples]]) -> dict[str, Samples]:
    """Return the whole stems of consecutive blocks."""
    parts = list(blocks)
    return {stem: np.concatenate([part[stem] for part in parts], axis=1) for stem in parts[0]}


def error_db(actual: Samples, expected: Samples) -> float:
    """Return the energy of the difference relative to what is expected, in dB."""
    return float(20 * np.log10(np.linalg.norm(actual - expected) / np.linalg.norm(expected) + 1e-12))
