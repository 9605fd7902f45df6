"""Reads the parts of multipart bodies, one chunk at a time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable

from soundwright.kit.ports import BlobWriter
from soundwright.services.gateway.wire.multipart import Event, PartData, PartEnd, bad_form

FIELD_LIMIT_BYTES = 64 * 1024
_WRITE_BYTES = 256 * 1024


class Hashing:
    """Computes the hash of a file instead of storing it. A :class:`BlobWriter`."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._digest.update, data)

    def sha256(self) -> str:
        return self._digest.hexdigest()


async def copy_part(
    events: AsyncIterator[Event], writer: BlobWriter, limit: int, too_large: Callable[[int], Exception]
) -> int:
    """Write the data of a part in batches and return its size in bytes.

    Raises ``Exception``: the one of ``too_large``, if the part exceeds ``limit`` bytes.
    """
    size = 0
    batch = bytearray()
    async for event in events:
        if isinstance(event, PartEnd):
            break
        if isinstance(event, PartData):
            size += len(event.data)
            if size > limit:
                raise too_large(limit)
            batch += event.data
            if len(batch) >= _WRITE_BYTES:
                await writer.write(bytes(batch))
                batch.clear()
    if batch:
        await writer.write(bytes(batch))
    return size


async def read_field(events: AsyncIterator[Event], limit_bytes: int = FIELD_LIMIT_BYTES) -> str:
    """Return the value of a plain field. Raises ``BAD_REQUEST`` if it exceeds ``limit_bytes``."""
    value = bytearray()
    async for event in events:
        if isinstance(event, PartEnd):
            break
        if isinstance(event, PartData):
            value += event.data
            if len(value) > limit_bytes:
                raise bad_form(f"A field can have at most {limit_bytes} bytes.")
    return value.decode(errors="replace").replace("\0", "")
