"""The judge of takes: broken signals are refused with the right words, sound ones of many kinds pass."""

import functools

import numpy as np
import pytest

from soundwright.services.generation.quality import ACCEPTED_SCORE, Quality, judge, wants_noise

RATE_HZ = 32000
SECONDS = 8.0
TIME = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ


@functools.cache
def chord() -> np.ndarray:
    """float32 [1, frames]: plucked notes that overlap, at a usual level."""
    notes = np.zeros(TIME.size)
    for number in range(32):
        start = number * 0.25
        since = np.maximum(TIME - start, 0.0)
        hz = 110.0 * 2.0 ** ((number * 5 % 24) / 12)
        tone = sum(np.sin(2 * np.pi * hz * harmonic * since) / harmonic for harmonic in range(1, 8))
        notes += (start <= TIME) * np.exp(-3 * since) * tone
    return (0.15 * notes / np.std(notes))[None].astype(np.float32)


def noise(rms: float = 0.1, seed: int = 0) -> np.ndarray:
    return (rms * np.random.default_rng(seed).standard_normal((1, TIME.size))).astype(np.float32)


def tone(hz: float, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * TIME))[None].astype(np.float32)


def hits() -> np.ndarray:
    """A short knock every second, silence between."""
    return (noise(0.3) * (np.exp(-60 * np.mod(TIME, 1.0)) > 1e-4) * np.exp(-60 * np.mod(TIME, 1.0))).astype(np.float32)


def verdict(samples: np.ndarray, *, is_music: bool = True, noisy: bool = False, seconds: float = SECONDS) -> Quality:
    return judge(samples, RATE_HZ, seconds, is_music=is_music, noise_is_wanted=noisy)


