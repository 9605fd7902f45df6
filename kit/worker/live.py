"""Results that can be heard while their job runs: prefixes of the files that it writes, copied to the blob store.

An engine process writes a note after each block: which bytes of its growing files are complete (:class:`~soundwright.kit.audio.Prefix`). The
worker copies the bytes that are new into one blob, ``<folder>/<attempt>/<job id>/live/<number>``, and then replaces the index,
``.../live/index``. The index is the commit: what it does not name does not exist. The ledger says which attempt may be heard, so
nobody hears a worker that has lost its job.
"""

import asyncio
import base64
import contextlib
import io
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.free_space import MIN_FREE_BYTES
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Blobs
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.outputs import delete_outputs, output_prefix
from soundwright.library.v1 import job_pb2

if TYPE_CHECKING:  # the gateway imports this module without the codecs
    from soundwright.kit.audio import Prefix

_KINDS = ("recordings", "waveforms")
_LOOK_SECONDS = 0.2
_COPY_SECONDS = 1.0
_PIECE_BYTES = 1 << 20
_SPARE_BYTES = 512 << 20
log = get_logger()


@dataclass(frozen=True)
class LiveStream:
    """A growing file of a job.

    Attributes:
        file: name of the file. If it changes, the file has begun again.
        header: what comes before the parts.
        parts: number of the blob, first byte in it and number of bytes, in order.
    """

    file: str
    header: bytes
    parts: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Bytes after the header."""
        return sum(length for _, _, length in self.parts)


@dataclass(frozen=True)
class LiveIndex:
    """What of the files of an attempt can be read.

    Attributes:
        frame_count: frames that all recordings have.
        total_frame_count: frames that they will have.
        waveforms, recordings: streams by the name of the output.
    """

    model: str
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    total_frame_count: int
    recordings: Mapping[str, LiveStream]
    waveforms: Mapping[str, LiveStream]


def write_note(
    note: Path,
    *,
    model: str,
    sample_rate_hz: int,
    channel_count: int,
    total_frame_count: int,
    recordings: "Mapping[str, Prefix]",
    waveforms: "Mapping[str, Prefix]",
) -> None:
    """Replace the note of an engine process: what is complete of its files."""
    content = {
        "model": model,
        "sample_rate_hz": sample_rate_hz,
        "channel_count": channel_count,
        "total_frame_count": total_frame_count,
        "frame_count": min(prefix.frame_count for prefix in recordings.values()),
        "recordings": {name: _noted(prefix) for name, prefix in recordings.items()},
        "waveforms": {name: _noted(prefix) for name, prefix in waveforms.items()},
    }
    new = note.with_suffix(".new")
    new.write_text(json.dumps(content))
    new.replace(note)


def _noted(prefix: "Prefix") -> list[Any]:
    return [str(prefix.path), base64.b64encode(prefix.header).decode(), prefix.start, prefix.end]


@contextlib.asynccontextmanager
async def published(blobs: Blobs, context: JobContext, note: Path) -> AsyncIterator[None]:
    """Publish what ``note`` says, inside the block. If the block raises, delete what was published.

    An error of the store ends the publication, not the job.
    """
    job = context.job
    task = asyncio.create_task(_Publication(blobs, job, note).run())
    try:
        yield
    except BaseException:
        await _ended(task)
        with contextlib.suppress(AppError):
            await blobs.delete_prefix(live_prefix(job, job.attempt))
        raise
    await _ended(task)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def delete_live(blobs: Blobs, job: job_pb2.Job) -> None:
    """Delete what was published of a finished job. What a failure leaves goes with the orphans."""
    for attempt in range(1, job.attempt + 1):
        try:
            await blobs.delete_prefix(live_prefix(job, attempt))
        except AppError as error:
            log.warning("live.not_deleted", job_id=job.id, reason=error.reason)


def live_prefix(job: job_pb2.Job, attempt: int) -> str:
    """Return the prefix of the keys of what an attempt publishes."""
    return output_prefix(job.output_folder, job.id, attempt) + "live/"


class _Publication:
    def __init__(self, blobs: Blobs, job: job_pb2.Job, note: Path) -> None:
        self._blobs = blobs
        self._job = job
        self._prefix = live_prefix(job, job.attempt)
        self._note = note
        self._numbers = itertools.count()
        self._streams: dict[str, dict[str, LiveStream]] = {kind: {} for kind in _KINDS}

    async def run(self) -> None:
        """Delete what earlier attempts have left, and publish each new note until cancelled."""
        job, last = self._job, ""
        try:
            await delete_outputs(self._blobs, job.output_folder, job.id, range(1, job.attempt))
            while True:
                text = await asyncio.to_thread(_text, self._note)
                if text != last:
                    await self._publish(json.loads(text))
                    last = text
                    await asyncio.sleep(_COPY_SECONDS)
                else:
                    await asyncio.sleep(_LOOK_SECONDS)
        except (AppError, OSError) as error:
            log.warning("live.stopped", prefix=self._prefix, error=str(error))
            with contextlib.suppress(AppError):
                await self._blobs.delete_prefix(self._prefix)

    async def _publish(self, note: dict[str, Any]) -> None:
        number, at = next(self._numbers), 0
        updated: dict[str, dict[str, LiveStream]] = {kind: {} for kind in _KINDS}
        news: list[tuple[Path, int, int]] = []
        for kind in _KINDS:
            for name, (file, header, start, end) in note[kind].items():
                path = Path(file)
                before = self._streams[kind].get(name)
                parts = list(before.parts) if before is not None and before.file == path.name else []
                stream = LiveStream(path.name, base64.b64decode(header), parts)
                begin = start + stream.size_bytes
                if end > begin:
                    news.append((path, begin, end))
                    parts.append((number, at, end - begin))
                    at += end - begin
                updated[kind][name] = stream
        await self._require_space(at)
        if at:
            async with self._blobs.write(f"{self._prefix}{number}") as writer:
                for path, begin, end in news:
                    for position in range(begin, end, _PIECE_BYTES):
                        length = min(_PIECE_BYTES, end - position)
                        await writer.write(await asyncio.to_thread(_bytes, path, position, length))
        self._streams = updated
        for kind, streams in updated.items():
            note[kind] = {name: [each.file, note[kind][name][1], each.parts] for name, each in streams.items()}
        await self._commit(note)

    async def _commit(self, note: dict[str, Any]) -> None:
        async with self._blobs.write(f"{self._prefix}index") as writer:
            await writer.write(json.dumps(note).encode())

    async def _require_space(self, size_bytes: int) -> None:
        space = await self._blobs.space()
        if space is not None and space.free_bytes < _SPARE_BYTES + MIN_FREE_BYTES + size_bytes:
            raise errors.STORAGE_FULL("There is too little space for a copy of the results.")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _bytes(path: Path, position: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        data = file.read(length)
    if len(data) != length:  # the file has begun again
        raise FileNotFoundError(path)
    return data


async def read_live(blobs: Blobs, job: job_pb2.Job) -> LiveIndex | None:
    """Return what the current attempt of a job has published; None: nothing."""
    try:
        content = b"".join([piece async for piece in blobs.read(f"{live_prefix(job, job.attempt)}index")])
    except AppError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return None
    index = json.loads(content)
    for kind in _KINDS:
        index[kind] = {
            name: LiveStream(file, base64.b64decode(header), [(number, at, length) for number, at, length in parts])
            for name, (file, header, parts) in index[kind].items()
        }
    return LiveIndex(**index)


def open_live(blobs: Blobs, prefix: str, stream: LiveStream) -> BinaryIO:
    """Open a stream as the file that it will be, as far as it is there. Opening and reading block: use it in a thread."""
    return io.BufferedReader(_Joined(blobs, prefix, stream))  # type: ignore[return-value]


class _Joined(io.RawIOBase):
    """The header and the parts of a stream, one after the other."""

    def __init__(self, blobs: Blobs, prefix: str, stream: LiveStream) -> None:
        self._blobs = blobs
        self._prefix = prefix
        self._header = stream.header
        ends = itertools.accumulate((length for _, _, length in stream.parts), initial=len(stream.header))
        self._parts = [(begin, *part) for begin, part in zip(ends, stream.parts, strict=False)]
        self._size = len(stream.header) + stream.size_bytes
        self._position = 0
        self._open: tuple[int, BinaryIO] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        if self._position < len(self._header):
            return self._header[self._position : self._position + size]
        for begin, number, at, length in self._parts:
            if begin <= self._position < begin + length:
                file = self._file(number)
                file.seek(at + self._position - begin)
                return file.read(min(size, begin + length - self._position))
        return b""

    def _file(self, number: int) -> BinaryIO:
        if self._open is None or self._open[0] != number:
            self._close()
            self._open = number, self._blobs.open(f"{self._prefix}{number}")
        return self._open[1]

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        self._close()
        super().close()
