"""The training loop, its examples and its losses, on tiny networks and short songs."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from services.separation.engines.small.engine import CHANNEL_COUNT
from services.separation.engines.small.network import BandMasks, LowFrequencies, SmallNetwork, read_network
from services.separation.service import STEMS
from training.augmentation import changed_song, changed_stem, chopped, deepened, echoed, encoded, resampled
from training.configuration import Configuration, Network, Optimization, read_configuration
from training.examples import Examples, find_songs, validation_segments
from training.losses import masking_loss, moving_loss, si_sdr
from training.train import Training, run

RATE_HZ = 44_100
CONFIGURATIONS = Path(__file__).parents[2] / "training"
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


def examples(songs: Path, count: int = 100, remix: float = 0.5, seed: int = 1) -> Examples:
    return Examples(find_songs(songs / "train"), RATE_HZ // 2, seed, remix, count)


def batches(songs: Path, start: int, size: int = 2) -> itertools.chain[torch.Tensor]:
    source = examples(songs)
    numbers = itertools.count(start * size, size)
    return itertools.chain(torch.stack([source[number + k] for k in range(size)]) for number in numbers)


def test_the_configurations_are_valid_and_one_is_that_of_the_engine(tmp_path: Path) -> None:
    small, large = (read_configuration(CONFIGURATIONS / name) for name in ("cpu.yaml", "gpu.yaml"))
    assert small.network.channel_count == CHANNEL_COUNT
    # 16-bit weights must stay below 36 MB, also those of the larger network.
    assert 1e6 < sum(p.numel() for p in SmallNetwork(large.network.channel_count).parameters()) < 9e6
    for section, wrong in (
        ("optimization", {"step_count": 0}),
        ("optimization", {"unknown": 1}),
        ("network", {"channel_count": 0}),
    ):
        sections = yaml.safe_load((CONFIGURATIONS / "gpu.yaml").read_text())
        sections[section] |= wrong
        (tmp_path / "bad.yaml").write_text(yaml.safe_dump(sections))
        with pytest.raises(ValidationError):
            read_configuration(tmp_path / "bad.yaml")


def test_examples_follow_from_seed_and_number_with_a_level_near_one(songs: Path) -> None:
    first, second = examples(songs), examples(songs)
    assert torch.equal(first[7], second[7])
    assert not torch.equal(first[7], first[8])
    assert not torch.equal(first[7], examples(songs, seed=2)[7])
    for number in range(20):
        stems = first[number]
        assert (stems.shape, stems.dtype) == ((4, 2, RATE_HZ // 2), torch.float32)
        assert bool(stems.isfinite().all())
        mix = stems.sum(dim=0)
        assert not bool(mix.any()) or 0.3 < float(mix.std()) < 2.0


def test_songs_are_read_beyond_their_end_and_validated_in_their_middle(songs: Path) -> None:
    (song,) = find_songs(songs / "validation")
    assert (song.frame_count, song.sample_rate_hz) == (3 * RATE_HZ, RATE_HZ)
    tail = song.read("bass", 3 * RATE_HZ - 100, 300)
    assert tail.shape == (2, 300)
    np.testing.assert_allclose(tail[:, :100], _stem("bass", 2)[:, -100:], atol=1e-4)
    assert not tail[:, 100:].any()
    (segment,) = validation_segments([song], RATE_HZ)
    np.testing.assert_allclose(segment[3], _stem("vocals", 2)[:, RATE_HZ : 2 * RATE_HZ], atol=1e-4)


@pytest.mark.parametrize("change", [changed_stem, deepened, echoed, chopped], ids=lambda change: change.__name__)
def test_changes_of_stems_differ_by_seed_and_keep_shape_and_silence(change: Any) -> None:
    stem = _stem("bass", 1)[:, :RATE_HZ]
    changed = [change(stem, np.random.default_rng(seed), RATE_HZ) for seed in range(20)]
    assert all(each.shape == stem.shape and each.dtype == np.float32 and np.isfinite(each).all() for each in changed)
    assert len({each.tobytes() for each in changed}) == 20
    assert not change(np.zeros_like(stem), np.random.default_rng(5), RATE_HZ).any()
    assert 0.1 < np.median([np.sqrt(np.mean(each**2) / np.mean(stem**2)) for each in changed]) < 2


def test_changes_of_a_song_apply_to_all_stems_alike_and_encoding_adds_noise_alone() -> None:
    stems = np.stack([_stem(stem, 0)[:, :RATE_HZ] for stem in STEMS])
    stems[1] = stems[3]
    for seed in range(20):
        changed = changed_song(stems, np.random.default_rng(seed), RATE_HZ)
        np.testing.assert_array_equal(changed[1], changed[3])
    coded = encoded(stems[3], 64_000, RATE_HZ)
    assert 1e-9 < float(np.square(coded - stems[3]).mean() / np.square(stems[3]).mean()) < 1e-2
    assert resampled(stems[3], 1.1, RATE_HZ // 2).shape == (2, RATE_HZ // 2)


def _tones(*frequencies_hz: int) -> torch.Tensor:
    """Return stems [1, stems, 2, frames], each a tone of its own."""
    times = torch.arange(RATE_HZ) / RATE_HZ
    return torch.stack([torch.sin(2 * torch.pi * hz * times).expand(2, -1) for hz in frequencies_hz])[None]


def test_masks_and_moves_to_the_right_stems_have_the_lowest_loss() -> None:
    first, second = BandMasks(4), LowFrequencies(4)
    spectra = first.spectrum(_tones(100, 1000, 4000, 12000))
    energies = first.in_bands(spectra.abs().square())
    masks = (energies == energies.max(dim=1, keepdim=True).values).float()
    assert float(masking_loss(first, masks, spectra)) < -28
    assert float(masking_loss(first, masks.roll(1, dims=1), spectra)) > -4
    spectra = second.spectrum(_tones(100, 400, 700, 12000))
    wrong = torch.cat([spectra[:, :3].roll(1, dims=1), spectra[:, 3:]], dim=1)  # low tones are in other stems
    shares = torch.eye(4)[torch.tensor([2, 0, 1, 3])].T.expand(1, 2, 4, 4)[..., None, None]
    shares = shares.expand(-1, -1, -1, -1, 192, spectra.shape[-1])
    assert float(moving_loss(second, shares, wrong, spectra)) < -28
    assert float(moving_loss(second, shares.roll(1, dims=2), wrong, spectra)) > -10


def test_si_sdr_is_that_of_its_definition() -> None:
    random = np.random.default_rng(3)
    stem, noise = random.standard_normal((2, 2, 20_000)).astype(np.float32)
    noise -= stem * float((noise * stem).sum() / (stem * stem).sum())
    expected = 10 * math.log10(float((stem**2).sum() / ((noise / 5) ** 2).sum()))
    found = si_sdr(torch.from_numpy(3 * (stem + noise / 5)), torch.from_numpy(stem))
    assert float(found) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("frame_count", [RATE_HZ // 2, 5_000])
def test_the_stems_always_sum_to_the_mix(frame_count: int) -> None:
    mix = torch.randn(3, 2, frame_count, generator=torch.Generator().manual_seed(1))
    network = SmallNetwork(4)
    with torch.inference_mode():
        exact = network(mix)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(mix)
    for stems in (exact, rounded):
        assert stems.shape == (3, 4, 2, frame_count)
        torch.testing.assert_close(stems.sum(dim=1), mix, atol=3e-5, rtol=0)
    assert 0 < float((rounded - exact).abs().max()) < 0.1


def test_a_network_learns_to_separate_tones(songs: Path, tmp_path: Path) -> None:
    training = Training(configuration(step_count=40, validation_step_count=20), tmp_path, "cpu")
    segments = validation_segments(find_songs(songs / "validation"), RATE_HZ // 2)
    before = training.validate(segments)["mean"]
    run(training, batches(songs, 0), segments, tmp_path / "curve.csv", math.inf)
    assert training.learning_rate() == pytest.approx(0.0)
    rows = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["20", "40"]
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


def test_training_stops_early_without_improvement(songs: Path, tmp_path: Path) -> None:
    training = Training(configuration(patience=2), tmp_path, "cpu")
    training.note({"mean": 5.0})
    kept = (tmp_path / "network.safetensors").read_bytes()
    training.update(next(batches(songs, 0)))
    training.note({"mean": 4.0})
    assert not training.is_over
    training.note({"mean": 4.9})
    assert training.is_over
    assert (tmp_path / "network.safetensors").read_bytes() == kept
