"""What separation is: models, the engine Protocol, the rules of a separation job and of the four-stage pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""


class Mix(Protocol):
    """A recording that can be read from its beginning as often as an engine needs, a block at a time."""

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def channel_count(self) -> int: ...

    @property
    def frame_count(self) -> int:
        """Exact number of frames that one reading gives."""
        ...

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """Consecutive blocks of ``block_frames`` frames (the last may be shorter). Each call starts over."""
        ...


class Engine(Protocol):
    """A way to take a recording apart."""

    name: str

    def stems(self, model: str) -> tuple[str, ...]:
        """Names of the stems that ``model`` gives, in the order in which they are listed.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` when the model's weights cannot be had here.
        """
        ...

    def separate(self, mix: Mix, model: str) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of all stems, at the mix's own rate and channel count.

        The blocks of one yield have equal length, and all yields together have exactly ``mix.frame_count`` frames.
        A block may have zero frames: the engine then only offers the caller a place to stop. The caller stops by
        closing the iterator; an engine does so at least once per segment. Memory does not grow with the length.
        """
        ...


@dataclass(frozen=True)
class Model:
    """A separation model as clients know it."""

    name: str
    description: str
    stems: tuple[str, ...]
    engine: str
