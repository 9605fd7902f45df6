"""From address to adapter: the only place that reads a URL's scheme."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kit.adapters.blobs_file import FileBlobs
from kit.adapters.bus_nats import NatsBus
from kit.adapters.docs_sqlite import SqliteDocs
from kit.ports import Blobs, Bus, Docs
from kit.settings import Settings, SettingsError

__all__ = ["broker_url", "open_blobs", "open_bus", "open_docs"]

_BROKER_WAIT_SECONDS = 30.0


def open_docs(settings: Settings) -> Docs:
    """The document store that ``SOUNDWRIGHT_DOCS_URL`` names."""
    url = settings.docs_location()
    match urlsplit(url).scheme:
        case "sqlite":
            return SqliteDocs(_path(url))
        case scheme:
            raise SettingsError(f"SOUNDWRIGHT_DOCS_URL: unknown kind of store {scheme!r}; use sqlite:///path")


def open_blobs(settings: Settings) -> Blobs:
    """The file store that ``SOUNDWRIGHT_BLOBS_URL`` names."""
    url = settings.blobs_location()
    match urlsplit(url).scheme:
        case "file":
            return FileBlobs(_path(url))
        case scheme:
            raise SettingsError(f"SOUNDWRIGHT_BLOBS_URL: unknown kind of store {scheme!r}; use file:///path")


async def open_bus(settings: Settings, name: str) -> Bus:
    """The broker that ``SOUNDWRIGHT_NATS_URL`` names, else the one that runs beside the services."""
    url = settings.nats_url or await broker_url(settings)
    return await NatsBus.connect(url, name=name, timeout_seconds=_BROKER_WAIT_SECONDS)


async def broker_url(settings: Settings) -> str:
    """Where the broker beside the services listens; it writes its address when it starts."""
    path = settings.run_dir / "nats.url"
    async with asyncio.timeout(_BROKER_WAIT_SECONDS):
        while not path.exists():  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.05)
    return path.read_text().strip()


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
