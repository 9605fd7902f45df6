"""Segments: short parts of a stored recording that are complete files, so that a player needs no others to decode them.

These functions read files that Soundwright wrote. Files from outside are for :mod:`soundwright.kit.audio.decode`.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.audio.waveform import Waveform
from soundwright.kit.errors import AppError

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

_BLOCK_FRAMES = 65_536


@dataclass(frozen=True)
class Segment:
    """A complete audio file."""

    content_type: str
    data: bytes


def encode_segment(file: BinaryIO, start: int, frame_count: int) -> Segment:
    """Return a part of a recording with its sample rate, channels and bits, as FLAC, or as WAV if its samples are floats.

    Args:
        file: a FLAC or WAV file that :class:`~soundwright.kit.audio.encode.AudioWriter` wrote. Only the part is read.

    Raises ``AUDIO_UNREADABLE`` if the file is damaged or shorter; an error that ``file`` raises.
    """
    with _opened(file) as source:
        is_float = source.subtype == "FLOAT"
        source.seek(start)
        samples = source.read(frame_count, dtype="float32" if is_float else "int32", always_2d=True)
        target = io.BytesIO()
        with soundfile.SoundFile(
            target, "w", source.samplerate, source.channels, source.subtype, format="WAV" if is_float else "FLAC"
        ) as segment:
            segment.write(samples)
    if len(samples) != frame_count:
        raise errors.AUDIO_DAMAGED()
    return Segment("audio/wav" if is_float else "audio/flac", target.getvalue())


def read_floats(file: BinaryIO, start: int, frame_count: int) -> bytes:
    """Return a part of a recording as the samples of a WAV file with 32-bit floats.

    Args and errors are those of :func:`encode_segment`.
    """
    with _opened(file) as source:
        source.seek(start)
        samples = source.read(frame_count, dtype="float32", always_2d=True)
    if len(samples) != frame_count:
        raise errors.AUDIO_DAMAGED()
    return samples.astype("<f4").tobytes()


def stored_waveform(file: BinaryIO) -> bytes:
    """Return the waveform of a recording, in the format of :class:`~soundwright.kit.audio.waveform.Waveform`.

    Args:
        file: as for :func:`encode_segment`.

    Raises ``AppError``: as for :func:`encode_segment`.
    """
    with _opened(file) as source:
        waveform = Waveform(source.samplerate)
        read_frames = 0
        for block in source.blocks(_BLOCK_FRAMES, dtype="float32", always_2d=True):
            waveform.add(block.T)
            read_frames += len(block)
        if read_frames != source.frames:
            raise errors.AUDIO_DAMAGED()
    return waveform.data()


@contextlib.contextmanager
def _opened(file: BinaryIO) -> Iterator[soundfile.SoundFile]:
    careful = _CarefulFile(file)
    try:
        with soundfile.SoundFile(careful) as source:
            yield source
    except (soundfile.LibsndfileError, AppError) as error:
        raise (careful.error or (error if isinstance(error, AppError) else errors.AUDIO_DAMAGED())) from error


class _CarefulFile:
    """A file for libsndfile, through which no exception can pass: an error looks like the end of the file, and is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: Exception | None = None

    def readinto(self, buffer: Any) -> int:
        try:
            return 0 if self.error else self._file.readinto(buffer)  # type: ignore[attr-defined, no-any-return]
        except Exception as error:
            self.error = error
            return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
