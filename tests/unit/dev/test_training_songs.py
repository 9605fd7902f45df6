"""Songs for training and evaluation: composition, rendering, and the files of a song; and the benchmarks that measure on them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dev.bench import analysis_quality, separation_quality
from dev.training import render
from dev.training.composer import HELD_OUT_PROGRAMS, Palette, Voice, compose
from dev.training.mixing import CEILING, instruments_of, mix, palette_of
from dev.training.score import STEMS
from dev.training.second_composer import STYLE_NAMES, arranged
from dev.training.sources import KITS, VOICES, Catalogue
from dev.training.styles import EVALUATION_STYLES, MODES, STYLES
from dev.training.voices import RATE_HZ, analyse, save_bank

PALETTE = Palette(
    ("one", "two"),
    (("kit", "acoustic"), ("machine", "electronic"), ("hands", "percussion")),
    (Voice("alto", 200.0, 40), Voice("bass", 110.0, 40)),
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(write_sources(tmp_path_factory.mktemp("sources")))


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
        parts = [part for seed in range(15) for part in compose(seed, split, 8.0, PALETTE, "punk").parts]
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


@pytest.mark.parametrize("style", ["pop", "metal", None])
def test_a_mix_is_the_sum_of_audible_stems_and_does_not_clip(catalogue: Catalogue, style: str | None) -> None:
    """Without a style, the second composer writes the song."""
    palette = palette_of(catalogue, "train")
    score = compose(1, "train", 3.0, palette, style) if style else arranged(0, 3.0, palette)
    stems, again = (mix(score, instruments_of(catalogue, "train")) for _ in range(2))
    assert list(stems) == list(STEMS)
    assert 0.1 < np.max(np.abs(sum(stems.values()))) <= CEILING + 0.005
    for stem, samples in stems.items():
        assert samples.shape == (2, 3 * RATE_HZ)
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
    assert "python -m dev.training.sources" in capsys.readouterr().err
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


FONTS = ("usr/share/sounds/sf2/FluidR3_GM.sf2", "usr/share/sounds/sf2/TimGM6mb.sf2")
TINY_KITS = {"train": "GMRockKit", "validation": "Millo_MultiLayered3", "evaluation": "BJA_Pacific"}
SAMPLE_PITCH_MIDI = 69


def write_sources(folder: Path) -> Path:
    """Write sources with a font for each pair of splits, and a kit and a voice for each split."""
    packages = folder / "packages"
    for path in FONTS:
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_bytes(soundfont())
    for kit in TINY_KITS.values():
        _write_kit(packages / "usr/share/hydrogen/data/drumkits" / kit)
    (folder / "voices").mkdir()
    for split in TINY_KITS:
        voice = next(voice for voice in VOICES if voice.split == split)
        save_bank(folder / "voices" / f"{voice.name}.npz", analyse([speech()], 16_000))
    return folder


def speech() -> np.ndarray:
    """Return four vowels of 0.3 s at 150 Hz, float32 [frames], with pauses between them."""
    time = np.arange(round(0.3 * RATE_HZ)) / RATE_HZ
    pieces = []
    for formant_hz in (500, 700, 900, 1100):
        harmonics = [
            np.sin(2 * np.pi * 150 * number * time) / (1 + ((150 * number - formant_hz) / 150) ** 2)
            for number in range(1, 40)
        ]
        pieces += [np.zeros(RATE_HZ // 10), np.sum(harmonics, axis=0) * np.hanning(len(time))]
    whole = np.concatenate([*pieces, np.zeros(RATE_HZ // 10)])
    return (0.5 * whole / np.max(np.abs(whole))).astype(np.float32)


def soundfont() -> bytes:
    """Return a SoundFont whose preset 0 of the banks 0 and 128 is a looped sine of 440 Hz, for all keys."""
    period, cycles = 100, 20
    wave = np.sin(2 * np.pi * np.arange(period * cycles) / period)
    data = (16000 * wave).astype("<i2").tobytes() + bytes(92)
    rate = 440 * period

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content

    def listing(kind: bytes, *chunks: bytes) -> bytes:
        return chunk(b"LIST", kind + b"".join(chunks))

    def name(text: str) -> bytes:
        return text.encode().ljust(20, b"\0")

    # The programs that songs use are all the same sound.
    presets = [(bank, program) for bank in (0, 128) for program in range(128)]
    headers = b"".join(
        name("preset") + struct.pack("<HHH12x", program, bank, at) for at, (bank, program) in enumerate(presets)
    )
    headers += name("EOP") + struct.pack("<HHH12x", 0, 0, len(presets))
    bags = b"".join(struct.pack("<HH", at, 0) for at in range(len(presets) + 1))
    generators = b"".join(struct.pack("<Hh", 41, 0) for _ in presets) + bytes(4)
    zone = [(54, 1), (38, -2400), (53, 0)]
    sample = name("sine") + struct.pack(
        "<IIIIIBb2xH", 0, period * cycles, period, period * (cycles - 1), rate, SAMPLE_PITCH_MIDI, 0, 1
    )
    tables = (
        chunk(b"phdr", headers), chunk(b"pbag", bags), chunk(b"pmod", bytes(10)), chunk(b"pgen", generators),
        chunk(b"inst", name("sine") + struct.pack("<H", 0) + name("EOI") + struct.pack("<H", 1)),
        chunk(b"ibag", struct.pack("<HHHH", 0, 0, len(zone), 0)), chunk(b"imod", bytes(10)),
        chunk(b"igen", b"".join(struct.pack("<Hh", *pair) for pair in zone) + bytes(4)),
        chunk(b"shdr", sample + name("EOS") + bytes(26)),
    )  # fmt: skip
    return chunk(
        b"RIFF",
        b"sfbk"
        + listing(b"INFO", chunk(b"ifil", bytes(4)))
        + listing(b"sdta", chunk(b"smpl", data))
        + listing(b"pdta", *tables),
    )


def _write_kit(folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    instruments = []
    for instrument, hertz, seconds in (
        ("Kick", 60, 0.3),
        ("Snare", 200, 0.2),
        ("Hat Closed", 8000, 0.1),
        ("Hat Open", 8000, 0.5),
        ("Crash", 6000, 1.0),
    ):
        time = np.arange(round(seconds * 44_100)) / 44_100
        hit = np.exp(-time * 5 / seconds) * (np.sin(2 * np.pi * hertz * time) + 0.2 * rng.standard_normal(len(time)))
        soundfile.write(folder / f"{instrument}.wav", 0.4 * hit, 44_100)
        instruments.append(
            f"<instrument><name>{instrument}</name><layer><filename>{instrument}.wav</filename><max>1</max></layer></instrument>"
        )
    (folder / "drumkit.xml").write_text(f"<drumkit_info>{''.join(instruments)}</drumkit_info>")


def test_the_benchmarks_report_models_and_references(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = palette_of(catalogue, "evaluation"), instruments_of(catalogue, "evaluation")
    render.render_song(0, tmp_path, "evaluation", 5.0, 0.0, sounds)
    monkeypatch.setattr(
        analysis_quality, "librosa_reading", analysis_quality.our_reading
    )  # librosa would compile first
    for program in (separation_quality, analysis_quality):
        monkeypatch.setattr("sys.argv", ["program", str(tmp_path / "evaluation")])
        program.main()
        assert "| 000000 folk |" in capsys.readouterr().out
