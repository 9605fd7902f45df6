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
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from services.separation.engines.small.engine import CHANNEL_COUNT
from services.separation.engines.small.network import BandMasks, LowFrequencies, SmallNetwork, read_network
from services.separation.service import STEMS
from training.augmentation import changed_song, changed_stem, chopped, deepened, echoed, encoded, resampled
from training.blend import blended
from training.configuration import Configuration, Network, Optimization, read_configuration
from training.examples import Examples, Song, find_songs, validation_segments
from training.losses import masking_loss, moving_loss, si_sdr
from training.train import Training, main, run

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


def test_the_configurations_are_valid_and_one_is_that_of_the_engine() -> None:
    small, large = (read_configuration(CONFIGURATIONS / name) for name in ("cpu.yaml", "gpu.yaml"))
    assert small.network.channel_count == CHANNEL_COUNT
    parameter_count = sum(p.numel() for p in SmallNetwork(large.network.channel_count).parameters())
    assert 1_000_000 < parameter_count < 9_000_000, (
        "16-bit weights must stay below 36 MB, also those of the larger network"
    )


@pytest.mark.parametrize(
    "change", [{"optimization": {"step_count": 0}}, {"optimization": {"unknown": 1}}, {"network": {"channel_count": 0}}]
)
def test_a_configuration_with_wrong_values_is_refused(tmp_path: Path, change: dict[str, dict[str, float]]) -> None:
    sections = yaml.safe_load((CONFIGURATIONS / "gpu.yaml").read_text())
    for name, options in change.items():
        sections[name] |= options
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(sections))
    with pytest.raises(ValidationError):
        read_configuration(path)


def test_an_example_follows_from_the_seed_and_its_number(songs: Path) -> None:
    first, second = examples(songs), examples(songs)
    assert torch.equal(first[7], second[7])
    assert not torch.equal(first[7], first[8])
    assert not torch.equal(first[7], examples(songs, seed=2)[7])


def test_examples_are_stereo_stems_with_a_level_near_one(songs: Path) -> None:
    source = examples(songs)
    for number in range(30):
        stems = source[number]
        assert stems.shape == (4, 2, RATE_HZ // 2)
        assert stems.dtype == torch.float32
        assert bool(stems.isfinite().all())
        mix = stems.sum(dim=0)
        assert not bool(mix.any()) or 0.3 < float(mix.std()) < 2.0


def test_stems_without_remix_come_from_one_place_of_one_song(songs: Path) -> None:
    for remix in (0.0, 1.0):
        source = examples(songs, remix=remix)
        ratios = set()
        for number in range(24):
            found = [_frequency_hz(source[number][STEMS.index(stem)]) for stem in ("bass", "vocals")]
            if all(found):
                ratios.add(round(found[1] / found[0] / (2500 / 80), 1))
        assert (ratios == {1.0}) == (remix == 0.0), (remix, ratios)


def _frequency_hz(stem: torch.Tensor) -> float:
    samples = np.pad(stem.sum(dim=0).numpy(), (0, 4 * RATE_HZ))
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples)) if spectrum.max() > 1e-2 else 0.0


def test_songs_are_found_with_their_length_and_read_beyond_their_end(songs: Path) -> None:
    (song,) = find_songs(songs / "validation")
    assert (song.frame_count, song.sample_rate_hz) == (3 * RATE_HZ, RATE_HZ)
    tail = song.read("bass", 3 * RATE_HZ - 100, 300)
    assert tail.shape == (2, 300)
    np.testing.assert_allclose(tail[:, :100], _stem("bass", 2)[:, -100:], atol=1e-4)
    assert not tail[:, 100:].any()


def test_validation_uses_the_middle_of_each_song_unchanged(songs: Path) -> None:
    (segment,) = validation_segments([Song(songs / "validation" / "song-2")], RATE_HZ)
    np.testing.assert_allclose(segment[3], _stem("vocals", 2)[:, RATE_HZ : 2 * RATE_HZ], atol=1e-4)


@pytest.mark.parametrize("frame_count", [1_000, RATE_HZ])
def test_an_encoded_stem_begins_and_ends_as_before_and_differs_by_noise(frame_count: int) -> None:
    stem = _stem("vocals", 0)[:, RATE_HZ : RATE_HZ + frame_count]
    coded = encoded(stem, 64_000, RATE_HZ)
    assert (coded.shape, coded.dtype) == (stem.shape, stem.dtype)
    noise = float(np.square(coded - stem).mean() / np.square(stem).mean())
    assert 1e-9 < noise < 1e-2


