"""Domain types of separation, the engine Protocol, and the validation of requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from kit.engines import Engine as EngineBase
from kit.engines import EngineRegistry
from kit.errors import AppError, Code

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
    """Separates a recording into stems. The outputs in the declaration of a model are the names of its stems."""

    def separate(self, mix: Mix, model: str) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of all stems, at the sample rate and with the channels of the mix.

        The blocks of one yield have equal length, and all yields together have exactly ``mix.frame_count`` frames.
        A block may have zero frames: it only lets the caller stop, by closing the iterator. Yield at least once per
        segment. Memory must not grow with the length of the recording.
        """
        ...


STEMS = ("drums", "bass", "other", "vocals")
"""Names of the stems of four-stem models, in the order in which they are listed."""

Format = Literal["flac", "wav16", "wav24", "wav32f"]
FORMATS: tuple[Format, ...] = get_args(Format)
_LOCAL_ENGINES = {"", "local"}
LALALAI = "lalalai"
NEWEST_SPLITTER = "newest"
SPLITTERS = (NEWEST_SPLITTER, "andromeda", "perseus", "orion", "phoenix", "lyra")
"""Names of lalal.ai's models. ``newest`` lets lalal.ai choose."""
LALALAI_STEMS = ("vocals", "drums", "bass")
"""Stems that are requested from lalal.ai, which charges for each. The remainder, ``other``, is free."""


@dataclass(frozen=True)
class SeparationSpec:
    """Parameters of a separation job.

    Attributes:
        model: a declared model; for lalal.ai, one of :data:`SPLITTERS`.
        engine: :data:`LALALAI`, or empty for an engine of this service.
    """

    model: str
    format: Format
    engine: str = ""


def parse_spec(model: str, engine: str, encoding: str, registry: EngineRegistry[Engine]) -> SeparationSpec:
    """Validate a request and fill in defaults.

    Args:
        model: name of a model; empty for the default. If it is empty, ``engine`` may name a model.
        engine: an engine of ``registry``, ``lalalai``, or ``local`` or empty for the engine that runs the model.
        encoding: one of :data:`FORMATS`; empty for the first.
        registry: declares the models.

    Raises:
        AppError: ``VALIDATION_ERROR`` with the fields that are not valid.
    """
    problems: dict[str, list[str]] = {}
    if encoding and encoding not in FORMATS:
        problems["format"] = [f"is not known; use one of: {', '.join(FORMATS)}"]
    form = cast(Format, encoding or FORMATS[0])
    if engine == LALALAI:
        # Clients that always send a model send the default model of this service.
        splitter = NEWEST_SPLITTER if model in ("", registry.default_model) else model
        if splitter not in SPLITTERS:
            problems["model"] = [f"is not known to lalal.ai; use one of: {', '.join(SPLITTERS)}"]
        _require_none(problems)
        return SeparationSpec(model=splitter, format=form, engine=LALALAI)
    names = registry.model_names
    engines = {registry.engine(name).name for name in names}
    chosen = model or (engine if engine in names else registry.default_model)
    if chosen not in names:
        problems["model"] = [f"is not known; use one of: {', '.join(names)}"]
    if engine not in _LOCAL_ENGINES | engines:
        problems["engine"] = [f"is not available; use one of: local, {', '.join(sorted({*engines, LALALAI}))}"]
    elif chosen in names and engine not in _LOCAL_ENGINES and engine != registry.engine(chosen).name:
        problems["engine"] = [f"does not run {chosen}, which {registry.engine(chosen).name} runs"]
    _require_none(problems)
    return SeparationSpec(model=chosen, format=form)


def _require_none(problems: dict[str, list[str]]) -> None:
    if problems:
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields are invalid.", {"details": problems})
