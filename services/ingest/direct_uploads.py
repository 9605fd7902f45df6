"""Uploads whose parts clients send to the file store themselves (docs/decisions/0023).

The record of an upload is a small blob beside its data, in a folder of its owner. It disappears with the upload, or at the
age at which all unfinished uploads are deleted. Its name says who owns it, so no other account can reach it.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from soundwright.kit import errors
from soundwright.kit.errors import suppressed
from soundwright.kit.ports import Blobs, Clock, PublicBlobs, UploadedPart
from soundwright.services.ingest import service

DIRECT_FOLDER = "uploads/direct/"
_UNFINISHED_LIMIT = 20


@dataclass(frozen=True)
class DirectUpload:
    """An unfinished upload."""

    id: str
    owner_id: str
    filename: str
    size_bytes: int
    part_size_bytes: int
    store_upload_id: str
    create_time: float

    @property
    def part_count(self) -> int:
        return -(-self.size_bytes // self.part_size_bytes)

    def part_bytes(self, number: int) -> int:
        """Return the size of a part; 0 if there is no such part."""
        left = self.size_bytes - (number - 1) * self.part_size_bytes
        return max(0, min(left, self.part_size_bytes)) if number >= 1 else 0


class DirectUploads:
    """Begins, signs, assembles and aborts uploads."""

    def __init__(self, blobs: Blobs, clock: Clock, size_limit_bytes: int, keep_seconds: float) -> None:
        self._blobs = blobs
        self._clock = clock
        self._size_limit_bytes = size_limit_bytes
        self.keep_seconds = keep_seconds

    async def begin(self, owner_id: str, filename: str, size_bytes: int) -> DirectUpload:
        """Begin an upload. Raises ``DIRECT_UPLOADS_UNAVAILABLE``, ``TOO_LARGE``, ``TOO_MANY_UPLOADS``."""
        store = self._store()
        if size_bytes > self._size_limit_bytes:
            limit = self._size_limit_bytes / 1024**2
            raise errors.FILE_TOO_LARGE(limit_mb=limit)
        upload_id = service.new_upload_id()
        upload = DirectUpload(
            id=upload_id,
            owner_id=owner_id,
            filename=filename,
            size_bytes=size_bytes,
            part_size_bytes=service.part_size(size_bytes),
            store_upload_id=await store.begin_upload(service.staging_key(upload_id)),
            create_time=self._clock.now(),
        )
        async with self._blobs.write(_record_key(owner_id, upload_id)) as writer:
            await writer.write(json.dumps(dataclasses.asdict(upload)).encode())
        # Counted with the new record, so that concurrent calls cannot exceed the limit together.
        if len(await self._blobs.keys(_folder(owner_id))) > _UNFINISHED_LIMIT:
            await self.abort(upload)
            raise errors.TOO_MANY_UPLOADS(limit=_UNFINISHED_LIMIT)
        return upload

    async def get(self, owner_id: str, upload_id: str) -> DirectUpload:
        """Return an upload of an account. Raises ``UPLOAD_NOT_FOUND``."""
        self._store()
        upload = await self._read(_record_key(owner_id, upload_id))
        if upload is None:
            raise errors.UPLOAD_NOT_FOUND()
        return upload

    async def arrived(self, upload: DirectUpload) -> list[UploadedPart]:
        """Return the parts that have arrived with the right size, by number."""
        key = service.staging_key(upload.id)
        with suppressed("BLOB_NOT_FOUND"):
            parts = await self._store().uploaded_parts(key, upload.store_upload_id)
            return [part for part in parts if 0 < part.size_bytes == upload.part_bytes(part.number)]
        raise errors.UPLOAD_NOT_FOUND()

    def url(self, upload: DirectUpload, number: int) -> str:
        """Return the URL for one part. Raises ``VALIDATION_ERROR`` if the upload has no such part."""
        size = upload.part_bytes(number)
        if not size:
            raise errors.invalid(
                "part_numbers",
                f"must be between 1 and {upload.part_count}",
                f"This upload has no part {number}. Its parts are numbered from 1 to {upload.part_count}.",
            )
        return self._store().part_url(service.staging_key(upload.id), upload.store_upload_id, number, size)

    async def assemble(self, upload: DirectUpload) -> None:
        """Put the parts together. Afterwards, the URLs of the parts have no effect.

        Raises ``UPLOAD_INCOMPLETE`` if parts have not arrived.
        """
        key = service.staging_key(upload.id)
        stored = await self._blobs.stat(key)
        if stored is not None and stored.size_bytes == upload.size_bytes:
            return  # an earlier call was interrupted after this step
        parts = await self.arrived(upload)
        numbers = {part.number for part in parts}
        missing = [number for number in range(1, upload.part_count + 1) if number not in numbers]
        if missing:
            raise errors.UPLOAD_INCOMPLETE(
                missing_count=len(missing), part_count=upload.part_count, first_missing=missing[0]
            )
        await self._store().complete_upload(key, upload.store_upload_id, parts)

    async def forget(self, upload: DirectUpload) -> None:
        """Delete the record of an upload that has ended."""
        await self._blobs.delete(_record_key(upload.owner_id, upload.id))

    async def abort(self, upload: DirectUpload) -> None:
        """Delete the data of an upload, then its record."""
        key = service.staging_key(upload.id)
        await self._store().abort_upload(key, upload.store_upload_id)
        await self._blobs.delete(key)
        await self.forget(upload)

    async def abandon(self, record_key: str) -> None:
        """Delete an old upload, given the key of its record."""
        upload = await self._read(record_key)
        if upload is not None and self._blobs.public is not None:
            await self.abort(upload)
        await self._blobs.delete(record_key)

    async def _read(self, record_key: str) -> DirectUpload | None:
        with suppressed("BLOB_NOT_FOUND"):
            return DirectUpload(**json.loads(b"".join([piece async for piece in self._blobs.read(record_key)])))
        return None

    def _store(self) -> PublicBlobs:
        if self._blobs.public is None:
            raise errors.DIRECT_UPLOADS_UNAVAILABLE()
        return self._blobs.public


def _folder(owner_id: str) -> str:
    return f"{DIRECT_FOLDER}{hashlib.sha256(owner_id.encode()).hexdigest()[:32]}/"


def _record_key(owner_id: str, upload_id: str) -> str:
    service.staging_key(upload_id)  # refuses what is no upload id
    return f"{_folder(owner_id)}{upload_id}"
