"""Domain types of separation, the engine Protocol, and the validation of requests."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.engines import Engine as EngineBase

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""


class Shape(Protocol):
    """Sample rate and channels of a signal."""

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def channel_count(self) -> int: ...


class Mix(Shape, Protocol):
    """A recording that an engine reads in blocks, from the beginning as often as it needs."""

    @property
    def frame_count(self) -> int:
        """Exact number of frames of one pass."""
        ...

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """Yield consecutive blocks of ``block_frames`` frames; the last may be shorter. Each call starts over."""
        ...


class Engine(EngineBase, Protocol):
    """Separates a recording into stems. The outputs in the declaration of a model are the names of its stems.

    Attributes:
        adds_up: whether the stems of every model add up to the recording. Otherwise the difference is added to the rest.
    """

    adds_up: bool = True

    def separate(self, mix: Mix, model: str, stems: Collection[str] | None = None) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of the stems, at the sample rate and with the channels of the mix.

        The blocks of one yield have equal length, and all yields together have exactly ``mix.frame_count`` frames.
        A block may have zero frames: it only lets the caller stop, by closing the iterator. Yield at least once per
        segment. Memory must not grow with the length of the recording.

        Args:
            stems: the stems to yield, with the samples that a separation into all stems gives them. None: all stems of
                the model.
        """
        ...


STEMS = ("drums", "bass", "other", "vocals")
"""Names of the stems of four-stem models, in the order in which they are listed."""

FALLBACK = "spleeter-with-small"
"""The model that runs instead of models whose weights are missing."""

ACCOMPANIMENT = "accompaniment"
"""Name of the recording minus the requested stems. A job returns it if it does not return all stems of the model."""

Format = Literal["flac", "wav16", "wav24", "wav32f"]
FORMATS: tuple[Format, ...] = get_args(Format)
STEM_FILES: Mapping[str, Literal["aac", "alac"]] = {"stem_mp4": "aac", "stem_mp4_alac": "alac"}
"""Formats of exports that are one file for programs for DJs, with their codecs."""
EXPORT_FORMATS = (*FORMATS, "mp3", "m4a", *STEM_FILES)
LOCAL_ENGINES = {"", "local"}
"""Names of no special engine: the one that runs the model."""
LALALAI = "lalalai"
NEWEST_SPLITTER = "newest"
SPLITTERS = (NEWEST_SPLITTER, "andromeda", "perseus", "orion", "phoenix", "lyra")
"""Names of lalal.ai's models. ``newest`` lets lalal.ai choose."""
LALALAI_STEMS = ("vocals", "drums", "bass")
"""Stems that are requested from lalal.ai, which charges for each. The remainder, ``other``, is free."""


Combination = Literal["average", "max_magnitude"]
COMBINATIONS: tuple[Combination, ...] = get_args(Combination)
"""How the estimates of several models become one: their weighted mean, or the strongest one in each frequency bin."""


def result_stems(stems: Sequence[str], *outputs: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the stems of a separation. ``stems`` are the requested ones; empty for all."""
    if any(is_partial(stems, each) for each in outputs):
        return (*stems, ACCOMPANIMENT)
    return tuple(stems or outputs[0])


def is_partial(stems: Collection[str], outputs: Collection[str]) -> bool:
    """Return whether some stems are requested, and not all of the model."""
    return bool(stems) and set(stems) != set(outputs)


def format_problems(encoding: str, known: Sequence[str] = FORMATS) -> list[str]:
    """Return what is wrong with the requested format; empty: the first one."""
    return [f"is not known; use one of: {', '.join(known)}"] if encoding and encoding not in known else []


def stem_problems(stems: Sequence[str], model: str, outputs: Sequence[str]) -> list[str]:
    """Return what is wrong with the requested stems of a model."""
    if set(stems) - set(outputs):
        return [f"are not all stems of {model}; use some of: {', '.join(outputs)}"]
    if len(set(stems)) < len(stems):
        return ["must differ"]
    if ACCOMPANIMENT in stems and is_partial(stems, outputs):
        return [f"name {ACCOMPANIMENT!r}, which the job adds itself; use other stems, or all stems of the model"]
    return []


def require_none(problems: Mapping[str, Sequence[str]]) -> None:
    """Refuse a request with problems, by field. A field with an empty list has none. Raises ``VALIDATION_ERROR``."""
    details = {field: list(found) for field, found in problems.items() if found}
    if details:
        raise errors.VALIDATION_ERROR(details=details)
