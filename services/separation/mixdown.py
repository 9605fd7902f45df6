"""Mixing in a compute process: reads, edits, sums and writes stems block by block."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import audio, errors
from soundwright.kit.compute import Report
from soundwright.kit.song_tags import SongTags
from soundwright.services.separation.edits import Segment, edited
from soundwright.services.separation.limiter import Limiter
from soundwright.services.separation.mixing import MixedStem, MixSpec, balance
from soundwright.services.separation.stretching import stretched

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

BLOCK_FRAMES = 65_536
_HALF = 0.5**0.5
_FOLDS = {
    # Left and right gain of each channel (ITU-R BS.775), in the order of WAVE files: L R C LFE back side.
    3: ((1, 0), (0, 1), (_HALF, _HALF)),
    4: ((1, 0), (0, 1), (_HALF, 0), (0, _HALF)),
    5: ((1, 0), (0, 1), (_HALF, _HALF), (_HALF, 0), (0, _HALF)),
    6: ((1, 0), (0, 1), (_HALF, _HALF), (0, 0), (_HALF, 0), (0, _HALF)),
    7: ((1, 0), (0, 1), (_HALF, _HALF), (0, 0), (0.5, 0.5), (_HALF, 0), (0, _HALF)),
    8: ((1, 0), (0, 1), (_HALF, _HALF), (0, 0), (_HALF, 0), (0, _HALF), (_HALF, 0), (0, _HALF)),
}


@dataclass(frozen=True)
class MixSource:
    """The audio of a stem, and its length in frames."""

    path: Path
    frame_count: int


@dataclass(frozen=True)
class Mixed:
    """Result of a mix. ``limited`` says whether the limiter reduced the gain anywhere."""

    sample_rate_hz: int
    frame_count: int
    limited: bool


@dataclass(frozen=True)
class _Track:
    """A stem of the mix at the sample rate of the mix."""

    stem: MixedStem
    file: audio.AudioFile
    sample_rate_hz: int
    segments: Sequence[Segment]

    @property
    def frame_count(self) -> int:
        return sum(segment.length for segment in self.segments)

    def blocks(self) -> Iterator[Samples]:
        """Yield the edited stem in blocks of :data:`BLOCK_FRAMES`, with one or two channels."""
        return audio.regroup(self._pieces(), BLOCK_FRAMES)

    def _pieces(self) -> Iterator[Samples]:
        channel_count = min(2, self.file.channel_count)
        folded = map(stereo, self.file.blocks(BLOCK_FRAMES))
        source = _Forward(
            audio.resample_blocks(folded, self.file.sample_rate_hz, self.sample_rate_hz, channel_count), channel_count
        )
        for segment in self.segments:
            done = 0
            for piece in source.read(segment.start, segment.length):
                yield piece * segment.gains(done, piece.shape[1])
                done += piece.shape[1]


def no_engine() -> None:
    """Initialize a mixing process, which needs no engine."""


def mix_to_file(
    _engine: None,
    report: Report,
    *,
    spec: MixSpec,
    sources: Sequence[MixSource],
    target: Path,
    limits: audio.AudioLimits,
    tags: SongTags,
) -> Mixed:
    """Mix the stems of ``spec`` into a stereo file, as long as the longest stem after its edits, audible or not, at its speed.

    Memory does not grow with the length. "wav32f" is not limited. The other formats are limited where the mix exceeds
    full scale.

    Args:
        report: called for every block with the share of the work that is done. An exception that it raises ends the
            work.
        sources: audio of the stems in ``spec``, in the same order.

    Raises ``VALIDATION_ERROR`` if the edits leave no audio, or the mix is too large; ``AUDIO_NOT_WRITTEN``;
    ``STORAGE_FULL``.
    """
    report(0.0)
    files = [audio.AudioFile(source.path, limits, source.frame_count) for source in sources]
    rate = spec.sample_rate_hz or max(file.sample_rate_hz for file in files)
    tracks = [
        _Track(stem, file, rate, edited(stem.edits, _resampled(file.frame_count, file.sample_rate_hz, rate), rate))
        for stem, file in zip(spec.stems, files, strict=True)
    ]
    frame_count = max(track.frame_count for track in tracks)
    if frame_count == 0:
        raise errors.invalid("stems", "contain no audio after their edits")
    if 2 * frame_count > limits.max_sample_count:
        raise errors.invalid(
            "stems", f"make a mix of more than {limits.max_sample_count} samples; lower the sample rate"
        )
    limiter = Limiter(rate)
    blocks: Iterable[NDArray[np.float64]] = _sums([track for track in tracks if spec.heard(track.stem)], frame_count)
    frame_count = round(frame_count / spec.speed)
    blocks = stretched(blocks, rate, spec.speed, spec.semitones, frame_count)
    if spec.format != "wav32f":
        blocks = limiter.limited(blocks)
    with audio.AudioWriter(target, rate, 2, spec.format, tags=tags) as writer:
        for block in blocks:
            writer.write(block.astype(np.float32))
            report(writer.frame_count / frame_count)
    return Mixed(rate, frame_count, limiter.engaged)


def _resampled(frame_count: int, from_hz: int, to_hz: int) -> int:
    """Return the number of frames at another rate, rounded to the nearest whole number, halves up."""
    return (2 * frame_count * to_hz + from_hz) // (2 * from_hz)


def stereo(block: Samples) -> Samples:
    """Fold more than two channels to two (ITU-R BS.775). Return one or two channels unchanged."""
    fold = _FOLDS.get(block.shape[0])
    return block if fold is None else np.array(fold, np.float32).T @ block


def _sums(tracks: Sequence[_Track], frame_count: int) -> Iterator[NDArray[np.float64]]:
    """Yield the sum of all tracks, float64 [2, frames]. Tracks that have ended contribute silence."""
    streams = []
    for track in tracks:
        factors = balance(track.stem.volume, track.stem.pan, track.file.channel_count)
        streams.append((np.array([[factors.left], [factors.right]]), track.blocks()))
    for start in range(0, frame_count, BLOCK_FRAMES):
        total = np.zeros((2, min(BLOCK_FRAMES, frame_count - start)))
        for factor, blocks in streams:
            block = next(blocks, None)
            if block is not None:
                total[:, : block.shape[1]] += factor * block
        yield total


class _Forward:
    """Reads a signal that arrives in blocks, at positions that never decrease. After its end it is silent."""

    def __init__(self, blocks: Iterator[Samples], channel_count: int) -> None:
        self._blocks = blocks
        self._block: Samples = np.zeros((channel_count, 0), np.float32)
        self._start = 0
        self._ended = False

    def read(self, start: int, length: int) -> Iterator[Samples]:
        """Yield ``length`` frames from frame ``start``, in blocks of any length."""
        end = start + length
        while start < end:
            behind = self._start + self._block.shape[1]
            if start >= behind:
                self._start = behind
                self._block = self._next(end - behind)
                continue
            piece = self._block[:, start - self._start : end - self._start]
            start += piece.shape[1]
            yield piece

    def _next(self, missing: int) -> Samples:
        block = None if self._ended else next(self._blocks, None)
        if block is not None:
            return block
        self._ended = True
        return np.zeros((self._block.shape[0], min(missing, BLOCK_FRAMES)), np.float32)
