"""The ``chords`` engine, with the weights that the installation contains."""

import io
import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soundwright.kit.errors import AppError
from soundwright.kit.packaged_weights import PackagedWeights
from soundwright.services.analysis.engines.chords import ChordEngine, conversion
from soundwright.services.analysis.engines.chords.models import CHORD_NET
from soundwright.services.analysis.engines.chords.spectrum import RATE_HZ, spectrum
from soundwright.services.analysis.service import Samples
from tests.models.recordings import ArrayMix

pytestmark = pytest.mark.usefixtures("one_thread")
CHORDS = {"C:maj": (48, 60, 64, 67), "A:min": (45, 60, 64, 69), "F:maj": (41, 60, 65, 69), "G:7": (43, 59, 62, 65)}


def played(pitches: tuple[int, ...], seconds: float) -> Samples:
    """Return a chord of tones with eight partials, struck every half second, float32 [frames]."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tones = [
        np.sin(2 * np.pi * 440.0 * 2.0 ** ((pitch - 69) / 12) * number * times) / number**1.5
        for pitch in pitches
        for number in range(1, 9)
    ]
    return np.asarray(0.1 * np.sum(tones, axis=0) * np.exp(-2.0 * (times % 0.5)), np.float32)


@pytest.fixture(scope="module")
def engine() -> ChordEngine:
    engine = ChordEngine()
    engine.load("chord-net")
    return engine


def recognised(engine: ChordEngine, samples: Samples) -> list[dict[str, Any]]:
    shares: list[float] = []
    values = engine.analyse(ArrayMix(samples, RATE_HZ), frozenset({"chords"}), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return list(values["chords"]["segments"])


def test_the_chords_of_a_song_of_two_windows(engine: ChordEngine) -> None:
    order = [*CHORDS] * 3
    mono = np.concatenate([played(CHORDS[name], 2.0) for name in order])
    segments = recognised(engine, np.stack([mono, mono]))
    assert [(segment["chord"], segment["label"]) for segment in segments] == [
        ("C:maj", "C"), ("A:min", "Am"), ("F:maj", "F"), ("G:7", "G7")
    ] * 3  # fmt: skip
    assert [segment["start_seconds"] for segment in segments] == pytest.approx(np.arange(12) * 2.0, abs=0.15)
    assert all(one["end_seconds"] == other["start_seconds"] for one, other in itertools.pairwise(segments))
    assert segments[-1]["end_seconds"] == 24.0
    assert all(0.5 < segment["confidence"] <= 1 for segment in segments)


@pytest.mark.parametrize("seconds", [0.01, 3.0])
def test_silence_has_no_chord(engine: ChordEngine, seconds: float) -> None:
    [segment] = recognised(engine, np.zeros((1, round(seconds * RATE_HZ)), np.float32))
    assert (segment["chord"], segment["label"], segment["end_seconds"]) == (
        "N",
        "N.C.",
        pytest.approx(seconds, abs=1e-3),
    )


def test_the_spectrum_measures_tones_in_windows_of_equal_quality() -> None:
    rng = np.random.default_rng(1)
    samples = played((28, 52, 71), 4.0) + rng.normal(0, 0.01, 4 * RATE_HZ).astype(np.float32)
    found = spectrum(samples)
    assert found.shape == (1 + samples.size // 512, 252)
    for number in range(0, 218, 7):
        frequency_hz = 440.0 * 2.0 ** (-45 / 12 + number / 36)
        size = round(51.94 * RATE_HZ / frequency_hz)
        times = np.arange(size) - size // 2
        tone = np.exp(-2j * np.pi * frequency_hz / RATE_HZ * times) * np.hanning(size)
        expected = abs(np.sum(samples[80 * 512 + times] * tone)) * 2 / np.sqrt(size)
        assert found[80, number] == pytest.approx(expected, rel=0.05, abs=0.02), number


def test_the_files_of_the_package_become_the_declared_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "chord-net.safetensors"
    monkeypatch.setattr(PackagedWeights, "path", target)
    ChordEngine().load("chord-net")
    assert target.stat().st_size == CHORD_NET.files[0].size_bytes
    target.write_bytes(b"torn by a loss of power")
    ChordEngine().load("chord-net")
    assert target.stat().st_size == CHORD_NET.files[0].size_bytes
    target.write_bytes(b"something else")
    monkeypatch.setattr(PackagedWeights, "package_files", lambda _: None)
    with pytest.raises(AppError, match="WEIGHTS_CHANGED"):
        ChordEngine().load("chord-net")
    target.unlink()
    assert not ChordEngine().is_present("chord-net")
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        ChordEngine().load("chord-net")


def test_a_pickle_cannot_call_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "touched",)

    file = io.BytesIO()
    torch.save({"net": Hostile()}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(pickle.UnpicklingError):
        conversion.read_networks((file.getvalue(),))
    assert not list(tmp_path.iterdir())
