"""Corrections of an analysis in exports."""

import pytest

from soundwright.library.v1 import track_pb2 as pb
from soundwright.services.gateway.corrections import corrected


def segment(start: float, end: float, chord: str, label: str, confidence: float = 0.5) -> dict[str, object]:
    return {"start_seconds": start, "end_seconds": end, "chord": chord, "label": label, "confidence": confidence}


def test_a_chord_replaces_what_was_there() -> None:
    detected = [segment(0, 2, "C:maj", "C"), segment(2, 4, "F:maj", "F"), segment(4, 8, "G:maj", "G")]
    chords = [pb.ChordCorrection(start_seconds=1, end_seconds=5, label="Am7")]
    values = corrected({"chords": {"segments": detected, "source": "mix"}}, pb.Corrections(chords=chords))
    assert values["chords"]["source"] == "mix"
    assert values["chords"]["segments"] == [
        segment(0, 1, "C:maj", "C"), segment(1, 5, "A:min7", "Am7", 1.0), segment(5, 8, "G:maj", "G"),
    ]  # fmt: skip


def test_a_chord_within_a_chord_leaves_both_sides_of_it() -> None:
    chords = [pb.ChordCorrection(start_seconds=1, end_seconds=2, label="N.C.")]
    values = corrected({"chords": {"segments": [segment(0, 4, "C:maj", "C")]}}, pb.Corrections(chords=chords))
    assert [(one["start_seconds"], one["end_seconds"], one["chord"]) for one in values["chords"]["segments"]] == [
        (0, 1, "C:maj"), (1, 2, "N"), (2, 4, "C:maj"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("downbeats", "bar_one", "expected"),
    [
        ([0.0, 2.0, 4.0], 2.6, [0.5, 2.5, 4.5]),
        ([1.0, 3.0], 0.4, [0.5, 2.5, 4.5]),
        ([0.0, 2.0], 5.4, [1.5, 3.5, 5.5]),
        ([], 1.0, [1.0, 3.0, 5.0]),
    ],
)
def test_bars_move_with_bar_one(downbeats: list[float], bar_one: float, expected: list[float]) -> None:
    beats = [0.5 * beat for beat in range(12)]
    bars = {"bars": {"beats_per_bar": 4, "downbeats": downbeats}} if downbeats else {}
    values = corrected({"beats": beats, **bars}, pb.Corrections(bar_one_seconds=bar_one))
    assert values["bars"]["downbeats"] == expected


def test_without_corrections_nothing_changes() -> None:
    values = {"tempo": 120.0, "beats": [0.0, 0.5], "bars": {"beats_per_bar": 4, "downbeats": [0.0]}}
    assert corrected(values, pb.Corrections()) == values
    assert corrected({}, pb.Corrections(bar_one_seconds=1.0)) == {}
