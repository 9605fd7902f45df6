"""Domain types of separation, the engine Protocol, and the validation of requests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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


@dataclass(frozen=True)
class ChainStep:
    """A further separation, of a stem.

    Attributes:
        stem: a stem of the separations before.
        model: the model that separates it.
    """

    stem: str
    model: str

    def result_name(self, stem: str) -> str:
        """Return the name in the result of a stem of the model."""
        return f"{self.stem}_{stem}"


@dataclass(frozen=True)
class SeparationSpec:
    """Parameters of a separation job.

    Attributes:
        model: a declared model; for lalal.ai, one of :data:`SPLITTERS`; with several models, a text that names them.
        engine: :data:`LALALAI`, or empty for an engine of this service.
        stems: the stems of the first separation, in the order of the model; empty for all.
        models: the models of the first separation; empty: ``model``.
        weights: of the models, for the mean; empty: all weigh the same.
        combine: how the estimates of ``models`` are combined; empty if there is one model.
        chain: further separations.
    """

    model: str
    format: Format
    engine: str = ""
    stems: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    combine: Combination | Literal[""] = ""
    chain: tuple[ChainStep, ...] = ()

    @property
    def first_models(self) -> tuple[str, ...]:
        """The models of the first separation."""
        return self.models or (self.model,)

    @property
    def all_models(self) -> tuple[str, ...]:
        """The models in the order in which they run."""
        return (*self.first_models, *(step.model for step in self.chain))


@dataclass(frozen=True)
class Wishes:
    """The fields of a request as the caller sent them. Empty fields have their defaults."""

    model: str = ""
    engine: str = ""
    format: str = ""
    stems: Sequence[str] = ()
    models: Sequence[str] = ()
    weights: Sequence[float] = ()
    combine: str = ""
    chain: Sequence[ChainStep] = ()


def parse_spec(
    model: str, engine: str, encoding: str, registry: EngineRegistry[Engine], stems: Sequence[str] = ()
) -> SeparationSpec:
    """Validate a request and fill in defaults.

    Args:
        model: name of a model; empty for the default. If it is empty, ``engine`` may name a model.
        engine: an engine of ``registry``, ``lalalai``, or ``local`` or empty for the engine that runs the model.
        encoding: one of :data:`FORMATS`; empty for the first.
        registry: declares the models.
        stems: the requested stems; empty for all.

    Raises:
        AppError: ``VALIDATION_ERROR`` with the fields that are not valid.
    """
    problems = {"format": format_problems(encoding)}
    form = cast(Format, encoding or FORMATS[0])
    if engine == LALALAI:
        # Clients that always send a model send the default model of this service.
        splitter = NEWEST_SPLITTER if model in ("", registry.default_model) else model
        if splitter not in SPLITTERS:
            problems["model"] = [f"is not known to lalal.ai; use one of: {', '.join(SPLITTERS)}"]
        if stems:
            problems["stems"] = ["cannot be chosen for lalal.ai"]
        require_none(problems)
        return SeparationSpec(model=splitter, format=form, engine=LALALAI)
    names = registry.model_names
    engines = {registry.engine(name).name for name in names}
    chosen = model or (engine if engine in names else registry.default_model)
    if chosen not in names:
        problems["model"] = [f"is not known; use one of: {', '.join(names)}"]
    if engine not in LOCAL_ENGINES | engines:
        problems["engine"] = [f"is not available; use one of: local, {', '.join(sorted({*engines, LALALAI}))}"]
    elif chosen in names and engine not in LOCAL_ENGINES and engine != registry.engine(chosen).name:
        problems["engine"] = [f"does not run {chosen}, which {registry.engine(chosen).name} runs"]
    if chosen in names:
        problems["stems"] = stem_problems(stems, chosen, registry.declaration(chosen).outputs)
    require_none(problems)
    wanted = tuple(stem for stem in registry.declaration(chosen).outputs if stem in stems)
    return SeparationSpec(model=chosen, format=form, stems=wanted)


def result_stems(stems: Sequence[str], *outputs: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the stems of a separation.

    Args:
        stems: the requested ones; empty for all.
        outputs: all stems of each model.
    """
    if any(is_partial(stems, each) for each in outputs):
        return (*stems, ACCOMPANIMENT)
    return tuple(stems or outputs[0])


def is_partial(stems: Collection[str], outputs: Collection[str]) -> bool:
    """Return whether some stems are requested, and not all of the model."""
    return bool(stems) and set(stems) != set(outputs)


def format_problems(encoding: str) -> list[str]:
    """Return what is wrong with the requested format; empty: the first one."""
    return [f"is not known; use one of: {', '.join(FORMATS)}"] if encoding and encoding not in FORMATS else []


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
    """Refuse a request with problems, by field. A field with an empty list has none.

    Raises:
        AppError: ``VALIDATION_ERROR``.
    """
    details = {field: list(found) for field, found in problems.items() if found}
    if details:
        raise invalid(details)


def invalid(details: Mapping[str, Sequence[str]]) -> AppError:
    """Return the refusal of a request, with what is wrong with each of its fields."""
    return AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields are invalid.", {"details": details})
