"""Mixes from files to a file, against plain sums, and the limiter."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from soundwright.kit.audio import AudioLimits
from soundwright.kit.compute import Report
from soundwright.kit.errors import AppError
from soundwright.kit.song_tags import SongTags
from soundwright.services.separation.edits import Edit
from soundwright.services.separation.limiter import CEILING, REACH_SECONDS, Limiter
from soundwright.services.separation.mixdown import BLOCK_FRAMES, Mixed, MixSource, mix_to_file, stereo
from soundwright.services.separation.mixing import MixedStem, MixSpec, balance

RATE_HZ = 8000


LIMITS = AudioLimits()


class Studio:
    """Stems in files, and mixes of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources: list[MixSource] = []

    def add(self, samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "FLOAT") -> None:
        """A stem of ``samples`` [frames, channels]."""
        path = self._folder / f"{len(self._sources)}.wav"
        soundfile.write(path, samples, rate_hz, subtype)
        self._sources.append(MixSource(path, len(samples)))

    def render(
        self, *stems: MixedStem, limits: AudioLimits = LIMITS, report: Report = lambda share: None, **options: Any
    ) -> Mixed:
        return mix_to_file(
            None,
            report,
            spec=MixSpec(stems, **{"format": "wav32f", **options}),
            sources=[self._sources[stem.source] for stem in stems],
            target=self._folder / "mix.wav",
            limits=limits,
            tags=SongTags(),
        )

    def mix(self, *stems: MixedStem, **options: Any) -> tuple[np.ndarray, Mixed]:
        """The mix [frames, channels], of all stems as they are if none are given."""
        mixed = self.render(*(stems or map(MixedStem, range(len(self._sources)))), **options)
        samples, rate_hz = soundfile.read(self._folder / "mix.wav", dtype="float64", always_2d=True)
        assert (len(samples), rate_hz) == (mixed.frame_count, mixed.sample_rate_hz)
        return samples, mixed


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def noise(frames: int, channels: int = 2, seed: int = 0, level: float = 0.25) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-level, level, (frames, channels)).astype(np.float32)


def test_stems_as_they_are_are_summed_and_the_longest_gives_the_length(studio: Studio) -> None:
    long, short = noise(2 * BLOCK_FRAMES + 17), noise(BLOCK_FRAMES + 3, seed=1)
    studio.add(short)
    studio.add(long)
    mix, mixed = studio.mix()
    expected = long.astype(np.float64)
    expected[: len(short)] += short
    assert mixed == Mixed(RATE_HZ, len(long), limited=False)
    assert np.array_equal(mix, expected.astype(np.float32))


@pytest.mark.parametrize(("encoding", "subtype", "step"), [("wav16", "PCM_16", 2**-15), ("wav24", "PCM_24", 2**-23)])
def test_integer_encodings_are_exact(studio: Studio, tmp_path: Path, encoding: str, subtype: str, step: float) -> None:
    parts = [np.rint(noise(5000, seed=seed) / step) * step for seed in range(3)]
    for part in parts:
        studio.add(part, subtype=subtype)
    mix, _ = studio.mix(format=encoding)
    assert soundfile.info(tmp_path / "mix.wav").subtype == subtype
    assert np.array_equal(mix, sum(parts))


@pytest.mark.parametrize(
    ("pan", "left", "right"),
    [(0, 1, 1), (-1, 2**0.5, 0), (1, 0, 2**0.5), (0.5, 0.541196, 1.306563), (-0.5, 1.306563, 0.541196)],
)
def test_the_pan_law_is_one_of_constant_power(studio: Studio, pan: float, left: float, right: float) -> None:
    wide, narrow = noise(100), noise(100, channels=1, seed=1)
    studio.add(wide)
    studio.add(narrow)
    mix, _ = studio.mix(MixedStem(0, volume=0.5, pan=pan))
    np.testing.assert_allclose(mix, wide * np.array([left, right]) * 0.5, atol=1e-6)
    mix, _ = studio.mix(MixedStem(1, pan=pan))
    np.testing.assert_allclose(mix, narrow * np.array([left, right]) * 0.5**0.5, atol=1e-6)
    side = balance(1, pan, 2)
    assert side.left**2 + side.right**2 == pytest.approx(2)
    assert pan != 0 or (side.left, side.right) == (1, 1)
    assert abs(pan) != 1 or min(side.left, side.right) == 0


def test_muted_stems_and_those_beside_a_solo_are_silent_but_count_for_the_length(studio: Studio) -> None:
    a, b, c = noise(300, seed=1), noise(200, seed=2), noise(100, seed=3)
    for part in (a, b, c):
        studio.add(part)
    mix, _ = studio.mix(MixedStem(0, mute=True), MixedStem(1), MixedStem(2, volume=0))
    assert len(mix) == 300
    np.testing.assert_array_equal(mix[:200], b)
    assert not mix[200:].any()
    mix, _ = studio.mix(MixedStem(0), MixedStem(1), MixedStem(2, solo=True))
    assert len(mix) == 300
    np.testing.assert_array_equal(mix[:100], c)
    assert not mix[100:].any()


