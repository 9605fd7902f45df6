"""Opens the adapters for the URLs in the settings. Only this module interprets the scheme of such a URL."""

import asyncio
import contextlib
import functools
import re
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.adapters.nats.client import BrokerAccess
from soundwright.kit.log import get_logger
from soundwright.kit.measured import measured
from soundwright.kit.ports import Blobs, Bus, Docs
from soundwright.kit.settings import Settings, SettingsError

_BROKER_WAIT_SECONDS = 5.0
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
S = TypeVar("S", Docs, Blobs)
log = get_logger()


@contextlib.asynccontextmanager
async def closing(store: S) -> AsyncIterator[S]:
    """Close a store at the end of the block."""
    try:
        yield store
    finally:
        await store.close()


def open_docs(settings: Settings) -> Docs:
    """Open the document store of ``SOUNDWRIGHT_DOCS_URL``.

    Raises ``SettingsError``: the URL has an unknown scheme.
    """
    url = settings.docs_location()
    match urlsplit(url).scheme:
        case "sqlite":
            from soundwright.kit.adapters.sqlite.docs import SqliteDocs  # NumPy is loaded only where documents are kept

            return measured(SqliteDocs(_path(url)), Docs, "documents")
        case "mongodb" | "mongodb+srv":
            from soundwright.kit.adapters.mongo.docs import MongoDocs  # the driver is loaded only where it is used

            try:
                return measured(MongoDocs(url, _tls(settings)), Docs, "documents")
            except ValueError as error:
                raise SettingsError(f"SOUNDWRIGHT_DOCS_URL: {error}") from None
        case scheme:
            raise SettingsError(
                f"SOUNDWRIGHT_DOCS_URL: unknown kind of store {scheme!r}; use sqlite:///path or mongodb://host:port/database"
            )


def open_local_docs(path: Path) -> Docs:
    """Open a document store in a file, whatever the settings say: for temporary data of one process."""
    from soundwright.kit.adapters.sqlite.docs import SqliteDocs

    return SqliteDocs(path)


def open_blobs(settings: Settings) -> Blobs:
    """Open the file store at ``SOUNDWRIGHT_BLOBS_URL``.

    Raises ``SettingsError``: the URL has an unknown scheme, or does not name a host and a bucket.
    """
    url = settings.blobs_location()
    match urlsplit(url).scheme:
        case "file":
            return measured(FileBlobs(_path(url)), Blobs, "blobs")
        case "s3+http" | "s3+https":
            from soundwright.kit.adapters.s3.blobs import S3Blobs  # the SDK is loaded only where it is used
            from soundwright.kit.adapters.s3.store import Access

            access = Access(
                url,
                settings.blobs_access_key.get_secret_value(),
                settings.blobs_secret_key.get_secret_value(),
                settings.blobs_public_url,
                tls=_tls(settings),
            )
            if not _BUCKET.fullmatch(access.bucket) or not urlsplit(url).netloc:
                raise SettingsError(
                    "SOUNDWRIGHT_BLOBS_URL: name a host and a bucket of 3 to 63 lower-case letters, digits, hyphens and dots, "
                    "like s3+http://host:port/bucket"
                )
            return measured(S3Blobs(access, settings.scratch_dir("blobs")), Blobs, "blobs")
        case scheme:
            raise SettingsError(
                f"SOUNDWRIGHT_BLOBS_URL: unknown kind of store {scheme!r}; "
                "use file:///path, s3+http://host:port/bucket or s3+https://host/bucket"
            )


async def open_bus(
    settings: Settings, name: str, *, manages_streams: bool = False, wait_seconds: float = _BROKER_WAIT_SECONDS
) -> NatsBus:
    """Connect to the broker at ``SOUNDWRIGHT_NATS_URL``, or to the broker that runs beside the services.

    If the broker cannot be used within ``wait_seconds``, the bus continues to connect in the background.

    Args:
        manages_streams: create the streams, and bring existing ones to the current configuration.
    """
    access = BrokerAccess(
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        credentials_file=settings.nats_creds_file,
        tls=_tls(settings),
    )
    bus = await NatsBus.connect(
        settings.nats_url.get_secret_value() or functools.partial(_own_broker, settings),
        name=name,
        access=access,
        replica_count=settings.nats_replica_count,
        manages_streams=manages_streams,
        timeout_seconds=wait_seconds,
    )
    return measured(bus, Bus, "broker")


async def _own_broker(settings: Settings) -> str:
    """Return the URL of the broker that runs beside the services. Wait until it has written its URL to a file."""
    path = settings.run_dir / "nats.url"
    started = time.monotonic()
    reported = False
    while not path.exists():
        if not reported and time.monotonic() - started > _BROKER_WAIT_SECONDS:
            reported = True
            log.warning("broker.not_started", error="The broker of this stack does not start. Its log has the reason.")
        await asyncio.sleep(0.05)
    return path.read_text().strip()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    return settings.certificates.client_context() if settings.certificates.configured else None


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
