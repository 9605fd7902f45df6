"""Quality and speed of the ``dsp`` engine on the project's own songs: ``python -m bench.dsp_quality``.

Prints a table of SI-SDR improvements in dB per song and stem: the scale-invariant signal-to-distortion ratio (Le Roux,
Wisdom, Erdogan and Hershey, 2019) of the estimate, minus that of the unprocessed mix.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from services.generation.engines.procedural.render import render_stems
from services.generation.engines.procedural.songs import SONGS, song
from services.separation.engines.dsp import DspEngine
from services.separation.service import STEMS, Samples

_SAMPLE_RATE_HZ = 44100


@dataclass(frozen=True)
class MemoryMix:
    """A mix in memory, float32 [channels, frames]."""

    samples: Samples
    sample_rate_hz: int

    @property
    def channel_count(self) -> int:
        return int(self.samples.shape[0])

    @property
    def frame_count(self) -> int:
        return int(self.samples.shape[1])

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        for start in range(0, self.frame_count, block_frames):
            yield self.samples[:, start : start + block_frames]


def si_sdr_db(estimate: Samples, reference: Samples) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB over all channels together."""
    guess, truth = (np.asarray(samples, dtype=np.float64).ravel() for samples in (estimate, reference))
    target = (guess @ truth) / (truth @ truth) * truth
    return float(10 * np.log10((target @ target + 1e-20) / (np.sum((guess - target) ** 2) + 1e-20)))


def mix_of(stems: Mapping[str, Samples]) -> Samples:
    """Return the sum of the stems, float32 [channels, frames]."""
    return np.asarray(np.sum(list(stems.values()), axis=0), dtype=np.float32)


def improvements_db(truth: Mapping[str, Samples], estimates: Mapping[str, Samples]) -> dict[str, float]:
    """Return the SI-SDR improvement over the mix for every stem that is not silent in ``truth``."""
    mix = mix_of(truth)
    return {
        stem: si_sdr_db(estimates[stem], reference) - si_sdr_db(mix, reference)
        for stem, reference in truth.items()
        if np.max(np.abs(reference)) > 1e-4
    }


def separate(samples: Samples, sample_rate_hz: int) -> dict[str, Samples]:
    """Separate a whole mix and return its stems, float32 [channels, frames] each."""
    engine = DspEngine()
    blocks = list(engine.separate(MemoryMix(samples, sample_rate_hz), "dsp"))
    return {stem: np.concatenate([block[stem] for block in blocks], axis=1) for stem in STEMS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of every song")
    parser.add_argument("--mono", action="store_true", help="mix down to one channel first, without stereo cues")
    options = parser.parse_args()

    stems = STEMS
    print(f"| song | {' | '.join(stems)} | x real time |")
    print("|---|" + "---:|" * (len(stems) + 1))
    rows: list[list[float]] = []
    for name in SONGS:
        truth = render_stems(song(name, options.seconds), _SAMPLE_RATE_HZ)
        if options.mono:
            truth = {stem: samples.mean(axis=0, keepdims=True) for stem, samples in truth.items()}
        mix = mix_of(truth)
        # CPU time, so that other programs on the machine do not affect the result.
        began = time.process_time()
        estimates = separate(mix, _SAMPLE_RATE_HZ)
        seconds = time.process_time() - began
        gains = improvements_db(truth, estimates)
        rows.append([*(gains.get(stem, np.nan) for stem in stems), mix.shape[1] / _SAMPLE_RATE_HZ / seconds])
        print(f"| {name} | {' | '.join(f'{value:+.1f}' for value in rows[-1][:-1])} | {rows[-1][-1]:.1f} |", flush=True)
    means = np.nanmean(rows, axis=0)
    print(f"| **mean** | {' | '.join(f'**{value:+.1f}**' for value in means[:-1])} | **{means[-1]:.1f}** |")


if __name__ == "__main__":
    main()
