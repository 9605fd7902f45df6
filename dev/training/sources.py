"""Recorded sounds for songs: fetches Debian packages, and says which split uses which instruments, kits and voices.

``python -m dev.training.sources`` downloads and unpacks the packages, which needs no root, and builds the banks of voices.
DATA.md lists the licences.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from dev.training.kits import Hit, Kit, hits_of_folder, hits_of_hydrogen_kit, load_kit
from dev.training.soundfont import Font, load_font
from dev.training.voices import RATE_HZ, VoiceBank, analyse, load_bank, save_bank

Samples = NDArray[np.float32]

SOURCES = Path(__file__).parents[2] / ".sources"
SPLITS = ("train", "validation", "evaluation")
PACKAGES = (
    "avldrums.lv2-soundfont",
    "asterisk-core-sounds-en-g722",
    "asterisk-core-sounds-fr-g722",
    "asterisk-core-sounds-it-g722",
    "asterisk-core-sounds-ru-g722",
    "csound-soundfont",
    "flite",
    "fluid-soundfont-gm",
    "hydrogen-data",
    "hydrogen-drumkits",
    "klettres-data",
    "libflite1",
    "lmms-common",
    "musescore-general-soundfont",
    "opl3-soundfont",
    "sonic-pi-samples",
    "timgm6mb-soundfont",
)
_SPOKEN_SECONDS = 75.0
_SMALL_KIT_BYTES = 2_500_000
_COMPACT_SYLLABLES = 30
_WIDE_HZ, _TELEPHONE_HZ = 16_000.0, 7_000.0
_HYDROGEN = "usr/share/hydrogen/data/drumkits"
_SONIC = "usr/share/sonic-pi/samples"
_LMMS = "usr/share/lmms/samples/drums"

# Sentences for speech synthesis. They contain most syllables of English, and are our own.
_SENTENCES = (
    "Hold me now and never let me go, the morning light is calling me home.",
    "We are running down the river road, singing every song we know.",
    "Take my hand, baby, feel the fire burning in the middle of the night.",
    "Oh what a day, all the people in the city start to sway.",
    "I saw you standing by the window with the summer in your eyes.",
    "Nothing can break this heart of mine, nothing but time.",
    "Follow the moon over mountains of blue, follow the stars till they bring me to you.",
    "Every little thing you do makes me wanna love you more.",
    "Higher and higher we fly through the thunder and rain.",
    "Tell me why the world keeps turning, tell me how the rivers flow.",
    "You and I were born to wander, two wild birds without a nest.",
    "Shadows falling on the highway, dust and diamonds in the sand.",
)


@dataclass(frozen=True)
class KitSource:
    """A drum kit.

    Attributes:
        path: a SoundFont with its bank and program, a Hydrogen kit, or a folder of hits with their names by key.
        family: ``acoustic``, ``electronic`` or ``percussion``.
    """

    name: str
    path: str
    split: str
    family: str
    preset: tuple[int, int] | None = None
    files: Mapping[int, Sequence[str]] | None = None


@dataclass(frozen=True)
class VoiceSource:
    """A voice: recordings in a folder, or a voice of flite. Above its bandwidth, recordings are silent."""

    name: str
    path: str
    split: str
    bandwidth_hz: float = _WIDE_HZ


_FONTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "fluid": ("usr/share/sounds/sf2/FluidR3_GM.sf2", "train"),
        "musescore": ("usr/share/sounds/sf3/MuseScore_General_Full.sf3", "train"),
        # The same sounds as fluid with one channel and compressed, only in compact sources.
        "fluid-mono": ("usr/share/sounds/sf3/FluidR3Mono_GM.sf3", "train"),
        "opl3": ("usr/share/sounds/sf2/OPL-3_FM_128M.sf2", "train"),
        # Many samples of this font are those of timgm6mb, so evaluation has both.
        "csound": ("usr/share/samples/sf_GMbank.sf2", "evaluation"),
        "timgm6mb": ("usr/share/sounds/sf2/TimGM6mb.sf2", "evaluation"),
    }
)


def _hydrogen(name: str, split: str, family: str) -> KitSource:
    return KitSource(name, f"{_HYDROGEN}/{name}", split, family)


def _kits_of(font: str, programs: Mapping[int, str], split: str) -> tuple[KitSource, ...]:
    return tuple(
        KitSource(f"{font} {number}", _FONTS[font][0], split, family, (128, number))
        for number, family in programs.items()
    )


def _ogg(**names: str) -> dict[int, Sequence[str]]:
    keys = {
        "kick": 36,
        "rim": 37,
        "snare": 38,
        "clap": 39,
        "low": 41,
        "closed": 42,
        "pedal": 44,
        "middle": 45,
        "open": 46,
    }
    keys |= {"high": 48, "crash": 49, "ride": 51, "shaker": 70, "cowbell": 56, "splash": 57, "second": 40}
    return {keys[role]: files.split() for role, files in names.items()}


KITS: tuple[KitSource, ...] = (
    *_kits_of("fluid", {0: "acoustic", 8: "acoustic", 16: "acoustic", 24: "electronic", 25: "electronic", 40: "acoustic"}, "train"),
    *_kits_of("musescore", {0: "acoustic", 1: "acoustic", 8: "acoustic", 16: "acoustic", 24: "electronic", 25: "electronic"}, "train"),
    *_kits_of("fluid-mono", {0: "acoustic", 8: "acoustic", 16: "acoustic", 24: "electronic", 25: "electronic", 40: "acoustic"}, "train"),
    *_kits_of("opl3", {0: "electronic"}, "train"),
    _hydrogen("GMRockKit", "train", "acoustic"),
    _hydrogen("ColomboAcousticDrumkit", "train", "acoustic"),
    _hydrogen("Millo-Drums_v.1", "train", "acoustic"),
    _hydrogen("Millo_MultiLayered2", "train", "acoustic"),
    _hydrogen("ForzeeStereo", "train", "acoustic"),
    _hydrogen("TR808EmulationKit", "train", "electronic"),
    _hydrogen("ElectricEmpireKit", "train", "electronic"),
    _hydrogen("VariBreaks", "train", "electronic"),
    _hydrogen("Audiophob", "train", "electronic"),
    _hydrogen("rumpf_kit_z01_h2", "train", "electronic"),
    _hydrogen("Gimme A Hand 1.0", "train", "percussion"),
    KitSource(
        "sonic-pi acoustic",
        _SONIC,
        "train",
        "acoustic",
        files=_ogg(
            kick="drum_bass_soft.flac drum_bass_hard.flac",
            snare="drum_snare_soft.flac drum_snare_hard.flac",
            low="drum_tom_lo_soft.flac drum_tom_lo_hard.flac",
            middle="drum_tom_mid_soft.flac drum_tom_mid_hard.flac",
            high="drum_tom_hi_soft.flac drum_tom_hi_hard.flac",
            closed="drum_cymbal_closed.flac",
            pedal="drum_cymbal_pedal.flac",
            open="drum_cymbal_open.flac",
            crash="drum_cymbal_soft.flac drum_cymbal_hard.flac",
            splash="drum_splash_soft.flac drum_splash_hard.flac",
            cowbell="drum_cowbell.flac",
        ),
    ),
    *(
        KitSource(
            f"sonic-pi {kick}",
            _SONIC,
            "train",
            "electronic",
            files=_ogg(
                kick=f"bd_{kick}.flac",
                snare=f"{snare}.flac",
                closed=f"{hat}.flac",
                open="drum_cymbal_open.flac",
                clap="perc_snap.flac",
                rim="elec_wood.flac",
                crash="elec_cymbal.flac",
                low="elec_fuzz_tom.flac",
            ),
        )
        for kick, snare, hat in (
            ("808", "sn_dub", "elec_tick"),
            ("haus", "sn_dolf", "drum_cymbal_closed"),
            ("tek", "elec_hi_snare", "elec_tick"),
            ("klub", "sn_zome", "drum_cymbal_closed"),
            ("fat", "elec_mid_snare", "drum_cymbal_closed"),
            ("boom", "sn_generic", "elec_tick"),
        )
    ),
    *(
        KitSource(f"lmms {number}", _LMMS, "train", "electronic", files=files)
        for number, files in enumerate(
            (
                _ogg(kick="kick01.ogg", snare="snare01.ogg", clap="clap01.ogg", closed="hihat_closed01.ogg", open="hihat_opened01.ogg", crash="crash01.ogg", ride="ride01.ogg", low="tom01.ogg", rim="rim01.ogg"),
                _ogg(kick="kick_hiphop01.ogg", snare="snare_hiphop01.ogg", clap="clap02.ogg", closed="hihat_closed02.ogg", open="hihat_opened02.ogg", crash="crash02.ogg", shaker="shaker01.ogg"),
                _ogg(kick="kick_hard01.ogg", snare="snare_electro01.ogg", clap="clap03.ogg", closed="hihat_closed03.ogg", open="hihat_opened03.ogg", ride="ride02.ogg", crash="crash01.ogg"),
                _ogg(kick="bassdrum_acoustic01.ogg", snare="snare_acoustic01.ogg", closed="hihat_closed04.ogg", pedal="hihat_foot_pedal01.ogg", open="hihat_opened02.ogg", ride="ride01.ogg", crash="crash02.ogg", low="tom_low01.ogg", middle="tom_mid01.ogg", high="tom_hi01.ogg"),
            )
        )
    ),
    _hydrogen("Millo_MultiLayered3", "validation", "acoustic"),
    _hydrogen("HardElectro1", "validation", "electronic"),
    _hydrogen("circAfrique v4", "validation", "percussion"),
    _hydrogen("BJA_Pacific", "evaluation", "acoustic"),
    KitSource("Black Pearl", "usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2", "evaluation", "acoustic", (0, 0)),
    KitSource("Red Zeppelin", "usr/share/sounds/sf2/Red_Zeppelin_4_LV2.sf2", "evaluation", "acoustic", (0, 0)),
    *_kits_of("timgm6mb", {0: "acoustic", 8: "acoustic", 16: "acoustic", 24: "electronic", 25: "electronic", 40: "acoustic"}, "evaluation"),
)  # fmt: skip

_KLETTRES = "usr/share/klettres"
_ASTERISK = "usr/share/asterisk/sounds"
VOICES: tuple[VoiceSource, ...] = (
    VoiceSource("slt", "flite:slt", "train", _TELEPHONE_HZ),
    VoiceSource("awb", "flite:awb", "train", _TELEPHONE_HZ),
    VoiceSource("carlo", f"{_ASTERISK}/it_IT_m_Carlo", "train", _TELEPHONE_HZ),
    VoiceSource("topal", f"{_ASTERISK}/ru_RU_f_IvrvoiceRU", "train", _TELEPHONE_HZ),
    *(
        VoiceSource(language, f"{_KLETTRES}/{language}", "train")
        for language in ("cs", "da", "de", "es", "fr", "he", "hu", "it", "lt", "ml", "nl", "pt_BR", "ru", "uk")
    ),
    VoiceSource("kal16", "flite:kal16", "validation", _TELEPHONE_HZ),
    VoiceSource("june", f"{_ASTERISK}/fr_CA_f_June", "validation", _TELEPHONE_HZ),
    VoiceSource("nds", f"{_KLETTRES}/nds", "validation"),
    VoiceSource("rms", "flite:rms", "evaluation", _TELEPHONE_HZ),
    VoiceSource("allison", f"{_ASTERISK}/en_US_f_Allison", "evaluation", _TELEPHONE_HZ),
    *(VoiceSource(language, f"{_KLETTRES}/{language}", "evaluation") for language in ("ar", "en", "en_GB", "nb", "tn")),
)


class Catalogue:
    """The recorded sounds of a folder, by split. Sounds whose files are absent are left out."""

    def __init__(self, folder: Path = SOURCES) -> None:
        self.folder = folder

    @cached_property
    def packages(self) -> Path:
        return self.folder / "packages"

    def fonts(self, split: str) -> dict[str, Font]:
        """Return the SoundFonts of a split by name. Validation plays programs of training's fonts that training never plays."""
        wanted = "train" if split == "validation" else split
        paths = {name: self.packages / path for name, (path, of) in _FONTS.items() if of == wanted}
        return {name: load_font(path) for name, path in paths.items() if path.is_file()}

    def kits(self, split: str) -> tuple[KitSource, ...]:
        """Return the drum kits of a split."""
        return tuple(kit for kit in KITS if kit.split == split and (self.packages / kit.path).exists())

    def kit(self, source: KitSource) -> Kit | tuple[Font, int, int]:
        """Return a kit of recorded hits, or a SoundFont with bank and program."""
        path = self.packages / source.path
        if source.preset:
            return (load_font(path), *source.preset)
        found: dict[int, list[Hit]] = hits_of_folder(path, source.files) if source.files else hits_of_hydrogen_kit(path)
        return load_kit(tuple((key, tuple(layers)) for key, layers in found.items()), RATE_HZ)

    def voices(self, split: str) -> dict[str, VoiceBank]:
        """Return the banks of the voices of a split by name."""
        paths = {voice.name: self.folder / "voices" / f"{voice.name}.npz" for voice in VOICES if voice.split == split}
        return {name: load_bank(path) for name, path in paths.items() if path.is_file()}


