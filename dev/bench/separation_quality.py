"""Quality of separation on songs whose stems are known: ``python -m dev.bench.separation_quality``.

Compares models with oracle ratio masks, which know the stems and show what masks of the magnitude spectrum can reach.
Per stem, it prints the mean improvement of the scale-invariant signal-to-distortion ratio (SI-SDR: Le Roux, Wisdom,
Erdogan and Hershey, 2019) over the mix, the mean SDR, the worst song, and how many songs are worse than the mix. Stems
that are silent in a song do not count.

    make evaluation-songs
    python -m dev.bench.separation_quality build/songs/evaluation --methods dsp small oracle

:mod:`dev.bench.real_songs` builds a folder of real songs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.signal import istft, stft

from dev.bench._songs import SONGS, MemoryRecording, RenderedSong, rendered_songs
from soundwright.services.separation.registry import Registry, build_registry
from soundwright.services.separation.service import Samples
from soundwright.services.separation.settings import SeparationSettings

_SAMPLE_RATE_HZ = 44100
_SILENT = 1e-4
_ORACLE = "oracle"
_ACCOMPANIMENT = "accompaniment"
_STEMS = ("drums", "bass", "other", "vocals", _ACCOMPANIMENT)

Separate = Callable[[Mapping[str, Samples]], Mapping[str, Samples]]


@dataclass(frozen=True)
class Score:
    """The quality of one stem of a song in dB."""

    song: str
    improvement_db: float
    sdr_db: float


def mix_of(stems: Mapping[str, Samples]) -> Samples:
    """Return the sum of the stems, float32 [channels, frames]."""
    return np.asarray(np.sum(list(stems.values()), axis=0), dtype=np.float32)


def si_sdr_db(estimate: Samples, reference: Samples) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB over all channels together."""
    guess, truth = (np.asarray(samples, dtype=np.float64).ravel() for samples in (estimate, reference))
    target = (guess @ truth) / (truth @ truth) * truth
    return float(10 * np.log10((target @ target + 1e-20) / (np.sum((guess - target) ** 2) + 1e-20)))


def sdr_db(estimate: Samples, reference: Samples) -> float:
    """Return the signal-to-distortion ratio in dB over all channels together, without any scaling."""
    truth = np.asarray(reference, dtype=np.float64)
    return float(10 * np.log10((np.sum(truth**2) + 1e-20) / (np.sum((truth - estimate) ** 2) + 1e-20)))


def scores_of(song: str, truth: Mapping[str, Samples], estimates: Mapping[str, Samples]) -> dict[str, Score]:
    """Return the scores of all estimated stems that are not silent.

    The accompaniment, which is all but the vocals, counts where the vocals do.
    """
    mix = mix_of(truth)
    references = {stem: samples for stem, samples in truth.items() if np.max(np.abs(samples)) > _SILENT}
    if "vocals" in references:
        references[_ACCOMPANIMENT] = mix - truth["vocals"]
    return {
        stem: Score(
            song,
            si_sdr_db(estimates[stem], reference) - si_sdr_db(mix, reference),
            sdr_db(estimates[stem], reference),
        )
        for stem, reference in references.items()
        if stem in estimates
    }


def with_model(registry: Registry, model: str, truth: Mapping[str, Samples]) -> dict[str, Samples]:
    """Separate the mix with a model of the separation service."""
    mix = MemoryRecording(mix_of(truth), _SAMPLE_RATE_HZ)
    blocks = list(registry.engine(model).separate(mix, model))
    return {stem: np.concatenate([block[stem] for block in blocks], axis=1) for stem in blocks[0]}


def with_oracle(truth: Mapping[str, Samples]) -> dict[str, Samples]:
    """Separate the mix with the ratios of the magnitudes of the true stems."""
    mix = mix_of(truth)
    spectra = {stem: _spectrum(samples) for stem, samples in truth.items()}
    total = np.sum([np.abs(spectrum) for spectrum in spectra.values()], axis=0) + 1e-12
    mixed = _spectrum(mix)
    return {
        stem: np.asarray(
            istft(np.abs(spectrum) / total * mixed, nperseg=4096, noverlap=3072)[1][:, : mix.shape[1]], np.float32
        )
        for stem, spectrum in spectra.items()
    }


