"""Reads recordings: header, validation, and the signal in blocks."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.audio.ffmpeg import DEFAULT_LIMITS, AudioInfo, AudioLimits, AudioSummary, Decoding

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""


def probe(path: Path, limits: AudioLimits = DEFAULT_LIMITS) -> AudioInfo:
    """Read the header of ``path`` and its first frame, which is decisive if the header is ambiguous (HE-AAC).

    Raises:
        AppError: the file is empty, unreadable or outside ``limits``; see :class:`~soundwright.kit.audio.ffmpeg.Decoding`.
        OSError: the file cannot be opened.
    """
    with Decoding(path, limits) as decoding:
        return decoding.info


def inspect(path: Path, limits: AudioLimits = DEFAULT_LIMITS) -> AudioSummary:
    """Decode the whole file once, in bounded memory, and validate it.

    Raises:
        AppError: the file is empty, unreadable, not finite or outside ``limits``; see
            :class:`~soundwright.kit.audio.ffmpeg.Decoding`.
        OSError: the file cannot be opened.
    """
    with Decoding(path, limits) as decoding:
        for _ in decoding.chunks():
            pass
        return decoding.summary()


def decode_blocks(path: Path, limits: AudioLimits = DEFAULT_LIMITS, block_frames: int = 65_536) -> Iterator[Samples]:
    """Yield the signal of ``path`` as float32 [channels, ``block_frames``]. The last block may be shorter.

    Integer samples are exact: a 16-bit sample k becomes k / 2**15, a 24-bit sample k / 2**23. Encoder delay and padding
    are removed.

    Raises:
        AppError: see :class:`~soundwright.kit.audio.ffmpeg.Decoding`. An exceeded limit or a non-finite sample may occur at any
        block.
        OSError: the file cannot be opened.
    """
    with Decoding(path, limits) as decoding:
        yield from regroup(decoding.chunks(), block_frames)


def regroup(blocks: Iterable[Samples], block_frames: int) -> Iterator[Samples]:
    """Yield a signal that is given in blocks of any length in blocks of ``block_frames`` frames.

    The last may be shorter.
    """
    if block_frames < 1:
        raise ValueError("block_frames must be positive")
    parts: list[Samples] = []
    missing = block_frames
    for block in blocks:
        start = 0
        while block.shape[1] - start >= missing:
            parts.append(block[:, start : start + missing])
            start += missing
            yield np.concatenate(parts, axis=1)
            parts, missing = [], block_frames
        if start < block.shape[1]:
            parts.append(block[:, start:])
            missing -= block.shape[1] - start
    if parts:
        yield np.concatenate(parts, axis=1)


class AudioFile:
    """A recording on disk that can be read from the beginning repeatedly.

    Args:
        frame_count: exact length if known, for example from :func:`inspect`. Otherwise the first access decodes the
            file to count its frames.
        level: its level if known, see :meth:`soundwright.kit.audio.level.Level.values`; empty if not.

    Raises:
        AppError: see :class:`~soundwright.kit.audio.ffmpeg.Decoding`.
        OSError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        limits: AudioLimits = DEFAULT_LIMITS,
        frame_count: int | None = None,
        level: Sequence[float] = (),
    ) -> None:
        self.info = probe(path, limits)
        self.level = level
        self._path = path
        self._limits = limits
        self._frame_count = frame_count

    @property
    def sample_rate_hz(self) -> int:
        return self.info.sample_rate_hz

    @property
    def channel_count(self) -> int:
        return self.info.channel_count

    @functools.cached_property
    def _counted_frames(self) -> int:
        return inspect(self._path, self._limits).frame_count

    @property
    def frame_count(self) -> int:
        return self._counted_frames if self._frame_count is None else self._frame_count

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """Return an iterator over blocks of ``block_frames`` frames, from the beginning.

        The last block may be shorter.
        """
        return decode_blocks(self._path, self._limits, block_frames)
