"""All routes of the forge dialect."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.forge.admin import admin_routes
from services.gateway.forge.agents import agent_routes
from services.gateway.forge.analysis import analysis_routes
from services.gateway.forge.daw import daw_routes
from services.gateway.forge.download import download_routes
from services.gateway.forge.exports import export_routes
from services.gateway.forge.jobs import job_routes
from services.gateway.forge.lalalai import lalalai_routes
from services.gateway.forge.processing import processing_routes
from services.gateway.forge.spotify import spotify_routes
from services.gateway.forge.tokens import token_routes
from services.gateway.forge.tracks import track_routes
from services.gateway.forge.webhooks import webhook_routes
from services.gateway.health import UNHEALTHY, HealthReport

__all__ = ["forge_routes"]


def forge_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter()

    @router.get("/health", tags=["operations"])
    @answers(HealthReport, also={503: UNHEALTHY})
    async def get_health() -> Response:
        """Whether the stack can take work: 200 once it can."""
        return gateway.health.answer()

    parts = (
        track_routes, processing_routes, analysis_routes, spotify_routes, download_routes, job_routes, export_routes,
        daw_routes, lalalai_routes, token_routes, admin_routes, webhook_routes, agent_routes,
    )  # fmt: skip
    for part in parts:
        router.include_router(part(gateway))
    return router
