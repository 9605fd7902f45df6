"""Streams multipart uploads to the blob store.

Nothing is spooled to disk, and at most one chunk of a file is in memory.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import Request

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.metrics import UPLOAD_BYTES
from soundwright.kit.ports import Blobs
from soundwright.library.v1 import storage_service_pb2_grpc, track_pb2
from soundwright.services.gateway.files.reservations import Reservation, quota_exceeded
from soundwright.services.gateway.wire.disconnects import cancel_on_disconnect
from soundwright.services.gateway.wire.multipart import Event, PartBegin, bad_form, multipart_events
from soundwright.services.gateway.wire.parts import FIELD_LIMIT_BYTES, Hashing, copy_part, read_field

_FIELD_COUNT_LIMIT = 32
_FRAMING_BYTES = _FIELD_COUNT_LIMIT * FIELD_LIMIT_BYTES  # maximum size of a body without its file
_USUAL_FRAMING_BYTES = 1024  # what a body is longer than its file; the file's own size is checked at the end
_NAME_LIMIT = 255
_PICTURE_LIMIT_BYTES = 10 << 20

RECORDING_ERRORS = (
    errors.AUDIO_EMPTY,
    errors.AUDIO_UNREADABLE,
    errors.AUDIO_TOO_LONG,
    errors.AUDIO_TOO_LARGE,
    errors.AUDIO_TOO_COMPLEX,
    errors.AUDIO_RATE_UNSUPPORTED,
    errors.AUDIO_CHANNELS_UNSUPPORTED,
    errors.AUDIO_NOT_FINITE,
)
"""Errors of an uploaded file that is no recording, or one beyond the limits."""


@dataclass(frozen=True)
class UploadPolicy:
    """The requirements of a dialect for an upload of one file, and its errors.

    Attributes:
        size_limit_bytes: limit of the file; None: only the limit of the platform applies.
        allowed_containers: accepted formats; empty: all.
    """

    dialect: str
    size_limit_bytes: int | None = None
    allowed_containers: Sequence[str] = ()

    def check_filename(self, filename: str) -> None:
        """Raise if a filename is not accepted. It is called before the content is read."""
        if not filename.strip():
            raise errors.invalid("file", "needs a name", "The uploaded file has no filename.")

    def missing(self) -> Exception:
        """Return the error for a form without a file."""
        return errors.FILE_MISSING(details={"file": ["can't be blank"]})

    def too_large(self, limit_bytes: int) -> Exception:
        """Return the error for a file above the given limit."""
        return errors.FILE_TOO_LARGE(limit_mb=limit_bytes / 1024**2)


@dataclass(frozen=True)
class FormPolicy:
    """The requirements of a route for a form with several files.

    Attributes:
        total_limit_bytes: limit of all files together. The limit of the platform applies to each file.
        too_large: returns the error for files above the given limit in bytes.
        long_fields: limits in bytes of fields that may be longer than others. They may be sent as files, too.
        check: raises if the fields before the first file are not valid, so that no file is stored.
    """

    dialect: str
    files: frozenset[str]
    file_count_limit: int
    total_limit_bytes: int
    too_large: Callable[[int], Exception]
    long_fields: Mapping[str, int] = field(default_factory=dict)
    check: Callable[[Mapping[str, str]], Awaitable[None]] | None = None


@dataclass(frozen=True)
class ReceivedFile:
    """A file that is stored for the duration of one request."""

    filename: str
    blob_key: str


@dataclass(frozen=True)
class Form:
    """The fields and files of a form. ``size_bytes`` is the size of all files."""

    fields: Mapping[str, str]
    files: Sequence[ReceivedFile]
    size_bytes: int


@dataclass(eq=False)
class Uploads:
    """Receives uploads and stores their files.

    Args:
        idle_seconds: maximum time between two chunks of a body.
    """

    ingest: ingest_service_pb2_grpc.IngestServiceStub
    storage: storage_service_pb2_grpc.StorageServiceStub
    blobs: Blobs
    max_upload_bytes: int
    idle_seconds: float
    finish_seconds: float

    async def receive_track(
        self, request: Request, policy: UploadPolicy, idempotency_key: str = ""
    ) -> tuple[track_pb2.Track, bool]:
        """Read a multipart body with a part ``file`` and register it as a track.

        The fields ``title``, ``artist`` and ``album`` are optional. If the upload fails or the client disconnects, everything
        that was stored is deleted.

        Returns the track, and whether an earlier upload of the same file with ``idempotency_key`` created it.

        Raises ``QUOTA_EXCEEDED``, before the file is stored if the request has a length; ``IDEMPOTENCY_KEY_REUSED`` if
        the earlier upload had another file.
        """
        limit = min(policy.size_limit_bytes or self.max_upload_bytes, self.max_upload_bytes)
        length = content_length(request)
        if length > limit + _FRAMING_BYTES:
            raise policy.too_large(limit)
        upload = _Upload(self.ingest, self.storage, self.blobs, policy, limit, _expected_bytes(length), idempotency_key)
        try:
            events = multipart_events(request.headers.get("content-type", ""), self._chunks(request))
            fields = await upload.read(events)
            UPLOAD_BYTES.labels(policy.dialect).inc(upload.size_bytes)
            if upload.earlier is not None:
                return upload.earlier, True
            wanted = pb.FinishUploadRequest(
                upload_id=upload.upload_id,
                filename=upload.filename,
                title=fields.get("title", ""),
                artist=fields.get("artist", ""),
                album=fields.get("album", ""),
                allowed_containers=policy.allowed_containers,
                idempotency_key=idempotency_key,
            )
            finishing = self.ingest.FinishUpload(wanted, timeout=self.finish_seconds)
            finished = await cancel_on_disconnect(request, finishing)
        except BaseException:
            await upload.abort()
            raise
        return finished.track, finished.existed

    async def copy_track(self, blob_key: str, filename: str, title: str) -> track_pb2.Track:
        """Copy a stored file and register the copy as a track of the caller. If this fails, the copy is deleted.

        Raises ``QUOTA_EXCEEDED``; ``FILE_NOT_FOUND`` if the file is no longer stored.
        """
        info = await self.blobs.stat(blob_key)
        if info is None:
            raise errors.FILE_NOT_FOUND()
        created = await self.ingest.CreateUpload(pb.CreateUploadRequest(filename=filename))
        reservation = Reservation(self.storage, created.upload_id)
        try:
            await reservation.hold(info.size_bytes)
            async with self.blobs.write(created.blob_key) as writer:
                async for piece in self.blobs.read(blob_key):
                    await writer.write(piece)
            finished = await self.ingest.FinishUpload(
                pb.FinishUploadRequest(upload_id=created.upload_id, filename=filename, title=title),
                timeout=self.finish_seconds,
            )
        except BaseException:
            with contextlib.suppress(AppError):
                await self.ingest.AbortUpload(pb.AbortUploadRequest(upload_id=created.upload_id))
            await reservation.release()
            raise
        track: track_pb2.Track = finished.track
        return track

    async def receive_cover(self, request: Request, track_id: str) -> track_pb2.Track:
        """Read a picture from the body, and make it the cover of a track of the caller.

        Raises ``TOO_LARGE``; ``PICTURE_UNREADABLE``.
        """
        too_large = errors.FILE_TOO_LARGE(limit_mb=_PICTURE_LIMIT_BYTES / 1024**2)
        if content_length(request) > _PICTURE_LIMIT_BYTES:
            raise too_large
        created = await self.ingest.CreateUpload(pb.CreateUploadRequest(filename="cover"))
        size = 0
        try:
            async with self.blobs.write(created.blob_key) as writer:
                async for chunk in self._chunks(request):
                    size += len(chunk)
                    if size > _PICTURE_LIMIT_BYTES:
                        raise too_large
                    await writer.write(chunk)
            wanted = pb.SetCoverRequest(track_id=track_id, upload_id=created.upload_id)
            track: track_pb2.Track = (await self.ingest.SetCover(wanted)).track
            return track
        finally:
            with contextlib.suppress(AppError):
                await self.ingest.AbortUpload(pb.AbortUploadRequest(upload_id=created.upload_id))

    async def receive_form(self, request: Request, folder: str, policy: FormPolicy, reservation: Reservation) -> Form:
        """Read a multipart body with several files that are needed for this request only.

        Args:
            folder: prefix of the keys of the stored files. The caller must delete it, also if this method raises.
            reservation: space for the files, which the caller must release.

        Raises ``QUOTA_EXCEEDED``, before the files are stored if the request has a length.
        """
        length = content_length(request)
        if length > policy.total_limit_bytes + _FRAMING_BYTES:
            raise policy.too_large(policy.total_limit_bytes)
        room = await reservation.hold(_expected_bytes(length))
        total_limit, too_large = policy.total_limit_bytes, policy.too_large
        if room is not None and room < total_limit:
            total_limit, too_large = room, quota_exceeded
        fields: dict[str, str] = {}
        files: list[ReceivedFile] = []
        size = part_count = 0
        events = multipart_events(request.headers.get("content-type", ""), self._chunks(request))
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if not isinstance(event, PartBegin):
                    continue
                part_count += 1
                if part_count > _FIELD_COUNT_LIMIT + policy.file_count_limit:
                    raise bad_form(f"A form can have at most {_FIELD_COUNT_LIMIT + policy.file_count_limit} parts.")
                if event.name not in policy.files:
                    if event.filename and event.name not in policy.long_fields:
                        raise errors.invalid(event.name[:_NAME_LIMIT], "must not be a file")
                    limit = policy.long_fields.get(event.name, FIELD_LIMIT_BYTES)
                    fields[event.name] = await read_field(events, limit)
                    continue
                if event.filename is None:
                    raise errors.invalid(event.name[:_NAME_LIMIT], "must be a file with a filename")
                if len(files) == policy.file_count_limit:
                    raise errors.invalid(event.name[:_NAME_LIMIT], f"can have at most {policy.file_count_limit} files")
                if not files and policy.check is not None:
                    await policy.check(fields)
                limit = min(total_limit - size, self.max_upload_bytes)
                file = ReceivedFile(event.filename.replace("\0", "")[:_NAME_LIMIT], f"{folder}/{len(files)}")
                async with self.blobs.write(file.blob_key) as writer:
                    file_bytes = await copy_part(events, writer, limit, too_large)
                if file_bytes or file.filename:  # otherwise a file input of a browser without a selected file
                    files.append(file)
                size += file_bytes
        UPLOAD_BYTES.labels(policy.dialect).inc(size)
        return Form(fields, files, size)

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises ``REQUEST_TIMEOUT`` if no data arrives for too long."""
        chunks = request.stream()
        while True:
            try:
                async with asyncio.timeout(self.idle_seconds):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise errors.REQUEST_TIMEOUT(
                    f"No data arrived for {self.idle_seconds:.0f} seconds. Send the file again."
                ) from None
            if chunk is None:
                return
            yield chunk


