"""Recordings on disk as the rest of the code sees them: what they are, and their signal in blocks."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.audio.ffmpeg import DEFAULT_LIMITS, AudioInfo, AudioLimits, AudioSummary, Decoding

__all__ = ["AudioFile", "decode_blocks", "inspect", "probe", "regroup"]

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""


def probe(path: Path, limits: AudioLimits = DEFAULT_LIMITS) -> AudioInfo:
    """Read the header of ``path`` and its first frame, which decides where the header is vague (HE-AAC).

    Raises:
        AppError: the file is empty, unreadable or outside ``limits``; see :class:`~kit.audio.ffmpeg.Decoding`.
        OSError: the file cannot be opened.
    """
    with Decoding(path, limits) as decoding:
        return decoding.info


def inspect(path: Path, limits: AudioLimits = DEFAULT_LIMITS) -> AudioSummary:
    """Decode all of ``path`` once, in bounded memory, and validate everything.

    Raises:
        AppError: the file is empty, unreadable, not finite or outside ``limits``; see :class:`~kit.audio.ffmpeg.Decoding`.
        OSError: the file cannot be opened.
    """
    with Decoding(path, limits) as decoding:
        for _ in decoding.chunks():
            pass
        return decoding.summary()


def decode_blocks(path: Path, limits: AudioLimits = DEFAULT_LIMITS, block_frames: int = 65_536) -> Iterator[Samples]:
    """Yield the signal of ``path`` as float32 [channels, ``block_frames``]; only the last block may be shorter.

    Integer samples are exact: 16-bit sample k gives k / 2**15, 24-bit k / 2**23. Encoder delay and padding are cut.

    Raises:
        AppError: see :class:`~kit.audio.ffmpeg.Decoding`; a limit or a sample that is not finite may come up at any block.
        OSError: the file cannot be opened.
    """
    with Decoding(path, limits) as decoding:
        yield from regroup(decoding.chunks(), block_frames)


def regroup(blocks: Iterable[Samples], block_frames: int) -> Iterator[Samples]:
    """Cut a signal given in blocks of any lengths into blocks of ``block_frames`` frames; the last may be shorter."""
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
    """A recording on disk that can be read from its beginning as often as needed.

    Args:
        path: the file, in any supported format.
        limits: what to refuse.
        frame_count: exact length if known, e.g. from :func:`inspect`; else a decoding pass counts when it is asked for.

    Raises:
        AppError: see :class:`~kit.audio.ffmpeg.Decoding`.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, limits: AudioLimits = DEFAULT_LIMITS, frame_count: int | None = None) -> None:
        self.info = probe(path, limits)
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
        """Exact number of frames that one reading gives."""
        return self._counted_frames if self._frame_count is None else self._frame_count

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """Consecutive blocks of ``block_frames`` frames (the last may be shorter). Each call starts over."""
        return decode_blocks(self._path, self._limits, block_frames)
