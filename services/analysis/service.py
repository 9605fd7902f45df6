"""Domain types of analysis, the engine Protocol, and the validation of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kit import errors
from kit.engines import Engine as EngineBase

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
        """Yield consecutive blocks of ``block_frames`` frames; the last may be shorter. Each call starts over."""
        ...


class Engine(EngineBase, Protocol):
    """Measures a recording. The outputs in the declaration of its model are the features that it measures."""

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Measure the named features in one pass over the signal.

        Args:
            recording: the signal.
            features: a subset of :data:`FEATURES`.
            report: called with the progress ratio, 0 to 1, in ascending order. An exception that it raises stops the work.

        Returns:
            A JSON-ready mapping (finite numbers, strings, lists, mappings) in the public contract's shape.
        """
        ...


@dataclass(frozen=True)
class AnalysisSpec:
    """Parameters of an analysis job. The features are in the order of :data:`FEATURES`."""

    features: tuple[str, ...]


def parse_features(names: Sequence[str]) -> AnalysisSpec:
    """Validate the requested features. No features, or ``all``, means all features.

    Raises:
        AppError: ``VALIDATION_ERROR`` for an unknown name.
    """
    unknown = sorted({name for name in names if name not in FEATURES and name != "all"})
    if unknown:
        problem = f"{', '.join(unknown)[:200]} is not known; use any of: {', '.join(FEATURES)}, all"
        raise errors.invalid("features", problem)
    wanted = set(FEATURES) if not names or "all" in names else set(names)
    return AnalysisSpec(tuple(feature for feature in FEATURES if feature in wanted))
