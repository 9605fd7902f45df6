"""``python -m demo.song FILE``: render the demo song, 36 s with a singer, as Ogg Vorbis. The built-in composer plays it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from soundwright.services.generation.engines.procedural.render import render_stems
from soundwright.services.generation.engines.procedural.songs import song

SAMPLE_RATE_HZ = 44_100
_BLOCK_FRAMES = 65_536  # libsndfile's Vorbis encoder needs much stack for long blocks


def main(path: Path) -> None:
    """Write the song to ``path``, which exists only when it is complete."""
    mix = np.sum(list(render_stems(song("demo")).values()), axis=0)
    partial = path.with_suffix(".partial")
    with soundfile.SoundFile(partial, "w", SAMPLE_RATE_HZ, 2, format="OGG", subtype="VORBIS") as file:
        for start in range(0, mix.shape[1], _BLOCK_FRAMES):
            file.write(mix[:, start : start + _BLOCK_FRAMES].T)
    partial.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
