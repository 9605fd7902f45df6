"""Wire to domain and back, for uploads."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc, track_pb2

from kit import audio
from kit.compute import ComputeSlots
from kit.errors import AppError, Code
from kit.log import get_logger
from kit.ports import Blobs
from services.ingest import service
from services.ingest.settings import IngestSettings

__all__ = ["IngestRpc"]

_HASH_PIECE_BYTES = 1 << 20
log = get_logger()


class IngestRpc(ingest_service_pb2_grpc.IngestServiceServicer):
    def __init__(
        self,
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        settings: IngestSettings,
    ) -> None:
        self._blobs = blobs
        self._tracks = tracks
        self._slots = slots
        self._settings = settings

    async def CreateUpload(self, request: pb.CreateUploadRequest, context: Any) -> pb.CreateUploadResponse:
        upload_id = service.new_upload_id()
        return pb.CreateUploadResponse(
            upload_id=upload_id,
            blob_key=service.staging_key(upload_id),
            size_limit_bytes=self._settings.max_upload_bytes,
        )

    async def AbortUpload(self, request: pb.AbortUploadRequest, context: Any) -> pb.AbortUploadResponse:
        await self._blobs.delete(service.staging_key(request.upload_id))
        return pb.AbortUploadResponse()

    async def FinishUpload(self, request: pb.FinishUploadRequest, context: Any) -> pb.FinishUploadResponse:
        key = service.staging_key(request.upload_id)
        info = await self._blobs.stat(key)
        if info is None:
            raise AppError(Code.NOT_FOUND, "UPLOAD_NOT_FOUND", "There is no such upload. Start it again.")
        limits = audio.AudioLimits(max_seconds=self._settings.max_audio_seconds)
        try:
            async with self._blobs.local(key) as path:
                summary, digest = await self._slots.run(lambda: (audio.inspect(path, limits), _sha256(path)))
            service.require_container(summary.info.container, request.allowed_containers)
        except AppError as error:
            await self._blobs.delete(key)
            log.info("upload.refused", upload_id=request.upload_id, reason=error.reason, error=error.message)
            raise
        filename = service.clean_filename(request.filename)
        target = service.track_key(request.upload_id, summary.info.container)
        await self._blobs.move(key, target)
        track = track_pb2.Track(
            id=request.upload_id,
            title=request.title.strip()[:500] or service.title_of(filename),
            artist=request.artist.strip()[:500],
            album=request.album.strip()[:500],
            source="manual",
            filename=filename,
            blob_key=target,
            content_type=service.CONTENT_TYPES.get(summary.info.container, "application/octet-stream"),
            content_sha256=digest,
            size_bytes=info.size_bytes,
            container=summary.info.container,
            codec=summary.info.codec,
            sample_rate_hz=summary.info.sample_rate_hz,
            channel_count=summary.info.channel_count,
            frame_count=summary.frame_count,
            duration_seconds=summary.duration_seconds,
            warnings=summary.warnings,
        )
        try:
            stored = await self._tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))
        except (AppError, asyncio.CancelledError):
            await self._blobs.delete(target)
            raise
        log.info(
            "track.created",
            track_id=track.id,
            container=track.container,
            duration_seconds=round(track.duration_seconds, 3),
            size_bytes=track.size_bytes,
        )
        return pb.FinishUploadResponse(track=stored.track)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
