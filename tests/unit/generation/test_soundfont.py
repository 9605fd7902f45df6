"""The player of the SoundFont."""

import numpy as np
import pytest

from soundwright.kit.errors import AppError
from soundwright.services.generation.engines.procedural import soundfont

RATE_HZ = 44100
STEADY = np.ones(1)


def played(program: int, pitch: int, hold_seconds: float, velocity: float = 0.7) -> np.ndarray:
    tone = soundfont.font().play(0, program, pitch, velocity, STEADY, hold_seconds, RATE_HZ)
    assert tone.shape[0] == 2
    return tone.mean(axis=0)


def treble_share(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float(power[np.fft.rfftfreq(wave.size, 1 / RATE_HZ) > 2000].sum() / power.sum())


def test_a_loop_sounds_as_long_as_the_note_is_held_and_a_string_dies_away() -> None:
    organ, guitar = played(19, 60, 6.0), played(24, 60, 6.0)
    assert organ.size > 6 * RATE_HZ  # and its release

    def level(wave: np.ndarray, at_seconds: float) -> float:
        start = round(at_seconds * RATE_HZ)
        return float(np.sqrt(np.mean(wave[start : start + RATE_HZ // 4] ** 2)))

    assert level(organ, 5.5) > 0.5 * level(organ, 0.5)
    assert level(guitar, 4.0) < 0.05 * level(guitar, 0.05)


def test_loud_tones_are_brighter() -> None:
    assert treble_share(played(66, 64, 1.0, 1.0)) > 1.5 * treble_share(played(66, 64, 1.0, 0.3))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("_SHA256", "0" * 64, "WEIGHTS_CHANGED"), ("_PACKAGE", "not-installed", "MODEL_UNAVAILABLE")],
)
def test_another_file_and_a_missing_one_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setattr(soundfont, name, value)
    soundfont.font.cache_clear()
    try:
        with pytest.raises(AppError, match=reason):
            soundfont.font()
    finally:
        soundfont.font.cache_clear()