def test_edits_are_exact_across_blocks(studio: Studio) -> None:
    audio = noise(3 * BLOCK_FRAMES)
    studio.add(audio)
    a, b = BLOCK_FRAMES - 5, 2 * BLOCK_FRAMES + 9  # 8 frames are a millisecond
    mix, _ = studio.mix(
        MixedStem(0, edits=(Edit("trim", a / 8, b / 8), Edit("gain", (a - 3) / 8, (a + 4) / 8, level=2)))
    )
    expected = np.concatenate((audio[:a], audio[b:]))
    expected[a - 3 : a + 4] *= 2
    np.testing.assert_array_equal(mix, expected)


def test_the_highest_rate_is_the_mixs_and_others_are_converted(studio: Studio) -> None:
    slow, fast = noise(1001), noise(1500, seed=1)
    studio.add(slow, 8000)
    studio.add(fast, 16000)
    mix, mixed = studio.mix()
    assert (mixed.sample_rate_hz, mixed.frame_count) == (16000, 2002)
    expected = np.zeros((2002, 2))
    converted = soxr.resample(slow, 8000, 16000, quality="HQ")[:2002]
    expected[: len(converted)] = converted
    expected[:1500] += fast
    np.testing.assert_allclose(mix, expected, atol=1e-6)


@pytest.mark.parametrize(("count", "to_hz", "expected"), [(1001, 11025, 1380), (1001, 44100, 5518), (7, 8001, 7)])
def test_a_mix_has_the_rate_that_was_asked_for_and_the_nearest_length(
    studio: Studio, count: int, to_hz: int, expected: int
) -> None:
    studio.add(noise(count), 8000)
    mix, mixed = studio.mix(sample_rate_hz=to_hz)
    assert (mixed.sample_rate_hz, len(mix)) == (to_hz, expected)


def test_a_fade_out_ends_where_a_converted_stem_ends(studio: Studio) -> None:
    studio.add(np.ones((4000, 2), np.float32) * 0.5, 8000)
    mix, _ = studio.mix(MixedStem(0, edits=(Edit("fade_out", duration_ms=100),)), sample_rate_hz=16000)
    np.testing.assert_allclose(mix[-1600:-100, 0], 0.5 * (1 - np.arange(1500) / 1600), atol=1e-3)
    np.testing.assert_allclose(mix[200:-1600], 0.5, atol=1e-3)
    assert abs(mix[-1, 0]) < 0.5 / 1600 + 1e-9


def test_more_channels_are_folded(studio: Studio) -> None:
    audio = noise(500, channels=6)
    studio.add(audio)
    mix, _ = studio.mix()
    left, right, centre, _lfe, back_left, back_right = audio.T.astype(np.float64)
    half = 0.5**0.5
    expected = np.stack((left + half * (centre + back_left), right + half * (centre + back_right)), axis=1)
    np.testing.assert_allclose(mix, expected, atol=1e-6)
    for count in range(3, 9):
        folded = stereo(np.ones((count, 3), np.float32))
        assert folded.shape == (2, 3)
        np.testing.assert_allclose(folded[0], folded[1])


def test_only_what_exceeds_full_scale_is_limited_and_floats_never(studio: Studio) -> None:
    quiet = np.full((RATE_HZ, 2), 0.4, np.float32)
    studio.add(quiet)
    studio.add(quiet)
    mix, mixed = studio.mix(format="wav24")
    assert not mixed.limited
    np.testing.assert_allclose(mix, 0.8, atol=2**-23)
    peak = quiet.copy()
    peak[4000] = 0.9
    studio.add(peak)
    mix, mixed = studio.mix(format="wav16")
    assert mixed.limited
    assert np.abs(mix).max() <= CEILING + 2**-15
    np.testing.assert_allclose(mix[4000], CEILING, atol=2**-15)
    mix, mixed = studio.mix(format="wav32f")
    assert not mixed.limited
    assert mix.max() == pytest.approx(1.7)
    assert mix[0, 0] == pytest.approx(1.2)


@pytest.mark.parametrize(("speed", "semitones"), [(1.25, 0), (1, 3), (0.5, 12), (2, -12)])
def test_speed_and_pitch_change_alone_and_together(studio: Studio, speed: float, semitones: float) -> None:
    tone = np.sin(2 * np.pi * 440 / RATE_HZ * np.arange(2 * RATE_HZ))
    studio.add(np.stack([0.5 * tone, 0.25 * tone], axis=1).astype(np.float32))
    mix, _ = studio.mix(speed=speed, semitones=semitones)
    assert len(mix) == 2 * RATE_HZ / speed
    spectrum = np.abs(np.fft.rfft(mix[:, 0] * np.hanning(len(mix))))
    assert np.argmax(spectrum) * RATE_HZ / len(mix) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)
    assert np.array_equal(mix[:, 1], mix[:, 0] / 2)


