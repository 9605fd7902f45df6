"""The picture shows the sound: right bands, right times, right size, and always the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from services.generation.spectrogram import draw_spectrogram, mel_spectrogram_db

RATE_HZ = 32000


def tone(hz: float, seconds: float = 2.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)[None].astype(np.float32)


@pytest.mark.parametrize("rate_hz", [16000, 32000, 44100])
@pytest.mark.parametrize("hz", [250.0, 1000.0, 5000.0])
def test_a_tone_is_the_brightest_in_its_band(rate_hz: int, hz: float) -> None:
    levels = mel_spectrogram_db(tone(hz, rate_hz=rate_hz), rate_hz)
    assert levels.shape[0] == 128
    assert levels.max() == 0.0
    assert levels.min() == -80.0
    # Slaney's mel scale: linear to 1000 Hz (15 mel), then a factor of 6.4 in 27 mel.
    mel = hz / (200 / 3) if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)
    top = 15 + 27 * np.log(8) / np.log(6.4)
    assert np.argmax(levels.mean(axis=1)) == pytest.approx(mel / top * 129 - 1, abs=1.5)


def test_times_are_where_they_belong() -> None:
    samples = tone(1000.0, 4.0)
    samples[:, : 2 * RATE_HZ] = 0
    levels = mel_spectrogram_db(samples, RATE_HZ)
    half = levels.shape[1] // 2
    assert levels[:, : half - 4].max() == -80.0
    assert levels[:, half + 4 : -4].max(axis=0).min() > -1.0


@pytest.mark.parametrize("frames", [0, 1, 100, 3000])
def test_short_and_silent_clips_have_pictures_too(frames: int, tmp_path: Path) -> None:
    silent = np.zeros((1, frames), np.float32)
    assert (mel_spectrogram_db(silent, RATE_HZ) == -80.0).all()
    assert drawn(silent, tmp_path).shape == (300, 1000, 4)


def drawn(samples: np.ndarray, folder: Path) -> np.ndarray:
    import matplotlib.image  # slow to import

    draw_spectrogram(samples, RATE_HZ, folder / "picture.png")
    return matplotlib.image.imread(folder / "picture.png")


def test_the_picture_is_drawn_in_the_right_colours(tmp_path: Path) -> None:
    picture = drawn(tone(1000.0), tmp_path)
    background = np.array([0x1A, 0x1A, 0x2E]) / 255
    np.testing.assert_allclose(picture[0, 0, :3], background, atol=0.01)
    assert (picture[:, :60, :3].min(axis=2) > 0.95).any()  # white labels on the left
    rows = picture[30:240, 100:880, :3].sum(axis=2).mean(axis=1)
    # 1000 Hz: a third of the mel scale from below.
    assert np.argmax(rows) == pytest.approx(210 * (1 - 15 / 45.2), abs=30)


def test_the_same_clip_gives_the_same_bytes(tmp_path: Path) -> None:
    content = []
    for hz in (440.0, 440.0, 880.0):
        drawn(tone(hz), tmp_path)
        content.append((tmp_path / "picture.png").read_bytes())
    assert content[0] == content[1] != content[2]
