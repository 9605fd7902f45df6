"""Uploads that flow through to the store while they arrive.

Nothing is spooled and no part is held in memory whole, so a file of any size costs the gateway the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import Request
from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.library.v1 import track_pb2
from starlette.exceptions import HTTPException

from kit.errors import AppError, Code
from kit.metrics import UPLOAD_BYTES
from kit.ports import Blobs, BlobWriter
from services.gateway.multipart import Event, PartBegin, PartData, PartEnd, bad_form, multipart_events

__all__ = ["Form", "FormPolicy", "ReceivedFile", "UploadPolicy", "Uploads"]

_FIELD_COUNT_LIMIT = 32
_FIELD_LIMIT_BYTES = 64 * 1024
_FRAMING_BYTES = _FIELD_COUNT_LIMIT * _FIELD_LIMIT_BYTES  # what a body may be longer than its file
_WRITE_BYTES = 256 * 1024
_NAME_LIMIT = 255


@dataclass(frozen=True)
class UploadPolicy:
    """What one way in asks of an upload.

    Attributes:
        dialect: for metrics.
        check_filename: refuses a name by raising, before the file's content is read.
        missing: the refusal when there is no file.
        too_large: the refusal when there is too much of it.
        size_limit_bytes: of the file; None: only the platform's own limit.
        allowed_containers: formats; empty: all.
    """

    dialect: str
    check_filename: Callable[[str], None]
    missing: Callable[[], Exception]
    too_large: Callable[[int], Exception]
    size_limit_bytes: int | None = None
    allowed_containers: Sequence[str] = ()


@dataclass(frozen=True)
class FormPolicy:
    """What a form with several files may hold.

    Attributes:
        dialect: for metrics.
        files: names of the parts that are files.
        file_count_limit: how many files there may be.
        total_limit_bytes: of all files together; each one may have as much as any upload.
        too_large: the refusal when there is too much of them.
        long_fields: fields that may be longer than others, and may come as files too, with their limits in bytes.
    """

    dialect: str
    files: frozenset[str]
    file_count_limit: int
    total_limit_bytes: int
    too_large: Callable[[int], Exception]
    long_fields: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReceivedFile:
    """A file that lies in the store for the time of one request."""

    filename: str
    blob_key: str


@dataclass(frozen=True)
class Form:
    fields: Mapping[str, str]
    files: Sequence[ReceivedFile]


class Uploads:
    """Takes recordings in for the dialects."""

    def __init__(
        self,
        ingest: ingest_service_pb2_grpc.IngestServiceStub,
        blobs: Blobs,
        max_upload_bytes: int,
        idle_seconds: float,
        finish_seconds: float,
    ) -> None:
        self._ingest = ingest
        self._blobs = blobs
        self._max_upload_bytes = max_upload_bytes
        self._idle_seconds = idle_seconds
        self._finish_seconds = finish_seconds

    async def receive(self, request: Request, policy: UploadPolicy) -> track_pb2.Track:
        """Read a multipart body with a part ``file`` and register it as a track.

        The other fields that mean something are ``title``, ``artist`` and ``album``. Whatever goes wrong, and also when
        the client goes away half way, nothing of the upload is left behind.
        """
        limit = min(policy.size_limit_bytes or self._max_upload_bytes, self._max_upload_bytes)
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limit + _FRAMING_BYTES:
            raise policy.too_large(limit)
        upload = _Upload(self._ingest, self._blobs, policy, limit)
        try:
            events = multipart_events(request.headers.get("content-type", ""), self._pieces(request))
            fields = await upload.take(events)
            UPLOAD_BYTES.labels(policy.dialect).inc(upload.size_bytes)
            finished = await self._ingest.FinishUpload(
                pb.FinishUploadRequest(
                    upload_id=upload.upload_id,
                    filename=upload.filename,
                    title=fields.get("title", ""),
                    artist=fields.get("artist", ""),
                    album=fields.get("album", ""),
                    allowed_containers=policy.allowed_containers,
                ),
                timeout=self._finish_seconds,
            )
        except BaseException:
            await upload.abort()
            raise
        track: track_pb2.Track = finished.track
        return track

    async def gather(self, request: Request, folder: str, policy: FormPolicy) -> Form:
        """Read a multipart body whose files are for this request alone.

        Args:
            folder: prefix below which the files are stored. The caller deletes it, whatever happens here.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > policy.total_limit_bytes + _FRAMING_BYTES:
            raise policy.too_large(policy.total_limit_bytes)
        fields: dict[str, str] = {}
        files: list[ReceivedFile] = []
        size = part_count = 0
        events = multipart_events(request.headers.get("content-type", ""), self._pieces(request))
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if not isinstance(event, PartBegin):
                    continue
                part_count += 1
                if part_count > _FIELD_COUNT_LIMIT + policy.file_count_limit:
                    raise bad_form(f"A form may have at most {_FIELD_COUNT_LIMIT + policy.file_count_limit} parts.")
                if event.name not in policy.files:
                    if event.filename and event.name not in policy.long_fields:
                        raise _unfit(event.name, "takes no file")
                    limit = policy.long_fields.get(event.name, _FIELD_LIMIT_BYTES)
                    fields[event.name] = await _take_field(events, limit)
                    continue
                if event.filename is None:
                    raise _unfit(event.name, "must be a file, with a file name")
                if len(files) == policy.file_count_limit:
                    raise _unfit(event.name, f"may be at most {policy.file_count_limit} files")
                left = policy.total_limit_bytes - size
                limit = min(left, self._max_upload_bytes)
                file = ReceivedFile(event.filename.replace("\0", "")[:_NAME_LIMIT], f"{folder}/{len(files)}")
                async with self._blobs.write(file.blob_key) as writer:
                    file_bytes = await _copy(events, writer, limit, policy.too_large)
                if file_bytes or file.filename:  # else an input of a page in which nothing was chosen
                    files.append(file)
                size += file_bytes
        UPLOAD_BYTES.labels(policy.dialect).inc(size)
        return Form(fields, files)

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        """The body as it arrives; a client that falls silent is given up."""
        pieces = request.stream()
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise HTTPException(408, f"Nothing arrived for {self._idle_seconds:.0f} seconds.") from None
            if piece is None:
                return
            yield piece


