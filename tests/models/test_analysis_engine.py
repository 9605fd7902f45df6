"""The analysis engine: figures against librosa and pyloudnorm, known songs, edges of the input."""

import json
import math
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import librosa
import numba
import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soundwright.kit.audio.downmix import Downmix
from soundwright.kit.audio.loudness import LoudnessMeter
from soundwright.kit.audio.mel import hz_to_mel, mel_filters
from soundwright.services.analysis.engines.frames import Framer
from soundwright.services.analysis.engines.key import Key
from soundwright.services.analysis.engines.librosa_engine import FEATURES, LibrosaEngine
from soundwright.services.analysis.engines.spectral import MelMeter
from soundwright.services.generation.engines.procedural.drums import HAT, KICK, SNARE
from soundwright.services.generation.engines.procedural.render import mix, render_stems
from soundwright.services.generation.engines.procedural.score import Note, Song, Track
from soundwright.services.generation.engines.procedural.songs import song

Samples = NDArray[np.float32]


class Recorded:
    """A recording in memory that remembers how often it was read."""

    def __init__(self, samples: NDArray[np.floating], sample_rate_hz: int) -> None:
        self.samples: Samples = np.atleast_2d(samples).astype(np.float32)
        self.sample_rate_hz = sample_rate_hz
        self.channel_count, self.frame_count = self.samples.shape
        self.passes = 0

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        self.passes += 1
        for start in range(0, self.frame_count, block_frames):
            yield self.samples[:, start : start + block_frames]


def analyse(samples: NDArray[np.floating], sample_rate_hz: int, features: Sequence[str] = FEATURES) -> dict:
    return LibrosaEngine().analyse(Recorded(samples, sample_rate_hz), frozenset(features), lambda share: None)


def tone(frequency_hz: float, seconds: float, sample_rate_hz: int = 22050) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz)


def clicks(tempo_bpm: float, seconds: float, sample_rate_hz: int = 22050) -> NDArray[np.float64]:
    """Short noise bursts on every beat, the first at 0.25 s."""
    rng = np.random.default_rng(5)
    burst = rng.standard_normal(600) * np.exp(-np.arange(600) / 120.0)
    samples = 1e-4 * rng.standard_normal(round(seconds * sample_rate_hz))
    for second in np.arange(0.25, seconds - 0.1, 60.0 / tempo_bpm):
        start = round(second * sample_rate_hz)
        samples[start : start + burst.size] += burst
    return 0.3 * samples


def chords(roots_midi: Sequence[tuple[int, Sequence[int]]], tuning_cents: float = 0.0) -> NDArray[np.float64]:
    """Triads of a second each, every note with four harmonics."""
    sounds = []
    for root, intervals in roots_midi:
        chord = np.zeros(22050)
        for midi in (root - 12, *(root + interval for interval in intervals)):
            frequency_hz = 440.0 * 2.0 ** ((midi - 69 + tuning_cents / 100.0) / 12.0)
            for harmonic in range(1, 5):
                chord += tone(frequency_hz * harmonic, 1.0) / harmonic**1.5
        sounds.append(chord * np.hanning(22050) ** 0.3)
    return 0.05 * np.concatenate(sounds)


MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


def cadence(tonic_midi: int, mode: str, tuning_cents: float = 0.0) -> NDArray[np.float64]:
    """I IV V I, or i iv V i, twice."""
    third = MAJOR if mode == "major" else MINOR
    return chords(
        [(tonic_midi, third), (tonic_midi + 5, third), (tonic_midi + 7, MAJOR), (tonic_midi, third)] * 2, tuning_cents
    )


@pytest.fixture(autouse=True, scope="module")
def librosa_compiles_nothing() -> Iterator[None]:
    """Its modules compile functions for ten seconds when they are imported. These tests call none, except one that is plain NumPy too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("guvectorize", "vectorize"):
            patch.setattr(numba, name, lambda *signatures, **options: lambda function: function)
        yield


def zero_crossing_rate(samples: Samples) -> float:
    """The mean of librosa's feature, whose function is one of those that are compiled."""
    frames = librosa.util.frame(np.pad(samples, 1024, mode="edge"), frame_length=2048, hop_length=512)
    return float(np.diff(frames < 0, axis=0).sum() / frames.size)


