"""Songs for training and evaluation: composition, rendering, and the files of a song."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from training_sounds import write_sources

from training import render
from training.composer import HELD_OUT_PROGRAMS, Palette, Voice, compose
from training.mixing import CEILING, instruments_of, mix, palette_of
from training.score import STEMS
from training.second_composer import STYLE_NAMES, arranged
from training.sources import KITS, VOICES, Catalogue
from training.styles import EVALUATION_STYLES, MODES, STYLES
from training.voices import RATE_HZ

PALETTE = Palette(
    ("one", "two"),
    (("kit", "acoustic"), ("machine", "electronic"), ("hands", "percussion")),
    (Voice("alto", 200.0, 40), Voice("bass", 110.0, 40)),
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(write_sources(tmp_path_factory.mktemp("sources")))


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
        parts = [part for seed in range(40) for part in compose(seed, split, 8.0, PALETTE, "punk").parts]
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


@pytest.mark.parametrize("style", ["pop", "metal", None])
def test_a_mix_is_the_sum_of_audible_stems_and_does_not_clip(catalogue: Catalogue, style: str | None) -> None:
    """Without a style, the second composer writes the song."""
    palette = palette_of(catalogue, "train")
    score = compose(1, "train", 6.0, palette, style) if style else arranged(0, 6.0, palette)
    stems, again = (mix(score, instruments_of(catalogue, "train")) for _ in range(2))
    assert list(stems) == list(STEMS)
    assert 0.1 < np.max(np.abs(sum(stems.values()))) <= CEILING + 0.005
    for stem, samples in stems.items():
        assert samples.shape == (2, 6 * RATE_HZ)
        assert bool(render.activity(samples)) == any(part.stem == stem for part in score.parts)
        assert np.array_equal(samples, again[stem])


def rendered(sources: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    arguments = ["--count", "2", "--seconds", "2", "--workers", "1", "--sources", str(sources), *options]
    monkeypatch.setattr("sys.argv", ["render", str(out), *arguments])
    return render.main()


def test_songs_are_files_with_truth_and_an_interrupted_run_resumes(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rendered(tmp_path / "none", tmp_path, monkeypatch) == 1
    assert "python -m training.sources" in capsys.readouterr().err
    assert rendered(catalogue.folder, tmp_path, monkeypatch) == 0
    folder = tmp_path / "train" / "000001"
    truth = json.loads((folder / "song.json").read_text())
    assert (truth["split"], truth["seed"], truth["seconds"]) == ("train", 1, 2.0)
    for stem in STEMS:
        samples, rate = soundfile.read(folder / f"{stem}.flac", always_2d=True)
        assert (rate, samples.shape) == (RATE_HZ, (2 * RATE_HZ, 2))
        assert bool(truth["activity"][stem]) == bool(np.any(np.abs(samples) > 0.01))
    # Finished songs stay as they are, and missing ones are rendered again, to the same bytes.
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    marked = tmp_path / "train" / "000000" / "song.json"
    marked.write_text("kept")
    folder.rename(tmp_path / "lost")
    assert rendered(catalogue.folder, tmp_path, monkeypatch) == 0
    assert marked.read_text() == "kept"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == ["000000", "000001"]
    for composer, style in zip(render.COMPOSERS, (EVALUATION_STYLES[1], STYLE_NAMES[1]), strict=True):
        options = "--split", "evaluation", "--composer", composer, "--first", "1", "--count", "1"
        assert rendered(catalogue.folder, tmp_path / composer, monkeypatch, *options) == 0
        truth = json.loads((tmp_path / composer / "evaluation" / "000001" / "song.json").read_text())
        assert truth["style"] == style