def test_another_speed_changes_pitch_and_keeps_the_length() -> None:
    played = resampled(_stem("bass", 0)[:, :RATE_HZ], 1.1, RATE_HZ // 2)
    assert played.shape == (2, RATE_HZ // 2)
    assert _frequency_hz(torch.from_numpy(played)) == pytest.approx(88, abs=0.5)


def test_a_deepened_bass_is_lower_and_as_loud_with_fewer_harmonics() -> None:
    times = np.arange(RATE_HZ) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * 90 * n * times) / n for n in (1, 4))
    bass = np.stack([tone, tone]).astype(np.float32)
    shares = []
    for seed in range(20):
        deep = deepened(bass, np.random.default_rng(seed), RATE_HZ)
        assert deep.shape == bass.shape
        assert deep.dtype == bass.dtype
        assert 44 < _frequency_hz(torch.from_numpy(deep)) < 91
        assert float(np.sqrt(np.mean(deep**2))) == pytest.approx(float(np.sqrt(np.mean(bass**2))), rel=0.01)
        shares.append(_harmonic_share(deep))
    assert np.mean(shares) < 0.5 * _harmonic_share(bass)
    assert max(shares) < 1.5 * _harmonic_share(bass)
    assert not deepened(np.zeros_like(bass), np.random.default_rng(1), RATE_HZ).any()


def test_echoes_follow_a_sound_and_fade() -> None:
    click = np.zeros((2, 4 * RATE_HZ), np.float32)
    click[0, 100] = 1.0
    crossed = 0
    for seed in range(20):
        echoes = echoed(click, np.random.default_rng(seed), RATE_HZ)
        assert echoes.shape == click.shape
        assert echoes.dtype == click.dtype
        assert not echoes[:, :100].any()
        frames = np.flatnonzero(np.abs(echoes).max(axis=0) > 1e-4)
        late = frames[frames > 100 + round(0.05 * RATE_HZ)]
        delay = int(late[0]) - 100
        assert 0.06 * RATE_HZ <= delay + 1 <= 0.6 * RATE_HZ + 1
        energies = [float(np.sum(echoes[:, 100 + n * delay : 100 + (n + 1) * delay] ** 2)) for n in (1, 2, 3)]
        assert energies[0] > energies[1] > energies[2] > 0
        crossed += bool(echoes[1].any())
    assert 0 < crossed < 20


def test_a_blend_lies_between_both_networks_and_moves_the_score_of_the_drums() -> None:
    before, after = SmallNetwork(8).state_dict(), SmallNetwork(8).state_dict()
    blend = blended(before, after, 0.25, -0.5)
    assert set(blend) == set(before)
    for name, value in blend.items():
        expected = 0.75 * before[name] + 0.25 * after[name]
        if name == "masks.unet.last.1.bias":
            expected[:2] -= 0.5
        torch.testing.assert_close(value, expected)
    mix = torch.randn(1, 2, 16 * 1024)
    shares = []
    for drums in (0.0, -1.0):
        network = SmallNetwork(8)
        network.load_state_dict(blended(before, after, 0.25, drums))
        with torch.inference_mode():
            shares.append(float(network.masks(mix)[0, STEMS.index("drums")].square().sum()))
    assert shares[1] < 0.6 * shares[0]


def test_a_chopped_sound_is_as_loud_and_has_gaps() -> None:
    tone = np.ones((2, 2 * RATE_HZ), np.float32)
    quietest = []
    for seed in range(20):
        cut = chopped(tone, np.random.default_rng(seed), RATE_HZ)
        assert cut.shape == tone.shape
        assert cut.dtype == tone.dtype
        assert np.all(cut >= 0)
        np.testing.assert_array_equal(cut[0], cut[1])
        level = float(np.sqrt(np.mean(cut**2)))
        assert 0.3 < level < 1.01
        # The gate opens and closes within 1 to 20 ms.
        assert 1 / (0.021 * RATE_HZ) < np.abs(np.diff(cut[0])).max() / np.ptp(cut) < 1 / (0.0009 * RATE_HZ)
        quietest.append(float(cut.min() / cut.max()))
    assert max(quietest) < 0.41
    assert min(quietest) < 0.1


