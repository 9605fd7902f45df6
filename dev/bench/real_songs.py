"""Excerpts of real songs whose stems are public: ``python -m dev.bench.real_songs --help``.

Builds the folders that ``python -m dev.bench.separation_quality`` reads, from checkouts of two public repositories:

* ``ichbinsoftware/everythingisfree``: the album "Everything is Free" by Software-Entwicklungskit, electronic music with
  voices (CC0). The names of its files say which of the four stems a file belongs to, and the rules below read them.
* ``naomiaro/waveform-playlist``: the example of that player, a rock song (MIT). One file has bass and drums together,
  so only its vocals and its other instruments count.

No audio is part of this repository.

    git clone https://github.com/ichbinsoftware/everythingisfree
    git clone https://github.com/naomiaro/waveform-playlist
    python -m dev.bench.real_songs --everything-is-free everythingisfree --waveform-playlist waveform-playlist
    python -m dev.bench.separation_quality build/songs/real --methods dsp small
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from dev.bench._songs import REAL_SONGS, STEMS, Samples
from soundwright.kit.audio.decode import AudioFile
from soundwright.kit.audio.encode import resample_blocks

_SAMPLE_RATE_HZ = 44100
_EXCERPT_SECONDS, _STEP_SECONDS = 30, 5
_BALANCED_EXCERPTS = 2
_AUDIBLE_DB = 15.0
"""A stem counts if it is at most this much quieter than the loudest one."""
_SILENT = 1e-6
"""A mean energy that counts as silence: -60 dB of full scale."""

# The first rule that matches the name of a file gives its stem. The rest is other.
_RULES = (
    ("vocals", r"VOX"),
    ("other", r"MELODY BREAK"),
    ("bass", r"BASS|7\.Francium.* TEXTURE|4\.Potassium.*MICROCOSM_EFFECT"),
    (
        "drums",
        r"DRUM|KICK|HH|HAT|SNARE|CLAP|BEAT|BREAK|TOM|PERC|PRC|CRASH|CYMBAL|TOPS|K & SN|BUILD|SCRATCH",
    ),
)
_WAVEFORM_PLAYLIST = {
    "BassDrums30.mp3": "drums",
    "Guitar30.mp3": "other",
    "PianoSynth30.mp3": "other",
    "Vocals30.mp3": "vocals",
}


def stem_of(file_name: str) -> str:
    """Return the stem of a file of "Everything is Free"."""
    return next((stem for stem, pattern in _RULES if re.search(pattern, file_name)), "other")


def read(files: Iterable[tuple[Path, str]]) -> dict[str, Samples]:
    """Return the sums of files by stem, float32 [2, frames] at 44.1 kHz, of the length of the longest file."""
    sums = {stem: np.zeros((2, 0), np.float32) for stem in STEMS}
    for path, stem in files:
        audio = AudioFile(path)
        blocks = resample_blocks(audio.blocks(1 << 16), audio.sample_rate_hz, _SAMPLE_RATE_HZ, audio.channel_count)
        samples = np.concatenate(list(blocks), axis=1)  # one or two channels
        sums[stem] = _padded(sums[stem], samples.shape[1])
        sums[stem][:, : samples.shape[1]] += samples
    longest = max(samples.shape[1] for samples in sums.values())
    return {stem: _padded(samples, longest) for stem, samples in sums.items()}


def levels_db(stems: Mapping[str, Samples]) -> dict[str, float]:
    """Return the level of each stem relative to the loudest one, in dB. Silence has at most -60 dB."""
    energies = {stem: float(np.mean(np.square(samples, dtype=np.float64))) for stem, samples in stems.items()}
    loudest = max(*energies.values(), _SILENT)
    return {stem: 10 * float(np.log10(energy / loudest + 1e-6)) for stem, energy in energies.items()}


def excerpts(stems: Mapping[str, Samples]) -> list[int]:
    """Return the first frames of three parts without overlap.

    The stems of two of them are as audible and as equally loud as possible. The third one is the loudest.
    """
    length = _EXCERPT_SECONDS * _SAMPLE_RATE_HZ
    last = next(iter(stems.values())).shape[1] - length
    balance, loudness = {}, {}
    for start in range(0, last + 1, _STEP_SECONDS * _SAMPLE_RATE_HZ):
        # A hundredth of the samples gives the level of half a minute well enough.
        part = {stem: samples[:, ::100] for stem, samples in cut(stems, start).items()}
        loudness[start] = float(np.mean(np.square(sum(part.values()))))
        levels = levels_db(part).values()
        if sum(level > -_AUDIBLE_DB for level in levels) > 1:
            balance[start] = sum(max(level, -_AUDIBLE_DB) for level in levels)
    chosen: list[int] = []
    for measure, count in ((balance, _BALANCED_EXCERPTS), (loudness, _BALANCED_EXCERPTS + 1)):
        for start in sorted(measure, key=lambda start: measure[start], reverse=True):
            if len(chosen) < count and all(abs(start - other) >= length for other in chosen):
                chosen.append(start)
    return sorted(chosen)


def cut(stems: Mapping[str, Samples], start: int) -> dict[str, Samples]:
    """Return an excerpt of the stems."""
    return {stem: samples[:, start : start + _EXCERPT_SECONDS * _SAMPLE_RATE_HZ] for stem, samples in stems.items()}


def write(folder: Path, stems: Mapping[str, Samples], style: str, scored: Iterable[str] = STEMS) -> None:
    """Write an excerpt, with 24 bits and one gain for all stems, and the names of the stems that count."""
    folder.mkdir(parents=True, exist_ok=True)
    peak = max(float(np.abs(samples).max()) for samples in (*stems.values(), sum(stems.values())))
    for stem, samples in stems.items():
        soundfile.write(folder / f"{stem}.flac", samples.T * min(1.0, 0.98 / peak), _SAMPLE_RATE_HZ, "PCM_24")
    levels = levels_db(stems)
    audible = [stem for stem in scored if levels[stem] > -_AUDIBLE_DB]
    if "vocals" in audible:
        audible.append("accompaniment")
    (folder / "song.json").write_text(json.dumps({"style": style, "scored": audible, "levels_db": levels}, indent=1))
    print(folder, {stem: round(level) for stem, level in levels.items()}, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--everything-is-free", type=Path, help="checkout of ichbinsoftware/everythingisfree")
    parser.add_argument("--waveform-playlist", type=Path, help="checkout of naomiaro/waveform-playlist")
    parser.add_argument("--out", type=Path, default=REAL_SONGS, help=f"folder of the excerpts (default: {REAL_SONGS})")
    options = parser.parse_args()
    if not (options.everything_is_free or options.waveform_playlist):
        print("Name a checkout with --everything-is-free or --waveform-playlist.")
    if options.everything_is_free:
        songs = defaultdict(list)
        for path in sorted(options.everything_is_free.glob("src/*/*_Stem_*.m4a")):
            songs[path.parent.name.split(".")[1]].append((path, stem_of(path.name)))
        for name, files in songs.items():
            stems = read(files)
            for start in excerpts(stems):
                folder = options.out / f"{name}-{start // _SAMPLE_RATE_HZ:03d}"
                write(folder, cut(stems, start), "electronic")
    if options.waveform_playlist:
        media = options.waveform_playlist / "dist/waveform-playlist/media/audio"
        stems = read((media / name, stem) for name, stem in _WAVEFORM_PLAYLIST.items())
        write(options.out / "waveform-playlist", stems, "rock", ("other", "vocals"))


def _padded(samples: Samples, length: int) -> Samples:
    return np.pad(samples, ((0, 0), (0, max(0, length - samples.shape[1]))))


if __name__ == "__main__":
    main()
