"""The Sound Forge Alchemy dialect: ``{"data": ...}``, ``{"error", "code", "message"}``, bearer tokens."""

from soundwright.services.gateway.dialects.forge.dialect import FORGE
from soundwright.services.gateway.dialects.forge.job_channel import final_push
from soundwright.services.gateway.dialects.forge.routes import forge_routes

__all__ = ["FORGE", "final_push", "forge_routes"]