def test_a_mix_of_too_many_samples_is_refused(studio: Studio, tmp_path: Path) -> None:
    studio.add(noise(1000))
    limits = AudioLimits(max_sample_count=4000)
    studio.render(MixedStem(0), limits=limits, sample_rate_hz=2 * RATE_HZ)
    (tmp_path / "mix.wav").unlink()
    with pytest.raises(AppError) as caught:
        studio.render(MixedStem(0), limits=limits, sample_rate_hz=3 * RATE_HZ)
    assert "4000 samples" in caught.value.meta["details"]["stems"][0]
    assert not (tmp_path / "mix.wav").exists()


def test_mixes_of_nothing_are_refused(studio: Studio) -> None:
    studio.add(noise(10))
    with pytest.raises(AppError) as caught:
        studio.mix(MixedStem(0, edits=(Edit("trim", 0, 5000),)))
    assert list(caught.value.meta["details"]) == ["stems"]


def test_whoever_reports_can_stop_it_and_nothing_is_left(studio: Studio, tmp_path: Path) -> None:
    studio.add(noise(5 * BLOCK_FRAMES))
    shares: list[float] = []

    def stop(share: float) -> None:
        shares.append(share)
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        studio.render(MixedStem(0), report=stop)
    assert shares[0] == 0
    assert 0.3 < shares[-1] < 0.7
    assert not (tmp_path / "mix.wav").exists()


@pytest.mark.parametrize(
    "options", [{"format": "wav16"}, {"format": "wav16", "sample_rate_hz": 11025}, {"speed": 1.25}]
)
def test_memory_does_not_grow_with_the_length(studio: Studio, options: dict[str, Any]) -> None:
    peaks = []
    for blocks in (5, 25):
        studio.add(np.full((blocks * BLOCK_FRAMES, 2), 0.7, np.float32), subtype="PCM_16")
        place = len(peaks)
        stems = [MixedStem(place, volume=2, edits=(Edit("trim", 1, 2), Edit("fade_out")))] * 2  # the limiter works, too
        tracemalloc.start()
        studio.render(*stems, **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def limited(signal: np.ndarray, block_frames: int = 1000) -> np.ndarray:
    blocks = [signal[:, i : i + block_frames] for i in range(0, signal.shape[1], block_frames)]
    return np.concatenate(list(Limiter(RATE_HZ).limited(blocks)), axis=1)


def test_what_stays_within_full_scale_passes_bit_for_bit() -> None:
    signal = np.random.default_rng(1).uniform(-1, 1, (2, 5000))
    signal[0, 100] = 1.0
    limiter = Limiter(RATE_HZ)
    out = np.concatenate(list(limiter.limited([signal[:, :70], signal[:, 70:]])), axis=1)
    assert np.array_equal(out, signal)
    assert not limiter.engaged


def test_a_peak_is_turned_down_to_the_ceiling_and_what_is_far_from_it_is_not() -> None:
    signal = np.full((2, 6000), 0.5)
    signal[1, 3000] = 2.0
    limiter = Limiter(RATE_HZ)
    out = np.concatenate(list(limiter.limited([signal])), axis=1)
    assert limiter.engaged
    assert out[1, 3000] == pytest.approx(CEILING, abs=1e-9)
    assert out[0, 3000] == pytest.approx(0.5 * CEILING / 2, abs=1e-9)  # both channels, so the image stays
    far = np.abs(np.arange(6000) - 3000) > 2 * round(REACH_SECONDS * RATE_HZ)
    np.testing.assert_allclose(out[:, far], signal[:, far], rtol=1e-12)
    assert np.abs(np.diff(out[0] / signal[0])).max() < 0.02  # no jump


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3000), st.integers(1, 1500), st.floats(0.5, 30))
def test_nothing_exceeds_the_ceiling_wherever_blocks_end(
    seed: int, length: int, block_frames: int, loud: float
) -> None:
    generator = np.random.default_rng(seed)
    signal = generator.uniform(-1, 1, (2, length)) * np.where(generator.random(length) < 0.01, loud, 0.9)
    if not length:
        return
    out = limited(signal, block_frames)
    assert out.shape == signal.shape
    assert np.abs(out).max() <= max(1.0, CEILING)
    over = np.abs(signal).max(axis=0) > 1
    assert np.abs(out[:, over]).max(initial=0) <= CEILING + 1e-9
    np.testing.assert_allclose(out, limited(signal, length), atol=1e-9)
