"""Quality of piano notes on composed pieces: ``python -m dev.bench.piano_quality``.

Each piece is the bass, one accompaniment and the lead of a song of the evaluation split, played by the piano of a SoundFont, with
velocities and with a pedal for most chords. It prints the F-measure of notes (pitch, and onset within 50 ms, by mir_eval) of both
models of notes, that of the pedal's onsets within 100 ms, and the CPU time.

    python -m dev.training.sources
    python -m dev.bench.piano_quality
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections import defaultdict
from pathlib import Path

import mir_eval
import numpy as np

from dev.bench._songs import MemoryRecording, Samples
from dev.bench.note_quality import note_f_measure
from dev.training.composer import compose
from dev.training.mixing import palette_of
from dev.training.score import Score
from dev.training.soundfont import SampledNote, load_font, render_note
from dev.training.sources import SOURCES, Sources
from soundwright.services.analysis.engines.notes import BasicPitchEngine
from soundwright.services.analysis.engines.piano import TranskunEngine

_RATE_HZ = 44_100
_FONTS = ("usr/share/samples/sf_GMbank.sf2", "usr/share/sounds/sf2/TimGM6mb.sf2", "usr/share/sounds/sf2/FluidR3_GM.sf2")
_PART_LIMIT = 3
_LOWEST, _HIGHEST = 28, 100  # MIDI
_REPETITION_SECONDS = 0.06  # between two notes of a key
_PEDAL_SHARE = 0.7  # of chords
_FIRST_SEED = 1000

Notes = list[tuple[float, float, int, int]]  # start, duration, pitch, velocity
Spans = list[tuple[float, float]]  # start, end


def arrangement(score: Score, rng: random.Random) -> tuple[Notes, Spans]:
    """Return the notes of a song for a piano, and when its pedal is down."""
    by_pitch: dict[int, Notes] = defaultdict(list)
    parts = {part.role: part for part in reversed(score.parts) if part.stem != "drums" and part.role != "backing"}
    for part in list(parts.values())[-_PART_LIMIT:]:
        loudness = rng.randint(45, 85)
        for note in part.notes:
            pitch = round(note.pitch_midi)
            pitch += 12 * max(0, -(-(_LOWEST - pitch) // 12)) - 12 * max(0, -(-(pitch - _HIGHEST) // 12))
            velocity = loudness + rng.randint(-15, 15)
            by_pitch[pitch].append((note.start_seconds, note.duration_seconds, pitch, velocity))
    notes: Notes = []
    for same in by_pitch.values():
        kept: Notes = []
        for struck in sorted(same):
            if kept and struck[0] - kept[-1][0] < _REPETITION_SECONDS:
                continue
            if kept:
                start, duration, pitch, velocity = kept.pop()
                kept.append((start, min(duration, struck[0] - start - 0.01), pitch, velocity))
            kept.append(struck)
        notes += kept
    changes = [start for start, _ in score.truth.chords] + [score.seconds]
    pedals = [(start + 0.08, end - 0.02) for start, end in itertools.pairwise(changes)]
    return sorted(notes), [(start, end) for start, end in pedals if end - start > 0.3 and rng.random() < _PEDAL_SHARE]


def played(notes: Notes, pedals: Spans, seconds: float, font: Path) -> Samples:
    """Return a recording of a piano, float32 [2, frames]."""
    sounds = load_font(font)
    out = np.zeros((2, round(seconds * _RATE_HZ)), np.float32)
    for start, duration, pitch, velocity in notes:
        end = max([start + duration, *(up for down, up in pedals if down < start + duration < up)])
        end = min([end, *(other[0] for other in notes if other[2] == pitch and other[0] > start)])
        frames = round(start * _RATE_HZ), round((end - start) * _RATE_HZ)
        render_note(out, sounds, sounds.regions(0, 0), SampledNote(*frames, pitch, velocity), _RATE_HZ, 0.5)
    return np.asarray(0.6 / np.abs(out).max() * out, np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=6, help="pieces")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a piece")
    parser.add_argument("--sources", type=Path, default=SOURCES, help="folder of `python -m dev.training.sources`")
    arguments = parser.parse_args()
    palette = palette_of(Sources(arguments.sources), "evaluation")
    engines = {"piano_notes": TranskunEngine(), "notes": BasicPitchEngine()}
    scores: dict[str, list[float]] = defaultdict(list)
    print("| piece | font | transkun | basic-pitch | pedal |\n|---|---|---:|---:|---:|")
    for number in range(arguments.count):
        seed, font = _FIRST_SEED + number, _FONTS[number % len(_FONTS)]
        score = compose(seed, "evaluation", arguments.seconds, palette)
        notes, pedals = arrangement(score, random.Random(seed))
        samples = played(notes, pedals, arguments.seconds, arguments.sources / "packages" / font)
        row = []
        for feature, engine in engines.items():
            engine.load(engine.models[0].name)
            began = time.process_time()
            found = engine.analyse(MemoryRecording(samples, _RATE_HZ), frozenset({feature}), lambda share: None)
            scores[f"CPU {feature}"].append((time.process_time() - began) / arguments.seconds)
            (part,) = found[feature]["parts"]
            row.append(note_f_measure(notes, part["notes"]))
            scores[feature].append(row[-1])
            if "pedals" in part and pedals:
                downs = [np.array([start for start, _ in sorted(spans)]) for spans in (pedals, part["pedals"])]
                scores["pedal"].append(mir_eval.onset.f_measure(*downs, window=0.1)[0])
        cells = " | ".join(f"{100 * score:.0f}" for score in (*row, scores["pedal"][-1]))
        print(f"| {score.truth.style} | {Path(font).stem} | {cells} |", flush=True)
    for name, values in scores.items():
        print(f"{name}: {np.mean(values):.3f}")


if __name__ == "__main__":
    main()
