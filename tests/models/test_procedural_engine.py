"""The engine as its Protocol promises: exact lengths, the same audio for the same words, nothing clipped."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundwright.kit.errors import AppError, Code
from soundwright.services.generation.engines.audiocraft.engine import MODELS
from soundwright.services.generation.engines.procedural.engine import ProceduralEngine
from soundwright.services.generation.level import levelled, metered
from soundwright.services.generation.quality import judge, wants_noise
from soundwright.services.generation.service import Clip, Engine, Part, Take

RATE_HZ = 44100
ENGINE_MODELS = {declared.name: declared.fallback for declared in MODELS}
MUSIC = (
    "upbeat pop", "solo piano in C minor", "peaceful ambient, no drums", "lo-fi beats with rain", "epic orchestral",
)  # fmt: skip
SOUNDS = ("heavy rain with distant thunder", "footsteps in a cave", "laser", "UI click", "qwertz")


def generate(prompt: str, seconds: float = 4.0, seed: int = 7, model: str = "music") -> Clip:
    engine: Engine = ProceduralEngine()
    return engine.generate(ENGINE_MODELS[model], [Take(prompt, seconds, seed)], lambda share: None)[0]


@pytest.mark.parametrize(("prompt", "model"), [*((p, "music") for p in MUSIC), *((p, "audio") for p in SOUNDS)])
def test_a_clip_is_clean_and_accepted_at_once(prompt: str, model: str) -> None:
    clip = generate(prompt, 5.3, model=model)
    samples = clip.samples
    assert clip.sample_rate_hz == RATE_HZ
    assert (samples.shape, samples.dtype) == ((2, round(5.3 * RATE_HZ)), np.float32)
    assert np.isfinite(samples).all()
    peak = np.max(np.abs(samples))
    assert 0.15 < peak <= 0.9
    rms_db = 10 * np.log10(np.mean(samples.astype(np.float64) ** 2))
    assert -40 < rms_db < -9
    assert abs(samples.mean()) < 0.01
    # Neither end clicks: the first and last frames are all but silent, and the last 5 ms quieter than before.
    assert np.max(np.abs(samples[:, 0])) < 0.01
    assert np.max(np.abs(samples[:, -1])) < 1e-3
    assert np.max(np.abs(samples[:, -220:])) < 0.05 * peak
    for each, seconds in ((samples, 5.3), (generate(prompt, 2.0, model=model).samples, 2.0)):
        quality = judge(each, RATE_HZ, seconds, is_music=model == "music", noise_is_wanted=wants_noise(prompt))
        assert quality.accepted, quality


def test_single_loud_notes_do_not_make_a_clip_quiet() -> None:
    clip = generate("spa music with bells", 9.2, seed=1)
    meter = metered(levelled(clip.samples, RATE_HZ), RATE_HZ)
    assert (meter.loudness_lufs() or -99.0) > -16.0


def test_a_sound_that_goes_on_fades_in() -> None:
    samples = generate("radio static", model="audio").samples
    assert np.std(samples[:, :88]) < 0.25 * np.std(samples[:, 2000:20000])


@pytest.mark.parametrize("model", ["music", "audio"])
def test_words_and_seed_decide_the_samples(model: str) -> None:
    first = generate("rain over a funk groove", model=model).samples
    np.testing.assert_array_equal(first, generate("rain over a funk groove", model=model).samples)
    for other in (generate("rain over a funk groove", seed=8, model=model), generate("rain over a funk", model=model)):
        difference = np.sqrt(np.mean((first - other.samples) ** 2))
        assert difference > 0.3 * np.sqrt(np.mean(first**2))


@settings(max_examples=15, deadline=None)
@given(
    prompt=st.text(max_size=60),
    seconds=st.floats(1.0, 3.0),
    seed=st.integers(-(2**63), 2**63),
    model=st.sampled_from(["music", "audio"]),
)
def test_any_words_give_sound_of_the_asked_length(prompt: str, seconds: float, seed: int, model: str) -> None:
    samples = generate(prompt, seconds, seed, model).samples
    assert samples.shape == (2, round(seconds * RATE_HZ))
    assert 0.05 < np.max(np.abs(samples)) <= 0.9


@pytest.mark.parametrize("model", ["music", "audio"])
def test_progress_rises_from_nothing_to_all(model: str) -> None:
    shares: list[float] = []
    takes = [Take("rock with rain and wind", 2.0, seed) for seed in (1, 2)]
    ProceduralEngine().generate(ENGINE_MODELS[model], takes, shares.append)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert len(shares) >= 6
    assert any(0.3 < share < 0.7 for share in shares)


def test_a_raising_report_stops_the_work() -> None:
    class Stopped(Exception):
        pass

    def report(share: float) -> None:
        if share > 0.3:
            raise Stopped

    with pytest.raises(Stopped):
        ProceduralEngine().generate("composer", [Take("rock", 2.0, 1)], report)


@pytest.mark.parametrize("seconds", [0.0, 0.99, 301.5, -1.0, float("nan"), float("inf")])
def test_lengths_out_of_range_are_refused(seconds: float) -> None:
    with pytest.raises(AppError, match="DURATION_OUT_OF_RANGE") as caught:
        generate("pop", seconds)
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(("model", "like"), [("magnet-music", "music"), ("magnet-audio", "audio")])
def test_every_kind_of_model_is_served(model: str, like: str) -> None:
    np.testing.assert_array_equal(generate("rain", model=model).samples, generate("rain", model=like).samples)


def test_takes_of_a_batch_are_what_they_are_alone() -> None:
    takes = [Take("pop", 1.5, 1), Take("soul", 1.5, 2)]
    clips = ProceduralEngine().generate("composer", takes, lambda share: None)
    for take, clip in zip(takes, clips, strict=True):
        np.testing.assert_array_equal(clip.samples, generate(take.prompt, 1.5, take.seed).samples)


@pytest.mark.parametrize(("model", "prompt"), [("music", "house"), ("music", "solo piano"), ("audio", "heavy rain")])
def test_what_is_to_be_a_loop_does_not_end(model: str, prompt: str) -> None:
    take = Take(prompt, 8.5, 7, loop_seconds=8.0)
    samples = ProceduralEngine().generate(ENGINE_MODELS[model], [take], lambda share: None)[0].samples
    assert samples.shape == (2, round(8.5 * RATE_HZ))
    usual = np.sqrt(np.mean(samples**2))
    assert np.sqrt(np.mean(samples[:, -RATE_HZ // 2 :] ** 2)) > 0.3 * usual


def test_a_loop_has_whole_bars_and_goes_on_with_its_beginning() -> None:
    take = Take("techno at 124 bpm", 8.5, 7, loop_seconds=8.0)
    clip = ProceduralEngine().generate("composer", [take], lambda share: None)[0]
    bars_seconds = 4 * 4 * 60 / 124
    assert clip.whole_seconds == pytest.approx(bars_seconds)
    assert clip.samples.shape[1] == round((bars_seconds + 0.5) * RATE_HZ)
    assert clip.interpretation is not None
    assert (clip.interpretation.bars, clip.interpretation.ignored_parameters) == (4.0, ("duration",))
    beginning, again = (
        clip.samples[:, : RATE_HZ // 4],
        clip.samples[:, round(bars_seconds * RATE_HZ) :][:, : RATE_HZ // 4],
    )
    assert np.corrcoef(beginning.ravel(), again.ravel())[0, 1] > 0.9


def test_the_composer_continues_its_own_clip_as_one_piece_and_no_other() -> None:
    def made(*parts: Part) -> Clip:
        lead_in = Clip(np.zeros((2, RATE_HZ), np.float32), RATE_HZ)
        take = Take("rock at 133 bpm", 4.2, 8, lead_in, parts=(*parts, Part("rock at 133 bpm", 4.0, 8)))
        return ProceduralEngine().generate("composer", [take], lambda share: None)[0]

    first = generate("rock at 133 bpm", 8.0)
    own = Part("rock at 133 bpm", 8.0, 7, model="composer", interpretation=first.interpretation)
    whole = made(own)
    assert (whole.whole_seconds, whole.samples.shape[1]) == (12.0, 12 * RATE_HZ)
    kept = slice(0, 5 * RATE_HZ)
    assert np.corrcoef(whole.samples[:, kept].ravel(), first.samples[:, kept].ravel())[0, 1] > 0.85
    # At the joint, it is as loud as before, and the first clip's ending is gone.
    levels = [np.sqrt(np.mean(whole.samples[:, begin * RATE_HZ : (begin + 2) * RATE_HZ] ** 2)) for begin in (6, 8)]
    assert abs(20 * np.log10(levels[0] / levels[1])) < 2.0
    assert whole.interpretation is not None
    assert whole.interpretation.ignored_parameters == ()

    assert first.interpretation is not None
    other_version = replace(own, interpretation=replace(first.interpretation, key="C# minor"))
    for unknown in (replace(own, model="facebook/musicgen-small"), replace(own, interpretation=None), other_version):
        joined = made(unknown)
        assert (joined.whole_seconds, joined.samples.shape[1]) == (None, round(4.2 * RATE_HZ))
        assert joined.interpretation is not None
        assert joined.interpretation.ignored_parameters == ("continue_from",)


def test_a_clip_of_another_version_is_continued_in_its_tempo_and_key_on_the_beat() -> None:
    first = generate("rock at 133 bpm in C major", 8.0)
    assert first.interpretation is not None
    made = replace(first.interpretation, tempo_bpm=120.0, key="D minor")
    parts = (Part("rock", 8.0, 7, model="composer", interpretation=made), Part("solo drums", 4.0, 8))
    lead_in = Clip(np.zeros((2, round(7.8 * RATE_HZ)), np.float32), RATE_HZ)
    take = Take("solo drums", 4.2, 8, lead_in, parts=parts)
    clip = ProceduralEngine().generate("composer", [take], lambda share: None)[0]
    assert clip.samples.shape == (2, round(4.2 * RATE_HZ))
    assert clip.interpretation is not None
    assert (clip.interpretation.tempo_bpm, clip.interpretation.key) == (120.0, "D minor")
    # A bar begins after 8 s, which is 0.2 s after the beginning of the take.
    loud = np.abs(clip.samples).max(axis=0)
    before, after = loud[round(0.15 * RATE_HZ) : round(0.19 * RATE_HZ)], loud[round(0.2 * RATE_HZ) :][: RATE_HZ // 25]
    assert after.max() > 2 * before.max()


def test_a_clip_says_what_is_heard() -> None:
    music = generate("lo-fi beats with rain, zorb").interpretation
    assert music is not None
    assert (music.style, music.sounds, music.ignored_words) == ("lofi", ("rain",), ("zorb",))
    sound = generate("distant thunder, no rain, zorb", model="audio").interpretation
    assert sound is not None
    assert (sound.style, sound.sounds, sound.chosen, sound.ignored_words) == ("", ("thunder",), (), ("zorb",))
    unknown = generate("qwertz", model="audio").interpretation
    assert unknown is not None
    assert (unknown.sounds, unknown.chosen) == (("drone", "whoosh"), ("sounds",))


def test_unknown_models_are_refused() -> None:
    with pytest.raises(AppError, match="MODEL_UNKNOWN"):
        ProceduralEngine().generate("music", [Take("pop", 4.0, 7)], lambda share: None)


def test_no_drums_are_heard_where_none_are_wanted() -> None:
    def high_share(prompt: str) -> float:
        mono = generate(prompt, 8.0).samples.mean(axis=0)
        power = np.abs(np.fft.rfft(mono)) ** 2
        hz = np.fft.rfftfreq(mono.size, 1 / RATE_HZ)
        return float(power[hz > 8000].sum() / power.sum())

    assert high_share("solo piano") < 0.1 * high_share("rock")
    assert high_share("rock with piano, no drums and no vocals") < 0.5 * high_share("rock with piano")


def test_rain_is_bright_and_thunder_dark() -> None:
    def centroid_hz(prompt: str) -> float:
        mono = generate(prompt, 6.0, model="audio").samples.mean(axis=0)
        power = np.abs(np.fft.rfft(mono)) ** 2
        return float((power * np.fft.rfftfreq(mono.size, 1 / RATE_HZ)).sum() / power.sum())

    assert centroid_hz("rain") > 2500 > 900 > centroid_hz("thunder")
    assert centroid_hz("distant rain") < 0.6 * centroid_hz("rain")
