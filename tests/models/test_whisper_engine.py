"""The ``whisper`` engine, with a small model that writes the same text whatever it hears."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from soundwright.kit.errors import AppError
from soundwright.services.analysis.engines import whisper
from soundwright.services.analysis.engines.vocal_activity import HOP, RATE_HZ, Activity
from soundwright.services.analysis.engines.whisper import WhisperEngine
from soundwright.services.analysis.signals import StemSum
from tests.models import tiny_whisper
from tests.models.recordings import ArrayMix


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("whisper")
    tiny_whisper.save(made)
    return made


@pytest.fixture(scope="module")
def engine(folder: Path) -> WhisperEngine:
    engine = WhisperEngine(folder)
    assert engine.is_present("whisper")
    engine.load("whisper")
    return engine


def sung(seconds: float, *spans: tuple[float, float]) -> ArrayMix:
    """A recording that is loud in spans, and else nearly silent."""
    samples = np.random.default_rng(1).normal(0, 0.0005, (1, round(seconds * RATE_HZ))).astype(np.float32)
    for start, end in spans:
        times = np.arange(round((end - start) * RATE_HZ)) / RATE_HZ
        samples[:, round(start * RATE_HZ) :][:, : times.size] += 0.3 * np.sin(2 * np.pi * 220 * times)
    return ArrayMix(samples.astype(np.float32), RATE_HZ)


def words_of(engine: WhisperEngine, recording: ArrayMix) -> list[tuple[float, str]]:
    lyrics = engine.analyse(recording, frozenset({"lyrics"}), lambda share: None)["lyrics"]
    return [(word["start_seconds"], word["text"]) for line in lyrics["lines"] for word in line["words"]]


def test_words_have_times_in_the_song(engine: WhisperEngine) -> None:
    shares: list[float] = []
    vocals = StemSum({"vocals": sung(45.0, (2.0, 4.2), (40.0, 42.5))})
    lyrics = engine.analyse(vocals, frozenset({"lyrics"}), shares.append)["lyrics"]
    assert (lyrics["language"], lyrics["language_confidence"]) == (tiny_whisper.LANGUAGE, 1.0)
    assert [line["text"] for line in lyrics["lines"]] == ["la la <b>hey</b> you"] * 2
    starts = [word["start_seconds"] for line in lyrics["lines"] for word in line["words"]]
    # A window begins a quarter of a second before the singing, which itself is found a little earlier.
    assert starts == pytest.approx([*np.arange(1.7, 3.4, 0.5), *np.arange(39.7, 41.4, 0.5)], abs=0.06)
    for line in lyrics["lines"]:
        words = line["words"]
        assert (line["start_seconds"], line["end_seconds"]) == (words[0]["start_seconds"], words[-1]["end_seconds"])
        assert [word["end_seconds"] for word in words[:3]] == [word["start_seconds"] for word in words[1:]]
        assert line["confidence"] == 1.0
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_where_nobody_sings_there_are_no_words(engine: WhisperEngine) -> None:
    assert [text for _, text in words_of(engine, sung(12.0, (5.0, 6.0), (8.0, 9.0)))] == ["la", " la", " <b>hey</b>"]
    silent = engine.analyse(sung(3.0), frozenset({"lyrics"}), lambda share: None)
    assert silent == {"lyrics": {"language": "", "language_confidence": 0.0, "lines": []}}


def test_a_long_song_is_read_in_windows(engine: WhisperEngine) -> None:
    starts = [start for start, text in words_of(engine, sung(32.0, (0.5, 31.5))) if text == " you"]
    assert len(starts) == 2
    assert 14.0 <= starts[1] - starts[0] <= 28.0


def test_pauses_and_long_phrases_end_lines() -> None:
    phrase = [(0.0, 0.5, "Oh"), (1.2, 1.5, " yes"), (2.4, 2.8, " no"), (2.8, 3.5, " " + 50 * "a"), (3.5, 4.0, " end")]
    words = [
        {"start_seconds": start, "end_seconds": end, "text": text, "confidence": 0.5 + start / 10}
        for start, end, text in phrase
    ]
    lines = list(whisper._lines([*words, {**words[-1], "start_seconds": 4.0, "text": " of it all"}]))
    assert [line["text"] for line in lines] == ["Oh yes", f"no {50 * 'a'} end", "of it all"]
    assert (lines[0]["start_seconds"], lines[0]["end_seconds"], lines[0]["confidence"]) == (0.0, 1.5, 0.56)


def test_windows_have_all_singing_and_are_short() -> None:
    level_db = np.full(12_000, -10.0)
    level_db[2500] = -60.0  # a breath
    spans = [(100, 6000), (6100, 6200), (11_000, 11_900)]
    windows = whisper._windows(Activity(level_db, -30.0, spans))
    assert windows[0] == (75, 2500)
    assert all(end - start <= 2800 for start, end in windows)
    for start, end in spans:
        covered = [hop for first, last in windows for hop in range(max(start, first), min(end, last))]
        assert covered == list(range(start, end))


def test_clips_are_parts_of_the_stream() -> None:
    signal = np.arange(100 * HOP, dtype=np.float32)
    windows = [(3, 10), (10, 40), (60, 61), (90, 120)]
    clips = list(whisper._clips(iter(np.array_split(signal, 7)), windows))
    assert [start for start, _ in clips] == [3, 10, 60, 90]
    for (start, samples), (_, end) in zip(clips, windows, strict=True):
        assert np.array_equal(samples, signal[start * HOP : end * HOP])


def test_without_weights_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object) -> Path:
        raise AssertionError("a job downloads nothing")

    monkeypatch.setattr(whisper, "model_file", download)
    monkeypatch.setattr(whisper, "cached_model_file", lambda *_: None)
    for engine in (WhisperEngine(tmp_path), WhisperEngine()):
        assert not engine.is_present("whisper")
        with pytest.raises(AppError, match=r"Run `make lyrics`.*SOUNDWRIGHT_ANALYSIS_WHISPER_DIR") as missing:
            engine.load("whisper")
        assert missing.value.reason == "MODEL_UNAVAILABLE"


def test_other_files_than_the_declared_ones_are_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "model_file", lambda _, file: folder / file.name)
    with pytest.raises(AppError) as changed:
        WhisperEngine(downloads=True).load("whisper")
    assert changed.value.reason == "WEIGHTS_CHANGED"


def test_a_damaged_model_of_the_operator_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.bin").write_bytes(b"\x06\0\0\0something else")
    with pytest.raises(AppError, match="cannot be used") as damaged:
        WhisperEngine(tmp_path).load("whisper")
    assert damaged.value.reason == "MODEL_UNAVAILABLE"
