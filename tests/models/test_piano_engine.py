"""The ``transkun`` engine, with the weights that the installation contains."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from soundwright.kit.errors import AppError
from soundwright.kit.packaged_weights import PackagedWeights
from soundwright.services.analysis.engines.piano import TranskunEngine
from soundwright.services.analysis.engines.piano import engine as piano
from soundwright.services.analysis.engines.piano.decoder import Note, best_intervals
from soundwright.services.analysis.engines.piano.models import TRANSKUN
from soundwright.services.analysis.service import Samples
from tests.models.recordings import ArrayMix

pytestmark = pytest.mark.usefixtures("one_thread")
RATE_HZ = 44_100
PLAYED = ((0.5, 0.9, 60), (1.5, 1.0, 64), (1.5, 1.0, 67), (2.6, 0.5, 60))


def struck(notes: tuple[tuple[float, float, int], ...], seconds: float) -> ArrayMix:
    """Return strings that are struck and damped: start, duration and pitch."""
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    for start, duration, pitch in notes:
        times = np.arange(round(duration * RATE_HZ)) / RATE_HZ
        damped = np.minimum(1.0, (duration - times) / 0.03)
        for partial in range(1, 9):
            hz = 440.0 * 2.0 ** ((pitch - 69) / 12) * partial * np.sqrt(1 + 4e-4 * partial**2)
            wave = np.sin(2 * np.pi * hz * times) * np.exp(-(1.5 + partial) * times) / partial * damped
            first = round(start * RATE_HZ)
            samples[first : first + times.size] += (0.2 * wave).astype(np.float32)
    return ArrayMix(np.stack([samples, samples]), RATE_HZ)


def test_the_notes_of_a_short_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piano, "_LEAD", 0)  # one segment, to save time
    engine = TranskunEngine()
    engine.load("transkun")
    shares: list[float] = []
    found = engine.analyse(struck(PLAYED, 3.5), frozenset({"piano_notes"}), shares.append)
    (part,) = found["piano_notes"]["parts"]
    assert part["name"] == "mix"
    assert sorted((round(note[0], 1), note[2]) for note in part["notes"]) == [
        (start, pitch) for start, _, pitch in PLAYED
    ]
    assert sorted(note[1] for note in part["notes"]) == pytest.approx([0.5, 0.9, 1.0, 1.0], abs=0.1)
    assert all(40 < note[3] < 100 for note in part["notes"])
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    engine.unload("transkun")
    silence = engine.analyse(ArrayMix(np.zeros((1, 100), np.float32), 8000), frozenset({"piano_notes"}), shares.append)
    assert silence["piano_notes"]["parts"] == [{"name": "mix", "notes": [], "pedals": []}], "no network is needed"


def test_intervals_have_the_largest_sum_of_scores() -> None:
    frames, firsts = 5, [0, 0, 2]
    scores = torch.randn(3, frames, 2 * 4 + 1, generator=torch.Generator().manual_seed(1)) * 2
    for track, found in enumerate(best_intervals(scores, firsts)):
        ends, begins, single = scores[track].split((4, 4, 1), dim=1)
        gains = {
            (first, last): float(
                single[first, 0] if first == last else (last - first) * (ends[last] / 2) @ begins[first]
            )
            for first, last in itertools.combinations_with_replacement(range(firsts[track], frames), 2)
        }
        allowed = [
            chosen
            for count in range(len(gains) + 1)
            for chosen in itertools.combinations(gains, count)
            if all(one[1] <= other[0] for one, other in itertools.pairwise(chosen))
        ]
        assert tuple(found) == max(allowed, key=lambda chosen: sum(gains[each] for each in chosen))


def test_a_long_recording_is_read_segment_by_segment_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class Noise(ArrayMix):
        def blocks(self, block_frames: int) -> Iterator[Samples]:
            for number, block in enumerate(super().blocks(block_frames)):
                read.append(number * block_frames)
                yield block

    def report(share: float) -> None:
        if share > 0.3:
            raise InterruptedError

    monkeypatch.setattr("soundwright.services.analysis.engines.piano.decoder.decode", lambda *_: ([], [0] * 90))
    engine = TranskunEngine()
    engine._network = lambda _: None
    noise = np.random.default_rng(1).normal(0, 0.1, (1, 60 * RATE_HZ)).astype(np.float32)
    with pytest.raises(InterruptedError):
        engine.analyse(Noise(noise, RATE_HZ), frozenset({"piano_notes"}), report)
    assert 16 * RATE_HZ < read[-1] < 26 * RATE_HZ, "the end of the third segment, which ends after 24 seconds"


def test_segments_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_SEGMENT": 10, "_LEAD": 4, "_FRAME": 3, "_HOP_FRAMES": 2}.items():
        monkeypatch.setattr(piano, name, value)
    signal = np.arange(1, 14, dtype=np.float32)[None]
    found = [segment[0].tolist() for segment in piano._segments(iter(np.array_split(signal, 4, axis=1)), 1)]
    padded = [0.0] * 4 + signal[0].tolist() + [0.0] * 20
    assert found == [padded[start : start + 10] for start in (0, 6, 12, 18)]


def test_a_note_goes_on_in_the_next_segment() -> None:
    joiner = piano._Joiner()
    joiner.push([Note(10, 50, 60, 80, True, False), Note(20, 30, -64, 127, True, True)], 0.0)
    joiner.push(
        [Note(0, 25, 60, 70, False, True), Note(25, 40, 60, 90, True, True), Note(0, 4, 70, 9, False, True)], 40.0
    )
    assert sorted(joiner.finish(), key=lambda note: note.start) == [
        Note(10, 65, 60, 80, True, True), Note(20, 30, -64, 127, True, True), Note(65, 80, 60, 90, True, True)
    ]  # fmt: skip
    assert piano._public(joiner.finish()) == {
        "notes": [[0.232, 1.277, 60, 80], [1.509, 0.349, 60, 90]],
        "pedals": [[0.464, 0.233]],
    }


def test_the_file_of_the_package_becomes_the_declared_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "transkun.safetensors"
    monkeypatch.setattr(PackagedWeights, "path", target)
    TranskunEngine().load("transkun")
    assert target.stat().st_size == TRANSKUN.files[0].size_bytes
    target.unlink()
    monkeypatch.setattr(PackagedWeights, "package_files", lambda _: None)
    assert not TranskunEngine().is_present("transkun")
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        TranskunEngine().load("transkun")
