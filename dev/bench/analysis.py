"""Accuracy and time of analysis, compared with plain calls of librosa's functions.

Accuracy is measured on the project's own songs, whose tempo and key are known, and on variations of them in other
tempi and keys. Time is measured on one three-minute song. Our engine reads the WAV file; its time includes decoding,
resampling, loudness and true peak at the original rate. librosa receives the mono signal at 22050 Hz in memory, one
call per feature, and pyloudnorm receives the decoded stereo signal. Both are warmed up and alternate.

    python -m dev.bench.analysis                 # prints Markdown
    python -m dev.bench.analysis --variations 3  # more songs
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pyloudnorm
import soundfile
from numpy.typing import NDArray

from dev.bench._songs import MemoryRecording
from soundwright.kit.audio import AudioFile
from soundwright.services.analysis.engines.librosa_engine import FEATURES, LibrosaEngine, warm_up
from soundwright.services.generation.engines.procedural.render import mix, render_stems
from soundwright.services.generation.engines.procedural.score import PITCH_CLASSES, Key, Song, Track
from soundwright.services.generation.engines.procedural.songs import SONGS, song

Samples = NDArray[np.float32]

RATE_HZ = 44_100
ANALYSIS_RATE_HZ = 22_050
# Probe-tone ratings of Krumhansl and Kessler (1982), the usual key templates for librosa's chroma.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@dataclass(frozen=True)
class Reading:
    """Tempo and key of a song as an analyser measures them."""

    tempo_bpm: float
    key: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variations", type=int, default=0, help="variations of each song, in addition to the song")
    parser.add_argument("--song-seconds", type=float, default=60.0, help="length of the songs in the accuracy test")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each program")
    arguments = parser.parse_args()
    warm_up()
    _print_accuracy(arguments.variations, arguments.song_seconds)
    _print_time(arguments.runs)


def _songs(variations: int, seconds: float) -> Iterator[Song]:
    """Yield every song, followed by its variations: up to 10 % slower or faster, and in another key."""
    rng = np.random.default_rng(1)
    for name in SONGS:
        original = song(name, seconds)
        yield original
        for number in range(1, variations + 1):
            semitones = int(rng.integers(-5, 7))
            key = Key.parse(original.key)
            yield replace(
                original,
                name=f"{name} {number}",
                tempo_bpm=round(original.tempo_bpm * float(rng.uniform(0.9, 1.1)), 1),
                key=str(Key((key.tonic + semitones) % 12, key.is_minor)),
                tracks=tuple(_transposed(track, semitones) for track in original.tracks),
            )


def _transposed(track: Track, semitones: int) -> Track:
    if track.stem == "drums":
        return track
    notes = tuple(replace(note, pitch_midi=note.pitch_midi + semitones) for note in track.notes)
    return replace(track, notes=notes)


def _print_accuracy(variations: int, seconds: float) -> None:
    counts: dict[str, Counter[str]] = {"ours": Counter(), "librosa": Counter()}
    total = 0
    print(f"### Tempo and key of rendered songs of {seconds:.0f} s\n")
    print("| song | tempo | ours | librosa | key | ours | librosa |")
    print("|---|---:|---:|---:|---|---|---|")
    for score in _songs(variations, seconds):
        samples = mix(render_stems(score, RATE_HZ))
        readings = {"ours": _our_reading(samples), "librosa": _librosa_reading(samples)}
        total += 1
        for who, reading in readings.items():
            counts[who].update(_marks(reading, score))
        ours, theirs = readings["ours"], readings["librosa"]
        print(
            f"| {score.name} | {score.tempo_bpm:.1f} | {_tempo_cell(ours, score)} | {_tempo_cell(theirs, score)} "
            f"| {score.key} | {_key_cell(ours, score)} | {_key_cell(theirs, score)} |"
        )
    print(f"\n| of {total} | ours | librosa |\n|---|---:|---:|")
    for mark in ("tempo within 4 %", "tempo within 4 %, octave errors allowed", "tempo within 1 %", "key correct"):
        print(f"| {mark} | {counts['ours'][mark]} | {counts['librosa'][mark]} |")
    print()


def _marks(reading: Reading, score: Song) -> Iterator[str]:
    def within(share: float, *factors: float) -> bool:
        return any(abs(reading.tempo_bpm / (score.tempo_bpm * factor) - 1.0) < share for factor in factors)

    if within(0.04, 1.0):
        yield "tempo within 4 %"
    if within(0.01, 1.0):
        yield "tempo within 1 %"
    if within(0.04, 1.0, 2.0, 3.0, 1 / 2, 1 / 3):
        yield "tempo within 4 %, octave errors allowed"
    if reading.key == score.key:
        yield "key correct"


def _tempo_cell(reading: Reading, score: Song) -> str:
    return f"{reading.tempo_bpm:.1f}" + ("" if "tempo within 4 %" in _marks(reading, score) else " ✗")


def _key_cell(reading: Reading, score: Song) -> str:
    return reading.key + ("" if reading.key == score.key else " ✗")


def _our_reading(samples: Samples) -> Reading:
    result = LibrosaEngine().analyse(MemoryRecording(samples, RATE_HZ), frozenset({"tempo", "key"}), lambda share: None)
    return Reading(result["tempo"], result["key"])


def _librosa_reading(samples: Samples) -> Reading:
    mono = librosa.resample(samples.mean(axis=0), orig_sr=RATE_HZ, target_sr=ANALYSIS_RATE_HZ)
    tempo, _ = librosa.beat.beat_track(y=mono, sr=ANALYSIS_RATE_HZ)
    chroma = librosa.feature.chroma_cqt(y=mono, sr=ANALYSIS_RATE_HZ).mean(axis=1)
    fits = [
        (float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]), f"{PITCH_CLASSES[tonic]} {mode}")
        for tonic in range(12)
        for mode, profile in (("major", MAJOR), ("minor", MINOR))
    ]
    return Reading(float(np.atleast_1d(tempo)[0]), max(fits)[1])


def _librosa_calls(mono: Samples, stereo: Samples) -> dict[str, Callable[[], Any]]:
    """Return one librosa call per feature, as a user of librosa would write it."""
    feature, rate = librosa.feature, ANALYSIS_RATE_HZ
    return {
        "beat_track": lambda: librosa.beat.beat_track(y=mono, sr=rate),
        "chroma_cqt (key)": lambda: feature.chroma_cqt(y=mono, sr=rate),
        "estimate_tuning": lambda: librosa.estimate_tuning(y=mono, sr=rate),
        "rms": lambda: feature.rms(y=mono),
        "zero_crossing_rate": lambda: feature.zero_crossing_rate(mono),
        "pyloudnorm": lambda: pyloudnorm.Meter(RATE_HZ).integrated_loudness(stereo.T),
        "spectral_centroid": lambda: feature.spectral_centroid(y=mono, sr=rate),
        "spectral_rolloff": lambda: feature.spectral_rolloff(y=mono, sr=rate),
        "spectral_bandwidth": lambda: feature.spectral_bandwidth(y=mono, sr=rate),
        "spectral_contrast": lambda: feature.spectral_contrast(y=mono, sr=rate),
        "spectral_flatness": lambda: feature.spectral_flatness(y=mono),
        "mfcc": lambda: feature.mfcc(y=mono, sr=rate, n_mfcc=13),
        "chroma_stft": lambda: feature.chroma_stft(y=mono, sr=rate),
        "chroma_cens": lambda: feature.chroma_cens(y=mono, sr=rate),
    }


def _print_time(runs: int) -> None:
    samples = mix(render_stems(song("pop", 180.0), RATE_HZ))
    mono = librosa.resample(samples.mean(axis=0), orig_sr=RATE_HZ, target_sr=ANALYSIS_RATE_HZ)
    calls = _librosa_calls(mono, samples.astype(np.float64))
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in calls}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.wav"
        soundfile.write(path, samples.T, RATE_HZ, subtype="PCM_16")
        for run in range(runs + 1):
            # The first round is the warm-up.
            seconds = _seconds(partial(_analyse_file, path))
            times = {name: _seconds(call) for name, call in calls.items()}
            if run > 0:
                ours.append(seconds)
                for name, value in times.items():
                    theirs[name].append(value)
    total = statistics.median(map(sum, zip(*theirs.values(), strict=True)))
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    print(
        f"### Time of all features of a song of 180 s\n\nMedians of {runs} alternating runs, OMP_NUM_THREADS {threads}.\n"
    )
    print("| program | seconds |\n|---|---:|")
    print(f"| Soundwright, from the WAV file, with loudness and true peak | {statistics.median(ours):.2f} |")
    print(f"| librosa and pyloudnorm, from memory | {total:.2f} |")
    for name, values in theirs.items():
        print(f"| - {name} | {statistics.median(values):.2f} |")
    print(f"\nSoundwright takes {statistics.median(ours) / total:.2f} of librosa's time.")


def _analyse_file(path: Path) -> None:
    LibrosaEngine().analyse(AudioFile(path), frozenset(FEATURES), lambda share: None)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
