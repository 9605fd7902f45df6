"""The dsp engine keeps the engine contract, and separates songs whose stems are known."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from dev.bench.separation_quality import mix_of, scores_of
from soundwright.services.generation.engines.procedural.render import render_stems
from soundwright.services.generation.engines.procedural.songs import song
from soundwright.services.separation.engines.dsp import DspEngine
from soundwright.services.separation.engines.hpss import HpssEngine
from soundwright.services.separation.service import Samples
from tests.models.recordings import ArrayMix, joined

STEMS = ("drums", "bass", "other", "vocals")


def lively(channels: int, frames: int, rate_hz: int, seed: int = 0) -> Samples:
    """Tones, hits and noise, different in every channel."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / rate_hz
    tone = 0.3 * np.sin(2 * np.pi * 110 * time) + 0.2 * np.sin(2 * np.pi * 660 * time)
    hits = 0.5 * rng.standard_normal(frames) * np.exp(-(time % 0.5) * 40)
    panning = rng.uniform(0.2, 1.0, (channels, 2))
    noise = 0.02 * rng.standard_normal((channels, frames))
    return np.asarray(panning @ np.stack([tone, hits]) + noise, dtype=np.float32)


def separate(samples: Samples, sample_rate_hz: int) -> dict[str, Samples]:
    return joined(DspEngine().separate(ArrayMix(samples, sample_rate_hz), "dsp"))


def residual_db(mix: Samples, stems: dict[str, Samples]) -> float:
    total = np.sum(list(stems.values()), axis=0, dtype=np.float64)
    return float(10 * np.log10(np.mean((total - mix) ** 2) / np.mean(mix.astype(np.float64) ** 2) + 1e-30))


@pytest.mark.parametrize(
    ("channels", "frames", "rate_hz"),
    [
        (1, 1, 44100),
        (2, 3, 48000),
        (1, 6 * 8000 + 1, 8000),
        (2, 3 * 22050 + 7, 22050),
        (2, 47 * 4000 + 333, 4000),  # several windows
        (6, 48001, 48000),
        (8, 30011, 11025),
        (3, 96000, 384000),
        (64, 70_001, 16000),  # the window is cut to the bound on samples
    ],
)
def test_stems_have_the_shape_of_the_mix_and_sum_to_it(channels: int, frames: int, rate_hz: int) -> None:
    mix = lively(channels, frames, rate_hz)
    stems = separate(mix, rate_hz)
    assert set(stems) == set(STEMS)
    for samples in stems.values():
        assert samples.dtype == np.float32
        assert samples.shape == mix.shape
        assert np.isfinite(samples).all()
    assert residual_db(mix, stems) < -100


def test_blocks_are_consecutive_and_equally_long() -> None:
    mix = ArrayMix(lively(2, 50 * 8000, 8000), 8000)
    blocks = list(DspEngine().separate(mix, "dsp"))
    assert len(blocks) >= 3  # the caller can stop at least once a window
    for block in blocks:
        assert len({samples.shape for samples in block.values()}) == 1
    assert sum(block["bass"].shape[1] for block in blocks) == mix.frame_count


def test_an_empty_mix_gives_no_frames() -> None:
    blocks = list(DspEngine().separate(ArrayMix(np.zeros((2, 0), np.float32), 44100), "dsp"))
    assert sum(block["drums"].shape[1] for block in blocks) == 0


def test_harmonic_and_percussive_parts_add_up_to_the_recording() -> None:
    mix = ArrayMix(lively(2, 30_000, 8_000), 8_000)
    both = joined(HpssEngine().separate(mix, "hpss"))
    np.testing.assert_allclose(both["harmonic"] + both["percussive"], mix.samples, atol=1e-6)


def test_no_seam_where_windows_meet() -> None:
    """A steady tone comes out as steady in the cross-fades as elsewhere."""
    rate_hz = 8000
    time = np.arange(45 * rate_hz) / rate_hz
    tone = np.asarray(0.4 * np.sin(2 * np.pi * 98 * time), dtype=np.float32)
    bass = separate(np.stack([tone, tone]), rate_hz)["bass"][0]
    levels = np.sqrt(np.mean(bass[rate_hz:-rate_hz].reshape(-1, rate_hz // 10) ** 2, axis=1))
    assert levels.min() > 0.95 * levels.max()
    assert levels.mean() > 0.9 * 0.4 / np.sqrt(2)


class EndlessMix:
    """A mix that is made as it is read, so that only the engine holds memory."""

    channel_count = 2
    sample_rate_hz = 4000

    def __init__(self, seconds: int) -> None:
        self.frame_count = seconds * self.sample_rate_hz

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        for start in range(0, self.frame_count, block_frames):
            yield lively(2, min(block_frames, self.frame_count - start), self.sample_rate_hz, seed=start)


def peak_bytes(seconds: int) -> int:
    tracemalloc.start()
    try:
        for _ in DspEngine().separate(EndlessMix(seconds), "dsp"):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length() -> None:
    assert peak_bytes(133) < 1.1 * peak_bytes(57)  # seven full windows, and three


def test_every_stem_is_closer_to_the_truth_than_the_mix() -> None:
    truth = render_stems(song("pop", 15.0))
    stems = separate(mix_of(truth), 44100)
    scores = scores_of("pop", truth, stems)
    assert set(scores) == set(STEMS)
    assert min(score.improvement_db for score in scores.values()) > 0
