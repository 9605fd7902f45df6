"""``Blobs`` in a bucket of an S3 store, such as MinIO or SeaweedFS."""

import asyncio
import contextlib
import io
import itertools
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from minio.commonconfig import ComposeSource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from soundwright.kit import errors
from soundwright.kit.adapters.blob_keys import check_folder, check_key, check_prefix
from soundwright.kit.adapters.s3.file import BUFFER_BYTES, BlobFile
from soundwright.kit.adapters.s3.multipart import MultipartUploads
from soundwright.kit.adapters.s3.public import S3PublicBlobs
from soundwright.kit.adapters.s3.store import Access, Connection, InvalidRange
from soundwright.kit.errors import AppError, Code
from soundwright.kit.free_space import FreeSpace
from soundwright.kit.log import get_logger
from soundwright.kit.ports import BlobInfo, BlobWriter, PublicBlobs, StoreSpace, UploadedPart

_PIECE_BYTES = 1 << 20
_PART_BYTES = 8 << 20  # 10,000 parts, the limit of S3, hold 80 GiB
_RESUME_LIMIT = 3
_SCAN_COUNT = 1000
_CHECK_SECONDS = 5.0
log = get_logger()


class S3Blobs:
    """A :class:`soundwright.kit.ports.Blobs`.

    Args:
        scratch: folder for local copies of blobs; None: the system's folder for temporary files.
    """

    def __init__(self, access: Access, scratch: Path | None = None) -> None:
        self._access = access
        self._bucket = access.bucket
        self._scratch = scratch
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        self._connection = Connection(access)
        self._client = self._connection.client
        self._checker = self._connection.impatient(_CHECK_SECONDS)
        self._call = self._connection.call
        self._uploads = MultipartUploads(self._client, self._bucket)
        self.public: PublicBlobs | None = (
            S3PublicBlobs(access, self._connection, self._uploads) if access.public_url else None
        )

    async def space(self) -> StoreSpace | None:
        return None

    async def check(self) -> None:
        await self._call(self._list_nothing)

    def _list_nothing(self) -> None:
        # Unlike the HEAD of a bucket, a listing tells the reason of a refusal, and whether it is a store that answers.
        for _ in self._checker.list_objects(self._bucket, prefix="check/", recursive=True):
            return

    async def prepare(self) -> None:
        try:
            await self.check()
        except AppError as missing:
            if missing.reason != "BUCKET_MISSING":
                raise
            try:
                await self._call(self._create_bucket)
            except AppError as refused:
                raise (missing if refused.reason == "BLOBS_REFUSED" else refused) from None
            log.info("blobs.bucket_created", bucket=self._bucket)
        key = f"check/{uuid.uuid4()}"
        await self._put(key, b"")
        await self.delete(key)

    def _create_bucket(self) -> None:
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):  # another component was faster
                raise

    def write(self, key: str) -> AbstractAsyncContextManager[BlobWriter]:
        return self._writer(key)

    @contextlib.asynccontextmanager
    async def _writer(self, key: str) -> "AsyncIterator[_Writer]":
        writer = _Writer(self, check_key(key))
        try:
            yield writer
            await writer.finish()
        except BaseException:
            await asyncio.shield(writer.abort())  # also when the block was cancelled
            raise

    async def put_file(self, key: str, path: Path) -> int:
        check_key(key)
        if not path.is_file():
            raise errors.BLOB_NOT_FOUND()
        async with self._writer(key) as writer:
            with path.open("rb") as file:
                while data := await asyncio.to_thread(file.read, _PART_BYTES):
                    await writer.write(data)
        await asyncio.to_thread(path.unlink, missing_ok=True)  # gigabytes take a while
        return writer.size_bytes

    async def stat(self, key: str) -> BlobInfo | None:
        try:
            return await self._call(self._stat, check_key(key))
        except AppError as error:
            if error.reason == "BLOB_NOT_FOUND":
                return None
            raise

    def _stat(self, key: str) -> BlobInfo:
        return _info(self._client.stat_object(self._bucket, key))

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        check_key(key)
        if length == 0:
            if await self.stat(key) is None:
                raise errors.BLOB_NOT_FOUND()
            return
        etag, failures = "", 0
        while True:
            response = await self._open(key, start, length, etag)
            if response is None:
                return
            etag = response.headers.get("ETag", "")
            try:
                while piece := await self._call(response.read, _PIECE_BYTES):
                    failures = 0
                    start += len(piece)
                    length = None if length is None else length - len(piece)
                    yield piece
                return
            except AppError as error:  # the connection broke: go on behind what has arrived, in the same version
                failures += 1
                if failures > _RESUME_LIMIT or error.code is not Code.UNAVAILABLE or length == 0:
                    raise
            finally:
                response.close()
                response.release_conn()

    async def _open(self, key: str, start: int, length: int | None, etag: str) -> Any:
        """Return a response to read from ``start`` on; None if the blob ends before."""
        headers = {"If-Match": etag} if etag else None

        def get() -> Any:
            response = self._client.get_object(
                self._bucket, key, offset=start, length=length or 0, request_headers=headers
            )
            if (start or length) and response.status != 206:
                response.close()
                raise ValueError("the store ignores ranges")
            return response

        try:
            return await self._call(get)
        except InvalidRange:
            return None

    def open(self, key: str) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(BlobFile(self._connection, self._bucket, check_key(key)), BUFFER_BYTES))

    @contextlib.asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        check_key(key)
        folder = tempfile.mkdtemp(dir=self._scratch, prefix="blob-")
        try:
            path = Path(folder) / key.rpartition("/")[2]
            file = path.open("xb")
            try:
                space = FreeSpace(path.parent)
                async for piece in self.read(key):
                    space.use(len(piece))
                    await asyncio.to_thread(file.write, piece)
            finally:
                await asyncio.to_thread(file.close)
            yield path
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # of gigabytes, it takes a while

    def locate(self, key: str) -> str:
        return f"/{self._bucket}/{check_key(key)}"

    async def move(self, source: str, target: str) -> None:
        check_key(source)
        check_key(target)
        # Composing of one source copies on the server, in parts where the source is larger than one copy may be.
        sources = [ComposeSource(self._bucket, source)]
        await self._call(self._client.compose_object, self._bucket, target, sources)
        await self.delete(source)

    async def keys(self, prefix: str) -> list[str]:
        return sorted([key async for key, _ in self.scan(prefix)])

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, BlobInfo]]:
        check_prefix(prefix)
        last: str | None = None
        while True:
            page = await self._call(self._page, prefix, last)
            for item in page:
                yield item
            if len(page) < _SCAN_COUNT:
                return
            last = page[-1][0]

    def _page(self, prefix: str, last: str | None) -> list[tuple[str, BlobInfo]]:
        found = self._client.list_objects(self._bucket, prefix=prefix or None, recursive=True, start_after=last)
        return [(item.object_name, _info(item)) for item in itertools.islice(found, _SCAN_COUNT)]

    async def delete(self, key: str) -> None:
        await self._call(self._client.remove_object, self._bucket, check_key(key))

    async def delete_prefix(self, prefix: str) -> int:
        keys = await self.keys(check_folder(prefix))
        await self._call(self._delete, keys)
        return len(keys)

    def _delete(self, keys: list[str]) -> None:
        for error in self._client.remove_objects(self._bucket, (DeleteObject(key) for key in keys)):
            log.error("blobs.not_deleted", code=error.code, message=error.message)
            raise errors.BLOBS_UNAVAILABLE()

    async def purge_partial(self, older_than_seconds: float) -> int:
        return await self._call(self._uploads.abort_older, datetime.now(UTC) - timedelta(seconds=older_than_seconds))

    async def close(self) -> None:
        self._connection.close()

    async def _put(self, key: str, data: bytes) -> None:
        await self._call(self._client.put_object, self._bucket, key, io.BytesIO(data), len(data))


