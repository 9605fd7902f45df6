"""``python -m dev.training.render``: render songs with their stems and truth.

A song is a folder ``OUT/SPLIT/NUMBER`` with one FLAC file of 16 bits per stem and ``song.json``. The mix is the sum of the
stems. The same number, split, length and sources give the same files. Songs that exist are skipped, so an interrupted
run resumes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from dev.training.composer import Palette, compose
from dev.training.mixing import Instruments, instruments_of, mix, palette_of
from dev.training.score import STEMS, Score
from dev.training.second_composer import arranged
from dev.training.sources import SOURCES, SPLITS, Sources
from dev.training.voices import RATE_HZ

Samples = NDArray[np.float32]

COMPOSERS = ("first", "second")
"""The composers: ``composer.py`` and ``second_composer.py``."""

_WINDOW_SECONDS = 0.1
_SILENCE_DB = -50.0


def song_folder(out: Path, split: str, number: int) -> Path:
    """Return the folder of a song."""
    return out / split / f"{number:06d}"


def song_seconds(number: int, seconds: float, spread: float) -> float:
    """Return the length of a song: ``seconds``, plus or minus up to ``spread``."""
    return round(seconds + spread * float(np.random.default_rng([5, number]).uniform(-1, 1)), 2)


def activity(samples: Samples) -> list[tuple[float, float]]:
    """Return when a stem sounds: start and end in seconds, where its level exceeds -50 dB of full scale."""
    size = round(_WINDOW_SECONDS * RATE_HZ)
    count = samples.shape[1] // size
    power = np.mean(samples[:, : count * size].astype(np.float64) ** 2, axis=0).reshape(count, size).mean(axis=1)
    loud = np.concatenate([[False], power > 10 ** (_SILENCE_DB / 10), [False]])
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    return [
        (round(int(start) * _WINDOW_SECONDS, 1), round(int(end) * _WINDOW_SECONDS, 1))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def write_song(folder: Path, score: Score, stems: Mapping[str, Samples], split: str) -> None:
    """Write a song, so that a reader finds all of its files or no folder."""
    draft = folder.parent.parent / ".drafts" / f"{split}-{folder.name}-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for stem in STEMS:
        soundfile.write(draft / f"{stem}.flac", stems[stem].T, RATE_HZ, subtype="PCM_16", compression_level=0.3)
    truth = {
        "split": split,
        "seed": score.seed,
        "seconds": score.seconds,
        "sample_rate_hz": RATE_HZ,
        **asdict(score.truth),
        "activity": {stem: activity(stems[stem]) for stem in STEMS},
        "parts": [
            {
                "role": part.role, "stem": part.stem, "kind": part.kind, "source": part.source, "program": part.program,
                "notes": [(note.start_seconds, note.duration_seconds, note.pitch_midi) for note in part.notes],
            }
            for part in score.parts
        ],
        "melody": [
            (note.start_seconds, note.duration_seconds, note.pitch_midi)
            for part in score.parts
            if part.role == "voice"
            for note in part.notes
        ],
    }  # fmt: skip
    (draft / "song.json").write_text(json.dumps(truth, indent=1) + "\n")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.rename(folder)
    except OSError:
        # Another process wrote the same song.
        shutil.rmtree(draft)


def render_song(
    number: int,
    out: Path,
    split: str,
    seconds: float,
    spread: float,
    sounds: tuple[Palette, Instruments],
    composer: str = COMPOSERS[0],
) -> tuple[float, float]:
    """Render one song, unless it exists. Return its length, and the seconds of processor time that it took."""
    folder = song_folder(out, split, number)
    if folder.exists():
        return 0.0, 0.0
    began = time.process_time()
    palette, instruments = sounds
    length = song_seconds(number, seconds, spread)
    is_first = composer == COMPOSERS[0]
    score = compose(number, split, length, palette) if is_first else arranged(number, length, palette)
    write_song(folder, score, mix(score, instruments), split)
    return length, time.process_time() - began


def _render_with(
    folder: Path, out: Path, split: str, seconds: float, spread: float, composer: str, number: int
) -> tuple[float, float]:
    """Render one song in a worker process, which keeps its sounds for the next one."""
    catalogue = Sources(folder)
    return render_song(
        number, out, split, seconds, spread, (palette_of(catalogue, split), instruments_of(catalogue, split)), composer
    )


def _render_all(arguments: argparse.Namespace) -> Iterator[tuple[float, float]]:
    task = partial(
        _render_with,
        arguments.sources,
        arguments.out,
        arguments.split,
        arguments.seconds,
        arguments.spread,
        arguments.composer,
    )
    numbers = range(arguments.first, arguments.first + arguments.count)
    if arguments.workers <= 1:
        yield from map(task, numbers)
        return
    with ProcessPoolExecutor(arguments.workers) as pool:
        yield from pool.map(task, numbers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the songs")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument(
        "--composer",
        choices=COMPOSERS,
        default=COMPOSERS[0],
        help="who writes the songs; training has the first one alone",
    )
    parser.add_argument("--count", type=int, default=24, help="songs")
    parser.add_argument("--first", type=int, default=0, help="number of the first song, which is its seed")
    parser.add_argument("--seconds", type=float, default=30.0, help="mean length of a song")
    parser.add_argument("--spread", type=float, default=0.0, help="lengths vary by up to this many seconds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--sources", type=Path, default=SOURCES, help="folder of `python -m dev.training.sources`")
    arguments = parser.parse_args()
    palette = palette_of(Sources(arguments.sources), arguments.split)
    if not (palette.fonts and palette.kits and palette.voices):
        print("The sources are missing. Fetch them first: python -m dev.training.sources", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    rendered, used = 0.0, 0.0
    for done, (length, spent) in enumerate(_render_all(arguments), start=1):
        rendered, used = rendered + length, used + spent
        if done % 10 == 0 or done == arguments.count:
            speed = f", {rendered / used:.1f} x real time per core" if used else ""
            print(f"{done} of {arguments.count} songs{speed}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
