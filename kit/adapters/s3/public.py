"""Presigned URLs, with which clients talk to the store directly.

The SDK signs the host of a URL only. The URL of a part also signs ``Content-Length``, so that a client cannot send more than
it announced; :func:`presign` therefore implements Signature Version 4 for query strings.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from soundwright.kit.adapters.blob_keys import check_key
from soundwright.kit.adapters.s3.multipart import MultipartUploads
from soundwright.kit.adapters.s3.store import REGION, Access, Connection
from soundwright.kit.ports import UploadedPart

_DOWNLOAD_SECONDS = 900
_PART_SECONDS = 3600


class S3PublicBlobs:
    """A :class:`soundwright.kit.ports.PublicBlobs`."""

    def __init__(self, access: Access, connection: Connection, uploads: MultipartUploads) -> None:
        self._access = access
        self._connection = connection
        self._uploads = uploads

    @property
    def origin(self) -> str:
        parts = urlsplit(self._access.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    def download_url(self, key: str, content_type: str, disposition: str) -> str:
        query = {
            "response-content-type": content_type,
            "response-content-disposition": disposition,
            "response-cache-control": "private, max-age=86400",
        }
        return self._sign("GET", key, query, _DOWNLOAD_SECONDS)

    def part_url(self, key: str, upload_id: str, number: int, size_bytes: int) -> str:
        query = {"partNumber": str(number), "uploadId": upload_id}
        return self._sign("PUT", key, query, _PART_SECONDS, {"content-length": str(size_bytes)})

    async def begin_upload(self, key: str) -> str:
        return await self._connection.call(self._uploads.begin, check_key(key))

    async def uploaded_parts(self, key: str, upload_id: str) -> list[UploadedPart]:
        return await self._connection.call(self._uploads.parts, check_key(key), upload_id)

    async def complete_upload(self, key: str, upload_id: str, parts: list[UploadedPart]) -> None:
        await self._connection.call(self._uploads.complete, check_key(key), upload_id, parts)

    async def abort_upload(self, key: str, upload_id: str) -> None:
        await self._connection.call(self._uploads.abort, check_key(key), upload_id)

    def _sign(
        self, method: str, key: str, query: Mapping[str, str], seconds: int, headers: Mapping[str, str] | None = None
    ) -> str:
        base = f"{self._access.public_url.rstrip('/')}/{self._access.bucket}/{check_key(key)}"
        return presign(
            method,
            base,
            query,
            headers or {},
            self._access.access_key,
            self._access.secret_key,
            seconds,
            datetime.now(UTC),
        )


def presign(
    method: str,
    base: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    access_key: str,
    secret_key: str,
    seconds: int,
    now: datetime,
) -> str:
    """Return ``base`` with a signed query string (AWS Signature Version 4).

    Args:
        base: URL without a query.
        headers: in lower case; the client has to send them with these values.
        seconds: how long the URL is valid.
    """
    parts = urlsplit(base)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    signed = {"host": parts.netloc, **headers}
    names = ";".join(sorted(signed))
    values = {
        **query,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
    }
    text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(values.items()))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = f"{method}\n{quote(parts.path, safe='/-_.~')}\n{text}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{base}?{text}&X-Amz-Signature={hmac.digest(key, to_sign.encode(), 'sha256').hex()}"
