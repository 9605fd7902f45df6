"""The training loop, its examples and its losses, on tiny networks and short songs."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from dev.training.configuration import Configuration, Network, Optimization, read_configuration
from dev.training.examples import Examples, find_songs, validation_segments
from dev.training.train import Training, run
from soundwright.services.separation.engines.small.engine import CHANNEL_COUNT
from soundwright.services.separation.engines.small.network import SmallNetwork, read_network
from soundwright.services.separation.service import STEMS

RATE_HZ = 44_100
CONFIGURATIONS = Path(__file__).parents[2] / "dev/training"
pytestmark = pytest.mark.usefixtures("one_thread")
FREQUENCIES_HZ = {"bass": 80, "other": 700, "vocals": 2500}


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with songs: clicks as drums, and a tone for each other stem."""
    root = tmp_path_factory.mktemp("songs")
    for split, number in (("train", 0), ("train", 1), ("validation", 2)):
        folder = root / split / f"song-{number}"
        folder.mkdir(parents=True)
        for stem in STEMS:
            soundfile.write(folder / f"{stem}.flac", _stem(stem, number).T, RATE_HZ)
    return root


def _stem(stem: str, number: int) -> NDArray[np.float32]:
    times = np.arange(3 * RATE_HZ) / RATE_HZ
    if stem == "drums":
        samples = np.random.default_rng(number).standard_normal(len(times)) * np.exp(-60 * (times % 0.4))
    else:
        samples = np.sin(2 * np.pi * FREQUENCIES_HZ[stem] * (1 + number / 10) * times)
    return (0.1 * np.stack([samples, 0.7 * samples])).astype(np.float32)


def configuration(**optimization: float) -> Configuration:
    options: dict[str, float] = {
        "step_count": 30, "batch_size": 2, "segment_seconds": 0.5, "learning_rate": 0.01, "warmup_step_count": 3,
        "validation_step_count": 10, "worker_count": 0, "bfloat16": False,
    }  # fmt: skip
    return Configuration(network=Network(channel_count=4), optimization=Optimization(**{**options, **optimization}))


def batches(songs: Path, start: int, size: int = 2) -> itertools.chain[torch.Tensor]:
    source = Examples(find_songs(songs / "train"), RATE_HZ // 2, 1, 0.5, 100)
    numbers = itertools.count(start * size, size)
    return itertools.chain(torch.stack([source[number + k] for k in range(size)]) for number in numbers)


def test_the_configurations_are_valid_and_one_is_that_of_the_engine() -> None:
    small, large = (read_configuration(CONFIGURATIONS / name) for name in ("cpu.yaml", "gpu.yaml"))
    assert small.network.channel_count == CHANNEL_COUNT
    # 16-bit weights must stay below 36 MB, also those of the larger network.
    assert 1e6 < sum(p.numel() for p in SmallNetwork(large.network.channel_count).parameters()) < 9e6


def test_a_network_learns_to_separate_tones(songs: Path, tmp_path: Path) -> None:
    training = Training(configuration(step_count=24, validation_step_count=12), tmp_path, "cpu")
    segments = validation_segments(find_songs(songs / "validation"), RATE_HZ // 2)
    before = training.validate(segments)["mean"]
    run(training, batches(songs, 0), segments, tmp_path / "curve.csv", math.inf)
    assert training.learning_rate() == pytest.approx(0.0)
    rows = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["12", "24"]
    assert training.best_score > max(before + 2, 2)
    network = read_network((tmp_path / "network.safetensors").read_bytes(), 4)
    kept = zip(training._average.parameters(), network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in kept)


def test_an_interrupted_training_continues_with_the_same_result(songs: Path, tmp_path: Path) -> None:
    def trained(folder: Path, step_count: int) -> Training:
        folder.mkdir(exist_ok=True)
        training = Training(configuration(step_count=6), folder, "cpu")
        source = batches(songs, training.step)
        while training.step < step_count:
            training.update(next(source))
        return training

    whole = trained(tmp_path / "through", 6)
    trained(tmp_path / "parts", 4).save()
    assert Training(configuration(step_count=6), tmp_path / "parts", "cpu").step == 4
    resumed = trained(tmp_path / "parts", 6)
    for expected, found in zip(whole._average.parameters(), resumed._average.parameters(), strict=True):
        torch.testing.assert_close(found, expected)
    resumed.note({"mean": 1.0})
    other = Training(configuration(seed=9), tmp_path, "cpu", tmp_path / "parts" / "network.safetensors")
    assert other.step == 0
    for network in (other._network, other._average):
        for expected, found in zip(resumed._average.parameters(), network.parameters(), strict=True):
            assert torch.equal(expected, found)
