"""Converts stored audio to another format for a download."""

import asyncio
import functools
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from soundwright.kit import errors
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.file_names import content_type, encoding_extension
from soundwright.kit.opened import open_in_thread
from soundwright.kit.ports import Blobs
from soundwright.kit.song_tags import SongTags, tags_of
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.services.gateway.files.files import attachment, made_response
from soundwright.services.gateway.files.pending_files import PendingFiles
from soundwright.services.gateway.wire.disconnects import cancel_on_disconnect

DownloadFormat = Literal["wav16", "wav24", "wav32f", "flac", "mp3", "m4a"]
# At most: a lossy file is much smaller.
_SAMPLE_BYTES = {"wav16": 2, "wav24": 3, "wav32f": 4, "flac": 3, "mp3": 1, "m4a": 1}
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Reencoder:
    """Converts stored recordings.

    Attributes:
        slots: limits how many files are converted at a time.
        pending_files: limits the converted files that are not read yet.
        scratch: a folder for temporary files.
    """

    blobs: Blobs
    slots: ComputeSlots
    pending_files: PendingFiles
    scratch: Path
    max_seconds: float
    max_sample_count: int

    async def response(
        self,
        request: Request,
        output: job_pb2.AudioOutput,
        encoding: DownloadFormat,
        title: str,
        track: track_pb2.Track,
    ) -> Response:
        """Return a recording of a track in a format, with tags, as ``title`` with its extension. The temporary file is deleted afterwards.

        It keeps its sample rate and channels, if the format can. Samples above full scale make lossless formats 32-bit floats.
        The conversion stops if the client disconnects.

        Raises ``FILE_NOT_FOUND``; ``TOO_MANY_CONVERSIONS``.
        """
        if await self.blobs.stat(output.blob_key) is None:
            raise errors.FILE_NOT_FOUND()
        headers = _headers(title, encoding_extension(encoding))
        return await made_response(
            request, headers, None, functools.partial(self._converted, request, output, encoding, title, track)
        )

    async def _converted(
        self,
        request: Request,
        output: job_pb2.AudioOutput,
        encoding: DownloadFormat,
        title: str,
        track: track_pb2.Track,
    ) -> Response:
        size_bytes = output.frame_count * output.channel_count * _SAMPLE_BYTES[encoding]
        with self.pending_files.holding(request.scope, size_bytes) as conversion:
            folder = Path(tempfile.mkdtemp(dir=self.scratch))

            async def clean_up() -> None:
                shutil.rmtree(folder, ignore_errors=True)
                self.pending_files.release(conversion)

            try:
                tags = await tags_of(track, self.blobs, output.name)
                reencoding = self._reencode(output.blob_key, folder, encoding, tags)
                target = await cancel_on_disconnect(request, reencoding)
                headers = {
                    **_headers(title, target.suffix.removeprefix(".")),
                    "Content-Length": str(target.stat().st_size),
                    "Accept-Ranges": "none",
                }
                return ConvertedResponse(_chunks(target), headers, clean_up)
            except BaseException:
                await clean_up()
                raise

    async def _reencode(self, key: str, folder: Path, encoding: DownloadFormat, tags: SongTags) -> Path:
        """Convert a file, and return the only file in ``folder``. If the call is cancelled, it ends when the conversion has stopped."""
        # imported late: the gateway needs the codecs for this only
        from soundwright.kit.audio import AudioLimits, reencode

        gone = threading.Event()

        def check(_share: float) -> None:
            if gone.is_set():
                raise errors.CANCELLED()

        limits = AudioLimits(self.max_seconds, max_sample_count=self.max_sample_count)
        async with self.blobs.local(key) as source:
            target = folder / f"converted.{encoding_extension(encoding)}"
            work = functools.partial(reencode, source, target, encoding, limits, check, or_floats=True, tags=tags)
            working = asyncio.ensure_future(self.slots.run(work))
            try:
                await asyncio.shield(working)
            except asyncio.CancelledError:
                gone.set()
                await asyncio.gather(working, return_exceptions=True)
                raise
        [path] = folder.iterdir()
        return path


def _headers(title: str, extension: str) -> dict[str, str]:
    return {"Content-Type": content_type(extension), "Content-Disposition": attachment(f"{title}.{extension}")}


class ConvertedResponse(StreamingResponse):
    """Streams a file that was made for this response, then cleans up, also if the client disconnects before the first byte."""

    def __init__(
        self, content: AsyncIterator[bytes], headers: Mapping[str, str], clean_up: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(content, headers=dict(headers))
        self._clean_up = clean_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._clean_up()


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    file = await open_in_thread(path, "rb", 0)
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk
    finally:
        file.close()
