"""Wire to domain and back, for uploads, Spotify's catalog and downloads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc, track_pb2

from kit import audio
from kit.compute import ComputeSlots
from kit.errors import AppError, Code
from kit.identity import require_service
from kit.log import get_logger
from kit.ports import Blobs
from services.ingest import service
from services.ingest.downloads import Downloads, skipped_to_wire
from services.ingest.recordings import examine
from services.ingest.songs import Song
from services.ingest.spotify_accounts import SpotifyAccounts

__all__ = ["IngestRpc"]

_SEARCH_PAGE_LIMIT = 50
log = get_logger()


class IngestRpc(ingest_service_pb2_grpc.IngestServiceServicer):
    def __init__(
        self,
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        downloads: Downloads,
        spotify_accounts: SpotifyAccounts,
        limits: audio.AudioLimits,
        max_upload_bytes: int,
    ) -> None:
        self._blobs = blobs
        self._tracks = tracks
        self._slots = slots
        self._downloads = downloads
        self._spotify_accounts = spotify_accounts
        self._limits = limits
        self._max_upload_bytes = max_upload_bytes

    async def CreateUpload(self, request: pb.CreateUploadRequest, context: Any) -> pb.CreateUploadResponse:
        upload_id = service.new_upload_id()
        return pb.CreateUploadResponse(
            upload_id=upload_id,
            blob_key=service.staging_key(upload_id),
            size_limit_bytes=self._max_upload_bytes,
        )

    async def AbortUpload(self, request: pb.AbortUploadRequest, context: Any) -> pb.AbortUploadResponse:
        await self._blobs.delete(service.staging_key(request.upload_id))
        return pb.AbortUploadResponse()

    async def FinishUpload(self, request: pb.FinishUploadRequest, context: Any) -> pb.FinishUploadResponse:
        key = service.staging_key(request.upload_id)
        info = await self._blobs.stat(key)
        if info is None:
            raise AppError(Code.NOT_FOUND, "UPLOAD_NOT_FOUND", "There is no such upload. Start it again.")
        try:
            async with self._blobs.local(key) as path:
                recording = await self._slots.run(lambda: examine(path, self._limits))
            service.require_container(recording.container, request.allowed_containers)
        except AppError as error:
            await self._blobs.delete(key)
            log.info("upload.refused", upload_id=request.upload_id, reason=error.reason, error=error.message)
            raise
        filename = service.clean_filename(request.filename)
        target = service.track_key(request.upload_id, recording.container)
        await self._blobs.move(key, target)
        track = track_pb2.Track(
            id=request.upload_id,
            title=request.title.strip()[:500] or service.title_of(filename),
            artist=request.artist.strip()[:500],
            album=request.album.strip()[:500],
            source="manual",
            filename=filename,
            blob_key=target,
        )
        recording.describe(track)
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

    async def FetchSpotify(self, request: pb.FetchSpotifyRequest, context: Any) -> pb.FetchSpotifyResponse:
        collection = await self._downloads.spotify(request.url)
        return pb.FetchSpotifyResponse(
            kind=collection.kind,
            id=collection.id,
            name=collection.name,
            songs=await self._songs(collection.songs),
            skipped=skipped_to_wire(collection),
            truncated=collection.truncated,
        )

    async def SearchSpotify(self, request: pb.SearchSpotifyRequest, context: Any) -> pb.SearchSpotifyResponse:
        size = max(1, min(_SEARCH_PAGE_LIMIT, request.page_size))
        songs, total = await self._downloads.search(request.query, size, (max(1, request.page) - 1) * size)
        return pb.SearchSpotifyResponse(songs=await self._songs(songs), total_count=total)

    async def CreateDownloads(self, request: pb.CreateDownloadsRequest, context: Any) -> pb.CreateDownloadsResponse:
        return await self._downloads.create(request)

    async def BeginSpotifyAuthorization(
        self, request: pb.BeginSpotifyAuthorizationRequest, context: Any
    ) -> pb.BeginSpotifyAuthorizationResponse:
        url, state, verifier = self._spotify_accounts.begin(request.redirect_uri)
        return pb.BeginSpotifyAuthorizationResponse(url=url, state=state, code_verifier=verifier)

    async def FinishSpotifyAuthorization(
        self, request: pb.FinishSpotifyAuthorizationRequest, context: Any
    ) -> pb.FinishSpotifyAuthorizationResponse:
        require_service()
        profile, token = await asyncio.to_thread(
            self._spotify_accounts.finish, request.redirect_uri, request.code, request.code_verifier
        )
        return pb.FinishSpotifyAuthorizationResponse(
            subject=profile.subject, label=profile.label, email=profile.email, secret=token.to_json()
        )

    async def _songs(self, songs: Sequence[Song]) -> list[pb.Song]:
        track_ids = await self._downloads.track_ids(songs)
        return [_song_to_wire(song, track_id) for song, track_id in zip(songs, track_ids, strict=True)]


def _song_to_wire(song: Song, track_id: str) -> pb.Song:
    return pb.Song(
        spotify_id=song.spotify_id,
        title=song.title,
        artists=song.artists,
        album=song.album,
        album_artist=song.album_artist,
        cover_url=song.cover_url,
        duration_seconds=song.duration_seconds,
        url=song.url,
        isrc=song.isrc,
        track_number=song.track_number,
        disc_number=song.disc_number,
        release_date=song.release_date,
        track_id=track_id,
    )
