"""Access and rate limits of routes: found from the declarations beside the routes."""

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from test_gateway_edge import Site as Listeners

from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.app import build
from soundwright.services.gateway.callers.access import Access, RouteAccess, access
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.dialects.forge import FORGE, forge_routes
from soundwright.services.gateway.dialects.pipeline import PIPELINE, pipeline_job_view, pipeline_routes
from soundwright.services.gateway.dialects.soundbox import SOUNDBOX, job_view, soundbox_only_routes, soundbox_routes
from soundwright.services.gateway.edge.route_table import RouteTable
from soundwright.services.gateway.web import PAGES, page_routes
from soundwright.services.gateway.wire.problems import Problem

ID = "01234567-89ab-4cde-8f01-23456789abcd"
NORMAL, HEAVY, POLLING, FILES, REPORTS, PAGE = RateClass
PUBLIC = RouteAccess(Access.PUBLIC)


@pytest.fixture(scope="module")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    built = Listeners(tmp_path_factory.mktemp("site"))
    yield built
    built.gateway.reencoder.slots.close()


def table(dialects: list[Dialect], *routers: APIRouter) -> RouteTable:
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        site.include_router(router)
    return RouteTable(site.routes, dialects)


@pytest.fixture(scope="module")
def everything(listeners: Listeners) -> RouteTable:
    gateway = listeners.gateway
    views = {job_pb2.JOB_KIND_PIPELINE: pipeline_job_view(gateway), job_pb2.JOB_KIND_GENERATION: job_view}
    routers = (forge_routes(gateway), pipeline_routes(gateway, views), soundbox_routes(gateway), page_routes(gateway))
    return table([FORGE, PIPELINE, SOUNDBOX, PAGES], *routers)


ACCOUNT, OPEN, PAGES_ACCESS = Access.ACCOUNT, Access.OPEN, Access.BROWSER
# Routes of each access: methods with the paths behind them, one after another.
ROUTES: dict[RouteAccess, str] = {
    RouteAccess(ACCOUNT, HEAVY): f"""
        POST /api/download/track /api/spotify/import /api/agents/chat /api/processing/separate /api/processing/batch
        /api/analysis/analyze /api/webhooks/{ID}/test /api/webhooks/deliveries/{ID}/replay""",
    RouteAccess(ACCOUNT, NORMAL): f"""
        GET /api/spotify/search /api/spotify/track/4uLU6hMCjMI75M1A2tKUQC /api/tracks /api/tokens
        POST /api/spotify/fetch /api/tracks /api/tracks/batch PATCH /api/tracks/{ID} DELETE /api/tracks/{ID}""",
    RouteAccess(ACCOUNT, POLLING): f"""
        GET /api/processing/batch/{ID} /api/download/job/{ID} /api/processing/job/{ID} /api/analysis/job/{ID} /api/jobs/{ID}
        /api/tracks/{ID}""",
    RouteAccess(ACCOUNT, FILES): f"GET /files/downloads/a/b.mp3 /export/stem/{ID}",
    RouteAccess(OPEN, NORMAL): """
        POST /generate /api/library/a/vote /api/favorites/a /rate DELETE /api/library/a PUT /api/playlists/pl_1""",
    RouteAccess(OPEN, POLLING): f"""
        GET /status /api/library /job/{ID} /job/{ID}/outputs POST /api/library/votes /api/favorites/check /random-prompt
        /process""",
    RouteAccess(OPEN, FILES): f"""
        GET /audio/a.wav /download/a.wav /spectrogram/a.png /generate-spectrogram/a.wav /download/{ID}/all""",
    RouteAccess(OPEN, REPORTS): "POST /api/log-error",
    RouteAccess(Access.PUBLIC, NORMAL): "POST /api/tokens",
    PUBLIC: "GET /health /config /assets/style.css /assets/drops.js",
    RouteAccess(PAGES_ACCESS, PAGE): "GET / PUT /users/settings",
}  # fmt: skip
# No route, or not with this method: the default of the dialect that owns the path.
UNKNOWN: dict[RouteAccess, str] = {
    RouteAccess(ACCOUNT, NORMAL): f"GET /api/nothing PUT /api/tokens BREW /api/tracks/{ID}",
    RouteAccess(OPEN, POLLING): "GET /process POST /status",
    RouteAccess(PAGES_ACCESS, PAGE): "DELETE /users/none",
    PUBLIC: "GET /nowhere POST /health",
}


@pytest.mark.parametrize("table", [ROUTES, UNKNOWN], ids=["routes", "paths without a route"])
def test_each_path_has_its_access(everything: RouteTable, table: dict[RouteAccess, str]) -> None:
    for declared, text in table.items():
        method = ""
        for word in text.split():
            if word.startswith("/"):
                found = everything.find(method, word)
                assert (found.access, found.route is not None) == (declared, table is ROUTES), (method, word)
            else:
                method = word


def test_a_listener_of_one_dialect_has_its_own_declarations(listeners: Listeners) -> None:
    alone = table([SOUNDBOX], soundbox_only_routes(listeners.gateway))
    assert alone.find("GET", f"/job/{ID}").access == RouteAccess(Access.OPEN, POLLING)
    assert alone.find("GET", "/nowhere").access == RouteAccess(Access.OPEN, POLLING)  # all paths are its own


# -------------------------------------------------------------------------------------------------------------- start-up


def dialect() -> Dialect:
    def render(problem: Problem) -> Response:
        return JSONResponse({}, status_code=problem.status)

    return Dialect("own", re.compile("/"), render, RouteAccess(Access.ACCOUNT, NORMAL))


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
