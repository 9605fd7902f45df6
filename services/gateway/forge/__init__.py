"""The Sound Forge Alchemy dialect: ``{"data": ...}``, ``{"error", "code", "message"}``, bearer tokens."""

from services.gateway.forge.dialect import FORGE
from services.gateway.forge.routes import forge_routes

__all__ = ["FORGE", "forge_routes"]
