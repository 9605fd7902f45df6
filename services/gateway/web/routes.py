"""All pages."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.gateway.answers import answers
from services.gateway.auth import Browsers
from services.gateway.clients import Gateway
from services.gateway.web.answers import shows
from services.gateway.web.entrance import entrance_routes
from services.gateway.web.library_pages import library_routes
from services.gateway.web.settings_page import settings_routes
from services.gateway.web.spotify_login import spotify_login_routes
from services.gateway.web.views import Views

__all__ = ["page_routes"]

_ASSETS = Path(__file__).parent / "assets"
_STYLESHEET = (_ASSETS / "style.css").read_bytes()
_SCRIPT = (_ASSETS / "live.js").read_bytes()
_TAGS: list[str | Enum] = ["pages music"]
_CACHED = {"Cache-Control": "public, max-age=3600"}


def page_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter()
    browsers = Browsers(gateway.settings)
    views = Views(browsers)

    @router.get("/", tags=_TAGS)
    @shows(elsewhere=False)
    async def home(request: Request) -> Response:
        """The first page."""
        return views.page(request, "home.html", registration=gateway.settings.registration)

    @router.get("/assets/style.css", tags=_TAGS)
    @answers({"type": "string"}, media_type="text/css", example="body { margin: 0 }", headers=("Cache-Control",))
    async def stylesheet() -> Response:
        """How pages look."""
        return Response(_STYLESHEET, media_type="text/css", headers=_CACHED)

    @router.get("/assets/live.js", tags=_TAGS)
    @answers({"type": "string"}, media_type="text/javascript", example="void 0;", headers=("Cache-Control",))
    async def script() -> Response:
        """What keeps lists on pages as they are."""
        return Response(_SCRIPT, media_type="text/javascript", headers=_CACHED)

    router.include_router(entrance_routes(gateway, views))
    router.include_router(settings_routes(gateway, views))
    router.include_router(spotify_login_routes(gateway, views, browsers))
    router.include_router(library_routes(gateway, views))
    return router
