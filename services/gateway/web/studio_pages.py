"""The studio, Soundwright's web application: its page, and its built files. ``studio/`` at the top has the source."""

import gzip
import json
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.kit.security.identity import current_principal
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.openapi.responses import BINARY, documented
from soundwright.services.gateway.web.responses import page_responses
from soundwright.services.gateway.web.templates import render_template, studio_headers
from soundwright.services.gateway.web.views import LOG_IN, Views, session_of

_FOLDER = Path(__file__).parent / "studio"
_ENTRY = "src/main.tsx"
_BASE = "/studio/"
# The name of a file contains a hash of its content.
_CACHED = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_WORKER = (Path(__file__).parent / "assets" / "studio-worker.js").read_text()
_MANIFEST_TYPE = "application/manifest+json"
_MANIFEST = {
    "name": "Soundwright",
    "short_name": "Soundwright",
    "description": "Separates songs into their instruments, and finds tempo, key and beats.",
    "start_url": "/studio",
    "scope": "/studio",
    "display": "standalone",
    "background_color": "#131318",
    "theme_color": "#4b3fd0",
    "icons": [{"src": "/assets/icon.svg", "type": "image/svg+xml", "sizes": "any"}],
}
# The address has a secret.
_SHARED = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_TEXT_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"}


@dataclass(frozen=True)
class _Asset:
    """A built file. ``compressed`` is empty if gzip does not make it smaller."""

    media_type: str
    body: bytes
    compressed: bytes


@dataclass(frozen=True)
class Build:
    """The built studio.

    Attributes:
        scripts: paths of the scripts that the page loads, the entry first. Empty: the studio is not built.
        styles: paths of the stylesheets.
    """

    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    assets: dict[str, _Asset] = field(default_factory=dict)


def read_build(folder: Path = _FOLDER) -> Build:
    manifest = folder / ".vite" / "manifest.json"
    if not manifest.is_file():
        return Build()
    chunks = json.loads(manifest.read_text())
    loaded = [chunks[_ENTRY]]
    for chunk in loaded:
        loaded += [chunks[name] for name in chunk.get("imports", ()) if chunks[name] not in loaded]
    return Build(
        scripts=tuple(_BASE + chunk["file"] for chunk in loaded),
        styles=tuple(_BASE + name for chunk in loaded for name in chunk.get("css", ())),
        assets={path.name: _asset(path) for path in (folder / "assets").iterdir()},
    )


def _asset(path: Path) -> _Asset:
    media_type = _TEXT_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    body = path.read_bytes()
    compressed = gzip.compress(body, mtime=0)
    return _Asset(media_type, body, compressed if len(compressed) < len(body) else b"")


def _worker(build: Build) -> str:
    """Return the service worker. The shell is the page without an account; it loads the account when the server is back."""
    code = {".js", ".mjs", ".css"}
    names = sorted(name for name in build.assets if Path(name).suffix in code)
    files = [
        *build.scripts[:1],
        *(f"{_BASE}assets/{name}" for name in names if f"{_BASE}assets/{name}" not in build.scripts[:1]),
    ]
    shell = render_template("studio.html", build=build, administrator=False, offline=True, enters=False)
    return _WORKER.replace("__FILES__", json.dumps(files)).replace("__SHELL__", json.dumps(shell))


def studio_routes(views: Views, build: Build, media_origin: str, open_access: bool) -> APIRouter:
    """Return the routes of the studio. Without a build, its page says how to get one.

    The page of a visitor without a session says that its script can create a guest account. The page itself creates none.

    Args:
        media_origin: where files are redirected to; empty: they are not.
        open_access: whether visitors without an account can become guests.
    """
    router = APIRouter(prefix="/studio", tags=["pages studio"])
    headers = studio_headers(media_origin)
    worker = _worker(build)

    @router.get("/assets/{name}")
    @access(Access.PUBLIC)
    @documented(
        BINARY, errors.FILE_NOT_FOUND, media_type="text/javascript", example="void 0;", headers=("Cache-Control",)
    )
    async def studio_asset(
        request: Request,
        name: Annotated[str, PathParameter(description="Name of the file.", examples=["main-B3xq0n1F.js"])],
    ) -> Response:
        """Get a script or stylesheet of the studio."""
        asset = build.assets.get(name)
        if asset is None:
            raise errors.FILE_NOT_FOUND("There is no such file. Reload the page.")
        if asset.compressed and "gzip" in request.headers.get("accept-encoding", ""):
            headers = _CACHED | {"Content-Encoding": "gzip"}
            return Response(asset.compressed, media_type=asset.media_type, headers=headers)
        return Response(asset.body, media_type=asset.media_type, headers=_CACHED)

    @router.get("/worker.js")
    @access(Access.PUBLIC)
    @documented(BINARY, media_type="text/javascript", example="void 0;")
    async def studio_worker() -> Response:
        """Get the service worker of the studio, which lets it start without a server."""
        # The page is in the scope /studio, which is above the folder of the script.
        return Response(
            worker,
            media_type="text/javascript",
            headers={"Service-Worker-Allowed": "/studio", "Cache-Control": "no-cache"},
        )

    @router.get("/manifest.webmanifest")
    @access(Access.PUBLIC)
    @documented({"type": "object"}, media_type=_MANIFEST_TYPE, example={"name": _MANIFEST["name"]})
    async def studio_manifest() -> Response:
        """Get the manifest with which browsers install the studio as an app."""
        return Response(json.dumps(_MANIFEST), media_type=_MANIFEST_TYPE)

    @router.get("")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def studio_page(request: Request) -> Response:
        """Show the studio."""
        return page(request)

    @router.get("/shared/{secret}")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def shared_page(
        request: Request,
        secret: Annotated[
            str,
            PathParameter(
                description="The secret of a link to a track.", examples=["qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"]
            ),
        ],
    ) -> Response:
        """Show a shared track. The page needs no account, and makes none."""
        return page(request, is_shared=True)

    @router.get("/{path:path}")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def studio_view(
        request: Request, path: Annotated[str, PathParameter(description="The view.", examples=["jobs"])]
    ) -> Response:
        """Show a view of the studio, which its script renders."""
        return page(request)

    def page(request: Request, is_shared: bool = False) -> Response:
        if session_of(request) is None and not open_access and not is_shared:
            return views.redirect(request, f"{LOG_IN}?return_to={quote(request.url.path, safe='')}", "must_log_in")
        if not build.scripts:
            return views.page(request, "studio_missing.html")
        principal = current_principal()
        administrator = principal is not None and principal.may_administer
        return views.page(
            request,
            "studio.html",
            headers=headers | (_SHARED if is_shared else {}),
            build=build,
            administrator=administrator,
            enters=not is_shared,
        )

    return router