def _spectrum(samples: Samples) -> np.ndarray[tuple[int, ...], np.dtype[np.complex64]]:
    return np.asarray(stft(samples, nperseg=4096, noverlap=3072)[2], np.complex64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", type=Path, nargs="?", default=SONGS, help=f"folder of songs (default: {SONGS})")
    parser.add_argument(
        "--methods",
        nargs="+",
        default=["small", _ORACLE],
        help=f"models of the separation service, and {_ORACLE} (default: small {_ORACLE})",
    )
    arguments = parser.parse_args()
    songs = rendered_songs(arguments.songs)
    if not songs:
        return
    registry = build_registry(SeparationSettings())
    methods: dict[str, Separate] = {}
    for name in arguments.methods:
        if name == _ORACLE:
            methods["oracle ratio masks"] = with_oracle
        else:
            registry.load(name)
            methods[name] = partial(with_model, registry, name)
    for method, by_stem in _measure(songs, methods).items():
        _print_summary(method, by_stem)


def _measure(songs: list[RenderedSong], methods: Mapping[str, Separate]) -> dict[str, dict[str, list[Score]]]:
    """Separate all songs with all methods, and print the improvements per song."""
    measured: dict[str, dict[str, list[Score]]] = {name: {stem: [] for stem in _STEMS} for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    audio_seconds = 0.0
    print(f"SI-SDR improvements in dB:\n\n| song | method | {' | '.join(_STEMS)} |\n|---|---|" + "---:|" * len(_STEMS))
    for song in songs:
        truth = song.stems()
        audio_seconds += truth["drums"].shape[1] / _SAMPLE_RATE_HZ
        for name, separate in methods.items():
            # CPU time, so that other programs on the machine do not affect the result.
            began = time.process_time()
            estimates = separate(truth)
            seconds[name] += time.process_time() - began
            scores = {
                stem: score for stem, score in scores_of(song.name, truth, estimates).items() if stem in song.scored
            }
            for stem, score in scores.items():
                measured[name][stem].append(score)
            cells = [f"{scores[stem].improvement_db:+.1f}" if stem in scores else "" for stem in _STEMS]
            print(f"| {song.name} | {name} | {' | '.join(cells)} |", flush=True)
    print(f"\n{len(songs)} songs, {audio_seconds:.0f} s. Seconds of audio per second of CPU time:")
    print(", ".join(f"{name} {audio_seconds / spent:.1f}" for name, spent in seconds.items()))
    return measured


def _print_summary(method: str, by_stem: Mapping[str, list[Score]]) -> None:
    by_stem = {stem: scores for stem, scores in by_stem.items() if scores}
    print(f"\n| {method} | {' | '.join(by_stem)} |\n|---|" + "---:|" * len(by_stem))
    rows: dict[str, Callable[[list[Score]], str]] = {
        "mean SI-SDR improvement, dB": lambda scores: f"{np.mean([score.improvement_db for score in scores]):+.1f}",
        "median SI-SDR improvement, dB": lambda scores: f"{np.median([score.improvement_db for score in scores]):+.1f}",
        "mean SDR, dB": lambda scores: f"{np.mean([score.sdr_db for score in scores]):+.1f}",
        "worst song: SI-SDR improvement, dB": _worst,
        "songs worse than the mix": lambda scores: (
            f"{sum(score.improvement_db < 0 for score in scores)} of {len(scores)}"
        ),
    }
    for label, cell in rows.items():
        print(f"| {label} | {' | '.join(map(cell, by_stem.values()))} |")


def _worst(scores: list[Score]) -> str:
    score = min(scores, key=lambda score: score.improvement_db)
    return f"{score.improvement_db:+.1f} ({score.song})"


if __name__ == "__main__":
    main()
