"""Songs for training and evaluation: their truth, and what the splits share."""

from typing import Any

import numpy as np
import pytest

from dev.training import render
from dev.training.composer import HELD_OUT_PROGRAMS, Palette, Voice, compose
from dev.training.sources import KITS, VOICES
from dev.training.styles import MODES, STYLES

PALETTE = Palette(
    ("one", "two"),
    (("kit", "acoustic"), ("machine", "electronic"), ("hands", "percussion")),
    (Voice("alto", 200.0, 40), Voice("bass", 110.0, 40)),
)


@pytest.mark.parametrize("style", STYLES)
def test_the_truth_of_a_song_is_consistent_and_follows_from_seed_and_split(style: str) -> None:
    score = compose(7, "train", 25.0, PALETTE, style)
    assert score == compose(7, "train", 25.0, PALETTE, style)
    assert score.parts != compose(8, "train", 25.0, PALETTE, style).parts
    assert score.parts != compose(7, "evaluation", 25.0, PALETTE, style).parts
    truth = score.truth
    beats = np.array(truth.beats)
    assert np.all(np.diff(beats) > 0)
    assert (beats[0] < 0.3, beats[-1] < 25.0) == (True, True)
    assert np.median(60 / np.diff(beats)) == pytest.approx(truth.tempo_bpm, rel=0.001)
    assert STYLES[style].bpm[0] * 0.95 < truth.tempo_bpm < STYLES[style].bpm[1] * 1.05
    assert np.array_equal(truth.downbeats, beats[:: truth.meter[0]])
    assert truth.key.endswith("minor") == (MODES[truth.mode][2] == 3)
    assert all(0 <= note.start_seconds < 25.0 for part in score.parts for note in part.notes)
    assert all(0 < note.pitch_midi < 128 and 0 < note.velocity < 128 for part in score.parts for note in part.notes)


def test_splits_share_no_sounds_and_progressions() -> None:
    """Only songs for training have synthesizers and percussion, and textures beside the programs of the style."""
    for sources in (KITS, VOICES):
        names = {split: {source.name for source in sources if source.split == split} for split in render.SPLITS}
        assert all(names.values())
        assert not names["train"] & (names["validation"] | names["evaluation"])
        assert not names["validation"] & names["evaluation"]
    programs: dict[str, set[int]] = {}
    chords: dict[str, set[Any]] = {}
    for split in render.SPLITS:
        is_train = split == "train"
        parts = [part for seed in range(15) for part in compose(seed, split, 8.0, PALETTE, "punk").parts]
        basses = {part.kind for part in parts if part.stem == "bass"}
        assert basses == ({"font", "synthesizer", "string"} if is_train else {"font"})
        assert any(part.kind == "percussion" for part in parts) == is_train
        assert any(part.effects.get("grains") for part in parts if part.stem == "other") == is_train
        programs[split] = {part.program for part in parts if part.kind == "font"}
        metal = [compose(seed, split, 12.0, PALETTE, "metal").truth for seed in range(10)]
        chords[split] = {tuple(name for _, name in truth.chords[:4]) for truth in metal}
    assert programs["validation"] <= HELD_OUT_PROGRAMS
    assert not programs["train"] & HELD_OUT_PROGRAMS
    assert not chords["train"] & chords["evaluation"]