@pytest.fixture(scope="module")
def music() -> Samples:
    """float32 [frames]: ten seconds of a song at 22050 Hz, mono, so that nothing is resampled."""
    return mix(render_stems(song("pop", 10.0), 22050)).mean(axis=0)


@pytest.fixture(scope="module")
def measured(music: Samples) -> dict:
    return analyse(music, 22050)


def test_mfcc_keep_the_coefficients_that_are_reported_alone() -> None:
    meter, frame_count = MelMeter(22050, 2048), 20_000
    for _ in range(100):
        meter.push(np.ones((frame_count // 100, 1025), np.float32))
    tracemalloc.start()
    try:
        found = meter.mfcc()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.shape == (13, frame_count)
    assert peak_bytes < 3 * found.nbytes  # all 128 coefficients have ten times as much


def test_spectral_and_energy_features_equal_librosa(music: Samples, measured: dict) -> None:
    feature = librosa.feature
    centroid, rms = feature.spectral_centroid(y=music, sr=22050), feature.rms(y=music)
    for name, expected in {
        "spectral_centroid": centroid.mean(),
        "spectral_centroid_variance": centroid.var(),
        "spectral_bandwidth": feature.spectral_bandwidth(y=music, sr=22050).mean(),
        "spectral_rolloff": feature.spectral_rolloff(y=music, sr=22050).mean(),
        "spectral_flatness": feature.spectral_flatness(y=music).mean(),
        "energy": rms.mean(),
        "energy_variance": rms.var(),
        "energy_max": rms.max(),
        "energy_min": rms.min(),
        "zero_crossing_rate": zero_crossing_rate(music),
    }.items():
        assert measured[name] == pytest.approx(float(expected), rel=1e-4, abs=1e-6), name
    contrast = feature.spectral_contrast(y=music, sr=22050).mean(axis=1)
    assert measured["spectral_contrast"] == pytest.approx(contrast.tolist(), abs=0.01)


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize(
    ("rate_hz", "low_hz", "high_hz"), [(44100, 0.0, 8000.0), (8000, 30.0, 4000.0), (192000, 30.0, 16000.0)]
)
def test_mel_filters_equal_librosa(rate_hz: int, low_hz: float, high_hz: float, htk: bool) -> None:
    norm = None if htk else "slaney"
    expected = librosa.filters.mel(
        sr=rate_hz, n_fft=8192, n_mels=64, fmin=low_hz, fmax=high_hz, htk=htk, norm=norm, dtype=np.float64
    )
    found = mel_filters(rate_hz, 8192, 64, low_hz=low_hz, high_hz=high_hz, htk=htk, equal_area=not htk)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(
        hz_to_mel([low_hz, 440.0, high_hz], htk=htk), librosa.hz_to_mel([low_hz, 440.0, high_hz], htk=htk)
    )


def test_zero_crossings_at_the_edges_equal_librosa() -> None:
    samples = -np.abs(tone(100.0, 0.1)).astype(np.float32) - 0.1
    assert analyse(samples, 22050, ["energy"])["zero_crossing_rate"] == 0.0
    alternating = np.tile([0.5, -0.5], 3000).astype(np.float32)
    rate = analyse(alternating, 22050, ["energy"])["zero_crossing_rate"]
    assert rate == pytest.approx(zero_crossing_rate(alternating), rel=1e-6)


def test_mfcc_equals_librosa(music: Samples, measured: dict) -> None:
    mfcc = librosa.feature.mfcc(y=music, sr=22050, n_mfcc=13)
    assert measured["n_mfcc"] == 13
    assert measured["mfcc"] == pytest.approx(mfcc.mean(axis=1).tolist(), abs=0.01)
    assert measured["mfcc_variance"] == pytest.approx(mfcc.var(axis=1).tolist(), rel=1e-3)
    # 431 frames in runs of three.
    matrix = np.array(measured["features"]["mfcc"])
    assert matrix.shape == (13, 144)
    assert matrix[:, 10] == pytest.approx(mfcc[:, 30:33].mean(axis=1), abs=0.01)
    assert matrix[:, 143] == pytest.approx(mfcc[:, 429:431].mean(axis=1), abs=0.01)
    assert measured["features"]["mfcc_hop_seconds"] == pytest.approx(3 * 512 / 22050)


def test_chroma_equals_librosa(music: Samples, measured: dict) -> None:
    chroma = librosa.feature.chroma_stft(y=music, sr=22050, tuning=0.0)
    assert measured["chroma_stft"] == pytest.approx(chroma.mean(axis=1).tolist(), abs=1e-4)
    matrix = np.array(measured["features"]["chroma"])
    assert matrix.shape == (12, 144)
    assert matrix[:, 5] == pytest.approx(chroma[:, 15:18].mean(axis=1), abs=1e-3)
    raw = librosa.feature.chroma_stft(y=music, sr=22050, tuning=0.0, norm=None)
    cens = librosa.feature.chroma_cens(C=raw, bins_per_octave=12, fmin=librosa.note_to_hz("C1"), n_octaves=1)
    assert measured["chroma_cens"] == pytest.approx(cens.mean(axis=1).tolist(), abs=1e-3)


def test_resampling_changes_little(music: Samples, measured: dict) -> None:
    double = librosa.resample(music, orig_sr=22050, target_sr=44100)
    result = analyse(np.stack([double, double]), 44100)
    assert (result["sample_rate"], result["samples"], result["duration"]) == (44100, 441000, 10.0)
    assert result["duration_seconds"] == 10.0
    # Either resampler takes away a little below half the lower rate.
    assert result["spectral_centroid"] == pytest.approx(measured["spectral_centroid"], rel=0.05)
    assert result["energy"] == pytest.approx(measured["energy"], rel=0.001)
    assert result["tempo"] == pytest.approx(measured["tempo"], rel=0.001)
    assert result["key"] == measured["key"]


@pytest.mark.parametrize(("rate_hz", "channel_count"), [(44100, 2), (48000, 1), (11025, 1), (96000, 5)])
def test_loudness_equals_pyloudnorm(rate_hz: int, channel_count: int) -> None:
    rng = np.random.default_rng(3)
    seconds = np.arange(6 * rate_hz + 77) / rate_hz
    noise = rng.standard_normal((channel_count, seconds.size))
    samples = (noise * 0.05 * (1.0 + np.sin(seconds)) ** 4).astype(np.float32)
    expected = pyloudnorm.Meter(rate_hz, filter_class="DeMan").integrated_loudness(samples.T.astype(np.float64))
    result = analyse(samples, rate_hz, ["energy"])
    assert result["loudness_lufs"] == pytest.approx(expected, abs=0.01)


def test_loudness_weights_channels() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(96000)
    silent = np.zeros_like(noise)

    def loudness(place: int) -> float | None:
        channels = np.stack([noise if place == channel else silent for channel in range(6)])
        return analyse(channels, 48000, ["energy"])["loudness_lufs"]

    front, low_frequency, surround = loudness(0), loudness(3), loudness(4)
    assert low_frequency is None
    assert front is not None
    assert surround is not None
    assert surround - front == pytest.approx(10 * math.log10(1.41), abs=1e-3)


def test_true_peak_lies_between_samples() -> None:
    """A sine of a quarter of the rate, 45 degrees off: all samples are 3 dB below the peak."""
    seconds = np.arange(48000) / 48000
    fade = np.minimum(1.0, np.minimum(seconds, seconds[::-1]) * 10)
    sine = 0.5 * fade * np.sin(2 * np.pi * 12000 * seconds + np.pi / 4)
    peak = analyse(sine, 48000, ["energy"])["true_peak_dbtp"]
    assert 20 * math.log10(float(np.abs(sine).max())) == pytest.approx(-9.03, abs=0.01)
    assert peak == pytest.approx(-6.02, abs=0.1)


@given(cuts=st.lists(st.integers(1, 30000), max_size=12))
@settings(max_examples=25, deadline=None)
def test_loudness_does_not_depend_on_blocks(cuts: list[int]) -> None:
    samples = (0.2 * np.random.default_rng(1).standard_normal((2, 30000))).astype(np.float32)
    meters = [LoudnessMeter(11025, 2), LoudnessMeter(11025, 2)]
    meters[0].push(samples)
    for block in np.split(samples, sorted(cuts), axis=1):
        meters[1].push(block)
    whole, cut = ((meter.loudness_lufs(), meter.true_peak_dbtp()) for meter in meters)
    assert whole == pytest.approx(cut, abs=1e-6)


@given(length=st.integers(0, 5000), cuts=st.lists(st.integers(0, 5000), max_size=8))
@settings(max_examples=60, deadline=None)
def test_frames_do_not_depend_on_blocks(length: int, cuts: list[int]) -> None:
    samples = np.arange(1, length + 1, dtype=np.float32)
    framer = Framer(64, 16)
    frames = [batch.copy() for part in np.split(samples, sorted(cuts)) for batch in framer.push(part)]
    frames += [batch.copy() for batch in framer.finish()]
    expected = librosa.util.frame(np.pad(samples, 32), frame_length=64, hop_length=16).T
    np.testing.assert_array_equal(np.concatenate(frames), expected)


@pytest.mark.parametrize("tempo_bpm", [50.0, 60.0, 72.0, 90.0, 101.5, 120.0, 140.0, 174.0])
def test_tempo_and_beats_of_clicks(tempo_bpm: float) -> None:
    result = analyse(clicks(tempo_bpm, 20.0), 22050, ["tempo"])
    assert result["tempo"] == pytest.approx(tempo_bpm, rel=0.005)
    assert result["tempo_confidence"] > 0.4
    beats = np.array(result["beats"])
    expected = np.arange(0.25, 19.9, 60.0 / tempo_bpm)
    assert result["beat_count"] == len(beats)
    assert len(beats) == pytest.approx(len(expected), abs=2)
    nearest = np.abs(beats[:, None] - expected).min(axis=1)
    assert np.median(nearest) < 0.02
    assert nearest.max() < 0.07
    alternatives = result["tempo_alternatives"]
    assert all(0.0 <= candidate["strength"] <= 1.0 for candidate in alternatives)
    if tempo_bpm == 120.0:
        assert any(candidate["tempo"] == pytest.approx(60.0, rel=0.01) for candidate in alternatives)


def test_tempo_is_more_exact_than_the_frame_rate() -> None:
    """A period of 21.08 frames, known to a thousandth from a minute of clicks."""
    assert analyse(clicks(122.6, 60.0), 22050, ["tempo"])["tempo"] == pytest.approx(122.6, rel=0.001)


@pytest.mark.parametrize("silence_seconds", [0.0, 0.25])
def test_louder_off_beats_are_not_the_beats(silence_seconds: float) -> None:
    """The piece begins on the beat, with or without silence before it."""
    off_beats = clicks(100.0, 20.0)[: 19 * 22050]
    stroke = 0.4 * tone(80.0, 0.1) * np.linspace(1.0, 0.0, 2205)
    samples = np.concatenate([np.zeros(round(silence_seconds * 22050)), np.zeros(1102), off_beats])
    expected = silence_seconds + np.arange(0.0, 19.0, 0.6)
    for second in expected:
        start = round(second * 22050)
        samples[start : start + stroke.size] += stroke[: samples.size - start]
    beats = np.array(analyse(samples, 22050, ["tempo"])["beats"])
    assert len(beats) == pytest.approx(len(expected), abs=2)
    assert np.abs(beats[:, None] - expected).min(axis=1).max() < 0.07


@pytest.mark.parametrize("tempo_bpm", [52, 61, 68, 75, 100, 140, 165, 190, 200])
def test_a_snare_on_every_second_beat_decides_the_octave_of_the_tempo(tempo_bpm: int) -> None:
    beats = range(20 * tempo_bpm // 60)
    drums = [Note(beat, 0.25, SNARE if beat % 2 else KICK, 1.0) for beat in beats]
    eighths = [beat + half for beat in beats for half in (0.0, 0.5)]
    tracks = (
        Track("drums", "kit_acoustic", (*drums, *(Note(start, 0.25, HAT, 0.5) for start in eighths))),
        Track("bass", "bass_electric", tuple(Note(start, 0.45, 36, 0.8) for start in eighths)),
    )
    sound = mix(render_stems(Song("beat", tempo_bpm, "C major", 4, 20.0, tracks), 22050))
    result = analyse(sound, 22050, ["tempo"])
    assert result["tempo"] == pytest.approx(tempo_bpm, rel=0.01)
    octaves = [2 * tempo_bpm, tempo_bpm / 2]
    others = [other["tempo"] for other in result["tempo_alternatives"]]
    assert any(other == pytest.approx(octave, rel=0.01) for other in others for octave in octaves)


def strokes(bar: dict[int, Sequence[float]], bar_beats: int, bars: int) -> tuple[Note, ...]:
    """Repeat a bar of drums, given by the beats of each of them. Hats are soft."""
    return tuple(
        Note(index * bar_beats + beat, 0.2, drum, 0.5 if drum == HAT else 1.0)
        for index in range(bars)
        for drum, beats in bar.items()
        for beat in beats
    )


EIGHTHS, THIRDS = [step / 2 for step in range(8)], [step / 3 for step in range(6)]


@pytest.mark.parametrize(
    ("tempo_bpm", "bar_beats", "drums", "piano"),
    [
        (100, 4, {KICK: [2], SNARE: [2], HAT: EIGHTHS}, []),  # a one-drop: nothing on the one
        (66, 2, {KICK: [0], SNARE: [1], HAT: THIRDS}, [60, 64, 67, 60, 64, 67]),  # 6/8
        (62, 2, {KICK: [0], SNARE: [1], HAT: THIRDS}, [60, 64, 67, 60, 64, 67]),
        (80, 4, {}, [48, 64, 67, 64, 60, 64, 67, 64]),  # broken chords
    ],
)
def test_the_metre_decides_what_is_a_beat(
    tempo_bpm: int, bar_beats: int, drums: dict[int, Sequence[float]], piano: list[int]
) -> None:
    bars = 20 * tempo_bpm // 60 // bar_beats
    chords = (
        Note(bar_beats * (bar + step / len(piano)), 1.0, pitch, 0.8 if pitch < 64 else 0.6)
        for bar in range(bars)
        for step, pitch in enumerate(piano)
    )
    tracks = (Track("drums", "kit_acoustic", strokes(drums, bar_beats, bars)), Track("other", "piano", tuple(chords)))
    sound = mix(render_stems(Song("metre", tempo_bpm, "C major", bar_beats, 20.0, tracks), 22050))
    assert analyse(sound, 22050, ["tempo"])["tempo"] == pytest.approx(tempo_bpm, rel=0.01)


def test_inverted_polarity_of_a_channel_changes_no_feature(music: Samples) -> None:
    both, opposite = (
        analyse(np.stack([music, sign * music]), 22050, ["tempo", "key", "energy", "spectral"]) for sign in (1, -1)
    )
    assert opposite == both


def test_a_wide_recording_is_the_mean_of_its_channels() -> None:
    left, right = np.random.default_rng(3).standard_normal((2, 4410)).astype(np.float32)
    wide = np.stack([left, 0.8 * right - 0.3 * left])
    downmix = Downmix(2)
    mono = np.concatenate([downmix.push(block) for block in np.split(wide, 10, axis=1)], axis=1)
    np.testing.assert_array_equal(mono, wide.mean(axis=0, keepdims=True))


@pytest.mark.parametrize("name", ["rock", "lofi", "synthwave"])
def test_rendered_songs(name: str) -> None:
    score = song(name)
    result = analyse(mix(render_stems(score)), 44100, ["tempo", "key"])
    assert result["tempo"] == pytest.approx(score.tempo_bpm, rel=0.01)
    assert result["key"] == score.key
    beats = np.array(result["beats"])
    nearest = np.abs(beats[:, None] - score.beat_seconds).min(axis=1)
    assert (nearest < 0.07).mean() > 0.9
    assert len(beats) > 0.8 * len(score.beat_seconds)


@pytest.mark.parametrize(
    ("tonic_midi", "mode", "name", "camelot"),
    [
        (60, "major", "C major", "8B"), (57, "minor", "A minor", "8A"), (61, "major", "C# major", "3B"),
        (66, "minor", "F# minor", "11A"), (64, "major", "E major", "12B"), (58, "minor", "A# minor", "3A"),
    ],
)  # fmt: skip
def test_key_of_cadences(tonic_midi: int, mode: str, name: str, camelot: str) -> None:
    result = analyse(cadence(tonic_midi, mode), 22050, ["key"])
    assert (result["key"], result["mode"], result["pitch_class"]) == (name, mode, tonic_midi % 12)
    assert result["camelot"] == camelot
    assert result["key_confidence"] == result["confidence"] > result["key_runner_up"]["confidence"] >= 0.0
    assert result["tuning_cents"] == pytest.approx(0.0, abs=6.0)


@pytest.mark.parametrize("tuning_cents", [-46.0, 30.0])
def test_key_of_a_detuned_cadence(tuning_cents: float) -> None:
    result = analyse(cadence(62, "major", tuning_cents), 22050, ["key", "chroma"])
    assert result["key"] == "D major"
    assert result["tuning_cents"] == pytest.approx(tuning_cents, abs=6.0)
    in_tune = analyse(cadence(62, "major"), 22050, ["chroma"])["chroma"]
    assert result["chroma"] == pytest.approx(in_tune, abs=0.1)


def test_chroma_of_a_tone_in_quiet_noise() -> None:
    noise = 0.0005 * np.random.default_rng(2).standard_normal(4 * 22050)
    chroma = analyse(0.5 * tone(440.0, 4.0) + noise, 22050, ["chroma"])["chroma"]
    assert chroma.pop(9) == 1.0
    assert max(chroma) < 0.001


@pytest.mark.parametrize(
    ("roots", "key"),
    [
        # The same notes over A are A minor 7, over C they are C major 6.
        ([(57, (0, 3, 7, 10))], "A minor"),
        ([(60, (-3, 0, 4, 7))], "C major"),
        # Two major chords in turn fit the keys of both. The first one decides.
        ([(60, MAJOR), (65, MAJOR)], "C major"),
        ([(65, MAJOR), (60, MAJOR)], "F major"),
    ],
)
def test_the_bass_and_the_opening_distinguish_keys_of_the_same_notes(roots: Any, key: str) -> None:
    assert analyse(chords(roots * 4), 22050, ["key"])["key"] == key


def test_camelot_positions_are_unique() -> None:
    places = {Key(tonic, is_minor, 0.0).camelot for tonic in range(12) for is_minor in (False, True)}
    assert places == {f"{hour}{side}" for hour in range(1, 13) for side in "AB"}


def test_silence_has_no_tempo_and_no_key() -> None:
    assert analyse(np.full(5 * 22050, 0.7), 22050, ["key"])["key"] is None  # nor has an offset
    result = analyse(np.zeros((2, 3 * 44100)), 44100)
    json.dumps(result, allow_nan=False)
    assert (result["tempo"], result["tempo_confidence"], result["beats"], result["beat_count"]) == (0.0, 0.0, [], 0)
    assert result["tempo_alternatives"] == []
    for name in ("key", "mode", "pitch_class", "camelot", "key_runner_up", "loudness_lufs", "true_peak_dbtp"):
        assert result[name] is None, name
    assert result["confidence"] == result["key_confidence"] == result["tuning_cents"] == 0.0
    assert result["chroma"] == [0.0] * 12
    assert result["energy"] == result["spectral_centroid"] == result["zero_crossing_rate"] == 0.0


@pytest.mark.parametrize(
    ("rate_hz", "channel_count", "frame_count"),
    [
        (44100, 1, 0), (44100, 2, 1), (384000, 1, 1), (22050, 1, 2047), (4000, 8, 3000), (8000, 3, 8000),
        (384000, 1, 300000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["noise", "offset", "loud", "not finite"])
def test_unusual_recordings_have_finite_results(rate_hz: int, channel_count: int, frame_count: int, kind: str) -> None:
    noise = np.random.default_rng(9).standard_normal((channel_count, frame_count))
    samples = {
        "noise": 0.1 * noise,
        "offset": np.full_like(noise, 0.7),
        "loud": 1e30 * noise,
        "not finite": np.where(noise > 1, np.inf, np.where(noise < -1, np.nan, noise)),
    }[kind]
    result = analyse(samples, rate_hz)
    json.dumps(result, allow_nan=False)
    assert (result["samples"], result["sample_rate"]) == (frame_count, rate_hz)
    assert 0.0 <= result["tempo_confidence"] <= 1.0
    assert 0.0 <= result["key_confidence"] <= 1.0
    assert len(result["chroma"]) == 12
    assert len(result["mfcc"]) == len(result["features"]["mfcc"]) == 13
    assert all(0.0 <= beat <= result["duration"] for beat in result["beats"])


KEYS_OF = {
    feature: set(names.split())
    for feature, names in {
        "tempo": "tempo tempo_confidence tempo_alternatives beats beat_count",
        "key": "key confidence key_confidence pitch_class mode key_runner_up tuning_cents camelot",
        "energy": "energy energy_variance energy_max energy_min zero_crossing_rate loudness_lufs true_peak_dbtp",
        "spectral": "spectral_centroid spectral_centroid_variance spectral_rolloff spectral_bandwidth"
        " spectral_contrast spectral_flatness",
        "mfcc": "mfcc mfcc_variance n_mfcc",
        "chroma": "chroma chroma_stft chroma_cens",
        "bars": "bars",
        "sections": "sections",
    }.items()
}


@pytest.mark.parametrize("feature", FEATURES)
def test_only_requested_features_are_computed(feature: str, music: Samples, measured: dict) -> None:
    always = {"duration", "duration_seconds", "sample_rate", "samples", "features"}
    result = analyse(music, 22050, [feature])
    assert set(result) == always | KEYS_OF[feature]
    matrices = {feature, f"{feature}_hop_seconds"} if feature in ("energy", "mfcc", "chroma") else set()
    assert set(result["features"]) == matrices
    # Alone or together, and each time, the figures are the same.
    assert all(result[name] == measured[name] for name in KEYS_OF[feature])


def test_an_unknown_feature_is_refused(music: Samples) -> None:
    with pytest.raises(ValueError, match="colour"):
        analyse(music, 22050, ["colour"])


def test_one_pass_with_increasing_progress(music: Samples) -> None:
    recording = Recorded(music, 22050)
    shares: list[float] = []
    LibrosaEngine().analyse(recording, frozenset(FEATURES), shares.append)
    assert recording.passes == 1
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    # At least once a second or two of sound.
    assert len(shares) >= 10


def test_report_can_stop_the_work(music: Samples) -> None:
    read: list[int] = []

    class Counted(Recorded):
        def blocks(self, block_frames: int) -> Iterator[Samples]:
            for block in super().blocks(block_frames):
                read.append(block.shape[1])
                yield block

    def report(share: float) -> None:
        if share > 0.2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        LibrosaEngine().analyse(Counted(music, 22050), frozenset(FEATURES), report)
    assert sum(read) < 0.5 * music.size
