"""Playing stems: what waveforms and the mix cost a separation, and the time of segments and waveforms.

All files are in a folder. The recording is synthetic stereo music of 44.1 kHz. The times are CPU seconds, because they do not depend on
what else the machine does; those of segments and waveforms include opening the file.

    python -m dev.bench.playback [--minutes 60]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import audio
from soundwright.kit.worker.derived_files import waveform_file
from soundwright.services.separation.stems import StemWriter, write_mix

T = TypeVar("T")

_RATE_HZ = 44_100
_SEGMENT_FRAMES = 5 * _RATE_HZ
_BLOCK_FRAMES = 65_536
_SEGMENT_COUNT = 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="length of the recording (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="playback-bench-") as name:
        report(Path(name), round(options.minutes * 60 * _RATE_HZ))
    return 0


def report(folder: Path, frame_count: int) -> None:
    """Measure, and print the results as a table."""
    stem = folder / "stem.flac"
    block = next(music(_BLOCK_FRAMES))
    drawing_seconds, _ = timed(lambda: draw(block, -(-frame_count // _BLOCK_FRAMES)))
    writing_seconds, _ = timed(lambda: write(stem, frame_count))
    mix_seconds, (_, mix) = timed(
        lambda: write_mix(audio.AudioFile(stem, frame_count=frame_count), folder, lambda share: None)
    )
    waveform = waveform_file(stem).read_bytes()
    segments = [
        timed(lambda start=start: segment(stem, start))  # type: ignore[misc]
        for start in np.linspace(0, frame_count - _SEGMENT_FRAMES, _SEGMENT_COUNT).astype(int).tolist()
    ]
    late_seconds, late = timed(lambda: measured(stem))
    overview_seconds, overview = timed(lambda: audio.coarser_waveform(waveform_file(stem).read_bytes(), 65_536))
    assert len(late) == len(waveform)
    rows = [
        ("write a stem and its waveform", writing_seconds, stem.stat().st_size),
        ("of which the waveform", drawing_seconds, len(waveform)),
        ("decode the stem, write the mix and its waveform", mix_seconds, mix.stat().st_size),
        ("waveform of a stored stem that has none", late_seconds, len(late)),
        ("overview of 65,536 frames per pixel", overview_seconds, len(overview)),
        (
            "a segment, median",
            statistics.median(seconds for seconds, _ in segments),
            int(statistics.median(len(made.data) for _, made in segments)),
        ),
        ("a segment, slowest", max(seconds for seconds, _ in segments), max(len(made.data) for _, made in segments)),
    ]
    print(f"{frame_count / _RATE_HZ / 60:.0f} minutes of stereo, FLAC with 24 bits; the mix has 16.\n")
    print("| work | CPU seconds | bytes |\n|---|---|---|")
    for what, seconds, size_bytes in rows:
        print(f"| {what} | {seconds:.3f} | {size_bytes:,} |")


def draw(block: NDArray[np.float32], block_count: int) -> None:
    waveform = audio.Waveform(_RATE_HZ)
    for _ in range(block_count):
        waveform.add(block)


def write(path: Path, frame_count: int) -> None:
    with StemWriter(path, _RATE_HZ, 2, "flac") as writer:
        for block in music(frame_count):
            writer.write(block)


def music(frame_count: int) -> Iterator[NDArray[np.float32]]:
    """Yield a chord with noise, whose level changes."""
    generator = np.random.default_rng(0)
    times = np.arange(_BLOCK_FRAMES) / _RATE_HZ
    chord = sum(0.1 * np.sin(2 * np.pi * hz * times) for hz in (110.0, 261.6, 329.6, 392.0))
    noise = 0.05 * generator.standard_normal((16, 2, _BLOCK_FRAMES))
    for number, start in enumerate(range(0, frame_count, _BLOCK_FRAMES)):
        level = 0.6 + 0.4 * np.sin(number / 7)
        yield (level * (chord + noise[number % 16]))[:, : frame_count - start].astype(np.float32)


def segment(path: Path, start: int) -> audio.Segment:
    with path.open("rb") as file:
        return audio.encode_segment(file, start, _SEGMENT_FRAMES)


def measured(path: Path) -> bytes:
    with path.open("rb") as file:
        return audio.stored_waveform(file)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds of ``work``, and its result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


if __name__ == "__main__":
    raise SystemExit(main())
