"""Tiny sources of songs, made without recordings: a SoundFont, drum kits and voices, in the folders of the real ones."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soundfile

from training.sources import VOICES
from training.voices import RATE_HZ, analyse, save_bank

FONTS = ("usr/share/sounds/sf2/FluidR3_GM.sf2", "usr/share/sounds/sf2/TimGM6mb.sf2")
KITS = {"train": "GMRockKit", "validation": "Millo_MultiLayered3", "evaluation": "BJA_Pacific"}
SAMPLE_PITCH_MIDI = 69


def write_sources(folder: Path) -> Path:
    """Write sources with a font for each pair of splits, and a kit and a voice for each split."""
    packages = folder / "packages"
    for path in FONTS:
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_bytes(soundfont())
    for kit in KITS.values():
        _write_kit(packages / "usr/share/hydrogen/data/drumkits" / kit)
    (folder / "voices").mkdir()
    for split in KITS:
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
