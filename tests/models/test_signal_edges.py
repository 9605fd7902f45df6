"""What every engine owes to any recording: the same tests for each model whose weights are here."""

from collections.abc import Iterator

import numpy as np
import pytest

from soundwright.services.separation.registry import Registry, build_registry
from soundwright.services.separation.service import Samples
from soundwright.services.separation.settings import SeparationSettings
from soundwright.services.separation.upright import Upright, rest_of, separated
from tests.models.recordings import ArrayMix, error_db, joined

RATE_HZ = 44_100
REGISTRY = build_registry(SeparationSettings(separation_thread_count=1, separation_device="cpu"))
MODELS = [
    name
    for name in (*REGISTRY.model_names, "hpss")
    if REGISTRY.engine(name).is_present(name) and REGISTRY.declaration(name).is_licensed
]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Iterator[str]:
    with REGISTRY.use(request.param, keep=False):
        yield request.param


def stems_of(model: str, samples: Samples, rate_hz: int = RATE_HZ) -> dict[str, Samples]:
    registry: Registry = REGISTRY
    with registry.use(model) as engine:
        outputs = registry.declaration(model).outputs
        return joined(separated(engine, Upright(ArrayMix(samples, rate_hz)), model, outputs))


def music(channel_count: int, seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    """A bass, a chord, hits and a hiss, at other levels in every channel: float32 [channels, frames] without an offset."""
    rng = np.random.default_rng(1)
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    bass = 0.2 * np.sin(2 * np.pi * 55 * times)
    chord = sum(0.05 * np.sin(2 * np.pi * pitch * times) for pitch in (220.0, 277.2, 329.6))
    hits = 0.4 * rng.standard_normal(times.size) * np.exp(-(times % 0.5) * 40)
    levels = rng.uniform(0.5, 1.0, (channel_count, 3))
    samples = levels @ np.stack([bass, chord, hits]) + 0.001 * rng.standard_normal((channel_count, times.size))
    return np.asarray(samples - samples.mean(axis=1, keepdims=True), np.float32)


SONG = music(2, 2)


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.fixture(scope="module")
def whole(model: str) -> dict[str, Samples]:
    """The stems of :data:`SONG`."""
    return stems_of(model, SONG)


def test_all_engines_that_need_no_download_are_tested() -> None:
    assert {"small", "dsp", "hpss"} <= set(MODELS)


def test_an_offset_is_in_one_stem_and_changes_no_other(model: str, whole: dict[str, Samples]) -> None:
    offset = np.array([[-0.02], [0.3]], np.float32)
    rest = rest_of(REGISTRY.declaration(model).outputs)
    moved = stems_of(model, SONG + offset)
    for stem, expected in whole.items():
        np.testing.assert_allclose(moved[stem] - (offset if stem == rest else 0), expected, atol=3e-4)


def test_opposite_channels_are_separated_as_equal_ones_are(model: str) -> None:
    left = music(1, 1)
    equal, opposite = (stems_of(model, np.concatenate([left, sign * left])) for sign in (1, -1))
    for stem, expected in equal.items():
        np.testing.assert_allclose(opposite[stem], expected * [[1], [-1]], atol=1e-5)


@pytest.mark.parametrize(("rate_hz", "channel_count"), [(8_000, 5), (RATE_HZ, 2), (192_000, 1)])
def test_stems_add_up_at_any_rate_with_any_channels(model: str, rate_hz: int, channel_count: int) -> None:
    samples = music(channel_count, 1.0, rate_hz) + np.float32(0.02)
    samples[1::2] *= -1
    stems = stems_of(model, samples, rate_hz)
    assert set(stems) == set(REGISTRY.declaration(model).outputs)
    assert all(stem.shape == samples.shape and stem.dtype == np.float32 for stem in stems.values())
    assert error_db(sum(stems.values()), samples) < -100


@pytest.mark.parametrize(("level", "channel_count"), [(0.0, 2), (0.05, 3)])
def test_silence_stays_silent(model: str, level: float, channel_count: int) -> None:
    """Also a constant is silence. It stays in one stem."""
    stems = stems_of(model, np.full((channel_count, RATE_HZ), level, np.float32))
    rest = rest_of(tuple(stems))
    for stem, samples in stems.items():
        np.testing.assert_allclose(samples, level if stem == rest else 0, atol=1e-6)


def test_silent_parts_of_a_song_stay_silent(model: str) -> None:
    """Far from sounds: the windows of the transforms reach beyond the end of a sound."""
    samples = music(2, 3)
    samples[:, RATE_HZ:] = 0
    for stem in stems_of(model, samples).values():
        assert rms(stem[:, 2 * RATE_HZ :]) < 1e-6


def test_requested_stems_are_those_of_the_whole_separation(model: str, whole: dict[str, Samples]) -> None:
    mix, outputs = ArrayMix(SONG), REGISTRY.declaration(model).outputs
    with REGISTRY.use(model) as engine:
        for stems in {outputs[:1], outputs[-1:], outputs[::2]}:
            actual = joined(separated(engine, Upright(mix), model, outputs, stems))
            assert {stem: samples.tobytes() for stem, samples in actual.items()} == {
                stem: whole[stem].tobytes() for stem in stems
            }


def test_level_does_not_change_the_separation(model: str, whole: dict[str, Samples]) -> None:
    quiet = stems_of(model, SONG / 64)
    for stem, loud in whole.items():
        assert np.abs(64 * quiet[stem] - loud).max() < 1e-3 * np.abs(SONG).max()
