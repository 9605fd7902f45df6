"""The Sound Box dialect."""

from soundwright.services.gateway.dialects.soundbox.dialect import SOUNDBOX
from soundwright.services.gateway.dialects.soundbox.generate import job_view
from soundwright.services.gateway.dialects.soundbox.routes import soundbox_only_routes, soundbox_routes

__all__ = ["SOUNDBOX", "job_view", "soundbox_only_routes", "soundbox_routes"]