class _Upload:
    """The state of one upload."""

    def __init__(
        self,
        ingest: ingest_service_pb2_grpc.IngestServiceStub,
        storage: storage_service_pb2_grpc.StorageServiceStub,
        blobs: Blobs,
        policy: UploadPolicy,
        limit_bytes: int,
        expected_bytes: int,
        idempotency_key: str,
    ) -> None:
        self._ingest = ingest
        self._storage = storage
        self._reservation: Reservation | None = None
        self._blobs = blobs
        self._policy = policy
        self._limit_bytes = limit_bytes
        self._expected_bytes = expected_bytes
        self._idempotency_key = idempotency_key
        self.earlier: track_pb2.Track | None = None
        self.upload_id = ""
        self.filename = ""
        self.size_bytes = 0

    async def read(self, events: AsyncIterator[Event]) -> dict[str, str]:
        fields: dict[str, str] = {}
        field_count = 0
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if not isinstance(event, PartBegin):
                    continue
                field_count += 1
                if field_count > _FIELD_COUNT_LIMIT:
                    raise bad_form(f"A form can have at most {_FIELD_COUNT_LIMIT} parts.")
                if event.name == "file" and event.filename is not None:
                    await self._store_file(event.filename, events)
                elif event.filename:
                    raise self._policy.missing()
                else:
                    fields[event.name] = await read_field(events)
        if not self.upload_id:
            raise self._policy.missing()
        return fields

    async def _store_file(self, filename: str, events: AsyncIterator[Event]) -> None:
        if self.upload_id:
            raise bad_form("The form contains several files. Send one file at a time.")
        self._policy.check_filename(filename)
        created = await self._ingest.CreateUpload(
            pb.CreateUploadRequest(filename=filename, idempotency_key=self._idempotency_key)
        )
        self.upload_id, self.filename = created.upload_id, filename
        too_large: Callable[[int], Exception] = self._policy.too_large
        limit = min(self._limit_bytes, created.size_limit_bytes)
        if created.HasField("track"):
            hashing = Hashing()
            self.size_bytes = await copy_part(events, hashing, limit, too_large)
            if hashing.sha256() != created.track.content_sha256:
                raise errors.IDEMPOTENCY_KEY_REUSED()
            self.earlier = created.track
            return
        self._reservation = Reservation(self._storage, created.track_id)
        room = await self._reservation.hold(self._expected_bytes)
        if room is not None and room < limit:
            limit, too_large = room, quota_exceeded
        async with self._blobs.write(created.blob_key) as writer:
            self.size_bytes = await copy_part(events, writer, limit, too_large)

    async def abort(self) -> None:
        """Delete what was stored. Errors are ignored, because the upload has failed already."""
        if self.upload_id:
            with contextlib.suppress(AppError):
                await self._ingest.AbortUpload(pb.AbortUploadRequest(upload_id=self.upload_id))
        if self._reservation is not None:
            await self._reservation.release()


def content_length(request: Request) -> int:
    """Return the length of the body; 0 if the client does not tell it."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdigit() else 0


def _expected_bytes(length: int) -> int:
    """Return the size of the files in a body of this length."""
    return max(0, length - _USUAL_FRAMING_BYTES)
