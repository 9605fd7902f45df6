"""Access and rate limits of routes: found from the declarations beside the routes."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from soundwright.library.v1 import job_pb2
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from test_gateway_edge import Site as Listeners

from services.gateway.app import build
from services.gateway.dialects.forge import FORGE, forge_routes
from services.gateway.dialects.pipeline import PIPELINE, pipeline_job_view, pipeline_routes
from services.gateway.dialects.soundbox import SOUNDBOX, job_view, soundbox_only_routes, soundbox_routes
from services.gateway.http.access import Access, RouteAccess, access
from services.gateway.http.dialect import Dialect
from services.gateway.http.problems import Problem
from services.gateway.http.rate_limits import RateClass, RateLimiter
from services.gateway.http.route_table import RouteTable
from services.gateway.web import PAGES, page_routes

ID = "01234567-89ab-4cde-8f01-23456789abcd"
NORMAL, HEAVY, POLLING, FILES, REPORTS, PAGE = RateClass
PUBLIC = RouteAccess(Access.PUBLIC)


@pytest.fixture(scope="module")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    built = Listeners(tmp_path_factory.mktemp("site"))
    yield built
    built.gateway.encoding_slots.close()


def table(dialects: list[Dialect], *routers: APIRouter) -> RouteTable:
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        site.include_router(router)
    return RouteTable(site.routes, dialects)


@pytest.fixture(scope="module")
def everything(listeners: Listeners) -> RouteTable:
    """The routes of the default listener."""
    gateway = listeners.gateway
    views = {job_pb2.JOB_KIND_PIPELINE: pipeline_job_view(gateway), job_pb2.JOB_KIND_GENERATION: job_view}
    routers = (forge_routes(gateway), pipeline_routes(gateway, views), soundbox_routes(gateway), page_routes(gateway))
    return table([FORGE, PIPELINE, SOUNDBOX, PAGES], *routers)


@pytest.mark.parametrize(("method", "path", "rate_class"), [
    ("POST", "/api/download/track", HEAVY), ("POST", "/api/spotify/import", HEAVY), ("POST", "/api/agents/chat", HEAVY),
    ("POST", "/api/processing/separate", HEAVY), ("POST", "/api/processing/batch", HEAVY),
    ("GET", f"/api/processing/batch/{ID}", POLLING), ("POST", "/api/analysis/analyze", HEAVY),
    ("POST", f"/api/webhooks/{ID}/test", HEAVY), ("POST", f"/api/webhooks/deliveries/{ID}/replay", HEAVY),
    ("POST", "/api/spotify/fetch", NORMAL), ("GET", "/api/spotify/search", NORMAL),
    ("GET", "/api/spotify/track/4uLU6hMCjMI75M1A2tKUQC", NORMAL), ("POST", "/api/tracks", NORMAL),
    ("PATCH", f"/api/tracks/{ID}", NORMAL), ("DELETE", f"/api/tracks/{ID}", NORMAL), ("GET", "/api/tracks", NORMAL),
    ("GET", f"/api/download/job/{ID}", POLLING), ("GET", f"/api/processing/job/{ID}", POLLING),
    ("GET", f"/api/analysis/job/{ID}", POLLING), ("GET", f"/api/jobs/{ID}", POLLING),
    ("GET", f"/api/tracks/{ID}", POLLING),
    ("GET", "/files/downloads/a/b.mp3", FILES), ("GET", f"/export/stem/{ID}", FILES),
])  # fmt: skip
def test_routes_of_forge_require_an_account(
    everything: RouteTable, method: str, path: str, rate_class: RateClass
) -> None:
    assert everything.find(method, path).access == RouteAccess(Access.ACCOUNT, rate_class)


@pytest.mark.parametrize(("method", "path", "rate_class"), [
    ("GET", "/status", POLLING), ("GET", "/api/library", POLLING), ("POST", "/api/library/votes", POLLING),
    ("POST", "/api/favorites/check", POLLING), ("POST", "/random-prompt", POLLING),
    ("POST", "/generate", NORMAL), ("POST", "/api/library/a/vote", NORMAL), ("DELETE", "/api/library/a", NORMAL),
    ("POST", "/api/favorites/a", NORMAL), ("PUT", "/api/playlists/pl_1", NORMAL), ("POST", "/rate", NORMAL),
    ("GET", "/audio/a.wav", FILES), ("GET", "/download/a.wav", FILES), ("GET", "/spectrogram/a.png", FILES),
    ("GET", "/generate-spectrogram/a.wav", FILES), ("POST", "/api/log-error", REPORTS),
])  # fmt: skip
def test_routes_of_soundbox_are_open(everything: RouteTable, method: str, path: str, rate_class: RateClass) -> None:
    assert everything.find(method, path).access == RouteAccess(Access.OPEN, rate_class)


@pytest.mark.parametrize(
    ("method", "path", "declared"),
    [
        ("POST", "/api/tokens", RouteAccess(Access.PUBLIC, NORMAL)),
        ("GET", "/api/tokens", RouteAccess(Access.ACCOUNT, NORMAL)),
        ("GET", "/health", PUBLIC),
        ("GET", "/config", PUBLIC),
        ("GET", "/assets/style.css", PUBLIC),
        ("POST", "/process", RouteAccess(Access.OPEN, HEAVY)),
        ("GET", f"/job/{ID}", RouteAccess(Access.OPEN, POLLING)),
        ("GET", f"/job/{ID}/outputs", RouteAccess(Access.OPEN, POLLING)),
        ("GET", f"/download/{ID}/all", RouteAccess(Access.OPEN, FILES)),
        ("GET", "/", RouteAccess(Access.PAGE, PAGE)),
        ("PUT", "/users/settings", RouteAccess(Access.PAGE, PAGE)),
        ("GET", f"/tracks/{ID}/audio", RouteAccess(Access.PAGE, FILES)),
        # No route, or not with this method: the default of the dialect that owns the path.
        ("GET", "/api/nothing", RouteAccess(Access.ACCOUNT, NORMAL)),
        ("PUT", "/api/tokens", RouteAccess(Access.ACCOUNT, NORMAL)),
        ("BREW", f"/api/tracks/{ID}", RouteAccess(Access.ACCOUNT, NORMAL)),
        ("GET", "/process", RouteAccess(Access.OPEN, POLLING)),
        ("POST", "/status", RouteAccess(Access.OPEN, POLLING)),
        ("DELETE", "/users/none", RouteAccess(Access.PAGE, PAGE)),
        ("GET", "/nowhere", PUBLIC),
        ("POST", "/health", PUBLIC),
    ],
)
def test_other_routes_and_paths_without_a_route_have_their_access(
    everything: RouteTable, method: str, path: str, declared: RouteAccess
) -> None:
    assert everything.find(method, path).access == declared


def test_a_listener_of_one_dialect_has_its_own_declarations(listeners: Listeners) -> None:
    alone = table([SOUNDBOX], soundbox_only_routes(listeners.gateway))
    assert alone.find("GET", f"/job/{ID}").access == RouteAccess(Access.OPEN, POLLING)
    assert alone.find("GET", "/nowhere").access == RouteAccess(Access.OPEN, POLLING)  # all paths are its own


# -------------------------------------------------------------------------------------------------------------- start-up


def dialect() -> Dialect:
    def render(problem: Problem) -> Response:
        return JSONResponse({}, status_code=problem.status)

    return Dialect("own", re.compile("/"), render, RouteAccess(Access.ACCOUNT, NORMAL))


def test_a_route_without_a_declaration_is_named() -> None:
    router = APIRouter(prefix="/fruit")

    @router.put("/{name}")
    async def replace_fruit(name: str) -> None: ...

    with pytest.raises(RuntimeError, match=re.escape("PUT /fruit/{name} (replace_fruit) declares no access")):
        table([dialect()], router)


def test_a_mount_declares_its_access_too() -> None:
    async def files(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(RuntimeError, match="/files"):
        RouteTable([Mount("/files", files)], [dialect()])
    declared = RouteTable([Mount("/files", access(Access.PUBLIC)(files))], [dialect()])
    assert declared.find("GET", "/files/a").access == declared.find("BREW", "/files/a").access == PUBLIC
    assert declared.find("GET", "/fil").access == RouteAccess(Access.ACCOUNT, NORMAL)


async def test_the_declaration_is_that_of_the_route_that_the_router_selects() -> None:
    """Every path is declared by the class of its rate limit, which the route also returns."""
    classes = dict(zip(("any", "pear", "files", "late"), (NORMAL, HEAVY, FILES, POLLING), strict=True))

    def route(router: APIRouter, path: str, name: str, method: str = "GET") -> None:
        @access(Access.PUBLIC, classes[name])
        async def endpoint() -> Response:
            return JSONResponse(name)

        router.add_api_route(path, endpoint, methods=[method], name=name)

    inner, outer, other = APIRouter(prefix="/fruit"), APIRouter(prefix="/v1"), APIRouter()
    route(inner, "/pear", "pear", "POST")
    route(inner, "/{name}", "any")
    route(inner, "/pear", "pear")
    outer.include_router(inner)
    route(other, "/v1/fruit/{name}", "late")
    route(other, "/v1/{path:path}", "files")
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    site.include_router(outer)
    site.include_router(other)
    found = RouteTable(site.routes, [dialect()])
    served = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://localhost") as client:
        for method, path in (
            ("GET", "/v1/fruit/pear"), ("POST", "/v1/fruit/pear"), ("GET", "/v1/fruit/fig"), ("GET", "/v1/fruit"),
            ("GET", "/v1/fruit/a/b"), ("GET", "/v1/fruit/a%2fb"), ("GET", "/v1/fruit/%0a"),
        ):  # fmt: skip
            served[path, method] = (await client.request(method, path)).json()
            decoded = urllib.parse.unquote(path)
            assert found.find(method, decoded).access == RouteAccess(Access.PUBLIC, classes[served[path, method]]), path
    assert list(served.values()) == ["any", "pear", "any", "files", "files", "files", "any"]


def test_a_listener_does_not_start_without_declarations(listeners: Listeners) -> None:
    router = APIRouter()

    @router.get("/pear")
    async def get_pear() -> None: ...

    authenticator: Any = None
    with pytest.raises(RuntimeError, match=r"GET /pear \(get_pear\)"):
        build([dialect()], [router], authenticator, RateLimiter({}, listeners.clock), listeners.settings)
