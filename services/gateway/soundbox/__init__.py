"""The Sound Box dialect: plain objects, ``{"error"}``."""

from services.gateway.soundbox.dialect import SOUNDBOX
from services.gateway.soundbox.generate import job_routes, job_view
from services.gateway.soundbox.routes import soundbox_routes

__all__ = ["SOUNDBOX", "job_routes", "job_view", "soundbox_routes"]
