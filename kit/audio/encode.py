"""Writes audio files block by block, and converts sample rates and encodings as a stream."""

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Protocol, Self, get_args

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.audio.decode import regroup
from soundwright.kit.audio.ffmpeg import DEFAULT_LIMITS, AudioLimits, AudioSummary, Decoding
from soundwright.kit.audio.tags import finish_mp4_tags, put_tags, tag_flac
from soundwright.kit.file_names import encoding_extension
from soundwright.kit.free_space import FreeSpace
from soundwright.kit.song_tags import SongTags

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

Encoding = Literal["flac", "flac16", "wav16", "wav24", "wav32f", "mp3", "m4a"]
"""FLAC with 24 or 16 bits, WAV with 16 or 24 bits or 32-bit floats, MP3, or AAC."""

_BITS = {"flac": 24, "flac16": 16, "wav16": 16, "wav24": 24, "wav32f": 32}
RIFF_LIMIT_BYTES = 0xFFFF_FFFF
"""Largest size that a RIFF header can hold. Larger files become RF64."""

_SIZE_IN_DS64 = 0xFFFF_FFFF
_BLOCK_FRAMES = 65_536
_FLAC_BLOCK_FRAMES = 4096  # of libsndfile, which writes a block when it has a sample of the next one
KBITS = {"mp3": 320, "m4a": 256}
_CODECS = {"mp3": "libmp3lame", "m4a": "aac"}
_CONTAINERS = {"mp3": "mp3", "m4a": "ipod"}
_OPTIONS = {"mp3": {"id3v2_version": "3"}}  # not every player reads version 4
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True)
class Prefix:
    """What of a growing file is complete: ``header`` and the bytes of ``path`` from ``start`` to ``end`` are a whole file."""

    path: Path
    header: bytes
    start: int
    end: int
    frame_count: int


class _Sink(Protocol):
    def write(self, samples: NDArray[Any]) -> None: ...

    def prefix(self) -> Prefix: ...

    def close(self) -> None: ...


