"""``python -m demo.song FILE``: render the demo song with the built-in composer. Its tempo and key are known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from kit.audio import AudioWriter
from services.generation.engines.procedural.render import render_stems
from services.generation.engines.procedural.songs import song

__all__ = ["render_demo_song"]

SAMPLE_RATE_HZ = 44_100
_BLOCK_FRAMES = 65_536


def render_demo_song(path: Path) -> str:
    """Write the demo song to ``path``, as 16-bit WAV or as Ogg Vorbis, and return its tempo and key as text."""
    arrangement = song("demo")
    mix = np.sum(list(render_stems(arrangement).values()), axis=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".ogg":
        # libsndfile's Vorbis encoder needs much stack for long blocks.
        with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 2, format="OGG", subtype="VORBIS") as file:
            for start in range(0, mix.shape[1], _BLOCK_FRAMES):
                file.write(mix[:, start : start + _BLOCK_FRAMES].T)
    else:
        with AudioWriter(path, SAMPLE_RATE_HZ, 2, "wav16") as writer:
            writer.write(mix)
    return f"{arrangement.tempo_bpm:g} bpm, {arrangement.key}"


if __name__ == "__main__":
    render_demo_song(Path(sys.argv[1]))
