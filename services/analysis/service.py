"""What analysis is: the features, the engine Protocol, the rules of an analysis job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kit.errors import AppError, Code

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


@dataclass(frozen=True)
class AnalysisSpec:
    """What an analysis job is to do: features in the order of :data:`FEATURES`."""

    features: tuple[str, ...]


def parse_features(names: Sequence[str]) -> AnalysisSpec:
    """Check the features that a caller asks for; none, or ``all``, means all of them.

    Raises:
        AppError: ``VALIDATION_ERROR`` when a name is not known.
    """
    unknown = sorted({name for name in names if name not in FEATURES and name != "all"})
    if unknown:
        problem = f"{', '.join(unknown)[:200]} is not known; use any of: {', '.join(FEATURES)}, all"
        raise AppError(
            Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": {"features": [problem]}}
        )
    wanted = set(FEATURES) if not names or "all" in names else set(names)
    return AnalysisSpec(tuple(feature for feature in FEATURES if feature in wanted))
