"""From takes to clips: seams without clicks, equal loudness, exact lengths, and pictures of the sound."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from library_fixture import raises_error

from soundwright.kit.audio.loudness import LoudnessMeter
from soundwright.services.generation.engines.procedural.engine import COMPOSER, ProceduralEngine
from soundwright.services.generation.finishing import FinishedClip, FinishOrder, PartsOrder, finish, write_parts
from soundwright.services.generation.level import TARGET_LUFS, TRUE_PEAK_LIMIT_DBTP, levelled, without_clicks
from soundwright.services.generation.seams import crossfade, joined, loop_fade_seconds, looped
from soundwright.services.generation.service import Part, Take
from soundwright.services.generation.spectrogram import draw_spectrogram, mel_spectrogram_db

RATE_HZ = 32000
FADE = round(0.5 * RATE_HZ)


def noise(frames: int, seed: int = 0, rms: float = 0.1, channel_count: int = 1) -> np.ndarray:
    return (rms * np.random.default_rng(seed).standard_normal((channel_count, frames))).astype(np.float32)


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
    assert measured(result[:, 4 * RATE_HZ :])[0] == pytest.approx(measured(before)[0], abs=0.3)
    steps = np.abs(np.diff(result[0]))
    middle = 4 * RATE_HZ - OVERLAP
    assert steps[middle - 1 : 4 * RATE_HZ + 1].max() <= steps[4 * RATE_HZ :].max()


def test_silence_can_be_gone_on_from() -> None:
    after = tonal(2 * RATE_HZ)
    result = joined(np.zeros((1, RATE_HZ), np.float32), after, RATE_HZ, OVERLAP)
    np.testing.assert_array_equal(result[:, RATE_HZ:], after[:, OVERLAP:])


def measured(samples: np.ndarray, rate_hz: int = RATE_HZ) -> tuple[float | None, float | None]:
    meter = LoudnessMeter(rate_hz, samples.shape[0])
    meter.push(samples)
    return meter.loudness_lufs(), meter.true_peak_dbtp()


@pytest.mark.parametrize("rate_hz", [16000, 32000, 44100])
@pytest.mark.parametrize("channel_count", [1, 2])
@pytest.mark.parametrize("rms", [0.005, 0.05, 0.6])
def test_steady_sound_is_brought_to_the_target(rate_hz: int, channel_count: int, rms: float) -> None:
    tone = np.sin(2 * np.pi * 997 * np.arange(2 * rate_hz) / rate_hz)
    clip = levelled((rms * np.repeat(tone[None], channel_count, axis=0)).astype(np.float32), rate_hz)
    assert measured(clip, rate_hz)[0] == pytest.approx(TARGET_LUFS, abs=0.05)


def test_the_peak_wins() -> None:
    hits = noise(4 * RATE_HZ, rms=0.2) * (np.mod(np.arange(4 * RATE_HZ), RATE_HZ) < 200)
    loudness, peak = measured(levelled(hits.astype(np.float32), RATE_HZ))
    assert peak == pytest.approx(TRUE_PEAK_LIMIT_DBTP, abs=0.05)
    assert loudness is not None
    assert loudness < TARGET_LUFS - 3
    _, peak = measured(levelled(noise(2 * RATE_HZ, rms=1.5), RATE_HZ))  # beyond full scale
    assert peak is not None
    assert peak <= TRUE_PEAK_LIMIT_DBTP + 0.05


def test_one_gain_serves_all_of_it_and_next_to_silence_is_left_alone() -> None:
    samples = noise(2 * RATE_HZ, rms=0.01, channel_count=2)
    gains = levelled(samples, RATE_HZ) / samples
    np.testing.assert_allclose(gains, gains[0, 0], rtol=1e-5)
    for quiet in (noise(2 * RATE_HZ, rms=0.0015), np.zeros((1, RATE_HZ), np.float32)):
        np.testing.assert_array_equal(levelled(quiet, RATE_HZ), quiet)


def test_a_clip_shorter_than_the_meters_block_only_has_its_peak_held() -> None:
    short = noise(RATE_HZ // 5, rms=0.5)
    assert measured(levelled(short, RATE_HZ))[1] == pytest.approx(TRUE_PEAK_LIMIT_DBTP, abs=0.05)
    np.testing.assert_array_equal(levelled(short * np.float32(0.1), RATE_HZ), short * np.float32(0.1))


def test_both_ends_are_silent_and_nothing_else_changes() -> None:
    samples = np.ones((2, RATE_HZ), np.float32)
    faded = without_clicks(samples, RATE_HZ)
    assert faded[:, [0, -1]].max() < 0.01
    assert faded[:, 200 : RATE_HZ - 700].min() == 1.0
    assert np.abs(np.diff(faded, axis=1)).max() < 0.06
    assert samples.min() == 1.0


TAKE_HZ = 8000


def take_of(seconds: float, channel_count: int = 1, amplitude: float = 0.2) -> np.ndarray:
    time = np.arange(round(seconds * TAKE_HZ)) / TAKE_HZ
    return np.tile(amplitude * np.sin(2 * np.pi * 330 * time), (channel_count, 1)).astype(np.float32)


@pytest.fixture
def order(tmp_path: Path) -> FinishOrder:
    return FinishOrder(
        take=tmp_path / "take.npy", sample_rate_hz=TAKE_HZ, duration_seconds=2.0, before=None, loop_fade_seconds=0.0,
        audio=tmp_path / "audio.wav", picture=tmp_path / "picture.png",
    )  # fmt: skip


def finished(order: FinishOrder, take: np.ndarray, before: np.ndarray | None = None) -> FinishedClip:
    np.save(order.take, take)
    if before is not None:
        path = order.take.with_name("before.wav")
        soundfile.write(path, before.T, TAKE_HZ, subtype="PCM_16")
        order = replace(order, before=path)
    clip = finish(None, lambda share: None, order=order)
    assert soundfile.info(order.audio).frames == clip.frame_count
    assert order.picture.exists()
    return clip


@pytest.mark.parametrize("seconds", [1.0, 2.03, 3.3337])
def test_loops_and_continuations_have_the_asked_length_to_the_frame(order: FinishOrder, seconds: float) -> None:
    asked, before = replace(order, duration_seconds=seconds), take_of(1.5)
    fade = min(0.5, seconds / 4)
    loop = replace(asked, loop_fade_seconds=fade)
    assert finished(loop, take_of(seconds + fade)).frame_count == round(seconds * TAKE_HZ)
    longer = round(seconds * TAKE_HZ) + before.shape[1]
    assert finished(asked, take_of(seconds + 0.2), before).frame_count == longer
    assert abs(finished(loop, take_of(seconds + 0.2 + fade), before).frame_count - longer) <= 1


@pytest.mark.parametrize("is_loop", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("seconds", [0.9, 1.8])
def test_a_take_that_is_too_short_still_becomes_a_clip(
    order: FinishOrder, seconds: float, is_loop: bool, goes_on: bool
) -> None:
    asked = replace(order, loop_fade_seconds=0.5 if is_loop else 0.0)
    clip = finished(asked, take_of(seconds), take_of(1.5) if goes_on else None)
    assert 0.4 * TAKE_HZ <= clip.frame_count <= (1.5 + seconds) * TAKE_HZ
    assert clip.clipped_sample_count == 0


def test_what_is_beyond_full_scale_is_not_clipped(order: FinishOrder) -> None:
    clip = finished(order, take_of(2.0, amplitude=3.0))
    assert clip.clipped_sample_count == 0
    assert clip.peak < 1.0


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1), (2, 2)])
def test_a_continuation_has_the_channels_of_whichever_has_more(order: FinishOrder, first: int, second: int) -> None:
    clip = finished(order, take_of(2.2, second), take_of(1.0, first))
    assert clip.channel_count == 2
    samples, _ = soundfile.read(order.audio)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])


def test_silence_stays_silence(order: FinishOrder) -> None:
    finished(order, np.zeros((1, 2 * TAKE_HZ), np.float32))
    samples, _ = soundfile.read(order.audio)
    assert not samples.any()


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


SONG = Part("funk at 110 bpm", 3.0, 5)


@pytest.mark.parametrize(
    ("history", "names"),
    [
        ((SONG,), {"drums", "bass", "other", "lead"}),
        ((Part("house loop at 124 bpm", 3.9, 2, is_loop=True),), {"drums", "bass", "other", "lead"}),
        ((Part("solo piano in the rain", 2.0, 1),), {"other", "lead", "ambience"}),
        ((SONG, Part("funk at 110 bpm", 2.0, 6)), {"drums", "bass", "other", "lead"}),
    ],
)
def test_the_parts_of_a_clip_of_the_composer_add_up_to_it(
    order: FinishOrder, history: tuple[Part, ...], names: set[str]
) -> None:
    made, clip = [], None
    for part in history:
        fade_seconds = loop_fade_seconds(part.duration_seconds) if part.is_loop else 0.0
        take = Take(
            part.prompt, part.duration_seconds + fade_seconds, part.seed,
            loop_seconds=part.duration_seconds if part.is_loop else None, parts=(*made, part) if made else (),
        )  # fmt: skip
        [clip] = ProceduralEngine().generate(COMPOSER.name, [take], lambda share: None)
        whole_seconds = clip.whole_seconds or part.duration_seconds
        seconds = whole_seconds - sum(each.duration_seconds for each in made)
        made.append(replace(part, duration_seconds=seconds, model=COMPOSER.name, interpretation=clip.interpretation))
        np.save(order.take, clip.samples)
        order = replace(
            order, sample_rate_hz=clip.sample_rate_hz, duration_seconds=whole_seconds, loop_fade_seconds=fade_seconds
        )
        finish(None, lambda share: None, order=order)
    archive = order.audio.with_name("parts.zip")
    write_parts(None, lambda share: None, order=PartsOrder(tuple(made), order.audio, archive))
    with zipfile.ZipFile(archive) as opened:
        parts = {name: soundfile.read(io.BytesIO(opened.read(name)))[0] for name in opened.namelist()}
    assert {name.removesuffix(".flac") for name in parts} == names
    whole, _ = soundfile.read(order.audio)
    np.testing.assert_allclose(sum(parts.values()), whole, atol=4 / 32768)

    changed = replace(made[-1], seed=made[-1].seed + 1)
    with raises_error("CLIP_PARTS_UNKNOWN"):
        write_parts(None, lambda share: None, order=PartsOrder((*made[:-1], changed), order.audio, archive))
    with raises_error("CLIP_PARTS_UNKNOWN"):
        write_parts(None, lambda share: None, order=PartsOrder((), order.audio, archive))
