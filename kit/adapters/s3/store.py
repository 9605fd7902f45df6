"""The connection to an S3 store: the MinIO SDK in threads, and its errors as ``AppError``."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import S3Error

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.log import FailureLog

REGION = "us-east-1"
"""A fixed one spares a request for it; MinIO and SeaweedFS accept any."""
_THREAD_COUNT = 32
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_MISSING = {"NoSuchKey", "NoSuchObject", "NoSuchUpload", "ResourceNotFound"}
_FULL = {"XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
# By code of S3: the error, and what the operator has to do, for the log.
_KEYS = "Correct SOUNDWRIGHT_BLOBS_ACCESS_KEY and SOUNDWRIGHT_BLOBS_SECRET_KEY."
_REFUSALS = {
    "InvalidAccessKeyId": (errors.BLOBS_REFUSED, _KEYS),
    "SignatureDoesNotMatch": (errors.BLOBS_REFUSED, _KEYS),
    "AccessDenied": (
        errors.BLOBS_NOT_PERMITTED,
        "Correct the keys, or allow the account of SOUNDWRIGHT_BLOBS_ACCESS_KEY to read, write, list and delete in the bucket.",
    ),
    "RequestTimeTooSkewed": (
        errors.BLOBS_CLOCK_SKEWED,
        "Set the clocks of this machine and of the store, for example with NTP.",
    ),
    "NoSuchBucket": (errors.BUCKET_MISSING, "Create the bucket, or correct SOUNDWRIGHT_BLOBS_URL."),
}
T = TypeVar("T")
_failures = FailureLog()


@dataclass(frozen=True)
class Access:
    """How to reach a bucket.

    Attributes:
        url: ``s3+http://host:port/bucket`` or ``s3+https://host/bucket``.
        public_url: ``https://host[:port]`` at which clients reach the store; empty: they do not.
        tls: trusted authorities and own certificate, for ``s3+https``; None: those of the system.
    """

    url: str
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    public_url: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def bucket(self) -> str:
        return urlsplit(self.url).path.strip("/")


class InvalidRange(Exception):
    """The range begins behind the end of the blob."""


class Connection:
    """Calls the SDK in threads of its own, so that a slow store blocks neither the event loop nor other work."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._executor = ThreadPoolExecutor(_THREAD_COUNT, thread_name_prefix="s3")
        self._pools: list[urllib3.PoolManager] = []
        retry = urllib3.Retry(
            total=3, read=1, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504], allowed_methods=None
        )
        self.client = self._open(_CONNECT_SECONDS, _READ_SECONDS, retry)

    def _open(self, connect_seconds: float, read_seconds: float, retry: urllib3.Retry) -> Any:
        parts = urlsplit(self._access.url)
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            maxsize=_THREAD_COUNT,
            retries=retry,
            ssl_context=self._access.tls,
        )
        self._pools.append(pool)
        return Minio(
            parts.netloc,
            access_key=self._access.access_key or None,
            secret_key=self._access.secret_key or None,
            secure=parts.scheme == "s3+https",
            region=REGION,
            http_client=pool,
        )

    def impatient(self, seconds: float) -> Any:
        """Return a client that gives up after this time and never retries, for checks."""
        return self._open(seconds, seconds, urllib3.Retry(total=0))

    async def call(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call the SDK in a thread and translate what it raises."""
        with translated():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, partial(function, *arguments, **options))

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            pool.clear()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the SDK and of the connection into ``AppError``."""
    try:
        yield
    except AppError:
        raise
    except S3Error as error:
        raise _translation(error) from error
    except Exception as error:  # a store that answers garbage makes the SDK raise anything, such as ParseError
        _failures.error("blobs.unavailable", kind=type(error).__name__, error=str(error)[:300])
        raise errors.BLOBS_UNAVAILABLE() from error


def _translation(error: S3Error) -> Exception:
    if error.code in _MISSING:
        return errors.BLOB_NOT_FOUND()
    if error.code == "InvalidRange":
        return InvalidRange()
    if error.code in _FULL:
        _failures.error("blobs.full", kind=error.code, advice="Free space in the file store, or enlarge it.")
        return errors.STORAGE_FULL("The file store has no room for this file. Free some space and try again.")
    if error.code in _REFUSALS:
        refusal, advice = _REFUSALS[error.code]
        _failures.error("blobs.refused", kind=error.code, advice=advice)
        return refusal()
    _failures.error("blobs.failed", kind=error.code, message=error.message)
    return errors.BLOBS_UNAVAILABLE()
