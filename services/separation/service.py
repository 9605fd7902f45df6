"""What separation is: models, the engine Protocol, the rules of a separation job and of the four-stage pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from kit.errors import AppError, Code

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""


class Shape(Protocol):
    """What a signal is like."""

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def channel_count(self) -> int: ...


class Mix(Shape, Protocol):
    """A recording that can be read from its beginning as often as an engine needs, a block at a time."""

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


PIPELINE_STAGES = (
    ("audio_separation", "separator"),
    ("harmonic_percussive_separation", "decomposition"),
    ("composite_track_creation", "composition"),
    ("normalization", "audio_processing"),
)
"""Names and processor types of the pipeline's stages, in order."""

Format = Literal["flac", "wav16", "wav24", "wav32f"]
FORMATS: tuple[Format, ...] = get_args(Format)
DEFAULT_MODEL = "htdemucs"
MODELS = (
    Model("htdemucs", "Hybrid Transformer Demucs, the default", ("drums", "bass", "other", "vocals"), "demucs"),
    Model(
        "htdemucs_ft",
        "Four fine-tuned Hybrid Transformer networks: better, and four times as slow",
        ("drums", "bass", "other", "vocals"),
        "demucs",
    ),
    Model(
        "htdemucs_6s",
        "Hybrid Transformer Demucs with guitar and piano",
        ("drums", "bass", "other", "vocals", "guitar", "piano"),
        "demucs",
    ),
    Model(
        "mdx_extra", "Four Hybrid Demucs networks of the MDX challenge", ("drums", "bass", "other", "vocals"), "demucs"
    ),
    Model("dsp", "Classical signal processing: quick, needs no weights", ("drums", "bass", "other", "vocals"), "dsp"),
)
FALLBACK_MODEL = "dsp"
_LOCAL_ENGINES = {"", "local"}
LALALAI = "lalalai"
NEWEST_SPLITTER = "newest"
SPLITTERS = (NEWEST_SPLITTER, "andromeda", "perseus", "orion", "phoenix", "lyra")
"""What lalal.ai calls its models. The newest is whichever it thinks best."""
LALALAI_STEMS = ("vocals", "drums", "bass")
"""What lalal.ai is asked for. It charges for each; what remains, which is ``other``, costs nothing."""


@dataclass(frozen=True)
class SeparationSpec:
    """What a separation job is to do."""

    model: str
    format: Format


@dataclass(frozen=True)
class LalalaiSpec(SeparationSpec):
    """What a separation job is to have done by lalal.ai; the model is one of its splitters."""

    engine: str = LALALAI


def parse_spec(model: str, engine: str, encoding: str) -> SeparationSpec:
    """Check what a caller asks for, and fill in what is left out.

    Returns:
        A :class:`LalalaiSpec` where lalal.ai is asked for.

    Raises:
        AppError: ``VALIDATION_ERROR`` with the fields that do not fit.
    """
    problems: dict[str, list[str]] = {}
    if encoding and encoding not in FORMATS:
        problems["format"] = [f"is not known; use one of: {', '.join(FORMATS)}"]
    form = cast(Format, encoding or FORMATS[0])
    if engine == LALALAI:
        # Clients that always send a model send the default one of ours.
        splitter = NEWEST_SPLITTER if model in ("", DEFAULT_MODEL) else model
        if splitter not in SPLITTERS:
            problems["model"] = [f"is not known to lalal.ai; use one of: {', '.join(SPLITTERS)}"]
        _require_none(problems)
        return LalalaiSpec(model=splitter, format=form)
    engines = {known.engine for known in MODELS}
    chosen = model or (engine if engine in {known.name for known in MODELS} else DEFAULT_MODEL)
    known_model = next((known for known in MODELS if known.name == chosen), None)
    if known_model is None:
        problems["model"] = [f"is not known; use one of: {', '.join(known.name for known in MODELS)}"]
    if engine not in _LOCAL_ENGINES | engines:
        problems["engine"] = [f"is not available; use one of: local, {', '.join(sorted({*engines, LALALAI}))}"]
    elif known_model is not None and engine not in _LOCAL_ENGINES and engine != known_model.engine:
        problems["engine"] = [f"does not run {chosen}, which {known_model.engine} runs"]
    _require_none(problems)
    return SeparationSpec(model=chosen, format=form)


def _require_none(problems: dict[str, list[str]]) -> None:
    if problems:
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": problems})


def engine_of(model: str) -> str:
    """The engine that runs a model of the table."""
    return next(known.engine for known in MODELS if known.name == model)
