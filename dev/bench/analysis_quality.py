"""Quality of tempo, key and beats on rendered songs that no method was developed with: ``python -m dev.bench.analysis_quality``.

Compares the analysis with plain calls of librosa. It prints the share of songs whose tempo is within 4 %, also if
errors of the octave are allowed, the weighted key score of MIREX, and the F-measure of beats within 70 ms.

    make evaluation-songs
    python -m dev.bench.analysis_quality build/songs/evaluation
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
from numpy.typing import NDArray

from dev.bench._songs import SONGS, rendered_songs
from dev.bench.analysis import ANALYSIS_RATE_HZ, MAJOR, MINOR, RATE_HZ
from services.analysis.engines.librosa_engine import LibrosaEngine
from services.generation.engines.procedural.score import PITCH_CLASSES

Samples = NDArray[np.float32]

_TOLERANCE = 0.04
_BEAT_WINDOW_SECONDS = 0.07
_FLATS: Mapping[str, str] = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}


@dataclass(frozen=True)
class Reading:
    """Tempo, key and beats of a song as a program measures them."""

    tempo_bpm: float
    key: str
    beats: Sequence[float]


def tempo_is_close(measured_bpm: float, true_bpm: float, factors: Sequence[float] = (1.0,)) -> bool:
    """Return whether a tempo is within 4 % of the true one, or of a multiple by one of the factors."""
    return any(abs(measured_bpm / (true_bpm * factor) - 1.0) <= _TOLERANCE for factor in factors)


def key_score(measured: str, true: str) -> float:
    """Return the weighted score of MIREX: 1 for the key, 0.5 for a fifth above, 0.3 for the relative and 0.2 for the parallel key."""
    (tonic, mode), (true_tonic, true_mode) = _key(measured), _key(true)
    interval = (tonic - true_tonic) % 12
    if mode == true_mode:
        return {0: 1.0, 7: 0.5}.get(interval, 0.0)
    if interval == (9 if true_mode == "major" else 3):
        return 0.3
    return 0.2 if interval == 0 else 0.0


def _key(name: str) -> tuple[int, str]:
    tonic, _, mode = name.partition(" ")
    return PITCH_CLASSES.index(_FLATS.get(tonic, tonic)), mode


def beat_f_measure(measured: Sequence[float], true: Sequence[float]) -> float:
    """Return the F-measure of beats: each true beat matches at most one measured beat, at most 70 ms away."""
    matches, place = 0, 0
    ours = sorted(measured)
    for beat in sorted(true):
        while place < len(ours) and ours[place] < beat - _BEAT_WINDOW_SECONDS:
            place += 1
        if place < len(ours) and ours[place] <= beat + _BEAT_WINDOW_SECONDS:
            matches, place = matches + 1, place + 1
    return 2 * matches / (len(ours) + len(true)) if len(ours) + len(true) else 0.0


class _Memory:
    """A recording in memory."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.sample_rate_hz = RATE_HZ
        self.frame_count, self.channel_count = samples.shape

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        for start in range(0, self.frame_count, block_frames):
            yield self._samples[start : start + block_frames].T


def our_reading(samples: Samples) -> Reading:
    """Analyse a song, float32 [frames, channels], with the engine of the analysis service."""
    result = LibrosaEngine().analyse(_Memory(samples), frozenset({"tempo", "key"}), lambda share: None)
    return Reading(result["tempo"], result["key"], result["beats"])


def librosa_reading(samples: Samples) -> Reading:
    """Analyse a song, float32 [frames, channels], with librosa and the key templates of Krumhansl and Kessler."""
    mono = librosa.resample(samples.mean(axis=1), orig_sr=RATE_HZ, target_sr=ANALYSIS_RATE_HZ)
    tempo, beats = librosa.beat.beat_track(y=mono, sr=ANALYSIS_RATE_HZ, units="time")
    chroma = librosa.feature.chroma_cqt(y=mono, sr=ANALYSIS_RATE_HZ).mean(axis=1)
    fits = [
        (float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]), f"{PITCH_CLASSES[tonic]} {mode}")
        for tonic in range(12)
        for mode, profile in (("major", MAJOR), ("minor", MINOR))
    ]
    return Reading(float(np.atleast_1d(tempo)[0]), max(fits)[1], [float(beat) for beat in beats])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", type=Path, nargs="?", default=SONGS, help=f"folder of songs (default: {SONGS})")
    songs = rendered_songs(parser.parse_args().songs)
    if not songs:
        return
    programs = {"ours": our_reading, "librosa": librosa_reading}
    marks: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in programs}
    print("| song | tempo | ours | librosa | key | ours | librosa | beats: ours | librosa |")
    print("|---|---:|---:|---:|---|---|---|---:|---:|")
    for song in songs:
        samples = np.asarray(np.sum(list(song.stems().values()), axis=0).T, np.float32)
        truth = song.truth
        cells: dict[str, tuple[str, str, str]] = {}
        for name, read in programs.items():
            reading = read(samples)
            exact = tempo_is_close(reading.tempo_bpm, truth["tempo_bpm"])
            octaves = tempo_is_close(reading.tempo_bpm, truth["tempo_bpm"], (1.0, 2.0, 3.0, 1 / 2, 1 / 3))
            key, beats = key_score(reading.key, truth["key"]), beat_f_measure(reading.beats, truth["beats"])
            marks[name].append((float(exact), float(octaves), key, beats))
            cells[name] = (
                f"{reading.tempo_bpm:.1f}{'' if exact else ' ✗'}",
                f"{reading.key}{'' if key == 1.0 else ' ✗'}",
                f"{100 * beats:.0f}",
            )
        ours, theirs = cells["ours"], cells["librosa"]
        print(
            f"| {song.name} | {truth['tempo_bpm']:.1f} | {ours[0]} | {theirs[0]} | {truth['key']} | {ours[1]} "
            f"| {theirs[1]} | {ours[2]} | {theirs[2]} |",
            flush=True,
        )
    print(f"\n| {len(songs)} songs, % | ours | librosa |\n|---|---:|---:|")
    labels = ("tempo within 4 %", "tempo within 4 %, octave errors allowed", "weighted key score", "F-measure of beats")
    for place, label in enumerate(labels):
        means = (f"{100 * np.mean([song[place] for song in marks[name]]):.1f}" for name in programs)
        print(f"| {label} | {' | '.join(means)} |")


if __name__ == "__main__":
    main()
