"""What generation is: the engine Protocol and the rules of a generation job."""

from __future__ import annotations

from collections.abc import Callable
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


class Engine(Protocol):
    """A way to turn words into audio."""

    name: str

    def generate(
        self, prompt: str, duration_seconds: float, seed: int, model: str, report: Callable[[float], None]
    ) -> Clip:
        """Audio of exactly ``duration_seconds`` (rounded to whole frames) for ``prompt``.

        The same arguments give the same audio. ``report`` is called with the share done, 0 to 1; it raises to stop
        the work.
        """
        ...


MODELS = ("music", "audio")
PRIORITIES = ("admin", "premium", "standard", "free")
_PROMPT_LENGTH = (3, 500)


@dataclass(frozen=True)
class GenerationSpec:
    """What a generation job is to do."""

    prompt: str
    duration_seconds: float
    model: str
    seed: int


def parse_spec(prompt: str, duration_seconds: float, model: str, seed: int, max_seconds: float) -> GenerationSpec:
    """Check what a caller asks for.

    Raises:
        AppError: ``VALIDATION_ERROR`` with the fields that do not fit.
    """
    cleaned = "".join(c for c in prompt if c.isprintable() or c.isspace()).strip()
    problems: dict[str, list[str]] = {}
    if not _PROMPT_LENGTH[0] <= len(cleaned) <= _PROMPT_LENGTH[1]:
        problems["prompt"] = [f"must have {_PROMPT_LENGTH[0]} to {_PROMPT_LENGTH[1]} characters"]
    if not 1 <= duration_seconds <= max_seconds:
        problems["duration"] = [f"must be between 1 and {max_seconds:g} seconds"]
    if model not in MODELS:
        problems["model"] = [f"is not known; use one of: {', '.join(MODELS)}"]
    if problems:
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": problems})
    return GenerationSpec(prompt=cleaned, duration_seconds=duration_seconds, model=model, seed=seed)
