"""How the estimates of several models become one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from soundwright.kit import free_space
from soundwright.kit.errors import AppError
from soundwright.services.separation.ensembles import averaged, strongest
from soundwright.services.separation.scratch import ScratchSignal
from soundwright.services.separation.service import Samples
from tests.models.recordings import ArrayMix, joined, song

RATE_HZ = 44_100
LENGTHS = [0, 1, 1_000, 4_096, 50_001]


def stored(path: Path, samples: Samples) -> ScratchSignal:
    signal = ScratchSignal(path, ArrayMix(samples))
    with signal:
        for block in ArrayMix(samples).blocks(777):
            signal.write(block)
    return signal


def computed(samples: Samples) -> Iterator[dict[str, Samples]]:
    """Yield blocks as engines do, also an empty one."""
    yield {"vocals": samples[:, :0]}
    for block in ArrayMix(samples).blocks(9_999):
        yield {"vocals": block}


def recording(frame_count: int, seed: int = 0) -> Samples:
    return song(2, max(1, frame_count), seed)[:, :frame_count]


@pytest.mark.parametrize("frame_count", LENGTHS)
def test_the_mean_counts_each_estimate_by_its_weight(tmp_path: Path, frame_count: int) -> None:
    one, other, third = (recording(frame_count, seed) for seed in range(3))
    signals = [{"vocals": stored(tmp_path / name, each)} for name, each in (("1", one), ("2", other))]
    mean = joined(averaged(signals, computed(third), [1, 2, 5]))["vocals"]
    assert (mean.dtype, mean.shape) == (np.float32, one.shape)
    np.testing.assert_allclose(mean, (one + 2 * other + 5 * third) / 8, atol=1e-6)


@pytest.mark.parametrize("frame_count", LENGTHS)
def test_equal_estimates_are_reproduced_exactly(tmp_path: Path, frame_count: int) -> None:
    samples = recording(frame_count)
    signals = [{"vocals": stored(tmp_path / "1", samples)}]
    assert joined(strongest(signals, computed(samples), RATE_HZ))["vocals"].tobytes() == samples.tobytes()
    assert joined(averaged(signals, computed(samples), [1, 1]))["vocals"].tobytes() == samples.tobytes()


@pytest.mark.parametrize("frame_count", LENGTHS)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_louder_estimate_wins(tmp_path: Path, frame_count: int, is_first: bool) -> None:
    loud, quiet = recording(frame_count), recording(frame_count) / 2
    first, last = (loud, quiet) if is_first else (quiet, loud)
    output = joined(strongest([{"vocals": stored(tmp_path / "1", first)}], computed(last), RATE_HZ))["vocals"]
    assert (output.dtype, output.shape) == (np.float32, loud.shape)
    np.testing.assert_allclose(output, loud, atol=1e-5)


def test_each_bin_has_the_strongest_of_all_estimates(tmp_path: Path) -> None:
    """Three models that hear one tone each give all three tones, in each channel alone."""
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    tones = [0.3 * np.sin(2 * np.pi * hz * time) for hz in (220.0, 1_000.0, 5_000.0)]
    heard = [np.stack([tone, 0.01 * tone]).astype(np.float32) for tone in tones]
    signals = [{"vocals": stored(tmp_path / str(index), each)} for index, each in enumerate(heard[:2])]
    output = joined(strongest(signals, computed(heard[2]), RATE_HZ))["vocals"]
    middle = slice(RATE_HZ // 4, -RATE_HZ // 4)  # the tones begin and end with clicks
    assert np.abs(output - np.sum(heard, axis=0))[:, middle].max() < 0.01 * 0.3
    assert np.abs(output[1]).max() < 0.02


def test_scratch_files_leave_free_space_and_end_where_they_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = stored(tmp_path / "1", recording(100))
    with pytest.raises(ValueError, match="1 frames too few"), signal.reader() as reader:
        reader.read(101)
    monkeypatch.setattr(free_space, "_FLOOR_BYTES", 1 << 62)
    with pytest.raises(AppError, match="STORAGE_FULL"):
        stored(tmp_path / "2", recording(100))
