"""The measures of the benchmarks of separation and analysis, on cases whose values are known, and their programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_sounds import write_sources

from bench import analysis_quality, separation_quality
from bench.analysis_quality import beat_f_measure, key_score, tempo_is_close
from bench.separation_quality import scores_of
from training import render
from training.mixing import instruments_of, palette_of
from training.sources import Catalogue

RATE_HZ = 44_100


def test_sdr_counts_scale_errors_and_the_improvement_does_not() -> None:
    tones = {"bass": 80, "vocals": 700}
    times = np.arange(RATE_HZ) / RATE_HZ
    truth = {stem: np.tile(np.sin(2 * np.pi * hz * times), (2, 1)).astype(np.float32) for stem, hz in tones.items()}
    scores = scores_of("song", truth, {stem: samples / 2 for stem, samples in truth.items()})
    assert scores["bass"].sdr_db == pytest.approx(20 * np.log10(2), abs=0.01)
    assert scores["bass"].improvement_db > 60
    mix = sum(truth.values())
    unchanged = scores_of("song", {**truth, "drums": np.zeros_like(mix)}, dict.fromkeys([*truth, "drums"], mix))
    assert set(unchanged) == set(truth), "silent stems do not count"
    assert all(score.improvement_db == pytest.approx(0.0, abs=1e-6) for score in unchanged.values())


@pytest.mark.parametrize(
    ("measured", "true", "score"),
    [
        ("C major", "C major", 1.0), ("Bb minor", "A# minor", 1.0), ("G major", "C major", 0.5),
        ("F major", "C major", 0.0), ("A minor", "C major", 0.3), ("C minor", "C major", 0.2),
    ],
)  # fmt: skip
def test_keys_score_like_in_mirex(measured: str, true: str, score: float) -> None:
    assert key_score(measured, true) == score


def test_tempi_are_close_within_four_percent() -> None:
    assert tempo_is_close(103.9, 100)
    assert not tempo_is_close(104.2, 100)
    assert not tempo_is_close(200, 100)
    assert tempo_is_close(200, 100, (1.0, 2.0))


def test_each_true_beat_matches_one_measured_beat() -> None:
    true = [1.0, 2.0, 3.0, 4.0]
    assert beat_f_measure(true, true) == 1.0
    assert beat_f_measure([1.069, 1.931, 3.0, 4.0], true) == 1.0
    assert beat_f_measure([1.08, 2.08, 3.08, 4.08], true) == 0.0
    assert beat_f_measure([1.0, 1.01, 2.0, 3.0, 4.0], true) == pytest.approx(8 / 9)
    assert beat_f_measure([2.0, 4.0], true) == pytest.approx(2 / 3)
    assert beat_f_measure([], true) == 0.0


def test_the_benchmarks_report_models_and_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = Catalogue(write_sources(tmp_path / "sources"))
    sounds = palette_of(catalogue, "evaluation"), instruments_of(catalogue, "evaluation")
    render.render_song(0, tmp_path, "evaluation", 10.0, 0.0, sounds)
    for program in (separation_quality, analysis_quality):
        monkeypatch.setattr("sys.argv", ["program", str(tmp_path / "evaluation")])
        program.main()
        assert "| 000000 folk |" in capsys.readouterr().out
