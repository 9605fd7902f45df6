"""Decoding of untrusted recordings to float32, in bounded memory, through FFmpeg (PyAV).

The demuxer is chosen by our own look at the magic bytes and forced, protocols are restricted to plain files and codecs to
a list of audio codecs: a playlist, a subtitle file or a cover picture never reaches a decoder. Callers run this in threads.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Discard
from numpy.typing import NDArray

from kit.audio.containers import DEMUXERS, SUPPORTED_FORMATS, promised_seconds, sniff
from kit.errors import AppError, Code

__all__ = ["DEFAULT_LIMITS", "AudioInfo", "AudioLimits", "AudioSummary", "Decoding"]

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

_CODECS = (
    "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le",
    "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "flac", "mp3float", "mp3", "vorbis", "opus", "aac",
    "alac",
)  # fmt: skip

_SCALES = {"u8": 2.0**-7, "s16": 2.0**-15, "s32": 2.0**-31}
_DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}

_PADDED_CONTAINERS = ("m4a", "ogg")

_MAX_PADDING_FRAMES = 4096
"""Padding is shorter than two AAC frames with spectral band replication and than half a Vorbis block."""

_EDIT_LIST_TICK_SECONDS = 0.002
"""The coarsest clock in use for MP4 edit lists ticks 600 times a second."""

_LOSSLESS_CONTAINERS = ("wav", "w64", "aiff", "flac")

_TRUNCATION_SECONDS = {True: 0.02, False: 0.15}
"""How much a lossless container, or another, may lack: headers of the others round and count padding."""


@dataclass(frozen=True)
class AudioLimits:
    """What we are willing to decode."""

    max_seconds: float = 4 * 3600
    min_sample_rate_hz: int = 4_000
    max_sample_rate_hz: int = 384_000
    max_channel_count: int = 8


DEFAULT_LIMITS = AudioLimits()


@dataclass(frozen=True)
class AudioInfo:
    """What a recording's header says.

    Attributes:
        container: "wav" (also RF64), "w64", "flac", "mp3", "ogg", "m4a", "aac" (raw ADTS) or "aiff".
        codec: FFmpeg's name of the codec, e.g. "pcm_s16le", "opus".
        sample_rate_hz: rate of the decoded signal.
        channel_count: channels of the decoded signal.
        header_seconds: length that the header promises, None when it promises none; not to be trusted.
    """

    container: str
    codec: str
    sample_rate_hz: int
    channel_count: int
    header_seconds: float | None


@dataclass(frozen=True)
class AudioSummary:
    """What one complete decoding found.

    Attributes:
        info: the header.
        frame_count: exact number of decoded frames per channel.
        duration_seconds: ``frame_count`` over the sample rate.
        peak: largest absolute sample, 1.0 at full scale.
        warnings: "TRUNCATED" when the header promised clearly more than there was, "DAMAGED" when parts could not be
            decoded and were left out.
    """

    info: AudioInfo
    frame_count: int
    duration_seconds: float
    peak: float
    warnings: tuple[str, ...]


class Decoding:
    """One pass over a recording; a context manager that closes the file.

    Args:
        path: the file.
        limits: what to refuse.

    Raises:
        AppError: ``UNPROCESSABLE`` with AUDIO_EMPTY, AUDIO_UNREADABLE, AUDIO_RATE_UNSUPPORTED,
            AUDIO_CHANNELS_UNSUPPORTED, AUDIO_TOO_LONG or AUDIO_NOT_FINITE.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, limits: AudioLimits = DEFAULT_LIMITS) -> None:
        self._path = path
        self._limits = limits
        self._damaged = False
        self._start: int | None = None  # of the packets seen, in ticks of the stream
        self._end: int | None = None
        self.frame_count = 0
        self.peak = 0.0
        container = sniff(path)
        if container is None:
            raise _empty() if path.stat().st_size == 0 else _unreadable("This is not an audio file we can read.")
        try:
            self._file = av.open(
                f"file:{path.resolve()}",
                format=DEMUXERS[container],
                options={"protocol_whitelist": "file", "codec_whitelist": ",".join(_CODECS)},
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise _unreadable("The file is damaged or not what it says it is.") from error
        try:
            self._stream, codec, header_seconds = self._read_header(container)
            self._frames = self._decode()
            first = next(self._frames, None)  # before any sample counts: the header alone may mislead (HE-AAC)
            if first is None:
                raise _unreadable("Nothing in the file can be decoded.") if self._damaged else _empty()
            self._first = first
            self.info = AudioInfo(container, codec, first.sample_rate, first.layout.nb_channels, header_seconds)
            self._check(self.info.sample_rate_hz, self.info.channel_count)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Decoding:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; again does nothing."""
        self._file.close()

    def chunks(self) -> Iterator[Samples]:
        """Yield the signal once, in blocks of the lengths that the file happens to hold."""
        frames = self._unpadded() if self.info.container in _PADDED_CONTAINERS else self._converted()
        rate_hz = self.info.sample_rate_hz
        for chunk in frames:
            peak = float(np.abs(chunk).max(initial=0.0))
            if not np.isfinite(peak):
                at = self.frame_count + int(np.argmin(np.isfinite(chunk).all(axis=0)))
                raise AppError(
                    Code.UNPROCESSABLE,
                    "AUDIO_NOT_FINITE",
                    f"The recording holds samples that are no finite numbers, first at {at / rate_hz:.3f} s."
                    " Please export it again.",
                )
            self.peak = max(self.peak, peak)
            self.frame_count += chunk.shape[1]
            if self.frame_count > self._limits.max_seconds * rate_hz:
                raise self._too_long()
            yield chunk

    def summary(self) -> AudioSummary:
        """What the pass found; complete once :meth:`chunks` has ended."""
        duration_seconds = self.frame_count / self.info.sample_rate_hz
        promised = self.info.header_seconds
        tolerance_seconds = _TRUNCATION_SECONDS[self.info.container in _LOSSLESS_CONTAINERS]
        warnings = []
        if promised is not None and promised - duration_seconds > tolerance_seconds:
            warnings.append("TRUNCATED")
        elif self._damaged:
            warnings.append("DAMAGED")
        return AudioSummary(self.info, self.frame_count, duration_seconds, self.peak, tuple(warnings))

    def _read_header(self, container: str) -> tuple[Any, str, float | None]:
        stream = next(iter(self._file.streams.audio), None)
        if stream is None:
            raise _unreadable("The file holds no audio track.")
        context = stream.codec_context
        if context is None or context.name not in _CODECS:
            raise _unreadable("The audio is coded in a way that is not supported.")
        self._check(context.sample_rate, context.channels)
        for other in self._file.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        context.thread_count = 1
        seconds = float(stream.duration * stream.time_base) if stream.duration else None
        promised = promised_seconds(self._path, container, context.name, seconds)
        if promised and seconds and min(promised, seconds) > self._limits.max_seconds:
            raise self._too_long()
        return stream, context.name, promised

    def _check(self, sample_rate_hz: int, channel_count: int) -> None:
        limits = self._limits
        if not limits.min_sample_rate_hz <= sample_rate_hz <= limits.max_sample_rate_hz:
            raise AppError(
                Code.UNPROCESSABLE,
                "AUDIO_RATE_UNSUPPORTED",
                f"A sample rate of {sample_rate_hz} Hz is not supported; please use {limits.min_sample_rate_hz} to"
                f" {limits.max_sample_rate_hz} Hz.",
            )
        if not 1 <= channel_count <= limits.max_channel_count:
            raise AppError(
                Code.UNPROCESSABLE,
                "AUDIO_CHANNELS_UNSUPPORTED",
                f"A recording with {channel_count} channels is not supported; please use 1 to"
                f" {limits.max_channel_count}.",
            )

    def _too_long(self) -> AppError:
        return AppError(
            Code.UNPROCESSABLE,
            "AUDIO_TOO_LONG",
            f"The recording is longer than the limit of {self._limits.max_seconds:g} seconds; please cut it.",
        )

    def _decode(self) -> Iterator[Any]:
        """Frames of the stream; what cannot be decoded is left out and noted."""
        context = self._stream.codec_context
        for packet in self._packets():
            try:
                yield from context.decode(packet)
            except av.error.FFmpegError:
                self._damaged = True

    def _packets(self) -> Iterator[Any]:
        """Packets of the stream, then None, which makes the decoder give what it still holds."""
        try:
            for packet in self._file.demux(self._stream):
                if packet.size:  # an empty one would end the decoding
                    if packet.pts is not None and packet.duration:
                        self._start = packet.pts if self._start is None else self._start
                        self._end = packet.pts + packet.duration
                    if self._stream.codec_context.name == "vorbis":
                        _keep_end(packet)
                    yield packet
        except av.error.FFmpegError as error:
            if self._ogg_changes(error):
                raise _changes_midway() from error
            self._damaged = True
        yield None

    def _ogg_changes(self, error: av.error.FFmpegError) -> bool:
        """Whether ``error`` is how FFmpeg greets a chained Ogg stream with another rate or channel count."""
        return isinstance(error, av.error.PatchWelcomeError) and self._file.format.name == "ogg"

    def _converted(self) -> Iterator[Samples]:
        info = self.info
        for frame in itertools.chain([self._first], self._frames):
            if (frame.sample_rate, frame.layout.nb_channels) != (info.sample_rate_hz, info.channel_count):
                raise _changes_midway()
            yield _samples(frame, info.channel_count)

    def _unpadded(self) -> Iterator[Samples]:
        """The signal without the padding behind its end, of which FFmpeg leaves some."""
        held: deque[Samples] = deque()
        held_frames = past_frames = 0
        for chunk in self._converted():
            held.append(chunk)
            held_frames += chunk.shape[1]
            while held_frames - held[0].shape[1] >= _MAX_PADDING_FRAMES:
                oldest = held.popleft()
                held_frames -= oldest.shape[1]
                past_frames += oldest.shape[1]
                yield oldest
        if held:
            yield np.concatenate(held, axis=1)[:, : held_frames - self._padding_frames(past_frames + held_frames)]

    def _padding_frames(self, frame_count: int) -> int:
        """How many of the last of ``frame_count`` frames lie behind the end of the track."""
        tick_seconds = self._stream.time_base
        end = self._stream.duration or 0  # in MP4 by the edit list, often rounded to milliseconds
        if self.info.container == "m4a" and self._end is not None:
            exact_end = self._end - max(0, self._start or 0)
            if abs(end - exact_end) * tick_seconds < _EDIT_LIST_TICK_SECONDS:
                end = exact_end
        excess = frame_count - round(end * tick_seconds * self.info.sample_rate_hz)
        return excess if 0 < excess <= _MAX_PADDING_FRAMES else 0


def _keep_end(packet: Any) -> None:
    """Take from ``packet`` the number of samples to cut at its end, which FFmpeg gets wrong for Vorbis in a single page.

    FFmpeg counts the first packet, although it gives no samples.
    """
    skip = packet.get_sidedata("skip_samples")  # two 32-bit counts, for the start and for the end, and two reasons
    if skip:
        skip.update(bytes(skip)[:4] + bytes(4) + bytes(skip)[8:])
        packet.set_sidedata(skip)


def _samples(frame: Any, channel_count: int) -> Samples:
    """The samples of one FFmpeg frame as float32 [channels, frames]; integers are scaled by a power of two, exactly."""
    name = frame.format.name.removesuffix("p")
    dtype = _DTYPES.get(name)
    if dtype is None:
        raise _unreadable("The sample format is not supported.")
    planes = frame.planes[:channel_count]  # PyAV lists planes that do not exist behind an eighth one
    if frame.format.is_planar:
        raw = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes])
    else:
        raw = np.frombuffer(planes[0], dtype, frame.samples * channel_count).reshape(-1, channel_count).T
    with np.errstate(over="ignore", invalid="ignore"):  # a double too large becomes infinite, and that is refused
        samples = np.array(raw, dtype=np.float32, order="C")
    if name in _SCALES:
        if name == "u8":
            samples -= 128.0
        samples *= _SCALES[name]
    return samples


def _empty() -> AppError:
    return AppError(Code.UNPROCESSABLE, "AUDIO_EMPTY", "The file holds no audio. Please check it and send it again.")


def _changes_midway() -> AppError:
    return _unreadable("The recording's sample rate or channel count changes midway.")


def _unreadable(what: str) -> AppError:
    return AppError(Code.UNPROCESSABLE, "AUDIO_UNREADABLE", f"{what} The supported formats are {SUPPORTED_FORMATS}.")
