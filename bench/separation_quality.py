"""Quality of separation on rendered songs that no method was developed with: ``python -m bench.separation_quality``.

Compares a model with two references: plain harmonic-percussive separation with filters, and oracle ratio masks, which
know the stems and show what masks of the magnitude spectrum can reach. Per stem, it prints the mean improvement of the
scale-invariant signal-to-distortion ratio (SI-SDR) over the mix, the mean SDR, the worst song, and how many songs are
worse than the mix. Stems that are silent in a song do not count.

    make evaluation-songs
    python -m bench.separation_quality build/songs/evaluation --model dsp
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import librosa
import numpy as np
from scipy.signal import istft, stft

from bench._songs import SONGS, RenderedSong, rendered_songs
from bench.dsp_quality import MemoryMix, mix_of, si_sdr_db
from services.separation.registry import Registry, build_registry
from services.separation.service import STEMS, Samples
from services.separation.settings import SeparationSettings

_SAMPLE_RATE_HZ = 44100
_SILENT = 1e-4
_METHODS = ("model", "filters", "oracle")
_BASS_HZ, _VOICE_HZ = 250.0, (250.0, 5000.0)

Separate = Callable[[Mapping[str, Samples]], Mapping[str, Samples]]


@dataclass(frozen=True)
class Score:
    """The quality of one stem of a song in dB."""

    song: str
    improvement_db: float
    sdr_db: float


def sdr_db(estimate: Samples, reference: Samples) -> float:
    """Return the signal-to-distortion ratio in dB over all channels together, without any scaling."""
    truth = np.asarray(reference, dtype=np.float64)
    return float(10 * np.log10((np.sum(truth**2) + 1e-20) / (np.sum((truth - estimate) ** 2) + 1e-20)))


def scores_of(song: str, truth: Mapping[str, Samples], estimates: Mapping[str, Samples]) -> dict[str, Score]:
    """Return the scores of all stems that are not silent."""
    mix = mix_of(truth)
    return {
        stem: Score(
            song,
            si_sdr_db(estimates[stem], reference) - si_sdr_db(mix, reference),
            sdr_db(estimates[stem], reference),
        )
        for stem, reference in truth.items()
        if np.max(np.abs(reference)) > _SILENT
    }


def with_model(registry: Registry, model: str, truth: Mapping[str, Samples]) -> dict[str, Samples]:
    """Separate the mix with a model of the separation service."""
    mix = mix_of(truth)
    blocks = list(registry.engine(model).separate(MemoryMix(mix, _SAMPLE_RATE_HZ), model))
    return {stem: np.concatenate([block[stem] for block in blocks], axis=1) for stem in STEMS}


def with_filters(truth: Mapping[str, Samples]) -> dict[str, Samples]:
    """Separate the mix without knowledge of music: percussive sounds are drums, and filters divide the rest."""
    mix = mix_of(truth)
    spectrum = librosa.stft(mix, n_fft=2048, hop_length=512)
    # Both channels share the masks of their mean.
    shares = librosa.decompose.hpss(np.abs(spectrum.mean(axis=0)), mask=True)
    harmonic, percussive = (spectrum * share for share in shares)
    hertz = librosa.fft_frequencies(sr=_SAMPLE_RATE_HZ, n_fft=2048)[:, None]
    low = np.where(hertz < _BASS_HZ, harmonic, 0.0)
    # Nothing tells a voice from other harmonic sounds, so each gets half of the band of voices.
    voice = np.where((hertz >= _VOICE_HZ[0]) & (hertz < _VOICE_HZ[1]), harmonic / 2, 0.0)
    parts = {"drums": percussive, "bass": low, "other": harmonic - low - voice, "vocals": voice}
    return {
        stem: np.asarray(librosa.istft(part, hop_length=512, length=mix.shape[1]), np.float32)
        for stem, part in parts.items()
    }


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
    parser.add_argument("--model", default="dsp", help="a model of the separation service with four stems")
    parser.add_argument("--methods", nargs="+", choices=_METHODS, default=_METHODS, help="leave out the others")
    arguments = parser.parse_args()
    songs = rendered_songs(arguments.songs)
    if not songs:
        return
    methods: dict[str, Separate] = {}
    if "model" in arguments.methods:
        registry = build_registry(SeparationSettings())
        registry.load(arguments.model)
        methods[arguments.model] = partial(with_model, registry, arguments.model)
    if "filters" in arguments.methods:
        methods["HPSS and filters"] = with_filters
    if "oracle" in arguments.methods:
        methods["oracle ratio masks"] = with_oracle
    for method, by_stem in _measure(songs, methods).items():
        _print_summary(method, by_stem)


def _measure(songs: list[RenderedSong], methods: Mapping[str, Separate]) -> dict[str, dict[str, list[Score]]]:
    """Separate all songs with all methods, and print the improvements of the first method per song."""
    measured: dict[str, dict[str, list[Score]]] = {name: {stem: [] for stem in STEMS} for name in methods}
    first = next(iter(methods))
    audio_seconds, seconds = 0.0, 0.0
    print(f"SI-SDR improvements of {first} in dB:\n")
    print(f"| song | {' | '.join(STEMS)} |\n|---|" + "---:|" * len(STEMS))
    for song in songs:
        truth = song.stems()
        for name, separate in methods.items():
            # CPU time, so that other programs on the machine do not affect the result.
            began = time.process_time()
            estimates = separate(truth)
            if name == first:
                seconds += time.process_time() - began
                audio_seconds += truth["drums"].shape[1] / _SAMPLE_RATE_HZ
            for stem, score in scores_of(song.name, truth, estimates).items():
                measured[name][stem].append(score)
        cells = [
            next((f"{score.improvement_db:+.1f}" for score in measured[first][stem] if score.song == song.name), "")
            for stem in STEMS
        ]
        print(f"| {song.name} | {' | '.join(cells)} |", flush=True)
    print(f"\n{len(songs)} songs, {audio_seconds:.0f} s, {audio_seconds / seconds:.1f} times real time.")
    return measured


def _print_summary(method: str, by_stem: Mapping[str, list[Score]]) -> None:
    print(f"\n| {method} | {' | '.join(STEMS)} |\n|---|" + "---:|" * len(STEMS))
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
        print(f"| {label} | {' | '.join(cell(by_stem[stem]) if by_stem[stem] else '' for stem in STEMS)} |")


def _worst(scores: list[Score]) -> str:
    score = min(scores, key=lambda score: score.improvement_db)
    return f"{score.improvement_db:+.1f} ({score.song})"


if __name__ == "__main__":
    main()
