"""What analysis is: the features, the engine Protocol, the rules of an analysis job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

FEATURES = ("tempo", "key", "energy", "spectral", "mfcc", "chroma")


class Recording(Protocol):
    """A recording that is read once, a block at a time."""

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def channel_count(self) -> int: ...

    @property
    def frame_count(self) -> int: ...

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """Consecutive blocks of ``block_frames`` frames (the last may be shorter). Each call starts over."""
        ...


class Engine(Protocol):
    """A way to measure a recording."""

    name: str

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Measure the named features in one pass over the signal.

        Args:
            recording: the signal.
            features: a subset of :data:`FEATURES`.
            report: called with the share done, 0 to 1, never falling; it raises to stop the work.

        Returns:
            A JSON-ready mapping (finite numbers, strings, lists, mappings) in the public contract's shape.
        """
        ...
