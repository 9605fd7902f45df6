"""What generation is: the engine Protocol, and the rules of what may be asked for."""

from __future__ import annotations

import math
import unicodedata
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kit.errors import AppError, Code

Samples = NDArray[np.float32]
"""float32 [channels, frames], in [-1, 1]."""


@dataclass(frozen=True)
class Clip:
    """Generated audio."""

    samples: Samples
    sample_rate_hz: int


@dataclass(frozen=True)
class Take:
    """One piece of audio to make.

    Args:
        prompt: what it sounds like.
        duration_seconds: its length, without the ``lead_in``.
        seed: the same take with the same seed gives the same audio.
        lead_in: audio that the take goes on from, at its own rate and with its own channels. An engine that cannot
            listen leaves it aside.
        loop_seconds: so much of it will be played in a circle, and what goes beyond laid over the beginning: an engine
            that plans a form fits it to that length, and leaves out intro, ending and fades. None: it is no loop.
    """

    prompt: str
    duration_seconds: float
    seed: int
    lead_in: Clip | None = None
    loop_seconds: float | None = None


class Engine(Protocol):
    """A way to turn words into audio."""

    name: str

    def load(self, model: str) -> None:
        """Have what ``model`` needs in memory; harmless when it is there already.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` or its like. A failure is remembered for a while, so that asking again is
                quick.
        """
        ...

    def unload(self, model: str) -> None:
        """Give the memory of ``model`` back; harmless when it is not loaded."""
        ...

    def generate(self, model: str, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """A clip for each take, in their order, each of exactly ``duration_seconds`` (rounded to whole frames).

        All takes have the same duration. ``report`` is called with the share done, 0 to 1; it raises to stop the work.

        Raises:
            AppError: what :meth:`load` raises, or ``OUT_OF_MEMORY``.
        """
        ...


MODELS = ("music", "audio", "magnet-music", "magnet-audio")
DEFAULT_MODEL = MODELS[0]
PRIORITIES = ("admin", "premium", "standard", "free")
MAX_VARIATIONS = 8
PROMPT_LENGTH = (3, 500)
MIN_SECONDS = 1.0
_SEED_LIMIT = 2**63  # what the wire holds
_JOINERS = "\u200c\u200d"  # invisible, but part of how some scripts are spelled


def is_music(model: str) -> bool:
    """Whether the model makes music; the others make sound effects."""
    return model.endswith("music")


@dataclass(frozen=True)
class GenerationSpec:
    """What a generation job is to do.

    Args:
        prompt: 3 to 500 characters without control characters.
        duration_seconds: length to generate; of a continuation: what comes after the clip that it goes on from.
        model: one of :data:`MODELS`.
        seed: 0 to 2**63 - 1.
        loop: the clip's end goes over into its beginning.
        continue_from_id: the generation that it goes on from; empty: none.
    """

    prompt: str
    duration_seconds: float
    model: str
    seed: int
    loop: bool = False
    continue_from_id: str = ""


def clean_prompt(prompt: str) -> str:
    """The prompt on one line, without characters that are no text (controls, unassigned, bidirectional overrides)."""
    text = "".join(
        " " if c.isspace() else c for c in prompt if c.isspace() or c in _JOINERS or unicodedata.category(c)[0] != "C"
    )
    return " ".join(text.split())


def parse_spec(
    *, prompt: str, duration_seconds: float, model: str, seed: int, loop: bool, continue_from_id: str,
    variation_count: int, max_seconds: float,
) -> GenerationSpec:  # fmt: skip
    """Check what a caller asks for, and fill in what is left out.

    Args:
        model: empty for :data:`DEFAULT_MODEL`.
        seed: 0 to 2**63 - 1.
        variation_count: how many clips are wanted at once.
        max_seconds: the longest clip that the caller may have.

    Raises:
        AppError: ``VALIDATION_ERROR`` with the fields that do not fit.
    """
    cleaned = clean_prompt(prompt)
    chosen = model or DEFAULT_MODEL
    problems: dict[str, list[str]] = {}
    if not PROMPT_LENGTH[0] <= len(cleaned) <= PROMPT_LENGTH[1]:
        problems["prompt"] = [f"must have {PROMPT_LENGTH[0]} to {PROMPT_LENGTH[1]} characters"]
    if not (math.isfinite(duration_seconds) and MIN_SECONDS <= duration_seconds <= max_seconds):
        problems["duration"] = [f"must be between {MIN_SECONDS:g} and {max_seconds:g} seconds"]
    if chosen not in MODELS:
        problems["model"] = [f"is not known; use one of: {', '.join(MODELS)}"]
    if not 1 <= variation_count <= MAX_VARIATIONS:
        problems["variations"] = [f"must be between 1 and {MAX_VARIATIONS}"]
    source = ""
    if continue_from_id:
        try:
            source = str(uuid.UUID(continue_from_id))
        except ValueError:
            problems["continue_from"] = ["is not the id of a generation"]
    if problems:
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": problems})
    return GenerationSpec(cleaned, duration_seconds, chosen, seed, loop, source)


def require_total(source_seconds: float, duration_seconds: float, max_seconds: float) -> None:
    """A continuation is one clip with what it goes on from, so that both together keep to the caller's limit.

    Raises:
        AppError: ``VALIDATION_ERROR``.
    """
    if source_seconds + duration_seconds > max_seconds:
        room = max_seconds - source_seconds
        hint = f"ask for {math.floor(room)} at most" if room >= MIN_SECONDS else "take a shorter clip to go on from"
        problem = f"makes a clip of more than {max_seconds:g} seconds with the one that it goes on from; {hint}"
        raise AppError(
            Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": {"duration": [problem]}}
        )


def variation_seeds(seed: int, count: int) -> list[int]:
    """Seeds that follow each other, the first being ``seed``."""
    return [(seed + index) % _SEED_LIMIT for index in range(count)]


def retake_seed(seed: int, retake: int) -> int:
    """The seed of the ``retake``-th try after the first: derived, and far from the seeds of neighbouring variations."""
    return (seed + retake * 0x3C6EF372FE94F82A) % _SEED_LIMIT
