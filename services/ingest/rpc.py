"""The gRPC service of ingest: uploads, Spotify's catalog and downloads."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.kit import errors
from soundwright.kit.confined.audio import ConfinedAudio
from soundwright.kit.errors import AppError, Code, suppressed
from soundwright.kit.log import get_logger
from soundwright.kit.messages import time_to_wire, to_wire
from soundwright.kit.ports import Blobs
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.kit.text import one_line
from soundwright.kit.worker.derived_files import cover_key, waveform_key
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc, track_pb2
from soundwright.services.ingest import service
from soundwright.services.ingest.direct_uploads import DirectUpload, DirectUploads
from soundwright.services.ingest.downloads import Downloads
from soundwright.services.ingest.own_tags import cover_in, own_tags, write_small_cover
from soundwright.services.ingest.previews import LinkPreviews
from soundwright.services.ingest.recordings import describe
from soundwright.services.ingest.songs import Song
from soundwright.services.ingest.spotify_accounts import SpotifyAccounts

_SEARCH_PAGE_LIMIT = 50
log = get_logger()


class IngestRpc(ingest_service_pb2_grpc.IngestServiceServicer):
    def __init__(
        self,
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        direct: DirectUploads,
        reader: ConfinedAudio,
        downloads: Downloads,
        previews: LinkPreviews,
        spotify_accounts: SpotifyAccounts,
        has_spotify: bool,
        max_upload_bytes: int,
        scratch: Path,
    ) -> None:
        self._blobs = blobs
        self._tracks = tracks
        self._direct = direct
        self._reader = reader
        self._downloads = downloads
        self._previews = previews
        self._spotify_accounts = spotify_accounts
        self._has_spotify = has_spotify
        self._max_upload_bytes = max_upload_bytes
        self._scratch = scratch
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def CreateUpload(self, request: pb.CreateUploadRequest, context: Context) -> pb.CreateUploadResponse:
        upload_id = service.new_upload_id()
        track_id = service.upload_track_id(upload_id, require_principal().id, request.idempotency_key)
        return pb.CreateUploadResponse(
            upload_id=upload_id,
            blob_key=service.staging_key(upload_id),
            size_limit_bytes=self._max_upload_bytes,
            track_id=track_id,
            track=await self._track(track_id) if request.idempotency_key else None,
        )

    async def AbortUpload(self, request: pb.AbortUploadRequest, context: Context) -> pb.AbortUploadResponse:
        await self._blobs.delete(service.staging_key(request.upload_id))
        return pb.AbortUploadResponse()

    async def SetCover(self, request: pb.SetCoverRequest, context: Context) -> pb.SetCoverResponse:
        wanted = library_service_pb2.GetTrackRequest(track_id=request.track_id, needs_audio=True)
        before = (await self._tracks.GetTrack(wanted)).track.cover_blob_key
        key = await self._store_cover(request) if request.upload_id else ""
        change = library_service_pb2.SetTrackCoverRequest(track_id=request.track_id, blob_key=key)
        try:
            track = (await self._tracks.SetTrackCover(change)).track
        except AppError as error:
            # The library may have stored the key although its answer was lost.
            if key and not error.retryable:
                await self._blobs.delete(key)
            raise
        if before not in ("", key):
            await self._blobs.delete(before)
        return pb.SetCoverResponse(track=track)

    async def _store_cover(self, request: pb.SetCoverRequest) -> str:
        """Store an uploaded picture as a cover, and return the key.

        Raises ``UPLOAD_NOT_FOUND``; ``PICTURE_UNREADABLE``.
        """
        staging = service.staging_key(request.upload_id)
        if await self._blobs.stat(staging) is None:
            raise errors.UPLOAD_NOT_FOUND()
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            async with self._blobs.local(staging) as path:
                await write_small_cover(path, folder)
            cover = cover_in(folder)
            if cover is None:
                raise errors.PICTURE_UNREADABLE()
            key = service.uploaded_cover_key(request.track_id, request.upload_id)
            await self._blobs.put_file(key, cover)
        return key

    async def FinishUpload(self, request: pb.FinishUploadRequest, context: Context) -> pb.FinishUploadResponse:
        track, existed = await self._finish(request)
        return pb.FinishUploadResponse(track=track, existed=existed)

    async def BeginDirectUpload(
        self, request: pb.BeginDirectUploadRequest, context: Context
    ) -> pb.BeginDirectUploadResponse:
        upload = await self._direct.begin(require_principal().id, request.filename, request.size_bytes)
        return pb.BeginDirectUploadResponse(upload=self._direct_to_wire(upload))

    async def GetDirectUpload(self, request: pb.GetDirectUploadRequest, context: Context) -> pb.GetDirectUploadResponse:
        upload = await self._direct.get(require_principal().id, request.upload_id)
        numbers = [part.number for part in await self._direct.arrived(upload)]
        return pb.GetDirectUploadResponse(upload=self._direct_to_wire(upload), part_numbers=numbers)

    async def SignUploadParts(self, request: pb.SignUploadPartsRequest, context: Context) -> pb.SignUploadPartsResponse:
        upload = await self._direct.get(require_principal().id, request.upload_id)
        parts = [
            pb.UploadPart(number=number, size_bytes=upload.part_bytes(number), url=self._direct.url(upload, number))
            for number in request.part_numbers
        ]
        return pb.SignUploadPartsResponse(parts=parts)

    async def FinishDirectUpload(
        self, request: pb.FinishDirectUploadRequest, context: Context
    ) -> pb.FinishDirectUploadResponse:
        async with self._lock(request.upload_id):
            try:
                track = await self._finish_direct(request)
            except AppError as error:
                # The answer of an earlier call may have been lost, or another call was faster.
                stored = await self._track(request.upload_id) if error.code is Code.NOT_FOUND else None
                if stored is None:
                    raise
                track = stored
        return pb.FinishDirectUploadResponse(track=track)

    async def _finish_direct(self, request: pb.FinishDirectUploadRequest) -> track_pb2.Track:
        upload = await self._direct.get(require_principal().id, request.upload_id)
        await self._direct.assemble(upload)
        wanted = pb.FinishUploadRequest(
            upload_id=upload.id,
            filename=upload.filename,
            title=request.title,
            artist=request.artist,
            album=request.album,
        )
        try:
            track, _ = await self._finish(wanted)
        except AppError as error:
            if not error.retryable:
                await self._direct.forget(upload)
            raise
        await self._direct.forget(upload)
        return track

    async def AbortDirectUpload(
        self, request: pb.AbortDirectUploadRequest, context: Context
    ) -> pb.AbortDirectUploadResponse:
        async with self._lock(request.upload_id):
            await self._direct.abort(await self._direct.get(require_principal().id, request.upload_id))
        return pb.AbortDirectUploadResponse()

    def _lock(self, upload_id: str) -> asyncio.Lock:
        """Return the lock of an upload, which only one call at a time completes or aborts."""
        return self._locks.setdefault((require_principal().id, upload_id), asyncio.Lock())

    async def _finish(self, request: pb.FinishUploadRequest) -> tuple[track_pb2.Track, bool]:
        """Examine a stored upload and make it a track. A file that is refused is deleted.

        Returns the track, and whether an earlier upload with the idempotency key created it.
        """
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            with suppressed("BLOB_NOT_FOUND"):  # another replica moves the file at this moment
                return await self._finish_in(Path(folder), request)
            return await self._finish_in(Path(folder), request)

    async def _finish_in(self, folder: Path, request: pb.FinishUploadRequest) -> tuple[track_pb2.Track, bool]:
        waveform = folder / "waveform"
        track_id = service.upload_track_id(request.upload_id, require_principal().id, request.idempotency_key)
        key = await self._arrived(request.upload_id, track_id)
        try:
            async with self._blobs.local(key) as path:
                recording = await self._reader.examine(path, waveform_file=waveform)
                service.require_container(recording.container, request.allowed_containers)
                tags = await own_tags(path, folder)
        except AppError as error:
            if not error.retryable:
                await self._blobs.delete(service.staging_key(request.upload_id))
            log.info("upload.refused", upload_id=request.upload_id, reason=error.reason, error=error.message)
            raise
        filename = service.clean_filename(request.filename)
        target = service.upload_key(track_id, request.upload_id, recording.container)
        if key != target:
            await self._blobs.move(key, target)
        await self._blobs.put_file(waveform_key(target), waveform)
        cover = cover_in(folder)
        if cover:
            await self._blobs.put_file(cover_key(target), cover)
        track = track_pb2.Track(
            id=track_id,
            title=one_line(request.title) or tags.title or service.title_of(filename),
            artist=one_line(request.artist) or tags.artist,
            album=one_line(request.album) or tags.album,
            source="manual",
            filename=filename,
            blob_key=target,
            cover_blob_key=cover_key(target) if cover else "",
        )
        describe(recording, track)
        stored, existed = await self._store(track)
        log.info(
            "track.created",
            track_id=track.id,
            container=track.container,
            duration_seconds=round(track.duration_seconds, 3),
            size_bytes=track.size_bytes,
            existed=existed,
        )
        return stored, existed

    async def _arrived(self, upload_id: str, track_id: str) -> str:
        """Return the key of the file of an upload. Another call, or one that was interrupted, may have moved it to its track.

        Raises ``UPLOAD_NOT_FOUND``.
        """
        key = service.staging_key(upload_id)
        if await self._blobs.stat(key) is not None:
            return key
        for moved in await self._blobs.keys(service.upload_folder(track_id, upload_id)):
            if service.is_recording(moved):
                return moved
        raise errors.UPLOAD_NOT_FOUND()

    async def _store(self, track: track_pb2.Track) -> tuple[track_pb2.Track, bool]:
        """Store the record of a track, unless an upload with the same idempotency key has stored it. Delete a file that has no record.

        Raises ``IDEMPOTENCY_KEY_REUSED`` if that upload had another file.
        """
        try:
            return (await self._tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))).track, False
        except AppError as error:
            # The library may have stored the track although its answer was lost. The file then belongs to it; if not, the
            # library deletes it as an orphan.
            if error.retryable:
                raise
            stored = await self._track(track.id)
            if stored is None or stored.blob_key != track.blob_key:
                await self._blobs.delete(track.blob_key)
                await self._blobs.delete(waveform_key(track.blob_key))
                await self._blobs.delete(cover_key(track.blob_key))
            if stored is None:
                raise
            if stored.content_sha256 != track.content_sha256:
                raise errors.IDEMPOTENCY_KEY_REUSED() from None
            return stored, True

    async def _track(self, track_id: str) -> track_pb2.Track | None:
        with suppressed(Code.NOT_FOUND, Code.PERMISSION_DENIED):
            return (await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track
        return None

    def _direct_to_wire(self, upload: DirectUpload) -> pb.DirectUpload:
        expire_time = time_to_wire(float(int(upload.create_time + self._direct.keep_seconds)))
        return to_wire(upload, pb.DirectUpload, expire_time=expire_time)

    async def FetchSpotify(self, request: pb.FetchSpotifyRequest, context: Context) -> pb.FetchSpotifyResponse:
        collection = await self._downloads.spotify(request.url)
        return to_wire(collection, pb.FetchSpotifyResponse, songs=await self._songs(collection.songs))

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(spotify=self._has_spotify)

    async def SearchSpotify(self, request: pb.SearchSpotifyRequest, context: Context) -> pb.SearchSpotifyResponse:
        size = max(1, min(_SEARCH_PAGE_LIMIT, request.page_size))
        songs, total = await self._downloads.search(request.query, size, (max(1, request.page) - 1) * size)
        return pb.SearchSpotifyResponse(songs=await self._songs(songs), total_count=total)

    async def PreviewLink(self, request: pb.PreviewLinkRequest, context: Context) -> pb.PreviewLinkResponse:
        return to_wire(await self._previews.look(request.url), pb.PreviewLinkResponse)

    async def CreateDownloads(self, request: pb.CreateDownloadsRequest, context: Context) -> pb.CreateDownloadsResponse:
        return await self._downloads.create(request)

    async def BeginSpotifyAuthorization(
        self, request: pb.BeginSpotifyAuthorizationRequest, context: Context
    ) -> pb.BeginSpotifyAuthorizationResponse:
        url, state, verifier = self._spotify_accounts.begin(request.redirect_uri)
        return pb.BeginSpotifyAuthorizationResponse(url=url, state=state, code_verifier=verifier)

    async def FinishSpotifyAuthorization(
        self, request: pb.FinishSpotifyAuthorizationRequest, context: Context
    ) -> pb.FinishSpotifyAuthorizationResponse:
        profile, token = await asyncio.to_thread(
            self._spotify_accounts.finish, request.redirect_uri, request.code, request.code_verifier
        )
        return pb.FinishSpotifyAuthorizationResponse(
            subject=profile.subject, label=profile.label, email=profile.email, secret=token.to_json()
        )

    async def _songs(self, songs: Sequence[Song]) -> list[pb.Song]:
        track_ids = await self._downloads.track_ids([song.source_id for song in songs])
        return [to_wire(song, pb.Song, track_id=track_id) for song, track_id in zip(songs, track_ids, strict=True)]
