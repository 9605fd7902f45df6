"""Songs for training and evaluation: composition, rendering, and the files of a song."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from training_sounds import SAMPLE_PITCH_MIDI, speech, write_sources

from training import render
from training.composer import HELD_OUT_PROGRAMS, Palette, Voice, compose
from training.mixing import CEILING, instruments_of, mix, palette_of
from training.percussion import random_drum, strike
from training.score import PITCH_CLASSES, STEMS, Note
from training.second_composer import STYLE_NAMES, arranged
from training.singing import Singer, SungNote, sing
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


def dominant_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(np.argmax(spectrum) * RATE_HZ / (1 << 18))


@pytest.mark.parametrize("style", STYLES)
def test_the_truth_of_a_song_is_consistent_and_follows_from_seed_and_split(style: str) -> None:
    score = compose(7, "train", 25.0, PALETTE, style)
    assert score == compose(7, "train", 25.0, PALETTE, style)
    assert score.parts != compose(8, "train", 25.0, PALETTE, style).parts
    assert score.parts != compose(7, "evaluation", 25.0, PALETTE, style).parts
    truth = score.truth
    beats = np.array(truth.beats)
    assert np.all(np.diff(beats) > 0)
    assert (beats[0] < 0.3, beats[-1] < 25.0) == (True, True)
    assert np.median(60 / np.diff(beats)) == pytest.approx(truth.tempo_bpm, rel=0.001)
    assert STYLES[style].bpm[0] * 0.95 < truth.tempo_bpm < STYLES[style].bpm[1] * 1.05
    assert np.array_equal(truth.downbeats, beats[:: truth.meter[0]])
    assert truth.key.endswith("minor") == (MODES[truth.mode][2] == 3)
    assert all(0 <= note.start_seconds < 25.0 for part in score.parts for note in part.notes)
    assert all(0 < note.pitch_midi < 128 and 0 < note.velocity < 128 for part in score.parts for note in part.notes)


def test_notes_are_in_the_key_and_bass_drums_on_beats() -> None:
    in_key, on_beat = [], []
    for seed in range(12):
        score = compose(seed, "train", 30.0, PALETTE, "house")
        tonic, beats = PITCH_CLASSES.index(score.truth.key.split()[0]), np.array(score.truth.beats)
        for part in score.parts:
            if part.stem in ("bass", "vocals"):
                in_key += [(note.pitch_midi - tonic) % 12 in MODES[score.truth.mode] for note in part.notes]
            if part.role == "kit":
                kicks = [note.start_seconds for note in part.notes if note.pitch_midi == 36]
                on_beat += [np.min(np.abs(beats - kick)) < 0.02 for kick in kicks]
    assert (len(in_key) > 300, len(on_beat) > 200) == (True, True)
    assert np.mean(in_key) > 0.95
    assert np.mean(on_beat) > 0.8


def test_splits_share_no_sounds_and_progressions() -> None:
    """Only songs for training have synthesizers and percussion, and textures beside the programs of the style."""
    for sources in (KITS, VOICES):
        names = {split: {source.name for source in sources if source.split == split} for split in render.SPLITS}
        assert all(names.values())
        assert not names["train"] & (names["validation"] | names["evaluation"])
        assert not names["validation"] & names["evaluation"]
    programs: dict[str, set[int]] = {}
    chords: dict[str, set[Any]] = {}
    for split in render.SPLITS:
        is_train = split == "train"
        parts = [part for seed in range(40) for part in compose(seed, split, 8.0, PALETTE, "punk").parts]
        basses = {part.kind for part in parts if part.stem == "bass"}
        assert basses == ({"font", "synthesizer", "string"} if is_train else {"font"})
        assert any(part.kind == "percussion" for part in parts) == is_train
        assert any(part.effects.get("grains") for part in parts if part.stem == "other") == is_train
        programs[split] = {part.program for part in parts if part.kind == "font"}
        metal = [compose(seed, split, 12.0, PALETTE, "metal").truth for seed in range(10)]
        chords[split] = {tuple(name for _, name in truth.chords[:4]) for truth in metal}
    assert programs["validation"] <= HELD_OUT_PROGRAMS
    assert not programs["train"] & HELD_OUT_PROGRAMS
    assert not chords["train"] & chords["evaluation"]


@pytest.mark.parametrize("seed", range(4))
def test_synthesizers_strings_and_drums_sound_at_their_notes(seed: int) -> None:
    random = np.random.default_rng(seed)
    notes = [Note(1.5, 1.0, 40, 100), Note(0.5, 0.6, 28, 100)]  # 82.4 and 41.2 Hz
    frame_count = 5 * RATE_HZ
    tones = [
        play(random_patch(random), notes, frame_count, RATE_HZ),
        pluck(random_string(random), notes, frame_count, RATE_HZ, random),
    ]
    for sound in (*tones, strike([random_drum(random)] * 2, notes, frame_count, RATE_HZ, random)):
        assert (sound.shape, sound.dtype) == ((2, frame_count), np.float32)
        assert not np.any(sound[:, : RATE_HZ // 2])
        assert 0.01 < np.max(np.abs(sound)) < 4
    for sound in tones:
        assert np.max(np.abs(sound[:, round(4.5 * RATE_HZ) :])) < 0.01
        for second, hertz in ((0.7, 41.2), (1.9, 82.4)):
            heard = dominant_hz(sound[0, round(second * RATE_HZ) : round((second + 0.5) * RATE_HZ)]) / hertz
            assert heard == pytest.approx(max(1, round(heard)), rel=0.05)  # a harmonic of a string can be the strongest


def test_a_font_plays_the_pitch_level_and_length_of_a_note(catalogue: Catalogue, tmp_path: Path) -> None:
    font = next(iter(catalogue.fonts("train").values()))
    loud, soft = np.zeros((2, 2, RATE_HZ), np.float32)
    for out, velocity in ((loud, 127), (soft, 64)):
        note = SampledNote(4410, 22050, SAMPLE_PITCH_MIDI - 12, velocity)
        render_note(out, font, font.regions(0, 0), note, RATE_HZ)
    assert dominant_hz(loud[0, 5000:20000]) == pytest.approx(220.0, abs=0.5)
    assert not np.any(loud[:, :4410])
    assert np.max(np.abs(loud)) == pytest.approx(16000 / 32768, rel=0.05)
    assert np.max(np.abs(soft)) == pytest.approx(np.max(np.abs(loud)) * (64 / 127) ** 2, rel=0.05)
    assert np.max(np.abs(loud[:, 4410 + 22050 + 12000 :])) < 0.001  # 0.25 s after the release
    (tmp_path / "noise.sf2").write_bytes(bytes(100))
    with pytest.raises(ValueError, match="not a SoundFont"):
        load_font(tmp_path / "noise.sf2")


def test_a_voice_sings_the_pitch_of_the_melody() -> None:
    bank = analyse([speech()], 16_000)
    assert len(bank.syllables) == 4
    assert bank.pitch_hz == pytest.approx(150.0, rel=0.02)
    notes = [SungNote(0.5 + 0.6 * place, 0.6, pitch, 100, place) for place, pitch in enumerate((57, 64, 60))]
    out = np.zeros(3 * RATE_HZ, np.float32)
    singer = Singer(vibrato_cents=0.0, wander_cents=0.0, breath=0.0)
    sing(out, bank, singer, notes, np.random.default_rng(1))
    assert not np.any(out[: round(0.2 * RATE_HZ)])
    for note in notes:
        middle = out[round((note.start_seconds + 0.2) * RATE_HZ) : round((note.start_seconds + 0.45) * RATE_HZ)]
        wanted = 440 * 2 ** ((note.pitch_midi - 69) / 12)
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 17))
        hertz = np.arange(len(spectrum)) * RATE_HZ / (1 << 17)
        near = (hertz > wanted / 1.2) & (hertz < wanted * 1.2)
        assert 1200 * np.log2(hertz[near][np.argmax(spectrum[near])] / wanted) == pytest.approx(0.0, abs=25)
        between = spectrum[(hertz > wanted * 1.3) & (hertz < wanted * 1.7)]
        assert np.max(between) < 0.2 * np.max(spectrum[near])


@pytest.mark.parametrize("style", ["pop", "metal", None])
def test_a_mix_is_the_sum_of_audible_stems_and_does_not_clip(catalogue: Catalogue, style: str | None) -> None:
    """Without a style, the second composer writes the song."""
    palette = palette_of(catalogue, "train")
    score = compose(1, "train", 6.0, palette, style) if style else arranged(0, 6.0, palette)
    stems, again = (mix(score, instruments_of(catalogue, "train")) for _ in range(2))
    assert list(stems) == list(STEMS)
    assert 0.1 < np.max(np.abs(sum(stems.values()))) <= CEILING + 0.005
    for stem, samples in stems.items():
        assert samples.shape == (2, 6 * RATE_HZ)
        assert bool(render.activity(samples)) == any(part.stem == stem for part in score.parts)
        assert np.array_equal(samples, again[stem])


def rendered(sources: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    arguments = ["--count", "2", "--seconds", "2", "--workers", "1", "--sources", str(sources), *options]
    monkeypatch.setattr("sys.argv", ["render", str(out), *arguments])
    return render.main()


def test_songs_are_files_with_truth_and_an_interrupted_run_resumes(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rendered(tmp_path / "none", tmp_path, monkeypatch) == 1
    assert "python -m training.sources" in capsys.readouterr().err
    assert rendered(catalogue.folder, tmp_path, monkeypatch) == 0
    folder = tmp_path / "train" / "000001"
    truth = json.loads((folder / "song.json").read_text())
    assert (truth["split"], truth["seed"], truth["seconds"]) == ("train", 1, 2.0)
    for stem in STEMS:
        samples, rate = soundfile.read(folder / f"{stem}.flac", always_2d=True)
        assert (rate, samples.shape) == (RATE_HZ, (2 * RATE_HZ, 2))
        assert bool(truth["activity"][stem]) == bool(np.any(np.abs(samples) > 0.01))
    # Finished songs stay as they are, and missing ones are rendered again, to the same bytes.
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    marked = tmp_path / "train" / "000000" / "song.json"
    marked.write_text("kept")
    folder.rename(tmp_path / "lost")
    assert rendered(catalogue.folder, tmp_path, monkeypatch) == 0
    assert marked.read_text() == "kept"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == ["000000", "000001"]
    for composer, style in zip(render.COMPOSERS, (EVALUATION_STYLES[1], STYLE_NAMES[1]), strict=True):
        options = "--split", "evaluation", "--composer", composer, "--first", "1", "--count", "1"
        assert rendered(catalogue.folder, tmp_path / composer, monkeypatch, *options) == 0
        truth = json.loads((tmp_path / composer / "evaluation" / "000001" / "song.json").read_text())
        assert truth["style"] == style
