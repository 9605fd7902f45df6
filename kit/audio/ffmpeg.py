"""Decodes untrusted recordings to float32 in bounded memory: PCM with :mod:`soundwright.kit.audio.pcm`, all else with FFmpeg through PyAV.

The demuxer is selected by :func:`soundwright.kit.audio.containers.sniff`. Protocols are restricted to local files, and codecs to a
list of audio codecs, so playlists, subtitles and cover images never reach a decoder. Call these functions in threads.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Discard
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.audio.containers import (
    DEMUXERS,
    SUPPORTED_FORMATS,
    comment_count,
    locate,
    ogg_first_page,
    ogg_links,
    promised_seconds,
)
from soundwright.kit.audio.mp4 import Edit, Timeline, read_timeline
from soundwright.kit.audio.pcm import PCM_CONTAINERS, Pcm, find_pcm
from soundwright.kit.errors import AppError

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

_CODECS = (
    "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le",
    "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "flac", "mp3float", "mp3", "vorbis", "opus", "aac",
    "alac",
)  # fmt: skip

_SCALES = {"u8": 2.0**-7, "s16": 2.0**-15, "s32": 2.0**-31}
_DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}

_LOUDEST = 1e10
"""The peak of a recording, 200 dB above full scale. Squares of larger samples, and their sums, are no 32-bit floats."""
_MAX_COMMENT_COUNT = 5_000

_MAX_PADDING_FRAMES = 4096
"""Padding is shorter than two AAC frames with spectral band replication, and shorter than half a Vorbis block."""

_EDIT_LIST_TICK_SECONDS = 0.002
"""Upper bound of the rounding of MP4 edit lists, whose coarsest common clock has 600 ticks per second."""

_LOSSLESS_CONTAINERS = ("wav", "w64", "aiff", "au", "flac")

_TRUNCATION_SECONDS = {True: 0.02, False: 0.15}
"""Tolerated missing length by whether the container is lossless. Headers of others are rounded and include padding."""


@dataclass(frozen=True)
class AudioLimits:
    """Limits of recordings that are decoded."""

    max_seconds: float = 4 * 3600
    min_sample_rate_hz: int = 4_000
    max_sample_rate_hz: int = 384_000
    max_channel_count: int = 8
    max_sample_count: int = 1_500_000_000  # of all channels: 4 hours of stereo at 48 kHz


DEFAULT_LIMITS = AudioLimits()


@dataclass(frozen=True)
class AudioInfo:
    """The header of a recording.

    Attributes:
        container: "wav" (also RF64 and BW64), "w64", "flac", "mp3", "ogg", "m4a", "aac" (raw ADTS), "aiff",
            "au", "caf" or "matroska" (also WebM).
        codec: FFmpeg's name of the codec, for example "pcm_s16le" or "opus".
        header_seconds: length that the header declares, or None. Untrusted.
    """

    container: str
    codec: str
    sample_rate_hz: int
    channel_count: int
    header_seconds: float | None


@dataclass(frozen=True)
class AudioSummary:
    """The result of one complete decoding pass.

    Attributes:
        frame_count: exact number of decoded frames per channel.
        duration_seconds: ``frame_count`` divided by the sample rate.
        peak: largest absolute sample, 1.0 at full scale.
        warnings: "TRUNCATED" if the file is clearly shorter than its header declares, "DAMAGED" if parts could not be
            decoded and were skipped.
    """

    info: AudioInfo
    frame_count: int
    duration_seconds: float
    peak: float
    warnings: tuple[str, ...]


class Decoding:
    """One decoding pass over a recording. Use it as a context manager, which closes the file.

    Args:
        link: begin and end of the Ogg stream in the file to decode; None: all of the file.

    Raises:
        AppError: ``UNPROCESSABLE`` with AUDIO_EMPTY, AUDIO_UNREADABLE, AUDIO_RATE_UNSUPPORTED,
            AUDIO_CHANNELS_UNSUPPORTED, AUDIO_TOO_LONG, AUDIO_TOO_LARGE or AUDIO_NOT_FINITE.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, limits: AudioLimits = DEFAULT_LIMITS, link: tuple[int, int] | None = None) -> None:
        self._path = path
        self._limits = limits
        self._damaged = False
        self._start: int | None = None  # of the packets read so far, in ticks of the stream
        self._end: int | None = None
        self._first_page = (0, 0)  # of an Ogg file: where it ends on the timeline, and the packets until there
        self._offset_seconds = 0.0  # where the timeline starts, once the first page was read
        self._file: Any = None
        self._part: _Part | None = None
        self.frame_count = 0
        self.peak = 0.0
        located = locate(path)
        if located is None:
            raise (
                errors.AUDIO_EMPTY() if path.stat().st_size == 0 else _unreadable("This is not a supported audio file.")
            )
        container, self._offset = located
        self._pcm = find_pcm(path, container, self._offset)
        if self._pcm is not None:
            self.info = self._pcm_info(self._pcm, container)
            return
        if comment_count(path, container, self._offset) > _MAX_COMMENT_COUNT:  # FFmpeg needs quadratic time for them
            raise errors.AUDIO_TOO_COMPLEX(
                f"The file has more than {_MAX_COMMENT_COUNT} tags. Export the audio again, without its tags."
            )
        self._timeline = read_timeline(path) if container == "m4a" else Timeline()
        self._further: Sequence[tuple[int, int]] = ()  # the links of a chained Ogg file after the first one
        if container == "ogg" and link is None:
            first_link, *self._further = ogg_links(path, self._offset)
            link = first_link if self._further else None
        if container == "ogg":
            self._first_page = ogg_first_page(path, link[0] if link else self._offset)
        self._part = None if link is None else _Part(path, *link)
        try:
            self._file = av.open(
                f"file:{path.resolve()}" if self._part is None else self._part,
                format=DEMUXERS[container],
                options={
                    **({"ignore_editlist": "1"} if self._timeline.is_forward else {}),
                    "protocol_whitelist": "file",
                    "codec_whitelist": ",".join(_CODECS),
                    # FFmpeg would parse all frames of the tags.
                    "skip_initial_bytes": "0" if self._part else str(self._offset),
                },
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, ValueError) as error:
            self.close()
            raise _unreadable("The file is damaged, or its content does not match its format.") from error
        try:
            self._stream, codec, header_seconds = self._read_header(container)
            self._frames = self._decode()
            first = next(self._frames, None)  # decode one frame first: the header alone may be wrong (HE-AAC)
            if first is None:
                raise (
                    _unreadable("The file contains no audio that can be decoded.")
                    if self._damaged
                    else errors.AUDIO_EMPTY()
                )
            self._first = first
            header_seconds = None if self._further else header_seconds
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
        """Close the file. Closing it again has no effect."""
        for opened in (self._file, self._part):
            if opened is not None:
                opened.close()

    def chunks(self) -> Iterator[Samples]:
        """Yield the signal once, in blocks of the lengths in the file."""
        if self._pcm is not None:
            frames = self._pcm.blocks(self._path)
        else:
            presented = self._presented() if self._timeline.is_forward else self._unpadded()
            unpadded = {"m4a": presented, "mp3": self._unpadded(), "ogg": self._links()}
            frames = unpadded.get(self.info.container) or self._converted()
        rate_hz = self.info.sample_rate_hz
        for chunk in frames:
            peak = float(max(chunk.max(initial=0.0), -chunk.min(initial=0.0)))
            if not peak <= _LOUDEST:
                at = self.frame_count + int(np.argmin((np.abs(chunk) <= _LOUDEST).all(axis=0)))
                raise errors.AUDIO_NOT_FINITE(seconds=at / rate_hz)
            self.peak = max(self.peak, peak)
            self.frame_count += chunk.shape[1]
            if self.frame_count > self._limits.max_seconds * rate_hz:
                raise self._too_long()
            if self.frame_count * self.info.channel_count > self._limits.max_sample_count:
                raise self._too_large()
            yield chunk
        if self.frame_count == 0:  # an edit list may present nothing
            raise errors.AUDIO_EMPTY()

    def summary(self) -> AudioSummary:
        """Return the result of the pass. It is complete after :meth:`chunks` has ended."""
        duration_seconds = self.frame_count / self.info.sample_rate_hz
        promised = self.info.header_seconds
        tolerance_seconds = _TRUNCATION_SECONDS[self.info.container in _LOSSLESS_CONTAINERS]
        warnings = []
        if promised is not None and promised - self._offset_seconds - duration_seconds > tolerance_seconds:
            warnings.append("TRUNCATED")
        elif self._damaged:
            warnings.append("DAMAGED")
        return AudioSummary(self.info, self.frame_count, duration_seconds, self.peak, tuple(warnings))

    def _pcm_info(self, pcm: Pcm, container: str) -> AudioInfo:
        rate_hz, channel_count = pcm.form.sample_rate_hz, pcm.form.channel_count
        self._check(rate_hz, channel_count)
        if pcm.frame_count == 0:
            raise errors.AUDIO_EMPTY()
        if pcm.frame_count > self._limits.max_seconds * rate_hz:
            raise self._too_long()
        if pcm.frame_count * channel_count > self._limits.max_sample_count:
            raise self._too_large()
        promised = None if pcm.promised_frames is None else pcm.promised_frames / rate_hz
        return AudioInfo(container, pcm.codec, rate_hz, channel_count, promised)

    def _read_header(self, container: str) -> tuple[Any, str, float | None]:
        stream = next(iter(self._file.streams.audio), None)
        if stream is None:
            raise _unreadable("The file has no audio track.")
        context = stream.codec_context
        if context is None or context.name not in _CODECS:
            codec = "an unknown codec" if context is None else f"the codec {context.codec.long_name} ({context.name})"
            raise errors.AUDIO_UNREADABLE(
                f"The audio in this file has {codec}, which is not supported. Convert it to FLAC, or to WAV with PCM."
            )
        if not context.sample_rate:
            raise _unreadable("The file is damaged, or its content does not match its format.")
        self._check(context.sample_rate, context.channels)
        if container in PCM_CONTAINERS and context.name.startswith("pcm_"):  # FFmpeg would guess their size
            raise _unreadable("The header of the file does not say how its samples are stored.")
        for other in self._file.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        context.thread_count = 1
        seconds = float(stream.duration * stream.time_base) if stream.duration else None
        if seconds is not None and self._timeline.is_forward:
            seconds = self._timeline.seconds(seconds)
        promised = promised_seconds(self._path, container, self._offset, seconds)
        self._end_seconds = promised
        if promised and seconds:
            least_seconds = min(promised, seconds) - float(self._first_page[0] * stream.time_base)
            if least_seconds > self._limits.max_seconds:
                raise self._too_long()
            if least_seconds * context.sample_rate * context.channels > self._limits.max_sample_count:
                raise self._too_large()
        if container == "m4a" and _indexed_seconds(stream) > self._limits.max_seconds:
            raise self._too_long()
        return stream, context.name, promised

    def _check(self, sample_rate_hz: int, channel_count: int) -> None:
        limits = self._limits
        if not limits.min_sample_rate_hz <= sample_rate_hz <= limits.max_sample_rate_hz:
            raise errors.AUDIO_RATE_UNSUPPORTED(
                sample_rate_hz=sample_rate_hz,
                min_sample_rate_hz=limits.min_sample_rate_hz,
                max_sample_rate_hz=limits.max_sample_rate_hz,
            )
        if not 1 <= channel_count <= limits.max_channel_count:
            raise errors.AUDIO_CHANNELS_UNSUPPORTED(
                channel_count=channel_count, max_channel_count=limits.max_channel_count
            )

    def _too_long(self) -> AppError:
        return errors.AUDIO_TOO_LONG(max_seconds=self._limits.max_seconds)

    def _too_large(self) -> AppError:
        return errors.AUDIO_TOO_LARGE(max_sample_count=self._limits.max_sample_count)

    def _decode(self) -> Iterator[Any]:
        """Yield the frames of the stream. Packets that cannot be decoded are skipped and recorded."""
        context = self._stream.codec_context
        for packet in self._packets():
            try:
                yield from context.decode(packet)
            except av.error.FFmpegError:
                self._damaged = True

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, then None, which flushes the decoder."""
        (offset, on_first_page), packet_count = self._first_page, 0
        try:
            for packet in self._file.demux(self._stream):
                if packet.size:  # an empty packet would end the decoding
                    if packet_count < on_first_page:
                        packet_count += 1
                        offset -= packet.duration or 0
                        self._offset_seconds = float(max(0, offset) * self._stream.time_base)
                    if packet.pts is not None and packet.duration:
                        self._start = packet.pts if self._start is None else self._start
                        self._end = packet.pts + packet.duration
                    codec = self._stream.codec_context.name
                    if codec == "vorbis" or (codec == "alac" and self._file.format.name == "caf"):
                        _keep_end(packet)
                    yield packet
        except av.error.FFmpegError as error:
            if self._ogg_changes(error):
                raise _changes_midway() from error
            self._damaged = True
        yield None

    def _ogg_changes(self, error: av.error.FFmpegError) -> bool:
        """Return whether ``error`` is FFmpeg's error for a chained Ogg stream with another rate or channel count."""
        return isinstance(error, av.error.PatchWelcomeError) and self._file.format.name == "ogg"

    def _converted(self) -> Iterator[Samples]:
        info = self.info
        for frame in itertools.chain([self._first], self._frames):
            if (frame.sample_rate, frame.layout.nb_channels) != (info.sample_rate_hz, info.channel_count):
                raise _changes_midway()
            yield _samples(frame, info.channel_count)

    def _links(self) -> Iterator[Samples]:
        """Yield the signal of an Ogg file, whose streams begin and end each for itself if several are chained."""
        yield from self._unpadded()
        for link in self._further:
            try:
                other = Decoding(self._path, self._limits, link)
            except AppError:
                self._damaged = True
                continue
            with other:
                if (other.info.sample_rate_hz, other.info.channel_count) != (
                    self.info.sample_rate_hz,
                    self.info.channel_count,
                ):
                    raise _changes_midway()
                yield from other.chunks()

    def _unpadded(self) -> Iterator[Samples]:
        """Yield the signal without the padding after its end, which FFmpeg does not remove completely."""
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
        """Return how many of the last frames are after the end of the track."""
        excess = frame_count - round(((self._end_seconds or 0) - self._offset_seconds) * self.info.sample_rate_hz)
        return excess if 0 < excess <= _MAX_PADDING_FRAMES else 0

    def _presented(self) -> Iterator[Samples]:
        """Yield the signal of an MP4 file as its timeline presents it: without the encoder's delay and padding, with silent edits."""
        rate_hz, timeline = self.info.sample_rate_hz, self._timeline
        edits = timeline.edits
        if not edits and timeline.gapless is not None:
            priming, length = timeline.gapless
            edits = (Edit(Fraction(priming, rate_hz), Fraction(length, rate_hz)),)
        media = _Media(self._converted(), self._media_start())
        begun = Fraction(0)  # of the edit, in the presentation
        for index, edit in enumerate(edits or (Edit(Fraction(0), None),)):
            ended = None if edit.seconds is None else begun + edit.seconds
            frame_count = None if ended is None else round(ended * rate_hz) - round(begun * rate_hz)
            if edit.start_seconds is None:
                yield from media.silence(frame_count or 0, self.info.channel_count)
            else:
                start = round(edit.start_seconds * rate_hz)
                is_last = index >= len(edits) - 1
                end = None if frame_count is None else start + frame_count
                yield from media.read(start, end, self._last_frame if is_last else None)
            begun = ended or begun

    def _media_start(self) -> int:
        """Return the position of the first decoded frame in the media. FFmpeg skips the delay that iTunSMPB names."""
        if self._first.pts is None or self._start is None:
            return 0
        return max(0, round((self._first.pts - self._start) * self._stream.time_base * self.info.sample_rate_hz))

    def _last_frame(self, end: int | None) -> int | None:
        """Return the end of the recording in the media, given its end by the edit list, which is rounded to a coarse clock."""
        rate_hz, exact = self.info.sample_rate_hz, []
        if self._timeline.gapless is not None:
            exact.append(sum(self._timeline.gapless))
        if self._start is not None and self._end is not None:
            exact.append(round((self._end - self._start) * self._stream.time_base * rate_hz))
        for each in exact:
            if end is None or abs(end - each) < _EDIT_LIST_TICK_SECONDS * rate_hz:
                return each
        return end


