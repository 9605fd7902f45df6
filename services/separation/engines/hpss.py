"""The ``hpss`` engine: harmonic and percussive parts of a recording, whose sum is the recording.

Median filtering of the magnitude spectrogram along time and along frequency, and soft masks of power 2 (D. Fitzgerald,
"Harmonic/percussive separation using median filtering", DAFx 2010), with the usual parameters: windows
of about 46 ms, kernels of 31. All channels share one mask, which keeps the stereo image.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from soundwright.kit.engines import ModelDeclaration
from soundwright.services.separation.engines.spectral import Stft, in_windows, percussive_share, power
from soundwright.services.separation.service import Engine, Mix, Samples

HPSS = ModelDeclaration(
    name="hpss",
    description="Harmonic and percussive parts, the second stage of the pipeline",
    architecture="Median filtering of the spectrogram",
    outputs=("harmonic", "percussive"),
    code_licence="Apache-2.0",
    needs_weights=False,
    device_memory_bytes=0,
    listed=False,
)

_STFT_SECONDS = 2048 / 44_100
_KERNEL = 31


class HpssEngine(Engine):
    """Separates a recording into its harmonic and its percussive part."""

    name = "hpss"
    models = (HPSS,)

    def separate(self, mix: Mix, model: str, stems: Collection[str] | None = None) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of the parts, float32 [channels, frames]. The sum of both parts is the mix."""
        stft = Stft(mix.sample_rate_hz, _STFT_SECONDS)
        return in_windows(mix, lambda samples: _split(samples, stft), stems)


def _split(samples: Samples, stft: Stft) -> dict[str, Samples]:
    spectrum = stft.forward(samples)
    magnitude = np.sqrt(power(spectrum).mean(axis=0))
    mask = 1 - percussive_share(magnitude, _KERNEL, _KERNEL)
    part = stft.inverse(np.asarray(spectrum * mask, dtype=np.complex64), samples.shape[1])
    # The second part is the difference, so the parts sum to the input exactly, whatever the transform rounds.
    return {"harmonic": part, "percussive": samples - part}
