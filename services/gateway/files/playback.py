"""Serves stored audio to players: short segments that decode on their own, and waveforms."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import Request
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.errors import Code, suppressed
from soundwright.kit.ports import BlobInfo, Blobs
from soundwright.kit.shared_work import SingleFlight
from soundwright.kit.worker.derived_files import (
    SPECTROGRAM_BANDS,
    SPECTROGRAM_HOP_FRAMES,
    spectrogram_key,
    waveform_key,
)
from soundwright.kit.worker.live import LiveIndex, live_prefix, open_live
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.services.gateway.files.files import Span, attachment, blob_response, made_response, not_modified
from soundwright.services.gateway.files.pending_files import PendingFiles
from soundwright.services.gateway.files.reencoding import ConvertedResponse
from soundwright.services.gateway.files.waits import LOOK_SECONDS
from soundwright.services.gateway.settings import ConversionLimits
from soundwright.services.gateway.wire.disconnects import cancel_on_disconnect

PIXEL_FRAMES = 256
"""Frames of each pixel of a stored waveform, as :data:`soundwright.kit.audio.PIXEL_FRAMES`."""

TILE_PIXELS = 1024
"""Pixels of each tile of a spectrogram, except the last."""

SPECTROGRAM_SECONDS = 60.0
"""Timeout of computing a spectrogram: the first one loads libraries, and an hour of audio takes a while."""

WAV_HEADER_BYTES = 92
"""Length of the header of a WAV file with floats, see :func:`soundwright.kit.audio.wav_header`."""

_BYTES = "application/octet-stream"
_SEGMENT_SECONDS = 5
_SLOT_COUNT = 4
_SAMPLE_BYTES = 4
_PIECE_BYTES = 1 << 16
_CACHE = "private, max-age=86400"
# Segments that are being encoded or sent. A player of eight stems may load four segments of each ahead.
_LIMITS = ConversionLimits(caller_count=32, caller_bytes=128 << 20, total_count=1024, total_bytes=512 << 20)
_WAVEFORM_LIMIT = 32
_MISSED_LOOKS = 10


def segment_frame_count(recording: job_pb2.AudioOutput | LiveIndex) -> int:
    """Return the number of frames of each segment of a recording. The last one may be shorter."""
    return _SEGMENT_SECONDS * recording.sample_rate_hz


def segment_count(output: job_pb2.AudioOutput) -> int:
    """Return the number of segments of a recording; 0 for a file that is not audio."""
    return -(-output.frame_count // segment_frame_count(output)) if output.sample_rate_hz else 0


@dataclass(frozen=True)
class Growing:
    """A recording, perhaps one that its job is still writing.

    Attributes:
        version: changes if the recording begins again.
        frame_count: frames that are there.
        total_frame_count: frames that it will have.
        opened: opens what is there. It and the reading raise ``NOT_FOUND`` if the job has just ended.
    """

    version: str
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    total_frame_count: int
    opened: Callable[[], BinaryIO]

    @property
    def size_bytes(self) -> int:
        return WAV_HEADER_BYTES + self.total_frame_count * self.frame_bytes

    @property
    def frame_bytes(self) -> int:
        return _SAMPLE_BYTES * self.channel_count

    def frame_at(self, offset: int) -> int:
        """Return the frame to which a byte of the WAV file belongs; the header belongs to the first one."""
        return max(0, offset - WAV_HEADER_BYTES) // self.frame_bytes


class Playback:
    """Segments and waveforms of stored recordings that Soundwright wrote.

    Args:
        waveform_slots: computes the waveforms of recordings that have none yet.
    """

    def __init__(self, blobs: Blobs, waveform_slots: ComputeSlots) -> None:
        self._blobs = blobs
        self._slots = ComputeSlots("playback", _SLOT_COUNT)
        self._waveform_slots = waveform_slots
        self._segments = PendingFiles(_LIMITS)
        self._waveforms = SingleFlight("waveforms", _WAVEFORM_LIMIT)

    def close(self) -> None:
        self._waveforms.close()
        self._slots.close()

    async def segment(self, request: Request, output: job_pb2.AudioOutput, index: int) -> Response:
        """Return a segment as a complete file.

        Raises ``SEGMENT_NOT_FOUND``; ``FILE_NOT_FOUND`` if it is not audio or no longer stored;
        ``TOO_MANY_CONVERSIONS``.
        """
        info = await self._stored(output)
        count = segment_count(output)
        if index >= count:
            raise errors.SEGMENT_NOT_FOUND(
                f"The recording has the segments 0 to {count - 1}." if count else "The recording has no segments."
            )
        headers = {"ETag": f'"{info.etag}-{index}"', "Cache-Control": _CACHE, "Accept-Ranges": "none"}
        if (unchanged := not_modified(request, headers)) is not None:
            return unchanged
        length = segment_frame_count(output)
        frame_count = min(length, output.frame_count - index * length)
        opened = functools.partial(self._blobs.open, output.blob_key)
        return await self._encoded(request, opened, index * length, frame_count, output.channel_count, headers)

    async def live_segment(
        self, request: Request, job: job_pb2.Job, live: LiveIndex, name: str, index: int, frame_count: int
    ) -> Response:
        """Return a segment of a recording that its job is still writing, as :meth:`segment` does when it has ended.

        Args:
            frame_count: frames of the segment, which are all there.

        Raises ``FILE_NOT_FOUND`` if the job has just ended; ``TOO_MANY_CONVERSIONS``.
        """
        headers = {"Cache-Control": "no-store", "Accept-Ranges": "none"}
        opened = functools.partial(open_live, self._blobs, live_prefix(job, job.attempt), live.recordings[name])
        start = index * segment_frame_count(live)
        return await self._encoded(request, opened, start, frame_count, live.channel_count, headers)

    async def wav(
        self, recording: Growing, find: Callable[[], Awaitable[Growing | None]], span: Span
    ) -> AsyncIterator[bytes]:
        """Yield a part of a recording as a WAV file with 32-bit floats, as it becomes available.

        Args:
            find: returns the recording as it is now.

        Raises ``AppError``: the recording has begun again, its job has ended without it, or its file is lost.
        """
        version, end, at = recording.version, span.start + span.length, span.start
        if at < WAV_HEADER_BYTES:
            header = await self._slots.run(functools.partial(_header, recording))
            yield header[at : min(end, WAV_HEADER_BYTES)]
            at = WAV_HEADER_BYTES
        missed = 0
        while at < end:
            frame = recording.frame_at(at)
            count = min(recording.sample_rate_hz, recording.frame_count - frame)
            data = b""
            with suppressed(Code.NOT_FOUND):
                data = await self._slots.run(functools.partial(_floats, recording, frame, count)) if count > 0 else b""
            if data:
                skipped = (at - WAV_HEADER_BYTES) % recording.frame_bytes
                yield data[skipped : skipped + end - at]
                at += len(data) - skipped
                missed = 0
                continue
            missed += count > 0  # the file of a job that ends moves once; it is lost if it stays away
            if missed > _MISSED_LOOKS:
                raise errors.FILE_NOT_FOUND()
            await asyncio.sleep(LOOK_SECONDS)
            recording = await find() or recording
            if recording.version != version:
                raise errors.SEGMENT_NOT_FOUND("The recording has begun again.")

    async def _encoded(
        self,
        request: Request,
        opened: Callable[[], BinaryIO],
        start: int,
        frame_count: int,
        channel_count: int,
        headers: Mapping[str, str],
    ) -> Response:
        async def encoded() -> Response:
            size_bytes = frame_count * channel_count * _SAMPLE_BYTES
            with self._segments.holding(request.scope, size_bytes) as pending:
                work = functools.partial(_encode, opened, start, frame_count)
                content_type, data = await cancel_on_disconnect(request, self._slots.run(work))

                async def clean_up() -> None:
                    self._segments.release(pending)

                described = {**headers, "Content-Type": content_type, "Content-Length": str(len(data))}
                return ConvertedResponse(_pieces(data), described, clean_up)

        return await made_response(request, headers, None, encoded)

    async def waveform(self, request: Request, output: job_pb2.AudioOutput, pixel_frames: int) -> Response:
        """Return a waveform in the format of :mod:`soundwright.kit.audio.waveform`. Compute and store it if it is not stored yet.

        Args:
            pixel_frames: a multiple of :data:`PIXEL_FRAMES`.

        Raises ``FILE_NOT_FOUND`` if it is not audio or no longer stored; ``TOO_MANY_CONVERSIONS``.
        """
        key = waveform_key(output.blob_key)
        filename = f"{output.name}.dat"

        async def compute() -> None:
            await self._waveforms.run(output.blob_key, functools.partial(self._compute, output.blob_key))

        async def respond(info: BlobInfo) -> Response:
            if pixel_frames == PIXEL_FRAMES:
                # Scripts of pages cannot follow a redirect to another origin unless the file store allows it.
                return await blob_response(
                    request, self._blobs, key, content_type=_BYTES, filename=filename, inline=True, redirect=False
                )
            headers = {
                "ETag": f'"{info.etag}-{pixel_frames}"',
                "Cache-Control": _CACHE,
                "Accept-Ranges": "none",
                "Content-Disposition": attachment(filename, inline=True),
            }
            return await self._reduced(request, headers, functools.partial(_coarser, pixel_frames=pixel_frames), key)

        return await self._derived(request, output, key, compute, respond)

    async def recording_waveform(self, request: Request, track: track_pb2.Track, pixel_frames: int) -> Response:
        """Return the waveform of a recording if it is stored. It is not computed: the gateway does not decode files of users."""
        recording = job_pb2.AudioOutput(name=track.title, blob_key=track.blob_key)  # it has no length
        return await self.waveform(request, recording, pixel_frames)

    async def spectrogram(
        self,
        request: Request,
        output: job_pb2.AudioOutput,
        tile: int,
        columns_per_pixel: int,
        render: Callable[[], Awaitable[object]],
    ) -> Response:
        """Return a tile of a spectrogram: :data:`TILE_PIXELS` pixels with a byte for each band, the last one shorter.

        Each pixel has the largest values of its columns.

        Args:
            render: stores the spectrogram of the recording if it is not stored yet.

        Raises ``SEGMENT_NOT_FOUND``; ``FILE_NOT_FOUND`` if it is not audio or no longer stored; errors of ``render``.
        """
        await self._stored(output)
        count = -(-(1 + output.frame_count // SPECTROGRAM_HOP_FRAMES) // (TILE_PIXELS * columns_per_pixel))
        if tile >= count:
            raise errors.SEGMENT_NOT_FOUND(f"The spectrogram has the tiles 0 to {count - 1}.")
        key = spectrogram_key(output.blob_key)
        size_bytes = TILE_PIXELS * columns_per_pixel * SPECTROGRAM_BANDS

        async def respond(info: BlobInfo) -> Response:
            headers = {
                "ETag": f'"{info.etag}-{columns_per_pixel}-{tile}"',
                "Cache-Control": _CACHE,
                "Accept-Ranges": "none",
            }
            length = min(size_bytes, info.size_bytes - tile * size_bytes)
            reduce = functools.partial(_loudest, columns_per_pixel=columns_per_pixel)
            return await self._reduced(request, headers, reduce, key, tile * size_bytes, length)

        return await self._derived(request, output, key, render, respond)

    async def _derived(
        self,
        request: Request,
        output: job_pb2.AudioOutput,
        key: str,
        make: Callable[[], Awaitable[object]],
        respond: Callable[[BlobInfo], Awaitable[Response]],
    ) -> Response:
        """Respond with a file that is derived from a recording. ``make`` stores it if it is not stored yet, but not for HEAD.

        Raises ``FILE_NOT_FOUND``; errors of ``make``.
        """
        info = await self._blobs.stat(key)
        if info is not None:
            return await respond(info)
        await self._stored(output)

        async def made() -> Response:
            await make()
            info = await self._blobs.stat(key)
            if info is None:
                raise errors.FILE_NOT_FOUND()
            return await respond(info)

        return await made_response(request, {}, _BYTES, made)

    async def _reduced(
        self, request: Request, headers: dict[str, str], reduce: Callable[[bytes], bytes], key: str, *span: int
    ) -> Response:
        """Return what ``reduce`` makes of a stored file, or of ``span``, a part of it: the offset and the length in bytes.

        Nothing is read for HEAD, and for a client that has the content.
        """
        if (unchanged := not_modified(request, headers)) is not None:
            return unchanged

        async def reduced() -> bytes:
            data = b"".join([piece async for piece in self._blobs.read(key, *span)])
            return await self._slots.run(functools.partial(reduce, data))

        return await made_response(request, headers, _BYTES, reduced)

    async def _stored(self, output: job_pb2.AudioOutput) -> BlobInfo:
        info = await self._blobs.stat(output.blob_key) if output.frame_count else None
        if info is None:
            raise errors.FILE_NOT_FOUND()
        return info

    async def _compute(self, blob_key: str) -> None:
        data = await self._waveform_slots.run(functools.partial(_measure, self._blobs, blob_key))
        async with self._blobs.write(waveform_key(blob_key)) as writer:
            await writer.write(data)
        if await self._blobs.stat(blob_key) is None:  # deleted in the meantime
            await self._blobs.delete(waveform_key(blob_key))


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


# The functions below run in threads. They import soundwright.kit.audio late: a gateway without players does not need the codecs.


def _encode(opened: Callable[[], BinaryIO], start: int, frame_count: int) -> tuple[str, bytes]:
    from soundwright.kit.audio import encode_segment

    with opened() as file:
        segment = encode_segment(file, start, frame_count)
    return segment.content_type, segment.data


def _header(recording: Growing) -> bytes:
    from soundwright.kit.audio import wav_header

    bits = 8 * _SAMPLE_BYTES
    return wav_header(
        recording.sample_rate_hz, recording.channel_count, bits, recording.total_frame_count, is_float=True
    )


def _floats(recording: Growing, start: int, frame_count: int) -> bytes:
    from soundwright.kit.audio import read_floats

    with recording.opened() as file:
        return read_floats(file, start, frame_count)


def _measure(blobs: Blobs, blob_key: str) -> bytes:
    from soundwright.kit.audio import stored_waveform

    with blobs.open(blob_key) as file:
        return stored_waveform(file)


def _coarser(data: bytes, pixel_frames: int) -> bytes:
    from soundwright.kit.audio import coarser_waveform

    return coarser_waveform(data, pixel_frames)


def _loudest(data: bytes, columns_per_pixel: int) -> bytes:
    import numpy as np

    columns = np.frombuffer(data, np.uint8).reshape(-1, SPECTROGRAM_BANDS)
    return np.maximum.reduceat(columns, range(0, len(columns), columns_per_pixel)).tobytes()
