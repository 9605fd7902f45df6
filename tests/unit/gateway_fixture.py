"""The parts of a gateway in front of any services."""

from pathlib import Path
from typing import Any

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.compute import ComputeSlots
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.edge.health import Health
from soundwright.services.gateway.files.pending_files import PendingFiles
from soundwright.services.gateway.files.playback import Playback
from soundwright.services.gateway.files.reencoding import Reencoder
from soundwright.services.gateway.files.uploads import Uploads
from soundwright.services.gateway.settings import GatewaySettings
from tests.clocks import HandClock


def gateway_over(clients: Clients, folder: Path, clock: Any = None, **settings: Any) -> Gateway:
    """Return a gateway that stores files in a folder. Close its ``playback`` and the ``slots`` of its ``reencoder``."""
    known = GatewaySettings(data_dir=folder, **settings)
    blobs, slots = FileBlobs(folder / "blobs"), ComputeSlots("test", 1)
    pending_files = PendingFiles(known.conversion_limits)
    return Gateway(
        settings=known,
        clients=clients,
        blobs=blobs,
        uploads=Uploads(clients.ingest, clients.storage, blobs, 10**9, 5.0, 600.0),
        health=Health({}),
        clock=clock or HandClock(),
        pending_files=pending_files,
        reencoder=Reencoder(blobs, slots, pending_files, folder, known.max_audio_seconds, known.max_audio_sample_count),
        playback=Playback(blobs, slots),
    )
