"""Streams ZIP archives of stored files."""

import asyncio
import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from soundwright.kit.ports import Blobs
from soundwright.services.gateway.files.files import attachment, streamed_response

_ZIP64_BYTES = 2**31  # below the 4 GiB limit of ZIP without the ZIP64 extension
_EPOCH = time.struct_time((1980, 1, 1, 0, 0, 0, 0, 0, 0))


@dataclass(frozen=True)
class Member:
    """A file to put into an archive.

    Attributes:
        key: of a stored file, in the blob store.
        modify_time: in seconds since 1970; 0: unknown.
        content: the bytes of a file that is not stored, in chunks; at most 2 GiB.
    """

    name: str
    key: str = ""
    size_bytes: int = 0
    modify_time: float = 0.0
    content: AsyncIterator[bytes] | None = None


class _ChunkBuffer:
    """A writable file without seeking: :mod:`zipfile` writes to it and :meth:`take` empties it."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return None

    def take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data


def archive_response(
    request: Request, blobs: Blobs, members: Sequence[Member] | AsyncIterator[Member], filename: str
) -> Response:
    """Return a ZIP archive of files. For HEAD, no file is read."""
    headers = {"Content-Disposition": attachment(filename)}
    return streamed_response(request, stream_zip(blobs, members), headers, "application/zip")


async def _each(members: Sequence[Member]) -> AsyncIterator[Member]:
    for member in members:
        yield member


async def stream_zip(blobs: Blobs, members: Sequence[Member] | AsyncIterator[Member]) -> AsyncIterator[bytes]:
    """Yield a ZIP archive in chunks. Members are stored uncompressed, because audio barely compresses.

    At most one chunk of one member is in memory. A member that cannot be read raises and ends the response early. The client
    then detects the broken archive, because its central directory is missing.
    """
    buffer = _ChunkBuffer()
    archive = zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=True)  # type: ignore[call-overload]
    async for member in _each(members) if isinstance(members, Sequence) else members:
        stamp = time.gmtime(member.modify_time) if member.modify_time else _EPOCH
        entry = zipfile.ZipInfo(member.name, max(stamp, _EPOCH)[:6])
        entry.external_attr = 0o644 << 16
        with archive.open(entry, "w", force_zip64=member.size_bytes >= _ZIP64_BYTES) as target:
            async for chunk in member.content or blobs.read(member.key):
                # Compute the checksum outside the event loop.
                await asyncio.to_thread(target.write, chunk)
                yield buffer.take()
        yield buffer.take()
    archive.close()
    yield buffer.take()
