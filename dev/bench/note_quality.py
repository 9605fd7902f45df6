"""Quality of notes, melody and vocal activity on rendered songs with known notes: ``python -m dev.bench.note_quality``.

It prints the F-measure of notes (pitch, and onset within 50 ms), the raw pitch accuracy of the melody (within 50 cents), both by
mir_eval, and the F-measure of vocal activity by time. The engines read the true stems, those that a model separates, and the
mix. The truth of the melody is the lead voice where no other voice sings.

    make evaluation-songs
    python -m dev.bench.note_quality build/songs/evaluation
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import soundfile
from numpy.typing import NDArray

from dev.bench._songs import SONGS, STEMS, MemoryRecording, RenderedSong, rendered_songs
from dev.bench.separation_quality import mix_of
from soundwright.kit.scratch import process_folder
from soundwright.services.analysis.engines.melody import SwiftF0Engine
from soundwright.services.analysis.engines.notes import BasicPitchEngine
from soundwright.services.analysis.engines.vocal_activity import VocalLevelEngine
from soundwright.services.analysis.service import Engine, Recording
from soundwright.services.analysis.signals import StemSum
from soundwright.services.separation.registry import build_registry
from soundwright.services.separation.settings import SeparationSettings

Samples = NDArray[np.float32]
Notes = Sequence[Sequence[float]]

_RATE_HZ = 44_100
_STEP_SECONDS = 0.01
_BREATH_SECONDS = 0.3  # a shorter gap between sung notes is part of the singing
_TOGETHER_SECONDS = 0.05
_NOTE_STEMS = ("bass", "other", "vocals")
_CENTS = 100 * 12


def notes_of(song: RenderedSong, stem: str, roles: Iterable[str] = ()) -> list[tuple[float, float, int]]:
    """Return the notes of a stem: start, duration and pitch. A note that several instruments play at the same time is one note."""
    notes: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
    for start, duration, pitch in sorted(
        (start, duration, pitch)
        for part in song.truth["parts"]
        if part["stem"] == stem and (not roles or part["role"] in roles)
        for start, duration, pitch in part["notes"]
    ):
        if not notes[pitch] or start - notes[pitch][-1][0] > _TOGETHER_SECONDS:
            notes[pitch].append((start, duration, pitch))
    return sorted(note for same in notes.values() for note in same)


def note_f_measure(true: Notes, measured: Notes) -> float:
    """Return the F-measure of notes with the same pitch, whose onsets are at most 50 ms away."""
    if not measured:
        return 0.0
    (times, pitches), (true_times, true_pitches) = _for_mir_eval(measured), _for_mir_eval(true)
    scores = mir_eval.transcription.precision_recall_f1_overlap(
        true_times, true_pitches, times, pitches, offset_ratio=None
    )
    return float(scores[2])


def _for_mir_eval(notes: Notes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = np.array([note[:3] for note in notes], np.float64)
    return np.stack([table[:, 0], table[:, 0] + np.maximum(table[:, 1], 0.01)], axis=1), _hz(table[:, 2])


def _hz(pitch_midi: Any) -> Any:
    return 440.0 * 2.0 ** ((np.asarray(pitch_midi) - 69) / 12)


def pitch_accuracy(lead: Notes, others: Notes, melody: Mapping[str, Any]) -> float | None:
    """Return the share of time, within the notes of the lead and outside those of others, with the right pitch; None if there is none."""
    measured = np.asarray(melody["frequency_hz"])
    times = np.arange(len(measured)) * melody["hop_seconds"]
    true = np.zeros(len(times))
    for start, duration, pitch in lead:
        true[(times >= start) & (times < start + duration)] = _hz(pitch)
    for start, duration, _ in others:
        true[(times >= start) & (times < start + duration)] = 0.0
    if not true.any():
        return None
    cents = [_CENTS * np.log2(np.maximum(hz, 1.0)) for hz in (true, measured)]
    return float(mir_eval.melody.raw_pitch_accuracy(true > 0, cents[0], measured > 0, cents[1]))


def activity(spans: Iterable[Sequence[float]], seconds: float, breath_seconds: float = 0.0) -> NDArray[np.bool_]:
    """Return where a voice sings, in steps of 10 ms, for spans of start and end. Shorter gaps than a breath are closed."""
    active = np.zeros(round(seconds / _STEP_SECONDS), np.bool_)
    last = -1e9
    for start, end in sorted((span[0], span[1]) for span in spans):
        begin = last if start - last < breath_seconds else start
        active[round(begin / _STEP_SECONDS) : round(end / _STEP_SECONDS)] = True
        last = max(last, end)
    return active


def separated(song: RenderedSong, model: str) -> Mapping[str, Samples]:
    """Return the stems that a model finds in the mix. They are kept beside the song for the next run."""
    folder = song.folder / f"separated-{model}"
    if not folder.exists():
        registry = build_registry(SeparationSettings())
        found: dict[str, list[Samples]] = defaultdict(list)
        with registry.use(model) as engine:
            for block in engine.separate(MemoryRecording(mix_of(song.stems()), _RATE_HZ), model):
                for name, samples in block.items():
                    found[name].append(samples)
        with process_folder(song.folder) as draft:
            for name in STEMS:
                soundfile.write(
                    draft / f"{name}.flac", np.concatenate(found[name], axis=1).T, _RATE_HZ, subtype="PCM_24"
                )
            draft.rename(folder)
    return RenderedSong(folder).stems()


class Meter:
    """Runs the engines and measures their CPU time."""

    def __init__(self) -> None:
        self._engines: Mapping[str, Engine] = {
            engine.models[0].outputs[0]: engine for engine in (BasicPitchEngine(), SwiftF0Engine(), VocalLevelEngine())
        }
        for engine in self._engines.values():
            engine.load(engine.models[0].name)
        self.cpu_seconds: dict[str, float] = defaultdict(float)
        self.read_seconds: dict[str, float] = defaultdict(float)

    def measure(self, feature: str, stems: Mapping[str, Samples]) -> Any:
        """Return a feature of stems, or of the mix, which is a stem of that name."""
        parts: dict[str, Recording] = {name: MemoryRecording(samples, _RATE_HZ) for name, samples in stems.items()}
        recording = parts["mix"] if "mix" in parts else StemSum(parts)
        began = time.process_time()
        values = self._engines[feature].analyse(recording, frozenset({feature}), lambda share: None)[feature]
        self.cpu_seconds[feature] += time.process_time() - began
        self.read_seconds[feature] += recording.frame_count / _RATE_HZ
        return values


def scores_of(song: RenderedSong, stems: Mapping[str, Samples], meter: Meter) -> dict[str, float]:
    """Return the scores of the features, read from stems or from a mix."""
    is_mix = "mix" in stems
    scores: dict[str, float] = {}
    read = stems if is_mix else {name: stems[name] for name in _NOTE_STEMS}
    for part in meter.measure("notes", read)["parts"]:
        true = [note for stem in (_NOTE_STEMS if is_mix else (part["name"],)) for note in notes_of(song, stem)]
        if true:
            scores[f"notes of {part['name']}"] = note_f_measure(true, part["notes"])
    voice = stems if is_mix else {"vocals": stems["vocals"]}
    lead = notes_of(song, "vocals", ("voice",))
    if lead:
        others = [note for note in notes_of(song, "vocals") if note not in lead]
        accuracy = pitch_accuracy(lead, others, meter.measure("melody", voice))
        if accuracy is not None:
            scores["melody"] = accuracy
    if not is_mix:
        found = meter.measure("vocal_activity", voice)["segments"]
        sung = [(start, start + duration) for start, duration, _ in notes_of(song, "vocals")]
        seconds = song.truth["seconds"]
        true_steps = activity(sung, seconds, _BREATH_SECONDS)
        steps = activity([(span["start_seconds"], span["end_seconds"]) for span in found], seconds)
        scores["sung steps"], scores["found steps"] = float(true_steps.sum()), float(steps.sum())
        scores["right steps"] = float((true_steps & steps).sum())
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", type=Path, nargs="*", default=[SONGS], help=f"folders of songs (default: {SONGS})")
    parser.add_argument("--model", default="spleeter-with-small", help="separates the stems")
    arguments = parser.parse_args()
    songs = [song for folder in arguments.songs for song in rendered_songs(folder)]
    if not songs:
        return
    meter = Meter()
    columns: dict[str, dict[str, list[float]]] = {}
    for song in songs:
        true = song.stems()
        for column, stems in {
            "true stems": true,
            "separated stems": separated(song, arguments.model),
            "mix": {"mix": mix_of(true)},
        }.items():
            found = columns.setdefault(column, defaultdict(list))
            for name, score in scores_of(song, stems, meter).items():
                found[name].append(score)
        print(f"{song.name} done", flush=True)
    print(f"\n| {len(songs)} songs, % | {' | '.join(columns)} |\n|---{'|---:' * len(columns)}|")
    for name in (*(f"notes of {stem}" for stem in (*_NOTE_STEMS, "mix")), "melody"):
        cells = [f"{100 * np.mean(found[name]):.0f}" if found[name] else "" for found in columns.values()]
        print(f"| {name} | {' | '.join(cells)} |")
    sums = [[sum(found[f"{kind} steps"]) for kind in ("right", "found", "sung")] for found in columns.values()]
    cells = [f"{200 * right / (found_steps + sung):.0f}" if sung else "" for right, found_steps, sung in sums]
    print(f"| vocal activity | {' | '.join(cells)} |\n\n| CPU time, % of the recording | |\n|---|---:|")
    for feature, cpu_seconds in meter.cpu_seconds.items():
        print(f"| {feature} | {100 * cpu_seconds / meter.read_seconds[feature]:.1f} |")


if __name__ == "__main__":
    main()
