"""Domain types of analysis, the engine Protocol, and the validation of requests."""

import enum
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.engines import Engine as EngineBase
from soundwright.kit.packaged_weights import REMEDY

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

FEATURES = (
    "tempo",
    "key",
    "energy",
    "spectral",
    "mfcc",
    "chroma",
    "chords",
    "bars",
    "sections",
    "notes",
    "piano_notes",
    "melody",
    "vocal_activity",
    "lyrics",
)
ON_REQUEST = frozenset({"piano_notes", "lyrics"})
"""Features that ``all`` does not include, because they cost too much: ``all`` needs at most a quarter of real time."""


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


class Signal(enum.Enum):
    """What an engine prefers to read. If the track has no such stems, it reads the mix."""

    MIX = "mix"
    WITHOUT_DRUMS = "without drums"
    VOCALS = "vocals"
    PIANO = "piano"


class Engine(EngineBase, Protocol):
    """Measures a recording. The outputs in the declaration of its model are the features that it measures.

    Attributes:
        signal: what it prefers to read.
        remedy: what to do if its weights are missing.
    """

    signal: Signal = Signal.MIX
    remedy: str = REMEDY

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Measure the named features in one pass over the signal.

        Args:
            recording: the signal; :func:`soundwright.services.analysis.signals.parts_of` returns its stems.
            features: a subset of the outputs of its model.
            report: called with the progress ratio, 0 to 1, in ascending order. An exception that it raises stops the work.

        Returns a JSON-ready mapping (finite numbers, strings, lists, mappings) in the public contract's shape. The
        worker adds the signal and the model to the values of a feature that are a mapping under its name.
        """
        ...


@dataclass(frozen=True)
class AnalysisSpec:
    """Parameters of an analysis job. The features are in the order of :data:`FEATURES`."""

    features: tuple[str, ...]


def parse_features(
    names: Sequence[str], available: Collection[str], remedies: Mapping[str, str] | None = None
) -> AnalysisSpec:
    """Validate the requested features. No features, or ``all``, means all that are available, without :data:`ON_REQUEST`.

    Args:
        remedies: what to do if the weights of a feature are missing.

    Raises ``VALIDATION_ERROR`` for an unknown name; ``MODEL_UNAVAILABLE`` if no requested feature is available.
    """
    unknown = sorted({name for name in names if name not in FEATURES and name != "all"})
    if unknown:
        problem = f"{', '.join(unknown)[:200]} is not known; use any of: {', '.join(FEATURES)}, all"
        raise errors.invalid("features", problem)
    wanted = set(names) - {"all"}
    if not names or "all" in names:
        wanted |= set(available) - ON_REQUEST
    if not wanted & set(available):
        missing = ", ".join(feature for feature in FEATURES if feature in wanted)
        remedy = ". ".join(
            dict.fromkeys((remedies or {}).get(name, Engine.remedy) for name in FEATURES if name in wanted)
        )
        raise errors.MODEL_UNAVAILABLE(
            f"This server cannot measure {missing}, because the weights are missing. {remedy}, or request"
            f" any of: {', '.join(feature for feature in FEATURES if feature in available)}."
        )
    return AnalysisSpec(tuple(feature for feature in FEATURES if feature in wanted))
