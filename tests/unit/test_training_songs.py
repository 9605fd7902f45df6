"""Songs for training and evaluation: composition, rendering, and the files of a song."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from training_sounds import SAMPLE_PITCH_MIDI, speech, write_sources

from training import render
from training.composer import HELD_OUT_PROGRAMS, Palette, Voice, compose
from training.effects import granulated, limiter_gain
from training.examples import find_songs
from training.layers import mallet_melody, noise_sweep, synthesizer_melody
from training.mixing import CEILING, instruments_of, mix, palette_of
from training.percussion import random_drum, strike
from training.score import PITCH_CLASSES, STEMS, Note, Part, Score
from training.second_composer import STYLE_NAMES, arranged
from training.singing import Singer, SungNote, pitch_curve_hz, sing
from training.soundfont import SampledNote, load_font, render_note
from training.sources import KITS, VOICES, Catalogue
from training.styles import EVALUATION_STYLES, MODES, STYLES
from training.synthesizer import play, pluck, random_patch, random_string
from training.voices import RATE_HZ, analyse

PALETTE = Palette(
    ("one", "two"),
    (("kit", "acoustic"), ("machine", "electronic"), ("hands", "percussion")),
    (Voice("alto", 200.0, 40), Voice("bass", 110.0, 40)),
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(write_sources(tmp_path_factory.mktemp("sources")))


def _song(
    catalogue: Catalogue, seed: int = 1, style: str | None = "pop", split: str = "train"
) -> tuple[Score, dict[str, np.ndarray]]:
    score = compose(seed, split, 6.0, palette_of(catalogue, split), style)
    return score, mix(score, instruments_of(catalogue, split))


def _dominant_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(np.argmax(spectrum) * RATE_HZ / (1 << 18))


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_composes_the_same_song_and_another_seed_another_one(style: str) -> None:
    assert compose(7, "train", 20.0, PALETTE, style) == compose(7, "train", 20.0, PALETTE, style)
    assert compose(7, "train", 20.0, PALETTE, style) != compose(8, "train", 20.0, PALETTE, style)
    assert compose(7, "train", 20.0, PALETTE, style).parts != compose(7, "evaluation", 20.0, PALETTE, style).parts


@pytest.mark.parametrize("style", STYLES)
def test_the_truth_of_a_song_is_consistent(style: str) -> None:
    for seed in range(3):
        score = compose(seed, "train", 25.0, PALETTE, style)
        truth = score.truth
        beats, downbeats = np.array(truth.beats), np.array(truth.downbeats)
        assert np.all(np.diff(beats) > 0)
        assert beats[0] < 0.3
        assert beats[-1] < 25.0
        assert np.median(60 / np.diff(beats)) == pytest.approx(truth.tempo_bpm, rel=0.001)
        assert STYLES[style].bpm[0] * 0.95 < truth.tempo_bpm < STYLES[style].bpm[1] * 1.05
        assert np.array_equal(downbeats, beats[:: truth.meter[0]])
        assert truth.mode in STYLES[style].modes
        assert truth.key.endswith("minor") == (MODES[truth.mode][2] == 3)
        assert all(0 <= note.start_seconds < 25.0 for part in score.parts for note in part.notes)
        assert all(0 < note.pitch_midi < 128 and 0 < note.velocity < 128 for part in score.parts for note in part.notes)


def test_bass_drums_and_chords_agree_with_the_truth() -> None:
    """Most notes are in the key, most roots sound in the bass, and most bass drums of house are on beats."""
    in_key, all_notes, on_beat, all_kicks = 0, 0, 0, 0
    for seed in range(12):
        score = compose(seed, "train", 30.0, PALETTE, "house")
        tonic = PITCH_CLASSES.index(score.truth.key.split()[0])
        scale = {(tonic + step) % 12 for step in MODES[score.truth.mode]}
        pitches = [note.pitch_midi for part in score.parts if part.stem in ("bass", "vocals") for note in part.notes]
        in_key, all_notes = in_key + sum(pitch % 12 in scale for pitch in pitches), all_notes + len(pitches)
        kicks = [
            note.start_seconds
            for part in score.parts
            if part.role == "kit"
            for note in part.notes
            if note.pitch_midi == 36
        ]
        beats = np.array(score.truth.beats)
        on_beat, all_kicks = (
            on_beat + sum(np.min(np.abs(beats - kick)) < 0.02 for kick in kicks),
            all_kicks + len(kicks),
        )
    assert all_notes > 300
    assert all_kicks > 200
    assert in_key / all_notes > 0.95
    assert on_beat / all_kicks > 0.8


def test_only_songs_for_training_have_synthetic_basses(catalogue: Catalogue) -> None:
    def kinds(split: str) -> set[str]:
        scores = [compose(seed, split, 8.0, PALETTE, "punk") for seed in range(40)]
        return {part.kind for score in scores for part in score.parts if part.stem == "bass"}

    assert kinds("train") == {"font", "synthesizer", "string"}
    assert kinds("validation") == kinds("evaluation") == {"font"}
    for kind in ("synthesizer", "string"):
        _, stems = next(
            song
            for song in (_song(catalogue, seed) for seed in range(40))
            if any(part.kind == kind for part in song[0].parts)
        )
        assert np.sqrt(np.mean(stems["bass"] ** 2)) > 0.01


def test_only_songs_for_training_have_more_percussion() -> None:
    def kits(split: str) -> set[tuple[str, ...]]:
        scores = [compose(seed, split, 8.0, PALETTE, "punk") for seed in range(40)]
        return {tuple(part.kind for part in score.parts if part.role == "kit") for score in scores} - {()}

    assert kits("train") == {("kit",), ("kit", "kit"), ("kit", "percussion")}
    assert kits("validation") == kits("evaluation") == {("kit",)}


def test_only_songs_for_training_have_textures_and_any_instrument() -> None:
    def others(split: str) -> list[Part]:
        scores = [compose(seed, split, 8.0, PALETTE, "punk") for seed in range(40)]
        return [part for score in scores for part in score.parts if part.stem == "other"]

    assert any(part.effects.get("grains") for part in others("train"))
    assert len({part.program for part in others("train")}) > 20
    for split in ("validation", "evaluation"):
        assert not any(part.effects.get("grains") for part in others(split))
        assert {part.program // 8 for part in others(split)} == {3}, "punk has guitars"
    programs = {part.program for part in others("train")}
    assert not programs & (HELD_OUT_PROGRAMS | set(range(32, 40)))


@pytest.mark.parametrize("seed", range(6))
def test_a_texture_repeats_what_sounded_before(seed: int) -> None:
    source = np.zeros((2, 6 * RATE_HZ), np.float32)
    source[:, 2 * RATE_HZ : 3 * RATE_HZ] = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    texture = granulated(source, np.random.default_rng(seed), RATE_HZ)
    assert texture.shape == source.shape
    assert texture.dtype == np.float32
    assert np.any(texture[:, 3 * RATE_HZ :])
    assert np.max(np.abs(texture)) < 12
    energy = np.abs(np.fft.rfft(texture[0])) ** 2
    octaves = np.concatenate([energy[6 * hertz - 400 : 6 * hertz + 400] for hertz in (220, 440, 880)])
    assert octaves.sum() > 0.9 * energy.sum()


@pytest.mark.parametrize("seed", range(12))
def test_a_synthesizer_plays_its_notes(seed: int) -> None:
    patch = random_patch(np.random.default_rng(seed))
    notes = [Note(1.5, 1.0, 40, 100), Note(0.5, 0.6, 28, 100)]
    sound = play(patch, notes, 5 * RATE_HZ, RATE_HZ)
    assert sound.shape == (2, 5 * RATE_HZ)
    assert sound.dtype == np.float32
    assert np.max(np.abs(sound)) < 2
    assert not np.any(sound[:, : RATE_HZ // 2])
    # 41.2 and 82.4 Hz; the pitch of the second note glides at first.
    for second, hertz in ((0.7, 41.2), (1.9, 82.4)):
        heard = _dominant_hz(sound[0, round(second * RATE_HZ) : round((second + 0.5) * RATE_HZ)])
        assert heard == pytest.approx(hertz, rel=0.02)
    assert np.max(np.abs(sound[:, round(4.5 * RATE_HZ) :])) < 0.01
    # No clicks: what a click adds lies far above the filter.
    assert np.max(np.abs(np.diff(sound))) < 0.2


def test_a_bass_of_a_drum_machine_falls_to_its_pitch() -> None:
    patch = replace(random_patch(np.random.default_rng(0)), harmonics="sine", detune_cents=0.0, glide_seconds=0.0)
    patch = replace(patch, decay_seconds=0.2, drop_semitones=12.0, drop_seconds=0.05)
    sound = play(patch, [Note(0.0, 1.0, 33, 100)], RATE_HZ, RATE_HZ)[0]
    first, later = sound[: RATE_HZ // 30], sound[RATE_HZ // 4 : RATE_HZ // 2]
    assert _dominant_hz(first) > 75
    assert _dominant_hz(later) == pytest.approx(55, rel=0.02)
    assert np.max(np.abs(sound[-1000:])) < 0.05 * np.max(np.abs(sound))


@pytest.mark.parametrize("seed", range(12))
def test_strokes_sound_at_their_times_and_fade(seed: int) -> None:
    random = np.random.default_rng(seed)
    notes = [Note(0.5, 0.1, 60, 100), Note(6.0, 0.1, 61, 50)]
    sound = strike([random_drum(random), random_drum(random)], notes, 11 * RATE_HZ, RATE_HZ, random)
    assert sound.shape == (2, 11 * RATE_HZ)
    assert sound.dtype == np.float32
    for start, limit in ((0.5, 1.0), (6.0, 0.4)):
        near = sound[:, round((start - 0.4) * RATE_HZ) : round((start + 0.4) * RATE_HZ)]
        peak = int(np.argmax(np.max(np.abs(near), axis=0))) / RATE_HZ - 0.4
        assert 0 <= peak < 0.25
        assert 0.02 * limit < np.max(np.abs(near)) < limit
    assert not np.any(sound[:, : RATE_HZ // 2])
    assert np.max(np.abs(sound[:, round(5.9 * RATE_HZ) : 6 * RATE_HZ])) < 1e-3


def test_equal_strokes_sound_alike_and_a_stroke_after_the_end_is_left_out() -> None:
    drums = [random_drum(np.random.default_rng(3))]
    notes = [Note(0.0, 0.1, 60, 100), Note(5.0, 0.1, 60, 100), Note(11.0, 0.1, 60, 100)]
    sound = strike(drums, notes, 10 * RATE_HZ, RATE_HZ, np.random.default_rng(1))
    np.testing.assert_allclose(sound[:, :RATE_HZ], sound[:, 5 * RATE_HZ : 6 * RATE_HZ], atol=2e-3)
    assert not np.any(strike(drums, [], 100, RATE_HZ, np.random.default_rng(1)))


@pytest.mark.parametrize("number", range(len(STYLE_NAMES)))
def test_the_second_composer_writes_each_style_for_the_palette(number: int) -> None:
    score = arranged(number, 20.0, PALETTE)
    assert score == arranged(number, 20.0, PALETTE)
    assert score.truth.style == STYLE_NAMES[number]
    assert {part.kind for part in score.parts} <= {"font", "kit", "voice"}
    assert {part.source for part in score.parts} <= {"one", "two", "kit", "machine", "alto", "bass"}
    assert {"drums", "bass", "other"} <= {part.stem for part in score.parts}
    for part in score.parts:
        assert all(0 <= note.start_seconds < 20 and note.duration_seconds > 0 for note in part.notes)
        assert all(1 <= note.velocity <= 127 for note in part.notes)
        assert (part.stem == "vocals") == (part.kind == "voice" or part.program == 52)
        assert [note for phrase in part.phrases for note in phrase] == list(part.notes if part.kind == "voice" else ())
    assert np.median(np.diff(score.truth.beats)) == pytest.approx(60 / score.truth.tempo_bpm, abs=1e-4)


def test_a_song_of_the_second_composer_sounds(catalogue: Catalogue) -> None:
    score = arranged(0, 6.0, palette_of(catalogue, "evaluation"))
    stems = mix(score, instruments_of(catalogue, "evaluation"))
    assert set(stems) == set(STEMS)
    for stem in ("drums", "bass", "other"):
        assert np.max(np.abs(stems[stem])) > 0.01
    assert np.max(np.abs(sum(stems.values()))) <= CEILING + 1e-6


def test_an_option_chooses_the_composer(catalogue: Catalogue, tmp_path: Path) -> None:
    sounds = palette_of(catalogue, "evaluation"), instruments_of(catalogue, "evaluation")
    for composer, style in zip(render.COMPOSERS, (EVALUATION_STYLES[1], STYLE_NAMES[1]), strict=True):
        render.render_song(1, tmp_path / composer, "evaluation", 2.0, 0.0, sounds, composer)
        truth = json.loads((tmp_path / composer / "evaluation" / "000001" / "song.json").read_text())
        assert (truth["style"], bool(truth["chords"])) == (style, composer == "first")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("melody_of", [mallet_melody, synthesizer_melody])
def test_melodies_play_tones(melody_of: Callable[..., NDArray[np.float32]], seed: int) -> None:
    melody = melody_of(4 * RATE_HZ, RATE_HZ, np.random.default_rng(seed))
    assert melody.shape == (2, 4 * RATE_HZ)
    assert melody.dtype == np.float32
    assert 0.01 < np.max(np.abs(melody)) <= 1  # a synthesizer with a closed filter is quiet
    np.testing.assert_array_equal(melody, melody_of(4 * RATE_HZ, RATE_HZ, np.random.default_rng(seed)))
    energy = np.sort(np.abs(np.fft.rfft(melody[0])) ** 2)[::-1]
    assert energy[: len(energy) // 20].sum() > 0.8 * energy.sum()  # tones, where noise has 20 %


def test_noise_sweeps_change_their_band_slowly() -> None:
    rising = 0
    for seed in range(12):
        sweep = noise_sweep(4 * RATE_HZ, RATE_HZ, np.random.default_rng(seed))
        assert sweep.shape == (2, 4 * RATE_HZ)
        assert sweep.dtype == np.float32
        assert np.max(np.abs(sweep)) <= 0.7001
        heard = [part for part in np.split(sweep, 16, axis=1) if np.sqrt(np.mean(part**2)) > 0.02]
        centroids = [_centroid_hz(part) for part in heard]
        if len(heard) >= 3:
            octaves = np.diff(np.log2(centroids))
            assert np.all(np.abs(octaves) < 3)
            assert np.all(octaves > -0.1) or np.all(octaves < 0.1)
            rising += bool(octaves.sum() > 0)
    assert 2 <= rising <= 10


def _centroid_hz(samples: NDArray[np.float32]) -> float:
    energy = np.abs(np.fft.rfft(samples[0])) ** 2
    return float(np.sum(np.fft.rfftfreq(samples.shape[1], 1 / RATE_HZ) * energy) / energy.sum())


@pytest.mark.parametrize("seed", range(12))
def test_a_string_sounds_until_its_notes_end(seed: int) -> None:
    random = np.random.default_rng(seed)
    sound = pluck(
        random_string(random), [Note(1.5, 1.0, 40, 100), Note(0.5, 0.6, 28, 100)], 5 * RATE_HZ, RATE_HZ, random
    )
    assert sound.shape == (2, 5 * RATE_HZ)
    assert sound.dtype == np.float32
    assert 0.1 < np.max(np.abs(sound)) < 4
    assert not np.any(sound[:, : RATE_HZ // 2])
    for second, hertz in ((0.5, 41.2), (1.5, 82.4)):
        heard = _dominant_hz(sound[0, round(second * RATE_HZ) : round((second + 0.6) * RATE_HZ)]) / hertz
        # The strongest harmonic is not always the first one. Stiff strings raise the higher ones.
        assert round(heard) >= 1
        assert heard == pytest.approx(round(heard), rel=0.05)
    assert np.max(np.abs(sound[:, round(4 * RATE_HZ) :])) < 0.01


def test_synthesizers_without_notes_are_silent() -> None:
    random = np.random.default_rng(0)
    for notes in ([], [Note(1.0, 1.0, 40, 100)]):
        assert not np.any(play(random_patch(random), notes, 100, RATE_HZ))
        assert not np.any(pluck(random_string(random), notes, 100, RATE_HZ, random))


def test_a_singer_sings_one_note_at_a_time() -> None:
    for seed in range(20):
        for part in compose(seed, "train", 30.0, PALETTE, "ballad").parts:
            if part.kind == "voice":
                assert sum(len(phrase) for phrase in part.phrases) == len(part.notes)
                ends = [note.start_seconds + note.duration_seconds for note in part.notes]
                assert all(
                    note.start_seconds >= end - 1e-4 for note, end in zip(part.notes[1:], ends[:-1], strict=True)
                )


def test_splits_share_no_kits_voices_programs_and_progressions() -> None:
    for sources in (KITS, VOICES):
        names = {split: {source.name for source in sources if source.split == split} for split in render.SPLITS}
        paths = {split: {source.path for source in sources if source.split == split} for split in render.SPLITS}
        assert all(names.values())
        assert not names["train"] & (names["validation"] | names["evaluation"])
        assert not names["validation"] & names["evaluation"]
        assert not (paths["train"] | paths["validation"]) & paths["evaluation"]
    programs: dict[str, set[int]] = {split: set() for split in render.SPLITS}
    chords: dict[str, set[tuple[str, ...]]] = {split: set() for split in render.SPLITS}
    for split in render.SPLITS:
        for seed in range(40):
            score = compose(seed, split, 8.0, PALETTE)
            programs[split] |= {part.program for part in score.parts if part.kind == "font"}
        for seed in range(10):
            truth = compose(seed, split, 12.0, PALETTE, "metal").truth
            chords[split].add(tuple(name for _, name in truth.chords[:4]))
    assert programs["validation"] <= HELD_OUT_PROGRAMS
    assert not programs["train"] & HELD_OUT_PROGRAMS
    assert not chords["train"] & chords["evaluation"]


def test_the_evaluation_set_has_varied_styles() -> None:
    assert len(set(EVALUATION_STYLES)) >= 24
    assert set(EVALUATION_STYLES) <= set(STYLES)
    assert [compose(seed, "evaluation", 8.0, PALETTE).truth.style for seed in range(24)] == list(EVALUATION_STYLES[:24])


def test_a_font_plays_the_pitch_level_and_length_of_a_note(catalogue: Catalogue) -> None:
    font = next(iter(catalogue.fonts("train").values()))
    out = np.zeros((2, RATE_HZ), np.float32)
    render_note(out, font, font.regions(0, 0), SampledNote(4410, 22050, SAMPLE_PITCH_MIDI - 12, 127), RATE_HZ)
    assert _dominant_hz(out[0, 5000:20000]) == pytest.approx(220.0, abs=0.5)
    assert not np.any(out[:, :4410])
    loud = float(np.max(np.abs(out[0, 5000:20000])))
    assert loud == pytest.approx(16000 / 32768, rel=0.05)
    # The note ends 0.25 s after its release.
    assert float(np.max(np.abs(out[:, 4410 + 22050 + 12000 :]))) < 0.001 * loud
    soft = np.zeros_like(out)
    render_note(soft, font, font.regions(0, 0), SampledNote(4410, 22050, SAMPLE_PITCH_MIDI - 12, 64), RATE_HZ)
    assert float(np.max(np.abs(soft))) == pytest.approx(loud * (64 / 127) ** 2, rel=0.05)


def test_a_file_that_is_no_soundfont_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.sf2"
    path.write_bytes(bytes(100))
    with pytest.raises(ValueError, match="not a SoundFont"):
        load_font(path)


def test_a_voice_sings_the_pitch_of_the_melody() -> None:
    bank = analyse([speech()], 16_000)
    assert len(bank.syllables) == 4
    assert bank.pitch_hz == pytest.approx(150.0, rel=0.02)
    singer = Singer(vibrato_cents=0.0, wander_cents=0.0, breath=0.0)
    notes = [SungNote(0.5 + 0.6 * place, 0.6, pitch, 100, place) for place, pitch in enumerate((57, 64, 60))]
    out = np.zeros(3 * RATE_HZ, np.float32)
    sing(out, bank, singer, notes, np.random.default_rng(1))
    for note in notes:
        middle = out[round((note.start_seconds + 0.2) * RATE_HZ) : round((note.start_seconds + 0.45) * RATE_HZ)]
        wanted = 440 * 2 ** ((note.pitch_midi - 69) / 12)
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 17))
        hertz = np.arange(len(spectrum)) * RATE_HZ / (1 << 17)
        near = spectrum[(hertz > wanted / 1.2) & (hertz < wanted * 1.2)]
        found = hertz[(hertz > wanted / 1.2) & (hertz < wanted * 1.2)][np.argmax(near)]
        assert 1200 * np.log2(found / wanted) == pytest.approx(0.0, abs=25)
        between = spectrum[(hertz > wanted * 1.3) & (hertz < wanted * 1.7)]
        assert np.max(between) < 0.2 * np.max(near)
    assert not np.any(out[: round(0.2 * RATE_HZ)])
    curve = pitch_curve_hz(notes, singer, 0.0, 500, np.random.default_rng(1))
    assert curve[160] == pytest.approx(220.0, rel=0.01)
    alone = pitch_curve_hz(notes[:1], singer, 0.0, 500, np.random.default_rng(1))
    assert alone[160] == pytest.approx(220.0, rel=0.01)


@pytest.mark.parametrize("style", ["pop", "metal", "jazz_waltz", "blues_shuffle"])
def test_a_mix_is_the_sum_of_audible_stems_and_does_not_clip(catalogue: Catalogue, style: str) -> None:
    score, stems = _song(catalogue, style=style)
    assert list(stems) == list(STEMS)
    total = np.sum(list(stems.values()), axis=0)
    assert 0.1 < np.max(np.abs(total)) <= CEILING + 0.005
    for stem, samples in stems.items():
        assert samples.shape == (2, 6 * RATE_HZ)
        assert bool(render.activity(samples)) == any(part.stem == stem for part in score.parts)


def test_the_same_score_renders_to_the_same_samples(catalogue: Catalogue) -> None:
    score, stems = _song(catalogue, seed=3)
    _song(catalogue, seed=4)
    again = mix(score, instruments_of(catalogue, "train"))
    assert all(np.array_equal(stems[stem], again[stem]) for stem in STEMS)


def test_the_limiter_keeps_peaks_below_the_ceiling_and_leaves_the_rest_alone() -> None:
    rng = np.random.default_rng(1)
    loud = (0.2 * rng.standard_normal((2, RATE_HZ))).astype(np.float32)
    loud[:, 20_000:20_040] *= 10
    gain = limiter_gain(loud, RATE_HZ, CEILING)
    assert np.max(np.abs(loud)) > 3
    assert np.max(np.abs(loud * gain)) <= CEILING + 1e-4
    assert np.all(gain[:15_000] == 1.0)
    assert gain[44_000] > 0.9


def _render(catalogue: Catalogue, out: Path, monkeypatch: pytest.MonkeyPatch, count: int = 2) -> int:
    arguments = [
        "render",
        str(out),
        "--count",
        str(count),
        "--seconds",
        "4",
        "--workers",
        "1",
        "--sources",
        str(catalogue.folder),
    ]
    monkeypatch.setattr("sys.argv", arguments)
    return render.main()


def test_songs_are_files_with_truth_and_an_interrupted_run_resumes(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _render(catalogue, tmp_path / "a", monkeypatch) == 0
    folder = tmp_path / "a" / "train" / "000001"
    truth = json.loads((folder / "song.json").read_text())
    assert (truth["split"], truth["seed"], truth["seconds"]) == ("train", 1, 4.0)
    for stem in STEMS:
        samples, rate = soundfile.read(folder / f"{stem}.flac", always_2d=True)
        assert (rate, samples.shape) == (RATE_HZ, (4 * RATE_HZ, 2))
        assert bool(truth["activity"][stem]) == bool(np.any(np.abs(samples) > 0.01))
    # Finished songs stay as they are, and missing ones are rendered again, to the same bytes.
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    marked = tmp_path / "a" / "train" / "000000" / "song.json"
    marked.write_text("kept")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert _render(catalogue, tmp_path / "a", monkeypatch) == 0
    assert marked.read_text() == "kept"
    sounds = palette_of(catalogue, "train"), instruments_of(catalogue, "train")
    assert render.render_song(0, tmp_path / "a", "train", 4.0, 0.0, sounds) == (0.0, 0.0)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    assert sorted(path.name for path in (tmp_path / "a" / "train").iterdir()) == ["000000", "000001"]


def test_programs_that_train_find_the_songs(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _render(catalogue, tmp_path, monkeypatch) == 0
    (song, other) = find_songs(tmp_path / "train")
    assert (song.frame_count, song.sample_rate_hz) == (4 * RATE_HZ, RATE_HZ)
    assert other.read("other", 0, 100).shape == (2, 100)
    # Unfinished songs are not where programs look for songs.
    assert find_songs(tmp_path) == []


def test_rendering_without_sources_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _render(Catalogue(tmp_path / "none"), tmp_path / "songs", monkeypatch) == 1
    assert "python -m training.sources" in capsys.readouterr().err
