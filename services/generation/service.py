"""Domain types of generation, the engine Protocol, and the validation of requests."""

import dataclasses
import math
import unicodedata
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from soundwright.kit import errors
from soundwright.kit.engines import Engine as EngineBase
from soundwright.kit.engines import EngineRegistry, ModelDeclaration

if TYPE_CHECKING:  # settings import this module, and every process imports all settings
    import numpy as np
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.float32]"
"""float32 [channels, frames], in [-1, 1]."""


@dataclass(frozen=True)
class Interpretation:
    """What an engine understood of a request, and what it chose itself.

    Args:
        style, tempo_bpm, key, bars, instruments: what plays. Empty and 0 for sound effects.
        chosen: fields above that the prompt leaves open, so that the seed chose them.
        ignored_words: words of the prompt that have no effect.
        ignored_parameters: parameters of the request that the engine could not follow.
    """

    style: str = ""
    tempo_bpm: float = 0.0
    key: str = ""
    bars: float = 0.0
    instruments: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    ignored_words: tuple[str, ...] = ()
    ignored_parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clip:
    """Generated audio.

    Args:
        interpretation: what the engine understood, if it can say so.
        whole_seconds: length of the finished clip, if the engine made it itself: with the clip that it continues, or
            with the whole bars of a loop. None: the take is what was asked for.
        score: the notes as a MIDI file, if the engine knows those of the whole clip.
    """

    samples: Samples
    sample_rate_hz: int
    interpretation: Interpretation | None = None
    whole_seconds: float | None = None
    score: bytes = b""


@dataclass(frozen=True)
class Part:
    """What a clip, or what was added to a clip, was generated from.

    Args:
        prompt, duration_seconds, seed, is_loop: as in the request.
        model: the model that generated it; empty for what is not generated yet.
    """

    prompt: str
    duration_seconds: float
    seed: int
    is_loop: bool = False
    model: str = ""
    interpretation: Interpretation | None = None


@dataclass(frozen=True)
class Take:
    """One piece of audio to generate.

    Args:
        duration_seconds: length without the ``lead_in``.
        seed: equal takes with equal seeds give equal audio.
        lead_in: audio that the take continues, with its own sample rate and channels. Engines that do not support
            audio input ignore it.
        loop_seconds: length of the loop. Audio after it is cross-faded into the beginning. Engines that plan a form
            fit it to this length and omit intro, ending and fades. None: not a loop.
        parts: for a continuation, all parts of the clip, this take the last. An engine that made the earlier parts may
            make all of them again. Empty if the earlier ones are unknown.
    """

    prompt: str
    duration_seconds: float
    seed: int
    lead_in: Clip | None = None
    loop_seconds: float | None = None
    parts: tuple[Part, ...] = ()


MUSIC = "music"
SOUND = "sound"


class Engine(EngineBase, Protocol):
    """Generates audio from text. The output in the declaration of a model is :data:`MUSIC` or :data:`SOUND`."""

    def generate(self, model: str, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """Return a clip for each take, in order. Each has exactly ``duration_seconds``, rounded to whole frames, unless it has
        ``whole_seconds``.

        All takes have the same duration. ``report`` is called with the progress ratio, 0 to 1. An exception that it
        raises stops the work.

        Raises the errors of :meth:`soundwright.kit.engines.Engine.load`; ``OUT_OF_MEMORY``.
        """
        ...


def makes_music(declaration: ModelDeclaration) -> bool:
    """Return whether a model makes music; other models make sound effects."""
    return MUSIC in declaration.outputs


PRIORITIES = ("admin", "premium", "standard", "free")
MAX_VARIATIONS = 8
PROMPT_LENGTH = (3, 500)
MIN_SECONDS = 1.0
MAX_SECONDS = 300.0
"""The longest clip of any engine."""
_SEED_LIMIT = 2**63  # int64 in the message
_CLEANED_LIMIT = 20_000  # characters, much more than a prompt may have: longer ones cost no more time
_JOINERS = "\u200c\u200d"  # invisible, but part of how some scripts are spelled


@dataclass(frozen=True)
class GenerationSpec:
    """Parameters of a generation job.

    Args:
        prompt: 3 to 500 characters without control characters.
        duration_seconds: length to generate. For a continuation: without the clip that it continues.
        seed: 0 to 2**63 - 1.
        loop: whether the end of the clip connects to its beginning.
        continue_from_id: ID of the clip to continue; empty for a new clip.
    """

    prompt: str
    duration_seconds: float
    model: str
    seed: int
    loop: bool = False
    continue_from_id: str = ""


def clean_prompt(prompt: str) -> str:
    """Return the prompt on one line, without controls, unassigned characters and bidirectional overrides."""
    text = "".join(
        " " if c.isspace() else c
        for c in prompt[:_CLEANED_LIMIT]
        if c.isspace() or c in _JOINERS or unicodedata.category(c)[0] != "C"
    )
    return " ".join(text.split())


def parse_spec(
    asked: GenerationSpec, *, variation_count: int, max_seconds: float, registry: EngineRegistry[Engine]
) -> GenerationSpec:
    """Validate a request and fill in defaults.

    Args:
        asked: what was asked for. The seed is valid; an empty model means the default of ``registry``.
        max_seconds: the longest clip that the caller may request.

    Raises ``VALIDATION_ERROR`` with the fields that are not valid.
    """
    cleaned = clean_prompt(asked.prompt)
    chosen = asked.model or registry.default_model
    problems: dict[str, list[str]] = {}
    if not PROMPT_LENGTH[0] <= len(cleaned) <= PROMPT_LENGTH[1]:
        problems["prompt"] = [f"must have {PROMPT_LENGTH[0]} to {PROMPT_LENGTH[1]} characters"]
    if not (math.isfinite(asked.duration_seconds) and MIN_SECONDS <= asked.duration_seconds <= max_seconds):
        problems["duration"] = [f"must be between {MIN_SECONDS:g} and {max_seconds:g} seconds"]
    if chosen not in registry.model_names:
        problems["model"] = [f"is not known; use one of: {', '.join(registry.model_names)}"]
    if not 1 <= variation_count <= MAX_VARIATIONS:
        problems["variations"] = [f"must be between 1 and {MAX_VARIATIONS}"]
    source = ""
    if asked.continue_from_id:
        try:
            source = str(uuid.UUID(asked.continue_from_id))
        except ValueError:
            problems["continue_from"] = ["is not a valid generation ID"]
    if problems:
        raise errors.VALIDATION_ERROR(details=problems)
    return dataclasses.replace(asked, prompt=cleaned, model=chosen, continue_from_id=source)


def require_total(source_seconds: float, duration_seconds: float, max_seconds: float) -> None:
    """Check that a continuation and the clip that it continues do not exceed the caller's limit together.

    Raises ``VALIDATION_ERROR``.
    """
    if source_seconds + duration_seconds > max_seconds:
        room = max_seconds - source_seconds
        hint = f"ask for {math.floor(room)} at most" if room >= MIN_SECONDS else "take a shorter clip to go on from"
        problem = f"makes a clip of more than {max_seconds:g} seconds with the one that it goes on from; {hint}"
        raise errors.invalid("duration", problem)


def variation_seeds(seed: int, count: int) -> list[int]:
    return [(seed + index) % _SEED_LIMIT for index in range(count)]


def retake_seed(seed: int, retake: int) -> int:
    """Return the seed of a retake. It is derived from ``seed`` and differs from the seeds of other variations."""
    return (seed + retake * 0x3C6EF372FE94F82A) % _SEED_LIMIT
