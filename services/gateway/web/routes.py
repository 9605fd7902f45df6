"""All routes of the browser pages."""

from enum import Enum
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.browsers import Browsers
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.openapi.responses import documented
from soundwright.services.gateway.web.auth_pages import auth_routes
from soundwright.services.gateway.web.responses import page_responses
from soundwright.services.gateway.web.settings_page import settings_routes
from soundwright.services.gateway.web.spotify_login import spotify_login_routes
from soundwright.services.gateway.web.studio_pages import read_build, studio_routes
from soundwright.services.gateway.web.views import Views

_ASSETS = Path(__file__).parent / "assets"
_STYLESHEET = b"".join((_ASSETS / name).read_bytes() for name in ("tokens.css", "style.css"))
_DROPS = (_ASSETS / "drops.js").read_bytes()
_ICON = (_ASSETS / "icon.svg").read_bytes()
_TAGS: list[str | Enum] = ["pages studio"]
_CACHED = {"Cache-Control": "public, max-age=3600"}


def page_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter()
    browsers = Browsers(gateway.settings)
    media_origin = gateway.blobs.public.origin if gateway.blobs.public else ""
    views = Views(browsers)

    @router.get("/", tags=_TAGS)
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(page=False)
    async def home(request: Request) -> Response:
        """Redirect to the studio."""
        return views.redirect(request, "/studio")

    @router.get("/assets/style.css", tags=_TAGS)
    @access(Access.PUBLIC)
    @documented({"type": "string"}, media_type="text/css", example="body { margin: 0 }", headers=("Cache-Control",))
    async def stylesheet() -> Response:
        """Get the stylesheet."""
        return Response(_STYLESHEET, media_type="text/css", headers=_CACHED)

    @router.get("/assets/drops.js", tags=_TAGS)
    @access(Access.PUBLIC)
    @documented({"type": "string"}, media_type="text/javascript", example="void 0;", headers=("Cache-Control",))
    async def drops() -> Response:
        """Get the script of the pages, which receives dropped files."""
        return Response(_DROPS, media_type="text/javascript", headers=_CACHED)

    @router.get("/assets/icon.svg", tags=_TAGS)
    @router.get("/favicon.ico", tags=_TAGS, name="favicon")
    @access(Access.PUBLIC)
    @documented({"type": "string"}, media_type="image/svg+xml", example="<svg ...></svg>", headers=("Cache-Control",))
    async def icon() -> Response:
        """Get the icon of the site. Browsers request ``/favicon.ico`` for pages that do not link an icon, such as error texts."""
        return Response(_ICON, media_type="image/svg+xml", headers=_CACHED)

    router.routes.extend(auth_routes(gateway, views).routes)
    router.routes.extend(settings_routes(gateway, views).routes)
    router.routes.extend(spotify_login_routes(gateway, views, browsers).routes)
    router.routes.extend(studio_routes(views, read_build(), media_origin, gateway.settings.open_access).routes)
    return router