class AudioWriter:
    """Writes a recording block by block. Use it as a context manager: it removes the partial file if its block raises.

    Integer encodings round to the nearest step and clip at full scale. Samples that were read from the same encoding
    are written back bit for bit. A WAV file above 4 GiB becomes RF64 (EBU Tech 3306).

    Args:
        channel_count: number of channels; at most 8 for FLAC, MP3 and AAC. The last two become stereo above 2, and get a sample
            rate that they support.
        or_floats: do not clip integers. With the first sample above full scale the file becomes "wav32f", and ``path`` ends in ".wav".
        kbits: bit rate of MP3 and AAC in kbit/s; None: 320 for MP3, 256 for AAC.
        tags: those of a FLAC, MP3 or M4A file. WAV files have none.

    Attributes:
        peak: largest absolute sample so far, before clipping.
        clipped_sample_count: samples above full scale so far, if they are clipped.

    Raises:
        ValueError: the encoding is unknown or does not support the rate or the number of channels.
        AppError: ``AUDIO_NOT_WRITTEN`` if the disk fails; ``STORAGE_FULL`` if it has too little free space.
        OSError: the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        sample_rate_hz: int,
        channel_count: int,
        encoding: Encoding,
        *,
        or_floats: bool = False,
        kbits: int | None = None,
        tags: SongTags | None = None,
    ) -> None:
        if encoding not in get_args(Encoding):
            raise ValueError(f"unknown encoding {encoding!r}")
        self.frame_count = 0
        self.peak = 0.0
        self.clipped_sample_count = 0
        self.path = path
        self._space = FreeSpace(path.parent)
        self._sample_rate_hz = sample_rate_hz
        self._channel_count = channel_count
        self._encoding: Encoding = encoding
        self._or_floats = or_floats
        self._tags = tags
        if encoding in KBITS:
            kbits = kbits or KBITS[encoding]
            self._sink: _Sink = _LossySink(path, sample_rate_hz, channel_count, encoding, kbits, tags)
        else:
            sink = _FlacSink if encoding_extension(encoding) == "flac" else _WavSink
            self._sink = sink(path, sample_rate_hz, channel_count, encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._guarded(self._sink.close)
                self._guarded(self._finish_tags)
            except BaseException:
                self.path.unlink(missing_ok=True)
                raise
        else:
            with contextlib.suppress(OSError, soundfile.LibsndfileError):  # report the first error
                self._sink.close()
            self.path.unlink(missing_ok=True)

    def write(self, block: Samples) -> None:
        """Append ``block``, float32 [channels, frames]."""
        if block.shape[0] != self._channel_count:
            raise ValueError(f"the block has {block.shape[0]} channels, the file {self._channel_count}")
        if block.shape[1] == 0:
            return
        peak = float(np.abs(block).max())
        if not np.isfinite(peak):
            raise ValueError("the block holds samples that are not finite")
        if peak > 1.0 and self._or_floats and self._encoding in _BITS and self._encoding != "wav32f":
            self._guarded(self._continue_in_floats)
        interleaved = block.T
        if self._encoding in _BITS and self._encoding != "wav32f":
            full_scale = 2.0 ** (_BITS[self._encoding] - 1)
            if peak > 1.0:
                self.clipped_sample_count += int(np.count_nonzero(np.abs(block) > 1.0))
            steps = np.rint(interleaved.astype(np.float64) * full_scale)
            interleaved = np.clip(steps, -full_scale, full_scale - 1).astype(np.int32)
        self._space.use(interleaved.nbytes)
        self._guarded(self._sink.write, interleaved)
        self.frame_count += block.shape[1]
        self.peak = max(self.peak, peak)

    def prefix(self) -> Prefix:
        """Return what of the file is complete. A file that became "wav32f" begins again: its prefix has another ``path``."""
        return self._sink.prefix()

    def _finish_tags(self) -> None:
        """Write the tags that can be written only to a complete file."""
        if self._tags is None or self.frame_count == 0:
            return
        if encoding_extension(self._encoding) == "flac":
            self._space.use(self.path.stat().st_size)
            tag_flac(self.path, self._tags)
        elif self._encoding == "m4a":
            finish_mp4_tags(self.path, self._tags)

    def _continue_in_floats(self) -> None:
        """Replace the file by one that has the same samples as floats."""
        integers = self.path.rename(self.path.with_name(f"{self.path.name}.integers"))
        try:
            self.path = self.path.with_suffix(".wav")
            self._encoding = "wav32f"
            sink = _WavSink(self.path, self._sample_rate_hz, self._channel_count, self._encoding)
            self._sink.close()
            self._sink = sink
            if self.frame_count:
                for block in soundfile.blocks(integers, _BLOCK_FRAMES, dtype="float32", always_2d=True):
                    self._space.use(block.nbytes)
                    sink.write(block)
        finally:
            integers.unlink()

    def _guarded(self, do: Callable[..., object], *arguments: Any) -> None:
        try:
            do(*arguments)
        except (OSError, soundfile.LibsndfileError, AssertionError) as error:  # soundfile asserts that all was written
            raise errors.AUDIO_NOT_WRITTEN() from error


class _FlacSink:
    def __init__(self, path: Path, sample_rate_hz: int, channel_count: int, encoding: Encoding) -> None:
        if not 1 <= channel_count <= 8:
            raise ValueError(f"FLAC cannot hold {channel_count} channels")
        self._shift = 32 - _BITS[encoding]
        self._path = path
        self._frame_count = 0
        self._header = b""
        subtype = f"PCM_{_BITS[encoding]}"
        path.touch()  # raises the file system's own error
        try:
            self._file = soundfile.SoundFile(path, "w", sample_rate_hz, channel_count, subtype, format="FLAC")
        except soundfile.LibsndfileError as error:
            path.unlink()
            raise ValueError(f"FLAC cannot hold {sample_rate_hz} Hz") from error

    def write(self, samples: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(samples << self._shift))
        self._frame_count += len(samples)

    def prefix(self) -> Prefix:
        complete = max(0, self._frame_count - 1) // _FLAC_BLOCK_FRAMES * _FLAC_BLOCK_FRAMES
        if complete and not self._header:
            with self._path.open("rb") as file:
                self._header = _flac_header(file)
        # The length is written at the end: the last 36 of the 64 bits that begin with the sample rate (RFC 9639, 8.2).
        header = bytearray(self._header)
        if header:
            (fields,) = struct.unpack_from(">Q", header, 18)
            struct.pack_into(">Q", header, 18, fields >> 36 << 36 | complete)
        end = self._path.stat().st_size if complete else 0
        return Prefix(self._path, bytes(header), len(header), end, complete)

    def close(self) -> None:
        self._file.close()


class EncodedStream:
    """A stream of a container that encodes samples. Of the codecs with a bit rate, MP3 holds samples above full scale, and AAC lowers them."""

    def __init__(
        self, file: Any, codec: str, sample_rate_hz: int, channel_count: int, layout: str, kbits: int | None = None
    ) -> None:
        if channel_count not in _LAYOUTS:
            raise ValueError(f"{codec} cannot hold {channel_count} channels")
        self._sample_rate_hz = sample_rate_hz
        self._layout = _LAYOUTS[channel_count]
        self._frame_count = 0
        self._file = file
        is_lossy = kbits is not None
        rate = (48_000 if sample_rate_hz % 8000 == 0 else 44_100) if is_lossy else sample_rate_hz
        self.stream = file.add_stream(codec, rate=rate)
        self.stream.format = "fltp" if is_lossy else "s32p"
        self.stream.layout = layout
        if kbits is not None:
            self.stream.bit_rate = 1000 * kbits

    def write(self, samples: NDArray[Any]) -> None:
        """Append interleaved samples, [frames, channels]."""
        interleaved = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=self._layout)
        frame.sample_rate = self._sample_rate_hz
        # With times, the container says how much of the first block the decoder has to skip.
        frame.pts, frame.time_base = self._frame_count, Fraction(1, self._sample_rate_hz)
        self._frame_count += len(samples)
        self._file.mux(self.stream.encode(frame))

    def flush(self) -> None:
        """Write what the encoder still has."""
        self._file.mux(self.stream.encode(None))


class _LossySink:
    """An MP3 or M4A file."""

    def __init__(
        self, path: Path, sample_rate_hz: int, channel_count: int, encoding: Encoding, kbits: int, tags: SongTags | None
    ) -> None:
        self._file = av.open(str(path), "w", format=_CONTAINERS[encoding], options=_OPTIONS.get(encoding, {}))
        layout = "mono" if channel_count == 1 else "stereo"
        self._stream = EncodedStream(self._file, _CODECS[encoding], sample_rate_hz, channel_count, layout, kbits)
        if tags is not None:
            put_tags(self._file, tags)
        self.write = self._stream.write

    def prefix(self) -> Prefix:
        raise ValueError("MP3 and M4A files have no prefixes")

    def close(self) -> None:
        try:
            self._stream.flush()
        finally:
            self._file.close()


def _flac_header(file: BinaryIO) -> bytes:
    """Read the signature and all metadata blocks of a FLAC file."""
    header = file.read(4)
    is_last = False
    while not is_last:
        block = file.read(4)
        is_last = bool(block[0] & 0x80)
        header += block + file.read(int.from_bytes(block[1:], "big"))
    return header


class _WavSink:
    """A RIFF file that reserves space for the ``ds64`` chunk, which makes it RF64 if it exceeds 32-bit sizes."""

    def __init__(self, path: Path, sample_rate_hz: int, channel_count: int, encoding: Encoding) -> None:
        if not 1 <= channel_count <= 65_535:
            raise ValueError(f"WAV cannot hold {channel_count} channels")
        self._bits = _BITS[encoding]
        self._frame_bytes = channel_count * self._bits // 8
        self._is_float = encoding == "wav32f"
        self._sample_rate_hz = sample_rate_hz
        self._channel_count = channel_count
        self._data_bytes = 0
        self._path = path
        self._file: BinaryIO = path.open("wb")
        self._file.write(self._header())

    def write(self, samples: NDArray[Any]) -> None:
        if self._is_float:
            data = samples.astype("<f4")
        elif self._bits == 16:
            data = samples.astype("<i2")
        else:  # the low three of four bytes
            data = np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)[:, :3]
        self._data_bytes += self._file.write(data.tobytes())

    def prefix(self) -> Prefix:
        self._file.flush()
        header = self._header()
        end = len(header) + self._data_bytes
        return Prefix(self._path, header, len(header), end, self._data_bytes // self._frame_bytes)

    def close(self) -> None:
        with self._file as file:
            if self._data_bytes % 2:
                file.write(b"\0")
            file.seek(0)
            file.write(self._header())

    def _header(self) -> bytes:
        frame_count = self._data_bytes // self._frame_bytes
        return wav_header(self._sample_rate_hz, self._channel_count, self._bits, frame_count, is_float=self._is_float)


def wav_header(sample_rate_hz: int, channel_count: int, bits: int, frame_count: int, *, is_float: bool) -> bytes:
    """Return what comes before the samples of a WAV file. Its length depends on ``is_float`` alone."""
    frame_bytes = channel_count * bits // 8
    data_bytes = frame_count * frame_bytes
    form = struct.pack(
        "<4sIHHIIHH",
        b"fmt ",
        16,
        3 if is_float else 1,
        channel_count,
        sample_rate_hz,
        sample_rate_hz * frame_bytes,
        frame_bytes,
        bits,
    )
    if is_float:
        form += struct.pack("<4sII", b"fact", 4, min(frame_count, _SIZE_IN_DS64))
    padded_bytes = data_bytes + data_bytes % 2
    riff_bytes = 4 + 36 + len(form) + 8 + padded_bytes
    if riff_bytes > RIFF_LIMIT_BYTES:
        sizes = struct.pack("<4sIQQQI", b"ds64", 28, riff_bytes, data_bytes, frame_count, 0)
        start = struct.pack("<4sI4s", b"RF64", _SIZE_IN_DS64, b"WAVE")
        return start + sizes + form + struct.pack("<4sI", b"data", _SIZE_IN_DS64)
    room = struct.pack("<4sI28x", b"JUNK", 28)
    start = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
    return start + room + form + struct.pack("<4sI", b"data", data_bytes)


def reencode(
    source: Path,
    target: Path,
    encoding: Encoding,
    limits: AudioLimits = DEFAULT_LIMITS,
    report: Callable[[float], None] = lambda share: None,
    *,
    gain: float = 1.0,
    or_floats: bool = False,
    kbits: int | None = None,
    tags: SongTags | None = None,
) -> AudioSummary:
    """Write ``source`` to ``target`` in another encoding, with the same rate and channels, in bounded memory.

    Args:
        report: called for each block, with the share of the work that is done, 0 to 1. An exception that it raises ends the work.
        or_floats: see :class:`AudioWriter`. The name of ``target`` must end in ".wav".
        kbits, tags: see :class:`AudioWriter`.

    Returns the summary of decoding ``source``.

    Raises:
        AppError: see :class:`~soundwright.kit.audio.ffmpeg.Decoding` and :class:`AudioWriter`.
        OSError: a file cannot be opened.
    """
    with Decoding(source, limits) as decoding:
        info = decoding.info
        expected_frames = (info.header_seconds or 240.0) * info.sample_rate_hz
        rate_hz, channel_count = info.sample_rate_hz, info.channel_count
        with AudioWriter(
            target, rate_hz, channel_count, encoding, or_floats=or_floats, kbits=kbits, tags=tags
        ) as writer:
            for block in regroup(decoding.chunks(), _BLOCK_FRAMES):
                writer.write(block * np.float32(gain))
                report(min(1.0, writer.frame_count / expected_frames))
            return decoding.summary()


def resample_blocks(blocks: Iterable[Samples], from_hz: int, to_hz: int, channel_count: int) -> Iterator[Samples]:
    """Yield a signal that is given in blocks at another sample rate (soxr, high quality), in blocks of other lengths.

    Together the blocks equal one conversion of the whole signal. Memory does not grow with its length.

    Args:
        blocks: float32 [channels, frames], of any lengths.
        to_hz: requested sample rate. If it equals ``from_hz``, the blocks are unchanged.
    """
    if from_hz == to_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_hz, to_hz, channel_count, dtype="float32", quality="HQ")
    for block in blocks:
        resampled = stream.resample_chunk(np.ascontiguousarray(block.T, np.float32))
        if len(resampled):
            yield np.ascontiguousarray(resampled.T)
    rest = stream.resample_chunk(np.zeros((0, channel_count), np.float32), last=True)
    if len(rest):
        yield np.ascontiguousarray(rest.T)
