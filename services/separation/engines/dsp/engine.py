"""The ``dsp`` engine: separates the mix in windows and cross-fades the stems."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from kit.engines import ModelDeclaration
from services.separation.engines.dsp.window import WindowSeparator
from services.separation.engines.windows import overlap_add, trapezoid
from services.separation.service import STEMS, Engine, Mix, Samples

_WINDOW_SECONDS = 20.0
_OVERLAP_SECONDS = 1.0
_WINDOW_SAMPLES = 2_000_000
"""Maximum number of samples (frames times channels) of a window. Bounds memory at high rates and channel counts."""


DSP = ModelDeclaration(
    name="dsp",
    description="Classical signal processing: quick, needs no weights",
    architecture="Signal processing",
    outputs=STEMS,
    code_licence="Apache-2.0",
    needs_weights=False,
    relative_cost=0.06,
    device_memory_bytes=0,
)


class DspEngine(Engine):
    """Classical four-stem separation. See :mod:`services.separation.engines.dsp.window` for the methods."""

    name = "dsp"
    models = (DSP,)

    def separate(self, mix: Mix, model: str, stems: Collection[str] | None = None) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of the stems, float32 [channels, frames]. All stems add up to the mix.

        Windows overlap by one second, in which the stems of adjacent windows are cross-faded.
        """
        rate_hz = mix.sample_rate_hz
        separator = WindowSeparator(rate_hz)
        longest = min(round(_WINDOW_SECONDS * rate_hz), _WINDOW_SAMPLES // max(2, mix.channel_count))
        overlap = min(round(_OVERLAP_SECONDS * rate_hz), longest // 8)
        # All windows have the same length: a short last window would have too few hits to learn the drums from.
        count = max(1, math.ceil(mix.frame_count / (longest - overlap)))
        hop = max(1, math.ceil(mix.frame_count / count))
        window = hop + overlap
        yield from overlap_add(
            mix.blocks(rate_hz),
            lambda samples: {
                stem: output
                for stem, output in zip(STEMS, separator.separate(samples), strict=True)
                if stems is None or stem in stems
            },
            frame_count=mix.frame_count,
            window_frames=window,
            hop_frames=hop,
            weight=trapezoid(window, overlap),
        )
