"""Waveforms have the extremes of the signal, and mel spectrograms its levels, bands and times, however it arrives."""

import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soundwright.kit.audio import PIXEL_FRAMES, Waveform, coarser_waveform, regroup
from soundwright.services.analysis.engines.mel_spectrogram import write_spectrogram

RATE_HZ = 44_100


def noise(channel_count: int, frame_count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (channel_count, frame_count)).astype(np.float32)


def drawn(samples: NDArray[np.float32], block_frames: int = 10_000) -> bytes:
    waveform = Waveform(RATE_HZ)
    for block in regroup([samples], block_frames):
        waveform.add(block)
    return waveform.data()


def pairs(data: bytes) -> list[tuple[int, int]]:
    return list(struct.iter_unpack("<bb", data[24:]))


def expected(samples: NDArray[np.float32], pixel_frames: int = PIXEL_FRAMES) -> list[tuple[int, int]]:
    values = []
    for start in range(0, samples.shape[1], pixel_frames):
        part = samples[:, start : start + pixel_frames]
        values.append(tuple(max(-128, min(127, round(float(extreme) * 128))) for extreme in (part.min(), part.max())))
    return values


@pytest.mark.parametrize("channel_count", [1, 2, 6])
@pytest.mark.parametrize("frame_count", [1, 255, 256, 257, 5_120, 50_001])
def test_each_pixel_has_the_extremes_of_all_channels(channel_count: int, frame_count: int) -> None:
    samples = noise(channel_count, frame_count)
    data = drawn(samples)
    length = -(-frame_count // PIXEL_FRAMES)
    assert struct.unpack_from("<iIiiIi", data) == (2, 1, RATE_HZ, 256, length, 1)
    assert pairs(data) == expected(samples)


def test_known_signals_have_known_extremes() -> None:
    silence = np.zeros((2, 512), np.float32)
    assert pairs(drawn(silence)) == [(0, 0)] * 2
    loud = np.array([[1.0, -1.0, 1.5, -1.5] * 64], np.float32)
    assert pairs(drawn(loud)) == [(-128, 127)]
    half = np.full((1, 256), 0.5, np.float32)
    assert pairs(drawn(half)) == [(64, 64)]
    opposite = np.stack([half[0], -half[0]])  # the mean would be silent
    assert pairs(drawn(opposite)) == [(-64, 64)]
    impulse = np.zeros((1, 1024), np.float32)
    impulse[0, 700] = 0.25
    assert pairs(drawn(impulse)) == [(0, 0), (0, 0), (0, 32), (0, 0)]


def test_an_empty_recording_has_no_pixels() -> None:
    data = Waveform(RATE_HZ).data()
    assert struct.unpack_from("<iIiiIi", data) == (2, 1, RATE_HZ, 256, 0, 1)
    assert len(data) == 24
    assert pairs(coarser_waveform(data, 1024)) == []


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3000), st.integers(1, 1000), st.integers(1, 3))
def test_blocks_of_any_length_give_the_same_waveform(frame_count: int, block_frames: int, channel_count: int) -> None:
    samples = noise(channel_count, frame_count)
    assert drawn(samples, block_frames) == drawn(samples, frame_count)


def test_the_data_can_be_read_at_any_time() -> None:
    samples, waveform = noise(1, 600), Waveform(RATE_HZ)
    waveform.add(samples[:, :300])
    assert pairs(waveform.data()) == expected(samples[:, :300])
    waveform.add(samples[:, 300:])
    assert pairs(waveform.data()) == expected(samples)


@pytest.mark.parametrize("frame_count", [100, 70_000, 262_144, 262_145])
@pytest.mark.parametrize("pixel_frames", [256, 512, 4096, 65_536, 1 << 24])
def test_a_coarser_waveform_is_that_of_longer_stretches(frame_count: int, pixel_frames: int) -> None:
    samples = noise(2, frame_count)
    data = coarser_waveform(drawn(samples), pixel_frames)
    assert struct.unpack_from("<iIiiIi", data)[2:5] == (RATE_HZ, pixel_frames, -(-frame_count // pixel_frames))
    assert pairs(data) == expected(samples, pixel_frames)


HOP_FRAMES = 2048
BAND_COUNT = 64


class Signal:
    """A recording of two channels, in blocks."""

    sample_rate_hz = RATE_HZ
    channel_count = 2

    def __init__(self, samples: NDArray[np.float32], repeats: int = 1) -> None:
        self._samples = samples
        self._repeats = repeats

    def blocks(self, block_frames: int) -> Iterator[NDArray[np.float32]]:
        for _ in range(self._repeats):
            for start in range(0, self._samples.size, block_frames):
                yield np.repeat(self._samples[np.newaxis, start : start + block_frames], 2, axis=0)


def centre_hz(band: int) -> float:
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (30.0, 16_000.0))
    mel = low + (band + 1) / (BAND_COUNT + 1) * (high - low)
    return float(700 * (10 ** (mel / 2595) - 1))


def columns(signal: Signal, folder: Path, check: Any = lambda: None) -> NDArray[np.uint8]:
    target = folder / "spectrogram"
    write_spectrogram(signal, target, hop_frames=HOP_FRAMES, band_count=BAND_COUNT, check=check)  # type: ignore[arg-type]
    return np.frombuffer(target.read_bytes(), np.uint8).reshape(-1, BAND_COUNT)


@pytest.mark.parametrize(("band", "decibels"), [(20, 0.0), (40, -12.0), (60, -60.0)])
def test_a_tone_has_its_level_in_its_band_while_it_sounds(tmp_path: Path, band: int, decibels: float) -> None:
    times = np.arange(3 * RATE_HZ) / RATE_HZ
    tone = 10 ** (decibels / 20) * np.sin(2 * np.pi * centre_hz(band) * times)
    tone[times < 1] = 0.0
    found = columns(Signal(tone.astype(np.float32)), tmp_path)
    assert len(found) == 1 + len(times) // HOP_FRAMES
    sounding = found[round(2 * RATE_HZ / HOP_FRAMES)]
    assert sounding.argmax() == band
    assert sounding[band] / 255 * 90 - 90 == pytest.approx(decibels, abs=1.5)
    assert not found[: round(0.9 * RATE_HZ / HOP_FRAMES)].any(), "silence is 0"


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 10 * RATE_HZ).astype(np.float32)
    columns(Signal(noise), tmp_path)  # loads the libraries
    tracemalloc.start()
    try:
        columns(Signal(noise, repeats=6), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_the_work_stops_when_it_is_told_to(tmp_path: Path) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        columns(Signal(np.zeros(RATE_HZ, np.float32)), tmp_path, check)
