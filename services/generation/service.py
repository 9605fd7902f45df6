"""What generation is: the engine Protocol and the rules of a generation job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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
