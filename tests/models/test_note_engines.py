"""Notes, melody and vocal activity of synthetic songs, with the networks that the installation contains."""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soundwright.kit.errors import AppError
from soundwright.kit.packaged_weights import REMEDY
from soundwright.services.analysis.engines.melody import SwiftF0Engine
from soundwright.services.analysis.engines.note_events import NoteEvent, NoteFinder, without_overtones
from soundwright.services.analysis.engines.notes import BasicPitchEngine
from soundwright.services.analysis.engines.onnx_engine import OnnxEngine, windows
from soundwright.services.analysis.engines.vocal_activity import VocalLevelEngine
from soundwright.services.analysis.service import Recording
from soundwright.services.analysis.signals import StemSum
from tests.models.recordings import ArrayMix

RATE_HZ = 44_100


def hz(pitch: int) -> float:
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def tone(pitch: int, seconds: float, partials: int = 6, decay: float = 1.0) -> NDArray[np.float32]:
    """A tone with weaker partials that fades, float32 [2, frames]."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    waves = sum(np.sin(2 * np.pi * hz(pitch) * number * times) / number for number in range(1, partials + 1))
    shape = np.minimum(1.0, np.minimum(times / 0.005, (seconds - times) / 0.02)) * np.exp(-decay * times)
    return np.repeat((0.15 * waves * shape)[None], 2, axis=0).astype(np.float32)


def sequence(notes: list[tuple[float, float, int]], seconds: float) -> ArrayMix:
    """A recording of notes: start, duration, pitch."""
    samples = np.zeros((2, round(seconds * RATE_HZ)), np.float32)
    for start, duration, pitch in notes:
        first, sound = round(start * RATE_HZ), tone(pitch, duration)
        samples[:, first : first + sound.shape[1]] += sound
    return ArrayMix(samples, RATE_HZ)


@pytest.fixture(scope="module", params=[BasicPitchEngine, SwiftF0Engine])
def engine(request: pytest.FixtureRequest) -> OnnxEngine:
    loaded: OnnxEngine = request.param()
    loaded.load(loaded.models[0].name)
    return loaded


def test_each_stem_is_a_part_with_its_notes() -> None:
    engine = BasicPitchEngine()
    engine.load("basic-pitch")
    bass = [(0.5 + 0.5 * place, 0.45, pitch) for place, pitch in enumerate((40, 43, 45, 40, 47, 45))]
    chord = [(1.0, 2.0, pitch) for pitch in (60, 64, 67)]
    stems: dict[str, Recording] = {"bass": sequence(bass, 5.0), "other": sequence(chord, 5.0)}
    shares: list[float] = []
    parts = engine.analyse(StemSum(stems), frozenset({"notes"}), shares.append)["notes"]["parts"]
    assert [part["name"] for part in parts] == ["bass", "other"]
    for part, true in zip(parts, (bass, chord), strict=True):
        assert [note[2] for note in part["notes"]] == [pitch for _, _, pitch in true]
        for note, (start, duration, _) in zip(part["notes"], true, strict=True):
            assert note[0] == pytest.approx(start, abs=0.03)
            assert note[1] == pytest.approx(duration, abs=0.2)
            assert 1 <= note[3] <= 127
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_melody_follows_a_tone_and_is_silent_between_tones() -> None:
    engine = SwiftF0Engine()
    engine.load("swift-f0")
    notes = [(1.0, 1.0, 57), (2.5, 1.0, 64), (31.0, 1.0, 69)]  # the last one is in the second window
    melody = engine.analyse(sequence(notes, 33.0), frozenset({"melody"}), lambda share: None)["melody"]
    pitches, hop_seconds = np.array(melody["frequency_hz"]), melody["hop_seconds"]
    times = np.arange(len(pitches)) * hop_seconds
    assert (hop_seconds, len(pitches), len(melody["confidence"])) == (0.016, 2063, 2063)
    for start, duration, pitch in notes:
        inside = pitches[(times > start + 0.05) & (times < start + duration - 0.1)]
        assert np.abs(inside / hz(pitch) - 1).max() < 0.01
    silent = np.ones(len(times), bool)
    for start, duration, _ in notes:
        silent &= (times < start - 0.05) | (times > start + duration + 0.05)
    assert not pitches[silent].any()


def test_vocals_are_active_where_their_stem_is_loud() -> None:
    samples = np.random.default_rng(1).normal(0, 0.001, (2, 10 * RATE_HZ)).astype(np.float32)  # a remainder of drums
    for start, end in ((1, 3), (3.2, 4), (6, 8)):  # a breath of 0.2 s, and a pause
        samples[:, round(start * RATE_HZ) : round(end * RATE_HZ)] += tone(60, end - start, decay=0.0)
    vocals = ArrayMix(samples, RATE_HZ)
    found = VocalLevelEngine().analyse(StemSum({"vocals": vocals}), frozenset({"vocal_activity"}), lambda share: None)
    spans = [(span["start_seconds"], span["end_seconds"]) for span in found["vocal_activity"]["segments"]]
    assert np.array(spans) == pytest.approx(np.array([(1, 4), (6, 8)]), abs=0.06)
    assert all(0.5 <= span["confidence"] <= 1 for span in found["vocal_activity"]["segments"])
    with pytest.raises(AppError, match="Separate the track") as refused:
        VocalLevelEngine().analyse(vocals, frozenset({"vocal_activity"}), lambda share: None)
    assert refused.value.reason == "NO_STEMS"


def test_a_changed_network_is_not_loaded(engine: OnnxEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (declared,) = engine.models
    path = tmp_path / engine.folder / declared.files[0].name
    path.parent.mkdir(parents=True)
    distribution = importlib.metadata.distribution(engine.package)
    content = Path(str(distribution.locate_file(f"{engine.folder}/{path.name}"))).read_bytes()
    assert len(content) == declared.files[0].size_bytes
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(
        importlib.metadata, "distribution", lambda name: importlib.metadata.PathDistribution(tmp_path / "x.dist-info")
    )
    with pytest.raises(AppError) as refused:
        type(engine)().load(declared.name)
    assert refused.value.reason == "WEIGHTS_CHANGED"
    path.unlink()
    assert not engine.is_present(declared.name)
    with pytest.raises(AppError, match=re.escape(REMEDY)) as missing:
        type(engine)().load(declared.name)
    assert missing.value.reason == "MODEL_UNAVAILABLE"


def test_windows_cover_a_signal_once() -> None:
    def blocks() -> Iterator[NDArray[np.float32]]:
        yield from np.array_split(np.arange(1, 24, dtype=np.float32), 5)

    found = list(windows(blocks(), length=16, hop=5, lead=2))
    assert np.concatenate([window[2 : 2 + count] for window, count in found]).tolist() == list(range(1, 24))
    assert found[0][0].tolist() == [0, 0, *range(1, 15)]
    assert found[-1][0].tolist() == [19, 20, 21, 22, 23, *[0] * 11]
    assert {len(window) for window, _ in found} == {16}


def test_notes_are_the_same_however_the_stream_is_divided() -> None:
    """A note lasts over the border of a chunk, and its next one begins there without a pause."""
    frames = 4000
    onsets, pitches = np.zeros((frames, 88), np.float32), np.zeros((frames, 88), np.float32)
    for start, end, pitch in ((100, 160, 40), (2550, 2700, 30), (2700, 2760, 30), (3900, 3990, 50)):
        onsets[start, pitch] = 0.9
        pitches[start:end, pitch] = 0.8
    pitches[1000:1050, 60] = 0.5  # without an onset
    for size in (frames, 97):
        finder = NoteFinder(88)
        found = [
            note
            for start in range(0, frames, size)
            for note in finder.push(onsets[start : start + size], pitches[start : start + size])
        ]
        found += finder.finish()
        assert [note[:3] for note in found] == [
            (100, 160, 40), (1000, 1050, 60), (2550, 2700, 30), (2700, 2760, 30), (3900, 3990, 50)
        ]  # fmt: skip


def test_a_weak_note_above_another_is_its_overtone() -> None:
    low, octave, fifth = NoteEvent(10, 60, 30, 0.8), NoteEvent(12, 50, 42, 0.3), NoteEvent(12, 50, 37, 0.3)
    later, loud = NoteEvent(61, 90, 42, 0.3), NoteEvent(12, 50, 49, 0.9)
    assert without_overtones([octave, loud, later, low, fifth], ratio=0.5) == [low, fifth, loud, later]
