"""The Sound Forge Alchemy dialect: ``{"data": ...}``, ``{"error", "code", "message"}``, bearer tokens."""

from services.gateway.dialects.forge.dialect import FORGE
from services.gateway.dialects.forge.job_channel import FORGE_TOPICS
from services.gateway.dialects.forge.routes import forge_routes

__all__ = ["FORGE", "FORGE_TOPICS", "forge_routes"]
