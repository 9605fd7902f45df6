"""A blob of an S3 store as a file that is open for reading."""

import io
from typing import Any

from soundwright.kit.adapters.s3.store import Connection, translated

BUFFER_BYTES = 256 << 10
"""What a buffered reader requests at a time: half a second of typical audio, and little more than the time of a round trip."""


class BlobFile(io.RawIOBase):
    """Reads each piece with a request of its own. It holds no connection in between.

    Raises ``BLOB_NOT_FOUND``, also from a read if the blob was deleted since; ``BLOBS_UNAVAILABLE``, also if it was
    replaced since.
    """

    def __init__(self, connection: Connection, bucket: str, key: str) -> None:
        self._client = connection.client
        self._bucket = bucket
        self._key = key
        self._position = 0
        with translated():
            found = self._client.stat_object(bucket, key)
        self._size = int(found.size)
        self._etag = str(found.etag).strip('"')

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError("negative position")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        data = self._get(length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _get(self, length: int) -> bytes:
        with translated():
            response = self._client.get_object(
                self._bucket,
                self._key,
                offset=self._position,
                length=length,
                request_headers={"If-Match": f'"{self._etag}"'},
            )
            try:
                if response.status != 206:
                    raise ValueError("the store ignores ranges")
                data: bytes = response.read(length)
                return data
            finally:
                response.close()
                response.release_conn()