def _harmonic_share(samples: NDArray[np.float32]) -> float:
    """Return the share of the energy above 150 Hz."""
    energy = np.abs(np.fft.rfft(samples[0])) ** 2
    return float(energy[150:].sum() / energy.sum())


def test_changes_of_stems_keep_shape_and_stay_finite() -> None:
    stem = _stem("other", 1)[:, :RATE_HZ]
    changed = [changed_stem(stem, np.random.default_rng(seed), RATE_HZ) for seed in range(80)]
    assert all(each.shape == stem.shape and each.dtype == np.float32 and np.isfinite(each).all() for each in changed)
    assert len({each.tobytes() for each in changed}) == 80
    silent = changed_stem(np.zeros_like(stem), np.random.default_rng(5), RATE_HZ)
    assert not silent.any()


def test_changes_of_a_song_apply_to_all_stems_alike() -> None:
    stems = np.stack([_stem(stem, 0) for stem in STEMS])
    stems[1] = stems[3]
    for seed in range(40):
        changed = changed_song(stems, np.random.default_rng(seed), RATE_HZ)
        np.testing.assert_array_equal(changed[1], changed[3])


def test_the_loss_is_that_of_the_masked_spectrograms() -> None:
    stage = BandMasks(4)
    spectra = stage.spectrum(torch.randn(2, 4, 2, 8192, generator=torch.Generator().manual_seed(1)))
    mix = spectra.sum(dim=1)
    masks = stage.masks(mix).detach()
    expected = _loss(mix.unsqueeze(1) * masks.index_select(3, stage.bands), spectra)
    assert float(masking_loss(stage, masks, spectra)) == pytest.approx(expected, abs=1e-3)
    assert float(masking_loss(stage, masks, 3 * spectra)) == pytest.approx(expected, abs=1e-3)


def test_the_loss_of_the_second_stage_is_that_of_the_moved_spectrograms() -> None:
    stage = LowFrequencies(4)
    spectra = stage.spectrum(torch.randn(2, 4, 2, 30_000, generator=torch.Generator().manual_seed(1)))
    estimates = spectra.roll(1, dims=1)
    shares = stage.shares(stage.divided(estimates)[0]).detach()
    assert shares.diagonal(dim1=2, dim2=3).mean() > 0.9, "before training, each stem keeps its sounds"
    expected = _loss(_moved(stage, estimates, shares), spectra)
    assert float(moving_loss(stage, shares, estimates, spectra)) == pytest.approx(expected, abs=1e-3)
    assert float(moving_loss(stage, shares, 3 * estimates, 3 * spectra)) == pytest.approx(expected, abs=1e-3)


