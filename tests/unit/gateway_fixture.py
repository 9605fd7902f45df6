"""The parts of a gateway in front of any services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.adapters.filesystem.blobs import FileBlobs
from kit.compute import ComputeSlots
from services.gateway.clients import Clients, Gateway
from services.gateway.http.conversions import Conversions
from services.gateway.http.health import Health
from services.gateway.http.playback import Playback
from services.gateway.http.uploads import Uploads
from services.gateway.settings import GatewaySettings
from tests.clocks import HandClock

__all__ = ["gateway_over"]


def gateway_over(clients: Clients, folder: Path, clock: Any = None, **settings: Any) -> Gateway:
    """Return a gateway that stores files in a folder. Close its ``playback`` and its ``encoding_slots``."""
    known = GatewaySettings(data_dir=folder, **settings)
    blobs, slots = FileBlobs(folder / "blobs"), ComputeSlots("test", 1)
    return Gateway(
        settings=known,
        clients=clients,
        blobs=blobs,
        uploads=Uploads(clients.ingest, clients.storage, blobs, 10**9, 5.0, 600.0),
        health=Health({}),
        clock=clock or HandClock(),
        scratch=folder,
        encoding_slots=slots,
        conversions=Conversions(known.conversion_limits),
        playback=Playback(blobs, slots),
    )
