"""Serves the covers of tracks. Ingest has made each a small JPEG, whatever the picture was."""

import zlib

from fastapi import Request
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.kit.ports import Blobs
from soundwright.library.v1 import track_pb2
from soundwright.services.gateway.files.files import blob_response


def cover_path(path: str, track: track_pb2.Track) -> str | None:
    """Return the path of a cover below that of its track, with a query that changes with the cover; None: there is no cover."""
    key = track.cover_blob_key
    return f"{path}/cover?version={zlib.crc32(key.encode()):08x}" if key else None


async def cover_response(request: Request, blobs: Blobs, track: track_pb2.Track) -> Response:
    """Return the cover of a track. Raises ``FILE_NOT_FOUND`` if it has none."""
    if not track.cover_blob_key:
        raise errors.FILE_NOT_FOUND("This track has no cover.")
    return await blob_response(
        request,
        blobs,
        track.cover_blob_key,
        content_type="image/jpeg",
        filename="cover.jpg",
        inline=True,
        redirect=False,
    )
