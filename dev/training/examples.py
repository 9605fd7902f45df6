"""Training examples: segments of rendered songs, remixed and changed at random.

Each example follows from the seed and its number alone. So a training that was interrupted goes on with the same
examples, with any number of worker processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from dev.training.augmentation import SPEED_RANGE, changed_song, changed_stem, chopped, deepened, echoed, resampled
from dev.training.effects import granulated
from dev.training.layers import mallet_melody, noise_sweep, synthesizer_melody
from soundwright.services.separation.service import STEMS

Samples = NDArray[np.float32]

_AUDIBLE_RMS = 1e-3
_TRIES = 5
# Drums and ``other`` are silent more often, so that they do not receive each sound that the network does not know.
_SILENCE_PROBABILITIES = {"drums": 0.2, "bass": 0.1, "other": 0.2, "vocals": 0.05}
_SPEED_PROBABILITY = 0.3
# Of remixed drums, for smaller instruments, and of remixed vocals, for other voices.
_SPEED_RANGES = {"drums": (0.8, 1.6), "vocals": (0.75, 1.35)}
_DEEP_BASS_PROBABILITY = 0.3
_VOCALS_GAIN_RANGE_DB = (0.0, 4.0)  # a voice is often louder than the rest
# Sounds that the stem ``other`` receives, in this order.
_LAYERS = ((mallet_melody, 0.16), (synthesizer_melody, 0.08), (noise_sweep, 0.04))
# Effects of electronic music by stem, in this order.
_EFFECTS = (
    (granulated, {"other": 0.1, "vocals": 0.07, "bass": 0.03}),
    (chopped, {"other": 0.1, "vocals": 0.12, "bass": 0.1}),
    (echoed, {"other": 0.15, "vocals": 0.12, "bass": 0.04}),
)
# Levels of examples: engines scale whole recordings to a standard deviation of 1, and passages are quieter or louder.
_LEVEL_RANGE_DB = (-10.0, 6.0)


class Song:
    """A rendered song: a folder with a FLAC file for each stem."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        info = soundfile.info(str(folder / f"{STEMS[0]}.flac"))
        self.frame_count = int(info.frames)
        self.sample_rate_hz = int(info.samplerate)

    def read(self, stem: str, start: int, frame_count: int) -> Samples:
        """Return a segment of a stem, float32 [2, frame_count], filled up with silence at the end of the song."""
        samples = np.zeros((2, frame_count), np.float32)
        with soundfile.SoundFile(str(self.folder / f"{stem}.flac")) as file:
            file.seek(start)
            found = file.read(frame_count, dtype="float32", always_2d=True).T
        samples[:, : found.shape[1]] = found
        return samples


def find_songs(folder: Path) -> list[Song]:
    """Return the songs in a folder, sorted by name."""
    return [Song(path.parent) for path in sorted(folder.glob(f"*/{STEMS[0]}.flac"))]


class Examples(Dataset[Tensor]):
    """Examples by number: the stems of a mix, float32 [4, 2, frames] in the order of ``STEMS``.

    The standard deviation of a mix is about 1.

    Args:
        songs: at least one.
        frame_count: length of an example.
        seed: with the number of an example, determines the example.
        remix_probability: share of examples whose stems come from different songs.
        count: number of examples.
    """

    def __init__(
        self, songs: Sequence[Song], frame_count: int, seed: int, remix_probability: float, count: int
    ) -> None:
        self._songs = songs
        self._frame_count = frame_count
        self._seed = seed
        self._remix_probability = remix_probability
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Tensor:
        random = np.random.default_rng([self._seed, number])
        rate_hz = self._songs[0].sample_rate_hz
        if random.random() < self._remix_probability:
            stems = [self._remixed(stem, random) for stem in STEMS]
        else:
            source, speed = self._song(random), self._speed(random, SPEED_RANGE)
            start = self._start(source, speed, random)
            stems = [self._segment(source, stem, start, speed) for stem in STEMS]
        changed = np.stack([changed_stem(stem, random, rate_hz) for stem in stems])
        song = changed_song(changed, random, rate_hz)
        level = 10 ** (random.uniform(*_LEVEL_RANGE_DB) / 20) / max(1e-4, float(song.sum(axis=0).std()))
        return torch.from_numpy(song * np.float32(level))

    def _remixed(self, stem: str, random: np.random.Generator) -> Samples:
        """Return a stem of a random song, changed more than the stems of one song."""
        rate_hz = self._songs[0].sample_rate_hz
        if random.random() < _SILENCE_PROBABILITIES[stem]:
            samples = np.zeros((2, self._frame_count), np.float32)
        else:
            samples = self._audible_segment(stem, random, self._speed(random, _SPEED_RANGES.get(stem, SPEED_RANGE)))
        if stem == "vocals":
            samples = samples * np.float32(10 ** (random.uniform(*_VOCALS_GAIN_RANGE_DB) / 20))
        if stem == "bass" and random.random() < _DEEP_BASS_PROBABILITY:
            samples = deepened(samples, random, rate_hz)
        for layer, probability in _LAYERS:
            if stem == "other" and random.random() < probability:
                rest = samples * np.float32(random.choice([0.0, 1.0]))
                samples = rest + np.float32(random.uniform(0.2, 1.0)) * layer(self._frame_count, rate_hz, random)
        for effect, probabilities in _EFFECTS:
            if random.random() < probabilities.get(stem, 0.0):
                samples = effect(samples, random, rate_hz)
        return samples

    def _song(self, random: np.random.Generator) -> Song:
        return self._songs[int(random.integers(len(self._songs)))]

    def _speed(self, random: np.random.Generator, speeds: tuple[float, float]) -> float:
        return float(random.uniform(*speeds)) if random.random() < _SPEED_PROBABILITY else 1.0

    def _start(self, song: Song, speed: float, random: np.random.Generator) -> int:
        last = max(0, song.frame_count - int(self._frame_count * speed))
        return int(random.integers(last + 1))

    def _segment(self, song: Song, stem: str, start: int, speed: float) -> Samples:
        if speed == 1.0:
            return song.read(stem, start, self._frame_count)
        return resampled(song.read(stem, start, int(self._frame_count * speed) + 64), speed, self._frame_count)

    def _audible_segment(self, stem: str, random: np.random.Generator, speed: float) -> Samples:
        """Return a segment of one stem in which something sounds, unless several songs are silent there."""
        for _ in range(_TRIES):
            song = self._song(random)
            segment = self._segment(song, stem, self._start(song, speed, random), speed)
            if float(np.sqrt(np.mean(np.square(segment)))) > _AUDIBLE_RMS:
                break
        return segment


def validation_segments(songs: Sequence[Song], frame_count: int) -> list[Tensor]:
    """Return the middle of each song, unchanged: float32 [4, 2, frame_count]."""
    return [
        torch.from_numpy(
            np.stack([song.read(stem, max(0, song.frame_count - frame_count) // 2, frame_count) for stem in STEMS])
        )
        for song in songs
    ]
