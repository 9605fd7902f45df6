"""Harmonic and percussive parts of a recording, which sum to it.

Median filtering of the magnitude spectrogram along time and along frequency, and soft masks of power 2 (D. Fitzgerald,
"Harmonic/percussive separation using median filtering", DAFx 2010), at the settings that are customary for it: windows
of about 46 ms, kernels of 31. One mask serves all channels, so the stereo image stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from kit.errors import AppError, Code
from services.separation.engines.dsp.spectral import EPSILON, Stft, median_along, power
from services.separation.engines.windows import overlap_add, trapezoid
from services.separation.service import Mix, Samples

__all__ = ["HpssEngine"]

_STFT_SECONDS = 2048 / 44_100
_KERNEL = 31
_WINDOW_SECONDS = 12.0
_OVERLAP_SECONDS = 1.0
_WINDOW_SAMPLES = 4_000_000


class HpssEngine:
    """An engine with one model, ``hpss``, and two stems."""

    name = "hpss"

    def stems(self, model: str) -> tuple[str, ...]:
        """``("harmonic", "percussive")``.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` for any model but ``hpss``.
        """
        if model != self.name:
            raise AppError(Code.INVALID_ARGUMENT, "MODEL_UNAVAILABLE", f"There is no model {model!r}; use 'hpss'.")
        return ("harmonic", "percussive")

    def separate(self, mix: Mix, model: str) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of both parts, float32 [channels, frames]; together they sum to the mix."""
        self.stems(model)
        rate_hz = mix.sample_rate_hz
        stft = Stft(rate_hz, _STFT_SECONDS)
        window = min(round(_WINDOW_SECONDS * rate_hz), _WINDOW_SAMPLES // mix.channel_count)
        overlap = min(round(_OVERLAP_SECONDS * rate_hz), window // 8)
        yield from overlap_add(
            mix.blocks(rate_hz),
            lambda samples: _split(samples, stft),
            frame_count=mix.frame_count,
            window_frames=window,
            hop_frames=window - overlap,
            weight=trapezoid(window, overlap),
        )


def _split(samples: Samples, stft: Stft) -> dict[str, Samples]:
    spectrum = stft.forward(samples)
    magnitude = np.sqrt(power(spectrum).mean(axis=0))
    harmonic = median_along(magnitude, _KERNEL, axis=0) ** 2
    percussive = median_along(magnitude, _KERNEL, axis=1) ** 2
    mask = (harmonic + EPSILON / 2) / (harmonic + percussive + EPSILON)
    part = stft.inverse(np.asarray(spectrum * mask, dtype=np.complex64), samples.shape[1])
    # The rest by subtraction: both parts sum to the input to the last bit, whatever the transform rounds.
    return {"harmonic": part, "percussive": samples - part}