def band_stopped(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    spectrum = np.fft.rfft(samples, axis=1)
    hz = np.fft.rfftfreq(samples.shape[1], 1 / RATE_HZ)
    spectrum[:, (hz > low_hz) & (hz < high_hz)] = 0
    return np.fft.irfft(spectrum, samples.shape[1], axis=1).astype(np.float32)


def half_silent(samples: np.ndarray) -> np.ndarray:
    return np.where(TIME < SECONDS / 2, samples, 0).astype(np.float32)


BROKEN = {
    "silence": (np.zeros((1, TIME.size), np.float32), "The clip is silent."),
    "silence with an offset": (np.full((1, TIME.size), 0.3, np.float32), "The clip is silent."),
    "no numbers": (np.full((1, TIME.size), np.nan, np.float32), "The clip contains no playable audio"),
    "nothing": (np.zeros((1, 0), np.float32), "The clip contains no playable audio"),
    "too quiet": (chord() * np.float32(0.003), "Very quiet"),
    "clipped music": (np.clip(chord() * 8, -1, 1), "Clipped"),
    "clipped square": (np.sign(tone(220.0)).astype(np.float32), "Clipped"),
    "offset": (chord() + np.float32(0.2), "DC offset"),
    "white noise": (noise(), "Sounds like noise"),
    "a burst of white noise": (noise() * (np.mod(TIME, 4.0) < 2.5), "Sounds like noise"),
    "half of it silent": (half_silent(chord()), "Silent for 50 % of its length"),
    "a hole in the middle": (np.where(abs(TIME - 4.0) < 1.0, 0, chord() + tone(150.0, 0.2)), "Silent for 2.0 seconds"),
    "half as long": (chord()[:, : TIME.size // 2], "Shorter than requested: 4.0 of 8.0"),
    "a band missing": (band_stopped(noise(), 950, 2100), "Almost no energy between 1000 and 2000 Hz"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_takes_are_refused(name: str) -> None:
    samples, issue = BROKEN[name]
    quality = verdict(np.asarray(samples, np.float32), noisy=name == "a band missing")
    assert quality.score < ACCEPTED_SCORE
    assert not quality.accepted
    assert any(said.startswith(issue) for said in quality.issues), quality


@pytest.mark.parametrize("name", ["silence", "too quiet", "clipped square", "offset", "half as long"])
def test_broken_sound_effects_are_refused(name: str) -> None:
    assert not verdict(np.asarray(BROKEN[name][0], np.float32), is_music=False).accepted


def test_a_sound_effect_that_is_cut_off_is_refused() -> None:
    quality = verdict(half_silent(noise()), is_music=False, noisy=True)
    assert not quality.accepted
    assert quality.issues == ("Silent for 4.0 seconds, at 4.0 seconds.",)


SOUND = {
    "music": (chord(), True, False),
    "music beyond full scale that is not clipped": (chord() * np.float32(1.4 / np.abs(chord()).max()), True, False),
    "quiet ambient": (chord() * np.float32(0.05), True, False),
    "pure tone": (tone(440.0), True, False),
    "low tone at full scale": (tone(40.0, 1.0), True, False),
    "high tone": (tone(7000.0), False, False),
    "two tones far apart": (tone(100.0, 0.4) + tone(5000.0, 0.3), False, False),
    "square lead": (np.sign(tone(220.0)).astype(np.float32) * np.float32(0.4), True, False),
    "rain": (noise(), False, True),
    "rain under music": (noise(), True, True),
    "noise where an effect was asked for": (noise(), False, False),
    "hits in silence": (hits(), False, False),
    "drums": (hits() + noise(0.2) * (np.exp(-20 * np.mod(TIME, 0.5))) + tone(60.0) * np.exp(-9 * np.mod(TIME, 1)), True, True),
    "one hit": (hits() * (TIME < 1), False, False),
    "a fading note": ((tone(220.0) * np.exp(-0.5 * TIME)), True, False),
    "stereo": (np.concatenate([chord(), tone(440.0)]), True, False),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_sound_takes_pass(name: str) -> None:
    samples, is_music, noisy = SOUND[name]
    quality = verdict(np.asarray(samples, np.float32), is_music=is_music, noisy=noisy)
    assert quality.accepted, quality
    assert quality.score >= 70


def test_a_take_without_fault_has_full_marks() -> None:
    assert verdict(chord() * np.clip((SECONDS - TIME) / 0.5, 0, 1).astype(np.float32)) == Quality(100, (), True)


@pytest.mark.parametrize("is_loop", [False, True])
def test_a_loop_has_no_end_that_could_come_too_soon(is_loop: bool) -> None:
    quality = judge(tone(220.0), RATE_HZ, SECONDS, is_music=True, noise_is_wanted=False, is_loop=is_loop)
    assert ("Ends suddenly." in quality.issues) is not is_loop


def test_the_worst_fault_decides_and_comes_first() -> None:
    both = np.clip(chord() * 8, -1, 1)[:, : round(0.93 * TIME.size)]
    quality = verdict(both)
    assert [issue.split()[0] for issue in quality.issues[:2]] == ["Clipped:", "Shorter"]
    assert quality.score == verdict(np.clip(chord() * 8, -1, 1)).score


@pytest.mark.parametrize(("rate_hz", "seconds"), [(16000, 1.0), (44100, 1.0), (48000, 2.0), (8000, 1.0)])
def test_any_rate_and_length_can_be_judged(rate_hz: int, seconds: float) -> None:
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    samples = (0.3 * np.sin(2 * np.pi * 300 * time) * (1 - time / seconds))[None].astype(np.float32)
    assert judge(samples, rate_hz, seconds, is_music=True, noise_is_wanted=False).score == 100


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("Heavy RAIN on a roof", True), ("ocean waves", True), ("a windy night", True), ("brown noise", True),
        ("solo piano", False), ("a training montage", False), ("wistful waltz", False), ("uprising", False),
    ],
)  # fmt: skip
def test_prompts_that_ask_for_noise_are_known_by_whole_words(prompt: str, wanted: bool) -> None:
    assert wants_noise(prompt) is wanted
