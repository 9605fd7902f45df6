"""Quality of analysis on rendered songs that no method was developed with: ``python -m dev.bench.analysis_quality``.

Compares the analysis with plain calls of librosa. It prints the share of songs whose tempo is within 4 %, also if
errors of the octave are allowed, the weighted key score of MIREX, and the F-measure of beats within 70 ms. Then it prints the
share of time with the right major or minor chord, the F-measures of downbeats within 70 ms and of boundaries of sections within 3 s,
all as ``mir_eval`` defines them, and the CPU time of all features.

    make evaluation-songs
    python -m dev.bench.analysis_quality build/songs/evaluation
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import librosa
import mir_eval
import numpy as np
from numpy.typing import NDArray

from dev.bench._songs import SONGS, MemoryRecording, rendered_songs
from dev.bench.analysis import ANALYSIS_RATE_HZ, MAJOR, MINOR, RATE_HZ
from soundwright.services.analysis.engines.chords import ChordEngine
from soundwright.services.analysis.engines.librosa_engine import FEATURES, LibrosaEngine
from soundwright.services.generation.engines.procedural.score import PITCH_CLASSES

Samples = NDArray[np.float32]

_TOLERANCE = 0.04
_BEAT_WINDOW_SECONDS = 0.07
_QUALITIES = {"": "maj", "m": "min", "m7": "min7", "m7b5": "hdim7"}  # of Harte's syntax; other names are the same
_FLATS: Mapping[str, str] = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}


@dataclass(frozen=True)
class Reading:
    """A song as a program measures it. Chords and sections are given with their start; None is what a program does not measure."""

    tempo_bpm: float
    key: str
    beats: Sequence[float]
    chords: Sequence[tuple[float, str]] = ()
    downbeats: Sequence[float] | None = None
    sections: Sequence[float] | None = None
    cpu_seconds: dict[str, float] = field(default_factory=dict)


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


def chord_score(measured: Sequence[tuple[float, str]], truth: Mapping[str, Any]) -> float:
    """Return the share of time with the right major or minor chord."""
    true = [(start, _harte(name)) for start, name in truth["chords"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        intervals, labels = _intervals(true, truth["seconds"])
        ours, names = mir_eval.util.adjust_intervals(
            *_intervals(measured, truth["seconds"]), intervals.min(), intervals.max(), "N", "N"
        )
        merged, expected, found = mir_eval.util.merge_labeled_intervals(intervals, labels, ours, names)
        weights = mir_eval.util.intervals_to_durations(merged)
        return float(mir_eval.chord.weighted_accuracy(mir_eval.chord.majmin(expected, found), weights))


def section_f_measure(measured: Sequence[float], truth: Mapping[str, Any]) -> float:
    """Return the F-measure of boundaries within 3 s, without the beginning and the end."""
    spans = [
        _intervals([(0.0, ""), *((start, "") for start in starts[1:])], truth["seconds"])[0]
        for starts in ([start for start, _ in truth["sections"]], measured)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(mir_eval.segment.detection(*spans, window=3.0, trim=True)[2])


def _intervals(starts: Sequence[tuple[float, str]], end: float) -> tuple[NDArray[np.float64], list[str]]:
    edges = [*(start for start, _ in starts), max(end, starts[-1][0] + 0.01)]
    return np.stack([edges[:-1], edges[1:]], axis=1), [name for _, name in starts]


def _harte(name: str) -> str:
    """Return a chord of the truth, for example ``Fm7``, in Harte's syntax."""
    found = re.fullmatch(r"([A-G][#b]?)(.*)", name)
    assert found is not None, name
    return f"{found[1]}:{_QUALITIES.get(found[2], found[2])}"


def our_reading(samples: Samples, features: frozenset[str] = frozenset({"tempo", "key"})) -> Reading:
    """Analyse a song, float32 [frames, channels], with the engines of the analysis service."""
    recording, started = MemoryRecording(samples.T, RATE_HZ), time.process_time()
    result = LibrosaEngine().analyse(recording, features - {"chords"}, lambda share: None)
    cpu_seconds = {"without chords": time.process_time() - started}
    if "chords" in features:
        engine = ChordEngine()
        engine.load("chord-net")
        started = time.process_time()
        result |= engine.analyse(recording, frozenset({"chords"}), lambda share: None)
        cpu_seconds["chords"] = time.process_time() - started
    chords, sections = (result.get(name, {}).get("segments", ()) for name in ("chords", "sections"))
    return Reading(
        result["tempo"],
        result["key"],
        result["beats"],
        [(each["start_seconds"], each["chord"]) for each in chords],
        result.get("bars", {}).get("downbeats"),
        [each["start_seconds"] for each in sections] or None,
        cpu_seconds,
    )


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
    return Reading(
        float(np.atleast_1d(tempo)[0]), max(fits)[1], [float(beat) for beat in beats], librosa_chords(mono, beats)
    )


def librosa_chords(mono: Samples, beats: Sequence[float]) -> list[tuple[float, str]]:
    """Return the major or minor triad whose template fits the chroma of each beat best, for a signal at 22050 Hz."""
    chroma = librosa.feature.chroma_cqt(y=mono, sr=ANALYSIS_RATE_HZ)
    frames = librosa.time_to_frames(beats, sr=ANALYSIS_RATE_HZ)
    synced = librosa.util.sync(chroma, frames, aggregate=np.median)
    names, templates = [], []
    for tonic, pitch in enumerate(PITCH_CLASSES):
        for quality, third in (("maj", 4), ("min", 3)):
            names.append(f"{pitch}:{quality}")
            templates.append(np.isin(np.arange(12), [tonic, (tonic + third) % 12, (tonic + 7) % 12]) / np.sqrt(3))
    best = (np.stack(templates) @ synced).argmax(axis=0)
    return [(start, names[place]) for start, place in zip([0.0, *beats], best, strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", type=Path, nargs="?", default=SONGS, help=f"folder of songs (default: {SONGS})")
    songs = rendered_songs(parser.parse_args().songs)
    if not songs:
        return
    every = frozenset({*FEATURES, "chords"})
    programs = {"ours": lambda samples: our_reading(samples, every), "librosa": librosa_reading}
    form: dict[str, list[tuple[float, float, float]]] = {name: [] for name in programs}
    costs: list[dict[str, float]] = []
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
            form[name].append(_form_scores(reading, truth))
            if name == "ours":
                costs.append({part: spent / truth["seconds"] for part, spent in reading.cpu_seconds.items()})
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
    form_labels = (
        "major and minor chords, share of time",
        "F-measure of downbeats",
        "F-measure of sections within 3 s",
    )
    for place, label in enumerate(form_labels):
        means = (f"{100 * _mean([song[place] for song in form[name]]):.1f}" for name in programs)
        print(f"| {label} | {' | '.join(means)} |".replace("nan", "-"))
    for part in costs[0]:
        print(f"CPU time, {part}: {np.mean([cost[part] for cost in costs]):.3f} of real time")


def _form_scores(reading: Reading, truth: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the scores of chords, downbeats and sections; NaN for what the program or the truth has not."""
    nan = float("nan")
    return (
        chord_score(reading.chords, truth) if reading.chords and truth["chords"] else nan,
        beat_f_measure(reading.downbeats, truth["downbeats"]) if reading.downbeats is not None else nan,
        section_f_measure(reading.sections, truth)
        if reading.sections is not None and len(truth["sections"]) > 1
        else nan,
    )


def _mean(scores: Sequence[float]) -> float:
    known = [score for score in scores if not np.isnan(score)]
    return float(np.mean(known)) if known else float("nan")


if __name__ == "__main__":
    main()