class _Part:
    """A part of a file as a file."""

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._file = path.open("rb")
        self._begin, self._end = begin, end
        self.close = self._file.close
        self.seek(0)

    def read(self, byte_count: int) -> bytes:
        return self._file.read(max(0, min(byte_count, self._end - self._file.tell())))

    def seek(self, offset: int, whence: int = 0) -> int:
        origins = (self._begin, self._file.tell(), self._end)
        return self._file.seek(origins[whence] + offset) - self._begin

    def tell(self) -> int:
        return self._file.tell() - self._begin


class _Media:
    """Reads the decoded media of a track forward.

    Args:
        blocks: float32 [channels, frames], of any lengths.
        start: position of the first frame in the media.
    """

    def __init__(self, blocks: Iterator[Samples], start: int) -> None:
        self._blocks = blocks
        self._block: Samples | None = None
        self._start = start

    def silence(self, frame_count: int, channel_count: int) -> Iterator[Samples]:
        for start in range(0, frame_count, _MAX_PADDING_FRAMES):
            yield np.zeros((channel_count, min(_MAX_PADDING_FRAMES, frame_count - start)), np.float32)

    def read(
        self, start: int, end: int | None, exact_end: Callable[[int | None], int | None] | None
    ) -> Iterator[Samples]:
        """Yield the frames from ``start`` to ``end``, or to the end of the media.

        Args:
            exact_end: called at the end of the media with ``end``, returns the exact end. It is at most
                :data:`_MAX_PADDING_FRAMES` from there.
        """
        held: deque[tuple[int, Samples]] = deque()
        margin = _MAX_PADDING_FRAMES if exact_end is not None else 0
        while end is None or self._start < end + margin:
            block = self._next()
            if block is None:
                break
            if end is not None and self._start + block.shape[1] > end + margin:
                self._block = block[:, end + margin - self._start :]
                block = block[:, : end + margin - self._start]
            held.append((self._start, block))
            self._start += block.shape[1]
            while held and held[0][0] + held[0][1].shape[1] <= self._start - 2 * margin:
                position, oldest = held.popleft()
                yield oldest[:, max(0, start - position) :]
        last = exact_end(end) if exact_end is not None else end
        for position, block in held:
            yield block[:, max(0, start - position) : None if last is None else max(0, last - position)]

    def _next(self) -> Samples | None:
        block, self._block = self._block, None
        return next(self._blocks, None) if block is None else block