class _Writer:
    """Collects one part at a time and uploads it; a blob of one part is stored in one request."""

    def __init__(self, store: S3Blobs, key: str) -> None:
        self._store = store
        self._call, self._uploads = store._call, store._uploads
        self._key = key
        self._buffer = bytearray()
        self._upload_id = ""
        self._parts: list[UploadedPart] = []
        self.size_bytes = 0

    async def write(self, data: bytes) -> None:
        self.size_bytes += len(data)
        view = memoryview(data)
        while view:
            room = _PART_BYTES - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) == _PART_BYTES:
                await self._flush()

    async def _flush(self) -> None:
        if not self._upload_id:
            self._upload_id = await self._call(self._uploads.begin, self._key)
        data, self._buffer = bytes(self._buffer), bytearray()
        number = len(self._parts) + 1
        self._parts.append(await self._call(self._uploads.put_part, self._key, self._upload_id, number, data))

    async def finish(self) -> None:
        if not self._upload_id:
            await self._store._put(self._key, bytes(self._buffer))
            return
        if self._buffer:
            await self._flush()
        await self._call(self._uploads.complete, self._key, self._upload_id, self._parts)

    async def abort(self) -> None:
        if self._upload_id:
            try:
                await self._call(self._uploads.abort, self._key, self._upload_id)
            except AppError as error:  # purge_partial removes it later
                log.warning("blob.abort_failed", key=self._key, reason=error.reason)


def _info(found: Any) -> BlobInfo:
    # Only listings have fractions of seconds.
    return BlobInfo(int(found.size), float(int(found.last_modified.timestamp())), str(found.etag).strip('"'))
