"""The rendered songs: stems, levels, balance, and onsets at the score's tempo. Takes about ten seconds."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from soundwright.kit.audio.loudness import LoudnessMeter
from soundwright.services.generation.engines.procedural import effects
from soundwright.services.generation.engines.procedural.instruments import INSTRUMENTS
from soundwright.services.generation.engines.procedural.render import mix, render_stems
from soundwright.services.generation.engines.procedural.score import STEMS, Note, Song, Track
from soundwright.services.generation.engines.procedural.songs import SONGS, song
from soundwright.services.generation.engines.procedural.sounds import SOURCES, Cue, render_cue
from soundwright.services.generation.engines.procedural.tones import Tone

RATE_HZ = 44100
INHARMONIC = ("accordion", "bell", "glockenspiel", "marimba", "tubular_bells")  # or with two reeds for a tone
BANDS_HZ = ((20, 200), (200, 2000), (2000, 20000))

Samples = NDArray[np.float32]


def band_shares_db(samples: Samples) -> list[float]:
    """Energy in each band against the whole."""
    mono = samples.mean(axis=0)
    power = np.abs(np.fft.rfft(mono)) ** 2
    hz = np.fft.rfftfreq(mono.size, 1 / RATE_HZ)
    return [
        float(10 * np.log10(power[(hz >= low) & (hz < high)].sum() / power.sum() + 1e-12)) for low, high in BANDS_HZ
    ]


def crest_db(samples: Samples) -> float:
    return float(20 * np.log10(np.max(np.abs(samples)) / np.sqrt(np.mean(samples**2))))


def loudness_dbfs(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


@pytest.fixture(scope="module", params=SONGS)
def rendered(request: pytest.FixtureRequest) -> tuple[Song, dict[str, Samples]]:
    score = song(request.param, 10.0)
    return score, render_stems(score)


def test_a_song_sounds_like_a_mix(rendered: tuple[Song, dict[str, Samples]]) -> None:
    score, stems = rendered
    whole = mix(stems)
    assert whole.dtype == np.float32
    assert whole.shape == (2, score.frames(RATE_HZ))
    np.testing.assert_allclose(sum(stems[stem] for stem in ("drums", "bass", "vocals", "other")), whole, atol=1e-6)
    assert 0.5 < np.max(np.abs(whole)) <= 0.9
    assert -22 < loudness_dbfs(whole) < -10
    assert 8 < crest_db(whole) < 20
    low, middle, high = band_shares_db(whole)
    assert -10 < low < -1  # there is a bass, and more than a bass
    assert middle > -8
    assert -26 < high < -3  # neither dull nor harsh
    for samples in stems.values():
        assert loudness_dbfs(samples) > loudness_dbfs(whole) - 15  # every stem is heard


def test_voices_stand_in_the_middle_and_chords_are_wide(rendered: tuple[Song, dict[str, Samples]]) -> None:
    _, stems = rendered

    def side_db(samples: Samples) -> float:
        return loudness_dbfs(samples[:1] - samples[1:]) - loudness_dbfs(samples[:1] + samples[1:])

    assert side_db(stems["bass"]) < -40
    assert side_db(stems["vocals"]) < -10
    assert side_db(stems["drums"]) < -12
    assert side_db(stems["other"]) > -12


def test_groups_of_stems_have_the_same_mix(rendered: tuple[Song, dict[str, Samples]]) -> None:
    score, stems = rendered
    [whole] = render_stems(score, groups={"all": STEMS}).values()
    np.testing.assert_allclose(whole, mix(stems), atol=1e-5)


def test_a_mix_has_the_loudness_of_clips(rendered: tuple[Song, dict[str, Samples]]) -> None:
    meter = LoudnessMeter(RATE_HZ, 2)
    meter.push(mix(rendered[1]))
    assert meter.loudness_lufs() == pytest.approx(-14.0, abs=0.7)


def test_calm_styles_are_less_bright() -> None:
    score = song("pop", 4.0)
    dull = mix(render_stems(replace(score, brightness=0.0)))
    assert band_shares_db(dull)[2] < band_shares_db(mix(render_stems(score)))[2] - 3


def test_rendering_repeats_itself_and_the_seed_matters() -> None:
    score = song("demo", 3.0)
    first, again, other = render_stems(score), render_stems(score), render_stems(score, seed=1)
    for stem, samples in first.items():
        np.testing.assert_array_equal(samples, again[stem])
    assert np.max(np.abs(mix(first) - mix(other))) > 0.01


def test_another_rate_is_the_same_music() -> None:
    score = song("pop", 4.0)
    assert mix(render_stems(score, 22050)).shape == (2, 88200)
    assert np.max(np.abs(mix(render_stems(score, 22050)))) <= 0.9


def test_an_absent_stem_is_silent_and_an_empty_song_too() -> None:
    lonely = Song("s", 120.0, "C major", 4, 2.0, (Track("bass", "bass_saw", (Note(0, 2, 36, 0.9),)),))
    stems = render_stems(lonely)
    assert not stems["drums"].any()
    assert stems["bass"].any()
    assert not mix(render_stems(Song("s", 120.0, "C major", 4, 1.0, ()))).any()


@pytest.mark.parametrize("name", [name for name in INSTRUMENTS if not name.startswith(("kit_", *INHARMONIC))])
def test_every_instrument_plays_in_tune(name: str) -> None:
    instrument = INSTRUMENTS[name]
    pitch = (instrument.lowest_midi + instrument.highest_midi) // 2
    played = instrument.play(Tone(pitch, 1.0, 0.8), RATE_HZ, np.random.default_rng(1))
    mono = np.atleast_2d(played)[0].astype(np.float64)
    assert np.isfinite(mono).all()
    assert 0.01 < np.max(np.abs(mono)) < 8.0
    # The strongest repetition near the expected period is that period: within 30 cents.
    period = RATE_HZ / (440.0 * 2 ** ((pitch - 69) / 12))
    steady = mono[: round(0.9 * RATE_HZ)]
    # A time of several periods, to resolve cents.
    repeats = max(1, round(800 / period))
    lags = np.arange(round(repeats * period * 0.97), round(repeats * period * 1.03) + 1)
    likeness = [np.dot(steady[:-lag], steady[lag:]) for lag in lags]
    best = lags[int(np.argmax(likeness))] / repeats
    assert abs(1200 * np.log2(best / period)) < 30


@pytest.mark.parametrize("name", [name for name in INSTRUMENTS if name.startswith("kit_")])
def test_every_kit_has_its_pieces(name: str) -> None:
    def centroid_hz(pitch: int) -> float:
        hit = INSTRUMENTS[name].play(Tone(pitch, 0.2, 0.9), RATE_HZ, np.random.default_rng(1))
        assert hit.shape[0] == 2
        assert np.max(np.abs(hit)) <= 1.5
        power = np.abs(np.fft.rfft(hit.mean(axis=0))) ** 2
        return float((power * np.fft.rfftfreq(hit.shape[1], 1 / RATE_HZ)).sum() / power.sum())

    kick, tom, snare, hat = (centroid_hz(pitch) for pitch in (36, 45, 38, 42))
    assert kick < tom < snare < hat
    assert kick < 150
    assert hat > 4000


@pytest.mark.parametrize("name", SOURCES)
def test_every_sound_is_heard(name: str) -> None:
    sound = render_cue(Cue(name), 3 * RATE_HZ, RATE_HZ, np.random.default_rng(1))
    assert sound.shape == (2, 3 * RATE_HZ)
    assert np.isfinite(sound).all()
    assert np.max(np.abs(sound)) > 0.05


def test_one_limiter_curve_holds_every_peak() -> None:
    rng = np.random.default_rng(3)
    loud = (rng.standard_normal((2, 30000)) * np.where(np.arange(30000) % 7000 < 60, 3.0, 0.2)).astype(np.float32)
    gain = effects.limiter_gain(loud, 0.9, RATE_HZ)
    assert np.max(np.abs(loud * gain)) <= 0.9 + 1e-5
    assert gain.max() <= 1.0
    assert np.max(np.abs(np.diff(gain))) < 0.002  # no click of its own
    quiet = 0.1 * np.sin(np.linspace(0, 99, 5000, dtype=np.float32))[None]
    np.testing.assert_array_equal(effects.limiter_gain(quiet, 0.9, RATE_HZ), 1.0)
