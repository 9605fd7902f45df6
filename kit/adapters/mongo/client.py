"""The MongoDB client. This is the only module that imports motor.

motor reached its end of life in May 2026. PyMongo's own asynchronous client has the same methods: to replace motor, change
``connect`` to return ``pymongo.AsyncMongoClient``, await ``client.close`` and await the cursor of ``aggregate``.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReadPreference
from pymongo import errors as mongo_errors
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.log import FailureLog

DuplicateKey = mongo_errors.DuplicateKeyError

_SELECTION_MILLISECONDS = 5_000
_CONNECT_MILLISECONDS = 5_000
_SOCKET_MILLISECONDS = 30_000
_WRITE_MILLISECONDS = 15_000
_RETRY_SECONDS = 10.0
_PAUSES_SECONDS = (0.0, 0.1, 0.5, 1.0)  # between attempts
_DUPLICATE_KEY = 11000
T = TypeVar("T")
_failures = FailureLog()


def connect(url: str, tls: ssl.SSLContext | None = None) -> Any:
    """Return a client. It connects when it is used first, in the event loop that uses it.

    Args:
        tls: For connections with TLS, unless the URL names certificates of its own.

    Raises ``ValueError``: the URL is invalid.
    """
    try:
        client = AsyncIOMotorClient(
            url,
            serverSelectionTimeoutMS=_SELECTION_MILLISECONDS,
            connectTimeoutMS=_CONNECT_MILLISECONDS,
            socketTimeoutMS=_SOCKET_MILLISECONDS,
            appname="soundwright",
            tz_aware=True,
        )
    except (mongo_errors.ConfigurationError, OSError) as error:  # OSError: a file that the URL names cannot be read
        raise ValueError(str(error)) from None
    if tls is not None and not _names_certificates(url):
        options = client.delegate.options.pool_options
        if options._ssl_context is not None:
            # The driver takes certificates as files, which it reads once. The context reads them again when they change.
            options._PoolOptions__ssl_context = tls
    return client


def _names_certificates(url: str) -> bool:
    """Return whether a URL has options about certificates. ``mongodb+srv`` implies the certificates of a public authority."""
    parts = urlsplit(url)
    names = {name.lower() for name, _ in parse_qsl(parts.query)} - {"tls"}
    return parts.scheme == "mongodb+srv" or any(name.startswith("tls") for name in names)


def database_of(client: Any, url: str) -> Any:
    """Return the database that the URL names.

    Writes are acknowledged by a majority, with their journal on disk. Reads return the primary's newest state, because that is
    what the primary compares in a compare-and-set and in a unique index. A majority read may be older: after a refused insert, the
    document that is in the way could be missing.

    Raises ``ValueError``: the URL names no database.
    """
    name = urlsplit(url).path.strip("/")
    if not name:
        raise ValueError("the URL names no database: mongodb://host:port/database")
    return client.get_database(
        name,
        write_concern=WriteConcern(w="majority", j=True, wtimeout=_WRITE_MILLISECONDS),
        read_concern=ReadConcern("local"),
        read_preference=ReadPreference.PRIMARY,
    )


async def retried(work: Callable[[], Awaitable[T]]) -> T:
    """Do ``work``, again after a lost connection.

    A lost connection leaves open whether a write took effect, so ``work`` must be safe to repeat.

    Raises ``AppError``: what the driver raised, translated.
    """
    deadline = time.monotonic() + _RETRY_SECONDS
    with _translated():
        for pause in _PAUSES_SECONDS:
            try:
                return await work()
            except mongo_errors.AutoReconnect as error:
                # The driver has waited for a server already if it found none.
                if isinstance(error, mongo_errors.ServerSelectionTimeoutError) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(pause)
        return await work()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn errors of the driver into ``AppError``."""
    try:
        yield
    except mongo_errors.BulkWriteError as error:
        if any(each["code"] == _DUPLICATE_KEY for each in error.details.get("writeErrors", ())):
            raise errors.DOC_EXISTS() from None
        raise _unavailable(error) from error
    except mongo_errors.DuplicateKeyError:
        raise errors.DOC_EXISTS() from None
    except mongo_errors.PyMongoError as error:
        if isinstance(error, mongo_errors.OperationFailure) and error.code in (13, 18):
            _failures.error("docs.refused", kind=type(error).__name__, code=error.code)
            raise errors.STORE_REFUSED() from error
        raise _unavailable(error) from error


def _unavailable(error: mongo_errors.PyMongoError) -> AppError:
    # Messages about connections name the server. Other messages may contain values of documents.
    detail = (
        {"detail": str(error).partition(" (configured")[0]} if isinstance(error, mongo_errors.ConnectionFailure) else {}
    )
    _failures.error("docs.unavailable", kind=type(error).__name__, code=getattr(error, "code", None), **detail)
    return errors.STORE_UNAVAILABLE()
