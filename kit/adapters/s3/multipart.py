"""Multipart uploads: an object appears whole when its upload is completed.

The SDK has no public calls for single parts, and its own streaming upload would hold a thread for as long as a client
sends. All its private calls that the adapter uses are in this module. The version of the SDK is pinned, and
``tests/unit/kit/test_blob_adapters.py`` fails if one of these calls changes.
"""

from datetime import datetime
from typing import Any

from minio.datatypes import Part

from soundwright.kit.ports import UploadedPart

PRIVATE_CALLS = {
    "_create_multipart_upload": ("bucket_name", "object_name", "headers"),
    "_upload_part": ("bucket_name", "object_name", "data", "headers", "upload_id", "part_number"),
    "_list_parts": ("bucket_name", "object_name", "upload_id", "max_parts", "part_number_marker"),
    "_complete_multipart_upload": ("bucket_name", "object_name", "upload_id", "parts"),
    "_abort_multipart_upload": ("bucket_name", "object_name", "upload_id"),
    "_list_multipart_uploads": (
        "bucket_name", "delimiter", "encoding_type", "key_marker", "max_uploads", "prefix", "upload_id_marker",
    ),
}  # fmt: skip
"""The private calls and their first parameters."""


class MultipartUploads:
    """The calls of S3 for multipart uploads in one bucket. They block."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def begin(self, key: str) -> str:
        headers = {"Content-Type": "application/octet-stream"}
        return str(self._client._create_multipart_upload(self._bucket, key, headers))

    def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> UploadedPart:
        etag = self._client._upload_part(self._bucket, key, data, None, upload_id, number)
        return UploadedPart(number, len(data), etag)

    def parts(self, key: str, upload_id: str) -> list[UploadedPart]:
        """Return the parts that the store holds, by number."""
        found: list[UploadedPart] = []
        marker: str | None = None
        while True:
            page = self._client._list_parts(self._bucket, key, upload_id, None, marker)
            found += [UploadedPart(part.part_number, int(part.size), part.etag) for part in page.parts]
            if not page.is_truncated or not page.parts:
                return found
            marker = str(page.parts[-1].part_number)

    def complete(self, key: str, upload_id: str, parts: list[UploadedPart]) -> None:
        """Make the parts one object. A repetition after a lost answer is no error.

        Raises ``ValueError``: the store did not confirm it.
        """
        numbered = [Part(part.number, part.etag) for part in parts]
        try:
            # S3 may answer with 200 and an error, which the SDK takes for an answer without an ETag.
            if not self._client._complete_multipart_upload(self._bucket, key, upload_id, numbered).etag:
                raise ValueError("the store did not confirm the upload")
        except Exception as error:
            if getattr(error, "code", "") != "NoSuchUpload":
                raise
            # An earlier try may have completed it, if only its answer was lost.
            if self._client.stat_object(self._bucket, key).size != sum(part.size_bytes for part in parts):
                raise

    def abort(self, key: str, upload_id: str) -> None:
        """Discard the parts. An upload that was completed or aborted is no error."""
        try:
            self._client._abort_multipart_upload(self._bucket, key, upload_id)
        except Exception as error:
            if getattr(error, "code", "") not in ("NoSuchUpload", "NoSuchKey"):
                raise

    def abort_older(self, limit: datetime) -> int:
        """Discard the uploads that began before ``limit``. Return their number."""
        count = 0
        key_marker: str | None = None
        id_marker: str | None = None
        while True:
            page = self._client._list_multipart_uploads(self._bucket, None, None, key_marker, None, None, id_marker)
            for upload in page.uploads:
                if upload.initiated_time is None or upload.initiated_time <= limit:
                    self.abort(upload.object_name, upload.upload_id)
                    count += 1
            if not page.is_truncated or not page.uploads:
                return count
            # Not the markers of the answer: the SDK stores one of them under a wrong name.
            key_marker, id_marker = page.uploads[-1].object_name, page.uploads[-1].upload_id