Sources = lru_cache(maxsize=4)(Catalogue)
"""Returns the catalogue of a folder, the same one for each call."""


def fetch(folder: Path) -> None:
    """Download and unpack all packages, and build the banks of voices. What is there already stays.

    Raises:
        subprocess.CalledProcessError: apt-get or dpkg-deb failed.
    """
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if (packages / "usr/share/doc" / package).is_dir():
            continue
        _unpack(package, packages)
        print(f"{package}: unpacked", flush=True)
    (folder / "voices").mkdir(exist_ok=True)
    for voice in VOICES:
        path = folder / "voices" / f"{voice.name}.npz"
        if not path.is_file():
            bank = analyse(_recordings(packages, voice), voice.bandwidth_hz)
            save_bank(path, bank)
            print(f"voice {voice.name}: {len(bank.syllables)} syllables, {bank.pitch_hz:.0f} Hz", flush=True)


def _unpack(package: str, folder: Path) -> None:
    """Download a Debian package and unpack it, without installing it."""
    with tempfile.TemporaryDirectory() as draft:
        subprocess.run(["apt-get", "download", "-qq", package], cwd=draft, check=True, stderr=subprocess.DEVNULL)
        for archive in Path(draft).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)


def compact(folder: Path, target: Path) -> None:
    """Copy small sources for training to ``target``, about 42 MB, for machines to which little can be carried.

    They contain one SoundFont, small kits and some syllables of each voice.
    """
    packages = target / "packages"
    with tempfile.TemporaryDirectory() as draft:
        _unpack("fluidr3mono-gm-soundfont", Path(draft))
        font = packages / _FONTS["fluid-mono"][0]
        font.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(draft) / "usr/share/fluidr3mono-gm-soundfont" / font.name, font)
    for kit in KITS:
        source = folder / "packages" / kit.path
        if kit.split != "train" or kit.preset or not source.is_dir():
            continue
        files = (
            [source / name for names in kit.files.values() for name in names] if kit.files else list(source.iterdir())
        )
        if sum(path.stat().st_size for path in files) <= _SMALL_KIT_BYTES:
            (packages / kit.path).mkdir(parents=True, exist_ok=True)
            for path in files:
                shutil.copyfile(path, packages / kit.path / path.name)
    (target / "voices").mkdir(exist_ok=True)
    for voice in VOICES:
        if voice.split == "train":
            bank = load_bank(folder / "voices" / f"{voice.name}.npz")
            end = int(bank.syllables[:_COMPACT_SYLLABLES][-1, 3])
            few = VoiceBank(bank.cepstra[:end], bank.voiced[:end], bank.syllables[:_COMPACT_SYLLABLES], bank.pitch_hz)
            save_bank(target / "voices" / f"{voice.name}.npz", few)


