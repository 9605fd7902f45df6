"""The ``dsp`` engine: windows of the mix in, four cross-faded stems out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from kit.errors import AppError, Code
from services.separation.engines.dsp.window import STEMS, WindowSeparator
from services.separation.engines.windows import overlap_add, trapezoid
from services.separation.service import Mix, Samples

_WINDOW_SECONDS = 20.0
_OVERLAP_SECONDS = 1.0
_WINDOW_SAMPLES = 2_000_000
"""Most samples (frames times channels) of a window: bounds memory at high rates and channel counts."""


class DspEngine:
    """Classical four-stem separation; see :mod:`services.separation.engines.dsp.window` for the methods."""

    name = "dsp"

    def stems(self, model: str) -> tuple[str, ...]:
        """``("drums", "bass", "other", "vocals")``.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` when ``model`` is not ``dsp``.
        """
        if model != self.name:
            raise AppError(
                Code.INVALID_ARGUMENT, "MODEL_UNAVAILABLE", f"The built-in engine has no model {model!r}; use 'dsp'."
            )
        return STEMS

    def separate(self, mix: Mix, model: str) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of the stems, float32 [channels, frames]; together they sum to the mix.

        Windows overlap by a second, in which the stems of one are cross-faded into those of the next.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` when ``model`` is not ``dsp``.
        """
        self.stems(model)
        rate_hz = mix.sample_rate_hz
        separator = WindowSeparator(rate_hz)
        longest = min(round(_WINDOW_SECONDS * rate_hz), _WINDOW_SAMPLES // max(2, mix.channel_count))
        overlap = min(round(_OVERLAP_SECONDS * rate_hz), longest // 8)
        # Equal windows, rather than a short one at the end: a window learns the drums from what it holds.
        count = max(1, math.ceil(mix.frame_count / (longest - overlap)))
        hop = max(1, math.ceil(mix.frame_count / count))
        window = hop + overlap
        yield from overlap_add(
            mix.blocks(rate_hz),
            lambda samples: dict(zip(STEMS, separator.separate(samples), strict=True)),
            frame_count=mix.frame_count,
            window_frames=window,
            hop_frames=hop,
            weight=trapezoid(window, overlap),
        )
