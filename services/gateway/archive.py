"""ZIP archives that are written while they are sent."""

from __future__ import annotations

import asyncio
import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from kit.ports import Blobs

__all__ = ["Member", "stream_zip"]

_ZIP64_BYTES = 2**31  # well below where the classic format ends
_EPOCH = time.struct_time((1980, 1, 1, 0, 0, 0, 0, 0, 0))


@dataclass(frozen=True)
class Member:
    """A stored file and its name in the archive."""

    name: str
    key: str
    size_bytes: int
    modify_time: float = 0.0


class _Outlet:
    """A file that cannot seek, which :mod:`zipfile` writes to and which is emptied from time to time."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return None

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


async def stream_zip(blobs: Blobs, members: Sequence[Member]) -> AsyncIterator[bytes]:
    """The archive, piece by piece. Members are stored as they are: audio does not get smaller.

    At most one piece of one member is in memory. A member that cannot be read raises, which cuts the answer short:
    an archive without its directory is recognised as broken, one with a member missing would not be.
    """
    outlet = _Outlet()
    archive = zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED, allowZip64=True)  # type: ignore[call-overload]
    for member in members:
        stamp = time.gmtime(member.modify_time) if member.modify_time else _EPOCH
        entry = zipfile.ZipInfo(member.name, max(stamp, _EPOCH)[:6])
        entry.external_attr = 0o644 << 16
        with archive.open(entry, "w", force_zip64=member.size_bytes >= _ZIP64_BYTES) as target:
            async for piece in blobs.read(member.key):
                # The checksum of a megabyte is a little work: off the event loop with it.
                await asyncio.to_thread(target.write, piece)
                yield outlet.take()
        yield outlet.take()
    archive.close()
    yield outlet.take()