def _recordings(packages: Path, voice: VoiceSource) -> list[Samples]:
    """Return speech of a voice, about a minute."""
    if voice.path.startswith("flite:"):
        return [_synthesised(packages, voice.path.removeprefix("flite:"), sentence) for sentence in _SENTENCES]
    paths = sorted(path for path in (packages / voice.path).rglob("*") if path.suffix in {".g722", ".ogg"})
    # Prompts of several sentences are as good as short ones, and every recording has its turn.
    order = np.random.default_rng(1).permutation(len(paths))
    found: list[Samples] = []
    seconds = 0.0
    for number in order:
        samples = _decoded(paths[number])
        if len(samples) > RATE_HZ // 4 and seconds < _SPOKEN_SECONDS:
            found.append(samples)
            seconds += len(samples) / RATE_HZ
    return found


def _synthesised(packages: Path, name: str, sentence: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        libraries = {"LD_LIBRARY_PATH": str(packages / "usr/lib/x86_64-linux-gnu")}
        subprocess.run(
            [packages / "usr/bin/flite", "-voice", name, "-t", sentence, "-o", path], env=libraries, check=True
        )
        samples, rate = soundfile.read(path, dtype="float32")
    return _normal(samples, rate)


def _decoded(path: Path) -> Samples:
    import av  # machines that only render songs need not have it

    if path.suffix != ".g722":
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return _normal(np.asarray(samples.mean(axis=1), np.float32), rate)
    with av.open(str(path), format="g722") as container:
        pieces = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    # Some prompts of the package are empty.
    samples = np.concatenate([np.zeros(1, np.int16), *pieces]).astype(np.float32) / 32768
    return _normal(np.asarray(samples, np.float32), 16_000)


def _normal(samples: Samples, rate_hz: int) -> Samples:
    """Return samples at the rate of songs, with a common peak."""
    resampled = soxr.resample(samples, rate_hz, RATE_HZ) if rate_hz != RATE_HZ else samples
    return np.asarray(0.7 * resampled / max(1e-6, float(np.max(np.abs(resampled)))), np.float32)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SOURCES, help="where the packages are unpacked")
    parser.add_argument(
        "--compact", type=Path, metavar="TARGET", help="also copy small sources for training to this folder"
    )
    arguments = parser.parse_args()
    try:
        fetch(arguments.folder)
        if arguments.compact:
            compact(arguments.folder, arguments.compact)
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd))} failed. Is this Debian, and has `apt-get update` run?", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
