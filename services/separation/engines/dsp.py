"""The ``dsp`` engine: four stems from masks of the spectrogram. It runs without weights and without PyTorch.

* drums: short broadband sounds, by median filters (Fitzgerald, "Harmonic/percussive separation using median filtering",
  2010), and in the lowest octaves sounds that are shorter than most notes;
* bass: the lowest octaves of the rest;
* vocals: of what lies above, the sounds in the centre of the stereo image (Barry, Lawlor and Coyle, "Sound Source
  Separation: Azimuth Discrimination and Resynthesis", 2004);
* other: the remainder, so that the stems add up to the recording.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from soundwright.kit.engines import ModelDeclaration
from soundwright.services.separation.engines.spectral import (
    EPSILON,
    Stft,
    in_windows,
    median_along,
    percussive_share,
    power,
)
from soundwright.services.separation.service import STEMS, Engine, Mix, Samples

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

_STFT_SECONDS = 0.093
_HARMONIC_SECONDS, _PERCUSSIVE_HZ = 0.15, 800.0
_NOTE_SECONDS = 0.3
_BASS_HZ, _VOICE_HZ = 200.0, (200.0, 9000.0)
_SIDE_SCALE = 2.0
_CENTRE_SHARE = 0.35
"""The part of the centre that counts as a voice: other instruments are there, too."""


class DspEngine(Engine):
    """Classical four-stem separation."""

    name = "dsp"
    models = (DSP,)

    def separate(self, mix: Mix, model: str, stems: Collection[str] | None = None) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of the stems, float32 [channels, frames]. All stems add up to the mix."""
        stft = Stft(mix.sample_rate_hz, _STFT_SECONDS)
        return in_windows(mix, lambda samples: _split(samples, stft), stems)


def _split(samples: Samples, stft: Stft) -> dict[str, Samples]:
    """Return the stems of a window, float32 [channels, frames] each. The channels share the masks."""
    spectrum = stft.forward(samples)
    energy = power(spectrum).mean(axis=0)
    centre = power(spectrum.mean(axis=0))
    hz = stft.bin_hz
    magnitude = np.sqrt(energy)
    drums = percussive_share(magnitude, round(_HARMONIC_SECONDS * stft.hops_per_second), round(_PERCUSSIVE_HZ / hz[1]))
    low_pass = 1 / (1 + (hz / _BASS_HZ) ** 8)
    # A bass drum is a tone, too: only its length tells it from a note.
    low = slice(int(np.searchsorted(hz, 2 * _BASS_HZ)))
    steady = median_along(magnitude[:, low], round(_NOTE_SECONDS * stft.hops_per_second), axis=0)
    hits = 1 - np.minimum(1, steady**2 / (energy[:, low] + EPSILON))
    drums[:, low] += low_pass[low] * (hits - drums[:, low])
    voices = (hz > _VOICE_HZ[0]) & (hz < _VOICE_HZ[1])
    # What is spread over the channels has as much energy beside the centre as in it.
    beside = np.maximum(energy - centre, 0)
    centred = np.maximum(centre - _SIDE_SCALE * beside, 0) / (centre + EPSILON)
    rest = 1 - drums
    masks = {
        "drums": drums,
        "bass": rest * low_pass,
        "vocals": rest * (1 - low_pass) * voices * centred * _CENTRE_SHARE,
    }
    parts = {
        stem: stft.inverse(np.asarray(spectrum * mask, np.complex64), samples.shape[1]) for stem, mask in masks.items()
    }
    return {stem: parts[stem] if stem in parts else samples - sum(parts.values()) for stem in STEMS}