def _indexed_seconds(stream: Any) -> float:
    """Return when the last packet starts. An edit list can repeat a packet as often as it likes, and the header does not say so."""
    index = stream.index_entries
    return float(index[-1].timestamp * stream.time_base) if len(index) else 0.0


def _keep_end(packet: Any) -> None:
    """Remove from ``packet`` the number of samples to cut at its end, which FFmpeg miscounts for Vorbis in a single page, and
    for ALAC in CAF.

    FFmpeg counts the first packet of Vorbis, although it contains no samples. The last packet of ALAC has its own length.
    """
    skip = packet.get_sidedata("skip_samples")  # two 32-bit counts, for start and end, and two reasons
    if skip:
        skip.update(bytes(skip)[:4] + bytes(4) + bytes(skip)[8:])
        packet.set_sidedata(skip)


def _samples(frame: Any, channel_count: int) -> Samples:
    """Return the samples of an FFmpeg frame as float32 [channels, frames].

    Integers are scaled exactly, by a power of two.
    """
    name = frame.format.name.removesuffix("p")
    dtype = _DTYPES.get(name)
    if dtype is None:
        raise _unreadable("The sample format is not supported.")
    planes = frame.planes[:channel_count]  # PyAV lists invalid planes after the eighth
    if frame.format.is_planar:
        raw = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes])
    else:
        raw = np.frombuffer(planes[0], dtype, frame.samples * channel_count).reshape(-1, channel_count).T
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a double that overflows becomes infinite, which is rejected later
        samples = np.array(raw, dtype=np.float32, order="C")
    if name in _SCALES:
        if name == "u8":
            samples -= 128.0
        samples *= _SCALES[name]
    return samples


def _changes_midway() -> AppError:
    return _unreadable("The recording's sample rate or channel count changes midway.")


def _unreadable(what: str) -> AppError:
    return errors.AUDIO_UNREADABLE(what=what, formats=SUPPORTED_FORMATS)
