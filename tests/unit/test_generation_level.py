"""Clips are equally loud, and never clipped."""

import numpy as np
import pytest

from kit.audio.loudness import LoudnessMeter
from services.generation.level import TARGET_LUFS, TRUE_PEAK_LIMIT_DBTP, levelled, without_clicks

RATE_HZ = 32000


def measured(samples: np.ndarray, rate_hz: int = RATE_HZ) -> tuple[float | None, float | None]:
    meter = LoudnessMeter(rate_hz, samples.shape[0])
    meter.push(samples)
    return meter.loudness_lufs(), meter.true_peak_dbtp()


def noise(seconds: float, rms: float, rate_hz: int = RATE_HZ, channel_count: int = 1) -> np.ndarray:
    generator = np.random.default_rng(0)
    return (rms * generator.standard_normal((channel_count, round(seconds * rate_hz)))).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [16000, 32000, 44100])
@pytest.mark.parametrize("channel_count", [1, 2])
@pytest.mark.parametrize("rms", [0.005, 0.05, 0.6])
def test_steady_sound_is_brought_to_the_target(rate_hz: int, channel_count: int, rms: float) -> None:
    tone = np.sin(2 * np.pi * 997 * np.arange(2 * rate_hz) / rate_hz)
    clip = levelled((rms * np.repeat(tone[None], channel_count, axis=0)).astype(np.float32), rate_hz)
    assert measured(clip, rate_hz)[0] == pytest.approx(TARGET_LUFS, abs=0.05)


def test_the_peak_wins() -> None:
    hits = noise(4, 0.2) * (np.mod(np.arange(4 * RATE_HZ), RATE_HZ) < 200)
    loudness, peak = measured(levelled(hits.astype(np.float32), RATE_HZ))
    assert peak == pytest.approx(TRUE_PEAK_LIMIT_DBTP, abs=0.05)
    assert loudness is not None
    assert loudness < TARGET_LUFS - 3
    _, peak = measured(levelled(noise(2, 1.5), RATE_HZ))  # beyond full scale
    assert peak is not None
    assert peak <= TRUE_PEAK_LIMIT_DBTP + 0.05


def test_one_gain_serves_all_of_it_and_next_to_silence_is_left_alone() -> None:
    samples = noise(2, 0.01, channel_count=2)
    gains = levelled(samples, RATE_HZ) / samples
    np.testing.assert_allclose(gains, gains[0, 0], rtol=1e-5)
    for quiet in (noise(2, 0.0015), np.zeros((1, RATE_HZ), np.float32)):
        np.testing.assert_array_equal(levelled(quiet, RATE_HZ), quiet)


def test_a_clip_shorter_than_the_meters_block_only_has_its_peak_held() -> None:
    short = noise(0.2, 0.5)
    assert measured(levelled(short, RATE_HZ))[1] == pytest.approx(TRUE_PEAK_LIMIT_DBTP, abs=0.05)
    np.testing.assert_array_equal(levelled(short * np.float32(0.1), RATE_HZ), short * np.float32(0.1))


def test_both_ends_are_silent_and_nothing_else_changes() -> None:
    samples = np.ones((2, RATE_HZ), np.float32)
    faded = without_clicks(samples, RATE_HZ)
    assert faded[:, [0, -1]].max() < 0.01
    assert faded[:, 200 : RATE_HZ - 700].min() == 1.0
    assert np.abs(np.diff(faded, axis=1)).max() < 0.06
    assert samples.min() == 1.0
