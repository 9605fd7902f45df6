"""Songs in files with known stems, tempo, beats and key, as ``dev/training/render.py`` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SONGS = Path("build/songs/evaluation")
REAL_SONGS = Path("build/songs/real")
STEMS = ("drums", "bass", "other", "vocals")


@dataclass(frozen=True)
class MemoryRecording:
    """A recording in memory, float32 [channels, frames], which engines read in blocks."""

    samples: Samples
    sample_rate_hz: int

    @property
    def channel_count(self) -> int:
        return int(self.samples.shape[0])

    @property
    def frame_count(self) -> int:
        return int(self.samples.shape[1])

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        for start in range(0, self.frame_count, block_frames):
            yield self.samples[:, start : start + block_frames]


@dataclass(frozen=True)
class RenderedSong:
    """A song in a folder."""

    folder: Path

    @cached_property
    def truth(self) -> dict[str, Any]:
        """The content of ``song.json``."""
        return dict(json.loads((self.folder / "song.json").read_text()))

    @property
    def name(self) -> str:
        return f"{self.folder.name} {self.truth['style']}"

    @property
    def scored(self) -> tuple[str, ...]:
        """The stems that count, and the accompaniment if it does."""
        return tuple(self.truth.get("scored", (*STEMS, "accompaniment")))

    def stems(self) -> dict[str, Samples]:
        """Read the stems, float32 [2, frames] each."""
        return {
            stem: soundfile.read(self.folder / f"{stem}.flac", dtype="float32", always_2d=True)[0].T for stem in STEMS
        }


def rendered_songs(folder: Path) -> list[RenderedSong]:
    """Return the songs of a folder in the order of their names, and tell the user how to get some if there are none."""
    songs = [RenderedSong(path.parent) for path in sorted(folder.glob("*/song.json"))]
    if not songs:
        print(f"{folder} has no songs. Render them first: make evaluation-songs")
    return songs
