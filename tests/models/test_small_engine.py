"""The ``small`` engine with the weights that the repository contains."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from dev.bench.separation_quality import mix_of, scores_of
from dev.training.configuration import read_configuration
from soundwright.kit.errors import AppError
from soundwright.services.generation.engines.procedural.render import render_stems
from soundwright.services.generation.engines.procedural.songs import song as procedural_song
from soundwright.services.separation.engines.small import SmallEngine, engine
from soundwright.services.separation.engines.small.engine import SMALL, WEIGHTS
from soundwright.services.separation.engines.small.network import SmallNetwork
from soundwright.services.separation.service import STEMS
from tests.models.recordings import ArrayMix, error_db, joined

RATE_HZ = 44_100
TRAINING = Path(__file__).parents[2] / "dev/training"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def small() -> SmallEngine:
    return SmallEngine(thread_count=1, device="cpu")


def test_the_repository_contains_the_declared_weights() -> None:
    (file,) = SMALL.files
    content = WEIGHTS.read_bytes()
    assert (file.name, file.size_bytes, file.sha256) == (
        WEIGHTS.name, len(content), hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    assert len(content) < 36_000_000
    assert SMALL.is_licensed
    assert SmallEngine().is_present("small")


def test_the_configurations_of_the_training_fit_the_engine() -> None:
    small, large = (read_configuration(TRAINING / name) for name in ("cpu.yaml", "gpu.yaml"))
    assert small.network.channel_count == engine.CHANNEL_COUNT
    # 16-bit weights must stay below 36 MB, also those of the larger network.
    assert 1e6 < sum(p.numel() for p in SmallNetwork(large.network.channel_count).parameters()) < 9e6


def test_drums_and_bass_of_a_song_are_separated(small: SmallEngine) -> None:
    """The sounds of this song are synthetic, and none of them was used in training. Nobody sings in it."""
    truth = render_stems(procedural_song("pop", 5.0), RATE_HZ)
    mix = mix_of(truth)
    scores = scores_of("pop", truth, joined(small.separate(ArrayMix(mix, RATE_HZ), "small")))
    assert scores["drums"].improvement_db > 6
    assert scores["bass"].improvement_db > 6


@pytest.mark.parametrize(("overtones", "stem"), [(0.0, "drums"), (0.3, "bass")])
def test_a_long_low_tone_is_a_bass_drum_unless_it_has_overtones(
    small: SmallEngine, overtones: float, stem: str
) -> None:
    """An electronic bass drum whose body sounds for a second, and bass notes of the same pitch."""
    seconds = np.arange(3 * RATE_HZ) / RATE_HZ
    within = seconds % 1.5
    tone = sum(
        level * np.sin(2 * np.pi * 36 * order * within) for order, level in ((1, 1.0), (2, overtones), (3, overtones))
    )
    click = np.random.default_rng(0).normal(0, 0.3, len(seconds)) * np.exp(-within * 300)
    sound = 0.5 * (tone + click) * np.exp(-within * 2)
    stems = joined(small.separate(ArrayMix(np.stack([sound, sound]).astype(np.float32), RATE_HZ), "small"))
    energies = {name: float(np.sum(samples**2)) for name, samples in stems.items()}
    assert energies[stem] > 0.9 * sum(energies.values())


def test_windows_of_any_length_agree(small: SmallEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = ArrayMix(mix_of(render_stems(procedural_song("rock", 6.0), RATE_HZ)), RATE_HZ)
    one = joined(small.separate(mix, "small"))
    monkeypatch.setattr(engine, "_WINDOW_FRAMES", engine._WINDOW_FRAMES // 2)
    many = joined(SmallEngine(thread_count=1, device="cpu").separate(mix, "small"))
    for stem in STEMS:
        assert error_db(many[stem], one[stem]) < -30


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / WEIGHTS.name
    monkeypatch.setattr(engine, "WEIGHTS", copy)
    content = WEIGHTS.read_bytes()
    copy.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(AppError, match="WEIGHTS_CHANGED"):
        SmallEngine(device="cpu").load("small")
    copy.unlink()
    assert not SmallEngine().is_present("small")
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        SmallEngine(device="cpu").load("small")