class _Upload:
    """One upload on its way to the store."""

    def __init__(
        self,
        ingest: ingest_service_pb2_grpc.IngestServiceStub,
        blobs: Blobs,
        policy: UploadPolicy,
        limit_bytes: int,
    ) -> None:
        self._ingest = ingest
        self._blobs = blobs
        self._policy = policy
        self._limit_bytes = limit_bytes
        self.upload_id = ""
        self.filename = ""
        self.size_bytes = 0

    async def take(self, events: AsyncIterator[Event]) -> dict[str, str]:
        """Consume all parts: the file goes to the store, the fields are returned."""
        fields: dict[str, str] = {}
        field_count = 0
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if not isinstance(event, PartBegin):
                    continue
                field_count += 1
                if field_count > _FIELD_COUNT_LIMIT:
                    raise bad_form(f"A form may have at most {_FIELD_COUNT_LIMIT} parts.")
                if event.name == "file" and event.filename is not None:
                    await self._take_file(event.filename, events)
                elif event.filename:
                    raise self._policy.missing()
                else:
                    fields[event.name] = await _take_field(events)
        if not self.upload_id:
            raise self._policy.missing()
        return fields

    async def _take_file(self, filename: str, events: AsyncIterator[Event]) -> None:
        if self.upload_id:
            raise bad_form("Send one file at a time.")
        self._policy.check_filename(filename)
        created = await self._ingest.CreateUpload(pb.CreateUploadRequest(filename=filename))
        self.upload_id, self.filename = created.upload_id, filename
        limit = min(self._limit_bytes, created.size_limit_bytes)
        async with self._blobs.write(created.blob_key) as writer:
            self.size_bytes = await _copy(events, writer, limit, self._policy.too_large)

    async def abort(self) -> None:
        """Remove what there is; the upload failed anyway, so a failure of this adds nothing."""
        if self.upload_id:
            with contextlib.suppress(AppError):
                await self._ingest.AbortUpload(pb.AbortUploadRequest(upload_id=self.upload_id))


async def _copy(
    events: AsyncIterator[Event], writer: BlobWriter, limit: int, too_large: Callable[[int], Exception]
) -> int:
    """Write a part's data in pieces that are worth a write. Returns its size in bytes."""
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


async def _take_field(events: AsyncIterator[Event], limit_bytes: int = _FIELD_LIMIT_BYTES) -> str:
    value = bytearray()
    async for event in events:
        if isinstance(event, PartEnd):
            break
        if isinstance(event, PartData):
            value += event.data
            if len(value) > limit_bytes:
                raise bad_form(f"A field may have at most {limit_bytes} bytes.")
    return value.decode(errors="replace").replace("\0", "")


def _unfit(name: str, message: str) -> AppError:
    details = {"details": {name[:_NAME_LIMIT]: [message]}}
    return AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", details)
