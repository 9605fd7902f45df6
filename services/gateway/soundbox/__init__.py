"""The Sound Box dialect: plain objects, ``{"error"}``."""

from services.gateway.soundbox.dialect import SOUNDBOX
from services.gateway.soundbox.routes import soundbox_routes

__all__ = ["SOUNDBOX", "soundbox_routes"]
