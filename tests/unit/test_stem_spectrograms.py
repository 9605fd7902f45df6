"""Mel spectrograms of stems: levels, bands and times, and that memory does not grow with the length."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.analysis.engines.mel_spectrogram import write_spectrogram

RATE_HZ = 44100
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
