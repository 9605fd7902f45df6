"""The measures of the benchmarks of separation and analysis, on cases whose values are known, and their programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_sounds import write_sources

from bench import analysis_quality, separation_quality
from bench.analysis_quality import beat_f_measure, key_score, tempo_is_close
from bench.separation_quality import scores_of, sdr_db, with_filters, with_oracle
from training import render
from training.mixing import instruments_of, palette_of
from training.sources import Catalogue

RATE_HZ = 44_100


def _stems() -> dict[str, np.ndarray]:
    """Clicks, a low tone, a middle tone on one side and a tone of a voice in the centre, float32 [2, frames]."""
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    clicks = np.zeros(len(time))
    clicks[::11_025] = 1.0
    centre = np.ones((2, 1))
    left = np.array([[1.0], [0.0]])
    stems = {
        "drums": centre * np.convolve(clicks, np.random.default_rng(1).standard_normal(200), "same") * 0.3,
        "bass": centre * np.sin(2 * np.pi * 80 * time) * 0.3,
        "other": left * np.sin(2 * np.pi * 6000 * time) * 0.2,
        "vocals": centre * np.sin(2 * np.pi * 700 * time) * 0.3,
    }
    return {stem: samples.astype(np.float32) for stem, samples in stems.items()}


def test_sdr_counts_scale_errors_and_si_sdr_does_not() -> None:
    truth = _stems()
    halved = {stem: samples / 2 for stem, samples in truth.items()}
    assert sdr_db(truth["bass"] / 2, truth["bass"]) == pytest.approx(20 * np.log10(2), abs=0.01)
    scores = scores_of("song", truth, halved)
    assert scores["bass"].sdr_db == pytest.approx(6.02, abs=0.01)
    assert scores["bass"].improvement_db > 60


def test_the_mix_itself_improves_nothing_and_silent_stems_do_not_count() -> None:
    truth = {**_stems(), "drums": np.zeros((2, 2 * RATE_HZ), np.float32)}
    mix = np.sum(list(truth.values()), axis=0)
    scores = scores_of("song", truth, dict.fromkeys(truth, mix))
    assert set(scores) == {"bass", "other", "vocals"}
    assert all(score.improvement_db == pytest.approx(0.0, abs=1e-6) for score in scores.values())


def test_the_references_separate_sounds_that_differ_in_time_and_frequency() -> None:
    truth = _stems()
    for method in (with_filters, with_oracle):
        estimates = method(truth)
        assert all(samples.shape == (2, 2 * RATE_HZ) for samples in estimates.values())
        assert all(score.improvement_db > 3 for score in scores_of("song", truth, estimates).values())
    filtered = with_filters(truth)
    assert np.allclose(np.sum(list(filtered.values()), axis=0), np.sum(list(truth.values()), axis=0), atol=1e-3)


@pytest.mark.parametrize(
    ("measured", "true", "score"),
    [
        ("C major", "C major", 1.0),
        ("Bb minor", "A# minor", 1.0),
        ("G major", "C major", 0.5),
        ("F major", "C major", 0.0),
        ("A minor", "C major", 0.3),
        ("C major", "A minor", 0.3),
        ("C minor", "C major", 0.2),
        ("D minor", "C major", 0.0),
    ],
)
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


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered song of the evaluation set, from the sounds of tests."""
    out = tmp_path_factory.mktemp("songs")
    catalogue = Catalogue(write_sources(tmp_path_factory.mktemp("sources")))
    sounds = palette_of(catalogue, "evaluation"), instruments_of(catalogue, "evaluation")
    render.render_song(0, out, "evaluation", 10.0, 0.0, sounds)
    return out / "evaluation"


def test_the_benchmark_of_separation_reports_a_model_and_both_references(
    songs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["separation_quality", str(songs)])
    separation_quality.main()
    printed = capsys.readouterr().out
    assert "| 000000 folk |" in printed
    for method in ("dsp", "HPSS and filters", "oracle ratio masks"):
        assert f"| {method} | drums | bass | other | vocals |" in printed
    assert printed.count("songs worse than the mix") == 3


def test_the_benchmark_of_analysis_reports_both_programs(
    songs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["analysis_quality", str(songs)])
    analysis_quality.main()
    printed = capsys.readouterr().out
    assert "| 000000 folk |" in printed
    assert "| 1 songs, % | ours | librosa |" in printed
    assert "| F-measure of beats |" in printed


def test_without_songs_the_benchmarks_say_how_to_render_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for program in (separation_quality, analysis_quality):
        monkeypatch.setattr("sys.argv", ["program", str(tmp_path)])
        program.main()
        assert "make evaluation-songs" in capsys.readouterr().out
