"""All routes of the forge dialect."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.account import account_routes
from soundwright.services.gateway.dialects.forge.admin import admin_routes
from soundwright.services.gateway.dialects.forge.admin_platform import platform_routes
from soundwright.services.gateway.dialects.forge.agents import agent_routes
from soundwright.services.gateway.dialects.forge.analysis import analysis_routes
from soundwright.services.gateway.dialects.forge.batches import batch_routes
from soundwright.services.gateway.dialects.forge.connections import connection_routes
from soundwright.services.gateway.dialects.forge.daw import daw_routes
from soundwright.services.gateway.dialects.forge.download import download_routes
from soundwright.services.gateway.dialects.forge.exports import export_routes
from soundwright.services.gateway.dialects.forge.features import feature_routes
from soundwright.services.gateway.dialects.forge.guests import guest_routes
from soundwright.services.gateway.dialects.forge.jobs import job_routes
from soundwright.services.gateway.dialects.forge.lalalai import lalalai_routes
from soundwright.services.gateway.dialects.forge.live import live_routes
from soundwright.services.gateway.dialects.forge.plans import plan_routes
from soundwright.services.gateway.dialects.forge.processing import processing_routes
from soundwright.services.gateway.dialects.forge.sessions import session_routes
from soundwright.services.gateway.dialects.forge.setlists import setlist_routes
from soundwright.services.gateway.dialects.forge.shared_tracks import shared_track_routes
from soundwright.services.gateway.dialects.forge.song_files import song_file_routes
from soundwright.services.gateway.dialects.forge.spotify import spotify_routes
from soundwright.services.gateway.dialects.forge.stems import stem_routes
from soundwright.services.gateway.dialects.forge.storage import storage_routes
from soundwright.services.gateway.dialects.forge.tokens import token_routes
from soundwright.services.gateway.dialects.forge.track_batches import track_batch_routes
from soundwright.services.gateway.dialects.forge.track_links import track_link_routes
from soundwright.services.gateway.dialects.forge.tracks import track_routes
from soundwright.services.gateway.dialects.forge.uploads import upload_routes
from soundwright.services.gateway.dialects.forge.webhooks import webhook_routes
from soundwright.services.gateway.edge.health import UNHEALTHY, HealthReport
from soundwright.services.gateway.openapi.responses import documented


def forge_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter()

    @router.get("/health", tags=["operations"])
    @access(Access.PUBLIC)
    @documented(HealthReport, responses={503: UNHEALTHY})
    async def get_health() -> Response:
        """Check the health of the server. Returns 200 if all components are available."""
        return gateway.health.response()

    @router.get("/.well-known/{path:path}", tags=["operations"])
    @access(Access.PUBLIC)
    @documented(None, status=204)
    async def get_well_known(
        path: Annotated[str, Path(description="Any path.", examples=["change-password"])],
    ) -> Response:
        """Answer probes of browsers and apps for well-known files, of which there are none."""
        return Response(status_code=204)

    parts = (
        track_routes, track_batch_routes, upload_routes, processing_routes, plan_routes, batch_routes, analysis_routes, spotify_routes, download_routes, job_routes, stem_routes, track_link_routes, setlist_routes, shared_track_routes, live_routes, export_routes, song_file_routes,
        daw_routes, lalalai_routes, token_routes, session_routes, connection_routes, storage_routes, account_routes, feature_routes, guest_routes, admin_routes, platform_routes, webhook_routes, agent_routes,
    )  # fmt: skip
    for part in parts:
        router.routes.extend(part(gateway).routes)
    return router
