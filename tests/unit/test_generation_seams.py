"""Loops and continuations have no click, no dip and no bump where one sound goes over into another."""

import numpy as np
import pytest

from kit.audio.loudness import LoudnessMeter
from services.generation.seams import crossfade, joined, loop_fade_seconds, looped

RATE_HZ = 32000
FADE = round(0.5 * RATE_HZ)


def noise(frames: int, seed: int, rms: float = 0.1) -> np.ndarray:
    return (rms * np.random.default_rng(seed).standard_normal((1, frames))).astype(np.float32)


def time(frames: int) -> np.ndarray:
    return np.arange(frames) / RATE_HZ


def tonal(frames: int) -> np.ndarray:
    """Three notes that do not fit the length."""
    notes = (0.1 * np.sin(2 * np.pi * hz * time(frames) + hz) for hz in (110.3, 277.7, 466.1))
    return np.array([sum(notes)], np.float32)


def percussive(frames: int) -> np.ndarray:
    """A hit of noise every 0.37 seconds."""
    return (noise(frames, 5, 0.4) * np.exp(-40 * np.mod(time(frames), 0.37))).astype(np.float32)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def flux(samples: np.ndarray) -> np.ndarray:
    """Spectral flux from window to window of 1024 frames, hop 256."""
    windows = np.lib.stride_tricks.sliding_window_view(samples[0], 1024)[::256] * np.hanning(1024)
    magnitudes = np.abs(np.fft.rfft(windows, axis=1))
    return np.sqrt(np.sum(np.maximum(np.diff(magnitudes, axis=0), 0) ** 2, axis=1))


KINDS = {"tonal": tonal, "noisy": lambda frames: noise(frames, 1), "percussive": percussive}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_a_loop_closes_without_being_heard(kind: str, seconds: float) -> None:
    length = round(seconds * RATE_HZ)
    fade = round(loop_fade_seconds(seconds) * RATE_HZ)
    clip = looped(KINDS[kind](length + fade), fade)
    assert clip.shape == (1, length)
    assert clip.dtype == np.float32
    largest_step = np.abs(np.diff(clip[0])).max()
    assert abs(float(clip[0, 0]) - float(clip[0, -1])) <= largest_step
    # Played twice, the windows around the seam change no more than others do.
    twice = flux(np.concatenate([clip, clip], axis=1))
    seam = length // 256
    assert twice[seam - 8 : seam + 4].max() <= 1.05 * flux(clip).max()


@pytest.mark.parametrize("kind", ["tonal", "noisy"])
def test_the_level_of_a_loop_stays_where_it_closes_and_nothing_else_changes(kind: str) -> None:
    source = KINDS[kind](4 * RATE_HZ + FADE)
    clip = looped(source, FADE)
    assert rms(clip[:, :FADE]) == pytest.approx(rms(source), rel=0.2)
    np.testing.assert_array_equal(clip[:, FADE:], source[:, FADE : 4 * RATE_HZ])


@pytest.mark.parametrize("similarity", [0.0, 0.5, 1.0])
def test_the_power_of_a_crossfade_stays_whatever_the_signals_have_in_common(similarity: float) -> None:
    common, first, second = (noise(20 * RATE_HZ, seed) for seed in (1, 2, 3))
    a = np.sqrt(similarity) * common + np.sqrt(1 - similarity) * first
    b = np.sqrt(similarity) * common + np.sqrt(1 - similarity) * second
    mixed = crossfade(a.astype(np.float32), b.astype(np.float32))
    for part in np.array_split(mixed, 20, axis=1):
        assert rms(part) == pytest.approx(0.1, rel=0.03)


def test_equals_opposites_and_silence_can_be_crossfaded() -> None:
    signal, nothing = noise(RATE_HZ, 1), np.zeros((2, 100), np.float32)
    np.testing.assert_allclose(crossfade(signal, signal), signal, atol=1e-6)
    assert np.abs(crossfade(signal, -signal)).max() <= 1.1 * np.abs(signal).max()
    np.testing.assert_array_equal(crossfade(nothing, nothing), nothing)


OVERLAP = round(0.2 * RATE_HZ)


def test_what_goes_on_seamlessly_is_joined_as_it_is() -> None:
    whole = tonal(6 * RATE_HZ)
    result = joined(whole[:, : 3 * RATE_HZ], whole[:, 3 * RATE_HZ - OVERLAP :], RATE_HZ, OVERLAP)
    np.testing.assert_allclose(result, whole, atol=1e-6)


def test_what_was_made_without_listening_is_brought_to_the_same_loudness() -> None:
    before, after = tonal(4 * RATE_HZ), noise(4 * RATE_HZ, 3, rms=0.02)
    result = joined(before, after, RATE_HZ, OVERLAP)
    assert result.shape == (1, 8 * RATE_HZ - OVERLAP)
    np.testing.assert_array_equal(result[:, : 4 * RATE_HZ - OVERLAP], before[:, :-OVERLAP])

    def loudness(samples: np.ndarray) -> float:
        meter = LoudnessMeter(RATE_HZ, 1)
        meter.push(samples)
        value = meter.loudness_lufs()
        assert value is not None
        return value

    assert loudness(result[:, 4 * RATE_HZ :]) == pytest.approx(loudness(before), abs=0.3)
    steps = np.abs(np.diff(result[0]))
    middle = 4 * RATE_HZ - OVERLAP
    assert steps[middle - 1 : 4 * RATE_HZ + 1].max() <= steps[4 * RATE_HZ :].max()


def test_silence_can_be_gone_on_from() -> None:
    after = tonal(2 * RATE_HZ)
    result = joined(np.zeros((1, RATE_HZ), np.float32), after, RATE_HZ, OVERLAP)
    np.testing.assert_array_equal(result[:, RATE_HZ:], after[:, OVERLAP:])
