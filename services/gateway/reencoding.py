"""Files that are converted for one download and forgotten after it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Literal

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.gateway.clients import Gateway

__all__ = ["WavFormat", "reencoded_response"]

WavFormat = Literal["wav16", "wav24", "wav32f"]
_PIECE_BYTES = 1 << 20


async def reencoded_response(gateway: Gateway, key: str, encoding: WavFormat, headers: Mapping[str, str]) -> Response:
    """A stored recording as WAV, at its own rate and channel count."""
    from kit.audio import reencode  # codecs that a gateway does not need until somebody asks for this

    folder = Path(tempfile.mkdtemp(dir=gateway.scratch))
    target = folder / "converted.wav"
    try:
        async with gateway.blobs.local(key) as source:
            await gateway.encoding_slots.run(lambda: reencode(source, target, encoding))
        return _Passing(folder, target, headers)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Passing(StreamingResponse):
    """Sends a temporary file, and removes its folder even if not a byte was sent."""

    def __init__(self, folder: Path, path: Path, headers: Mapping[str, str]) -> None:
        length = {"Content-Length": str(path.stat().st_size), "Accept-Ranges": "none"}
        super().__init__(_pieces(path), media_type="audio/wav", headers={**headers, **length})
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb", 0)
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece
    finally:
        file.close()