def _moved(stage: LowFrequencies, estimates: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    result = estimates.clone()
    low = stage.divided(result)[0]
    low[:] = sum(shares[:, :, :, stem].transpose(1, 2) * low[:, stem, None] for stem in range(4))
    return result


def _loss(estimates: torch.Tensor, spectra: torch.Tensor) -> float:
    errors = (estimates - spectra).abs().square().flatten(2).sum(dim=2)
    mix = spectra.sum(dim=1).abs().square().flatten(1).sum(dim=1, keepdim=True)
    return float(10 * torch.log10(errors / mix + 1e-3).mean())


def _tones(*frequencies_hz: int) -> torch.Tensor:
    """Return stems [1, stems, 2, frames], each a tone of its own."""
    times = torch.arange(RATE_HZ) / RATE_HZ
    return torch.stack([torch.sin(2 * torch.pi * hz * times).expand(2, -1) for hz in frequencies_hz])[None]


def test_stems_in_separate_bands_have_the_lowest_loss() -> None:
    stage = BandMasks(4)
    spectra = stage.spectrum(_tones(100, 1000, 4000, 12000))
    energies = stage.in_bands(spectra.abs().square())
    masks = (energies == energies.max(dim=1, keepdim=True).values).float()
    assert float(masking_loss(stage, masks, spectra)) < -28
    assert float(masking_loss(stage, masks.roll(1, dims=1), spectra)) > -4


def test_estimates_that_move_to_the_right_stems_have_the_lowest_loss() -> None:
    stage = LowFrequencies(4)
    spectra = stage.spectrum(_tones(100, 400, 700, 12000))
    wrong = torch.cat([spectra[:, :3].roll(1, dims=1), spectra[:, 3:]], dim=1)  # low tones are in other stems
    target = torch.tensor([2, 0, 1, 3])
    shares = torch.eye(4)[target].T.expand(1, 2, 4, 4)[..., None, None].expand(-1, -1, -1, -1, 192, spectra.shape[-1])
    assert float(moving_loss(stage, shares, wrong, spectra)) < -28
    assert float(moving_loss(stage, shares.roll(1, dims=2), wrong, spectra)) > -10


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
    with torch.inference_mode():
        stems = SmallNetwork(4)(mix)
    assert stems.shape == (3, 4, 2, frame_count)
    torch.testing.assert_close(stems.sum(dim=1), mix, atol=3e-5, rtol=0)


def test_layers_in_16_bits_keep_the_sum_of_the_stems() -> None:
    mix = torch.randn(1, 2, RATE_HZ, generator=torch.Generator().manual_seed(1))
    network = SmallNetwork(4)
    with torch.inference_mode():
        exact = network(mix)
        with torch.autocast("cpu", torch.bfloat16):
            stems = network(mix)
    torch.testing.assert_close(stems.sum(dim=1), mix, atol=3e-5, rtol=0)
    assert 0 < float((stems - exact).abs().max()) < 0.1


def test_a_network_learns_to_separate_tones(songs: Path, tmp_path: Path) -> None:
    training = Training(configuration(step_count=60, validation_step_count=30), tmp_path, "cpu")
    segments = validation_segments(find_songs(songs / "validation"), RATE_HZ // 2)
    before = training.validate(segments)["mean"]
    run(training, batches(songs, 0), segments, tmp_path / "curve.csv", math.inf)
    rows = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["30", "60"]
    assert training.best_score > max(before + 3, 3)
    network = read_network((tmp_path / "network.safetensors").read_bytes(), 4)
    assert all(
        torch.equal(kept, found)
        for kept, found in zip(training._average.parameters(), network.parameters(), strict=True)
    )


def test_an_interrupted_training_continues_with_the_same_result(songs: Path, tmp_path: Path) -> None:
    through, first = tmp_path / "through", tmp_path / "parts"
    through.mkdir(), first.mkdir()
    whole = Training(configuration(step_count=6), through, "cpu")
    source = batches(songs, 0)
    for _ in range(6):
        whole.update(next(source))
    part = Training(configuration(step_count=6), first, "cpu")
    source = batches(songs, 0)
    for _ in range(4):
        part.update(next(source))
    part.save()
    resumed = Training(configuration(step_count=6), first, "cpu")
    assert resumed.step == 4
    source = batches(songs, resumed.step)
    for _ in range(2):
        resumed.update(next(source))
    for expected, found in zip(whole._average.parameters(), resumed._average.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_training_begins_with_given_weights(songs: Path, tmp_path: Path) -> None:
    first = Training(configuration(), tmp_path, "cpu")
    first.update(next(batches(songs, 0)))
    first.note({"mean": 1.0})
    second = Training(configuration(seed=9), tmp_path / "other", "cpu", tmp_path / "network.safetensors")
    assert second.step == 0
    for found in (second._network, second._average):
        for expected, value in zip(first._average.parameters(), found.parameters(), strict=True):
            assert torch.equal(expected, value)


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


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_folder_without_songs_is_refused(
    songs: Path, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "validation" if split == "train" else "train"
    (tmp_path / other).symlink_to(songs / other, target_is_directory=True)
    monkeypatch.setattr("sys.argv", ["train", "training/cpu.yaml", str(tmp_path), str(tmp_path / "output")])
    with pytest.raises(SystemExit):
        main()
    assert f"There are no songs in {tmp_path / split}. Render some first" in capsys.readouterr().err
    assert not (tmp_path / "output").exists()


def test_the_learning_rate_rises_and_falls_to_zero() -> None:
    training = Training(configuration(), Path("nowhere"), "cpu")
    rates = []
    for training.step in range(31):
        rates.append(training.learning_rate())
    assert max(rates) == pytest.approx(0.01)
    assert rates[:3] == sorted(rates[:3])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[30] == pytest.approx(0.0)
