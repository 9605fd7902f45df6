"""Drum kits of recorded hits: Hydrogen kits, and folders of single hits."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from dev.training.soundfont import SampledNote

Samples = NDArray[np.float32]

_CHOKE_SECONDS = 0.03
_LONGEST_HIT_SECONDS = 4.0
# General MIDI keys, and the names of instruments of Hydrogen kits that play them, best first.
_NAMES: Mapping[int, tuple[str, ...]] = {
    36: (r"kick hard|kick power|kick 1\b|kick", r"bass ?drum", r"cajon thump"),
    37: (r"side ?stick|rim click|^stick|\bstick", r"clave"),
    38: (r"snare rock|snare 1\b|snare1|pearl snare$|^snare$|snare 8", r"snare(?! roll| rimshot| dry)", r"cajon slap"),
    39: (r"hand clap|clap", r"finger"),
    40: (r"snare rimshot|snare 2|snare rim", r"snare jazz|snare dry|snare low"),
    41: (r"tom low|floor tom|tom floor|low tom",),
    42: (r"hat closed|closed h|hi-?hat closed|hat .*cl\b|hat cl", r"hat low"),
    44: (r"hat pedal|pedal h|hat .*pd\b|hi-hat pedal",),
    45: (r"tom mid|tom 2|middle tom|^tom$",),
    46: (r"hat open|open h|hi-?hat open|hat .*op\b|hat op", r"hi hat opened"),
    48: (r"tom hi|tom 1|high tom",),
    49: (r"crash rock|crash left|crash \(|sabian crash$|crash16|^crash|crash", r"cymbal"),
    51: (r"ride rock|ride bow|paiste ride$|^ride$|ride(?! bell|-cup)", r"cymbal 2"),
    53: (r"ride bell|paiste bell|ride-cup|^bell",),
    54: (r"tambourine",),
    56: (r"cowbell",),
    57: (r"crash right|crash jazz|splash",),
    60: (r"bongo hi|djembe1 slap",),
    61: (r"bongo lo|djembe1 bass",),
    63: (r"conga 1|conga|djembe2 tone",),
    70: (r"maraca|shaker",),
    75: (r"clave",),
    76: (r"woodblock hi",),
}
_WHAT_ELSE: Mapping[int, int] = {
    40: 38,
    44: 42,
    53: 51,
    57: 49,
    43: 41,
    47: 45,
    50: 48,
    35: 36,
    62: 63,
    64: 63,
    82: 70,
    69: 70,
}


@dataclass(frozen=True)
class Hit:
    """A recorded hit and the greatest velocity, from 0 to 1, for which it is used."""

    path: Path
    greatest_velocity: float


@dataclass(frozen=True)
class Kit:
    """The recorded hits of each General MIDI key: velocity limits and samples, float32 [2, frames]."""

    sounds: Mapping[int, tuple[tuple[float, Samples], ...]]

    def sound(self, key: int, velocity: int) -> Samples | None:
        """Return the recording for a key, that of a similar key, or nothing."""
        layers = self.sounds.get(key) or self.sounds.get(_WHAT_ELSE.get(key, key))
        if not layers:
            return None
        wanted = velocity / 127
        return next((samples for greatest, samples in layers if wanted <= greatest), layers[-1][1])


def hits_of_hydrogen_kit(folder: Path) -> dict[int, list[Hit]]:
    """Return the hits of each General MIDI key of a Hydrogen kit."""
    # The files come from Debian's packages.
    document = ElementTree.fromstring(
        re.sub(r'xmlns(:\w+)?="[^"]*"', "", (folder / "drumkit.xml").read_text("utf-8", "replace"))
    )
    instruments: dict[str, list[Hit]] = {}
    for instrument in document.iter("instrument"):
        hits = [
            Hit(folder / (layer.findtext("filename") or ""), float(layer.findtext("max") or 1.0))
            for layer in instrument.iter("layer")
        ]
        whole = instrument.findtext("filename")
        hits = hits or ([Hit(folder / whole, 1.0)] if whole else [])
        hits = [hit for hit in hits if hit.path.is_file() and "emptySample" not in hit.path.name]
        if hits:
            instruments.setdefault(
                instrument.findtext("name") or "", sorted(hits, key=lambda hit: hit.greatest_velocity)
            )
    found = {}
    for key, patterns in _NAMES.items():
        for pattern in patterns:
            names = [name for name in instruments if re.search(pattern, name, re.IGNORECASE)]
            if names:
                found[key] = instruments[names[0]]
                break
    return found


@lru_cache(maxsize=24)
def load_kit(hits: tuple[tuple[int, tuple[Hit, ...]], ...], rate_hz: int) -> Kit:
    """Read the recordings of a kit. Kits stay in memory, because all songs of a process share them."""
    return Kit(
        {key: tuple((hit.greatest_velocity, _recording(hit.path, rate_hz)) for hit in layers) for key, layers in hits}
    )


@lru_cache(maxsize=2048)
def _recording(path: Path, rate_hz: int) -> Samples:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    samples = samples[: int(_LONGEST_HIT_SECONDS * rate), :2]
    if rate != rate_hz:
        samples = soxr.resample(samples, rate, rate_hz)
    if samples.shape[1] == 1:
        samples = np.repeat(samples, 2, axis=1)
    loud = np.flatnonzero(
        np.max(np.abs(samples), axis=1) > 10 ** (-50 / 20) * max(1e-6, float(np.max(np.abs(samples))))
    )
    # A hit starts at once: silence before it would shift the beats.
    samples = samples[loud[0] if len(loud) else 0 :].T.copy()
    fade = min(samples.shape[1], rate_hz // 50)
    samples[:, samples.shape[1] - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return samples


def render_hit(out: Samples, kit: Kit, note: SampledNote, rate_hz: int) -> None:
    """Add a hit to ``out``, float32 [2, frames]. The end of the note fades it out."""
    samples = kit.sound(round(note.pitch_midi), note.velocity)
    if samples is None:
        return
    first, fade = note.start_frame, int(_CHOKE_SECONDS * rate_hz)
    length = min(samples.shape[1], note.length_frames + fade, out.shape[1] - first)
    if length <= 0 or first < 0:
        return
    piece = samples[:, :length] * np.float32((note.velocity / 127) ** 1.5)
    if note.length_frames + fade < samples.shape[1]:
        tail = min(fade, length)
        piece[:, length - tail :] *= np.linspace(1.0, 0.0, tail, dtype=np.float32)
    out[:, first : first + length] += piece


def hits_of_folder(folder: Path, names: Mapping[int, Sequence[str]]) -> dict[int, list[Hit]]:
    """Return the hits of a folder of recordings, softest first, by the file names of each key."""
    return {
        key: [Hit(folder / name, (place + 1) / len(files)) for place, name in enumerate(files)]
        for key, files in names.items()
        if all((folder / name).is_file() for name in files)
    }
