"""The published document is made from the routes and from what they declare."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from pydantic import Field
from starlette.responses import JSONResponse, Response
from test_gateway_edge import Site as Listeners
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.callers.access import Access, RouteAccess, access
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.dialects.forge import FORGE, forge_routes
from soundwright.services.gateway.dialects.pipeline import PIPELINE, pipeline_job_view, pipeline_routes
from soundwright.services.gateway.dialects.soundbox import SOUNDBOX, job_view, soundbox_routes
from soundwright.services.gateway.openapi.document import DocumentedApp
from soundwright.services.gateway.openapi.responses import documented, file_responses
from soundwright.services.gateway.web import PAGES, page_routes
from soundwright.services.gateway.wire.problems import Problem
from soundwright.services.gateway.wire.schemas import Schemas
from tests.unit.raised_errors import raised_errors

ERRORS = Path(__file__).parents[3] / "docs" / "ERRORS.md"
T = TypeVar("T")


class Fruit(TypedDict):
    """Something to eat."""

    name: Annotated[str, Field(examples=["pear"])]
    weight: Annotated[float | None, Field(examples=[None])]


class Basket(TypedDict, Generic[T]):
    inside: list[T]


def own_site(accepted: Access, *, rate_class: RateClass | None = None) -> dict[str, Any]:
    """Return the document of a site with three routes of the same access."""

    def render(problem: Problem) -> Response:
        return JSONResponse({"why": problem.reason}, status_code=problem.status)

    class Why(TypedDict):
        why: str

    dialect = Dialect("own", re.compile("/"), render, RouteAccess(Access.PUBLIC), title="Our own", error=Why)
    router = APIRouter(tags=["own fruit"])

    @router.get("/fruit/{name}")
    @access(accepted, rate_class)
    @documented(Basket[Fruit], errors.NOT_FOUND)
    async def get_fruit(name: str) -> Response:
        """Fruit of one kind. All that there is."""
        raise NotImplementedError

    @router.delete("/fruit/{name}")
    @access(accepted, rate_class)
    @documented(None, status=204)
    async def eat_fruit(name: str) -> Response:
        """Eat it."""
        raise NotImplementedError

    @router.get("/picture")
    @access(accepted, rate_class)
    @file_responses("image/png", errors.FILE_NOT_FOUND)
    async def get_picture() -> Response:
        """A picture of it."""
        raise NotImplementedError

    site = DocumentedApp([dialect], {}, title="Fruit")
    site.include_router(router)
    return site.openapi()


def reasons(document: dict[str, Any], method: str, path: str) -> dict[str, list[str]]:
    """Refusals of a route, by status."""
    found = {}
    for status, said in document["paths"][path][method]["responses"].items():
        if "$ref" in said:
            response = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
            (content,) = response["content"].values()
            found[status] = list(content["examples"])
            assert all(example["value"] == {"why": name} for name, example in content["examples"].items())
    return found


def test_a_route_says_what_it_gives() -> None:
    document = own_site(Access.PUBLIC)
    operation = document["paths"]["/fruit/{name}"]["get"]
    assert (operation["operationId"], operation["summary"]) == ("get_fruit", "Fruit of one kind")
    content = operation["responses"]["200"]["content"]["application/json"]
    assert content["example"] == {"inside": [{"name": "pear", "weight": None}]}
    assert content["schema"]["properties"]["inside"]["items"] == {"$ref": "#/components/schemas/Fruit"}
    assert document["components"]["schemas"]["Fruit"]["required"] == ["name", "weight"]
    assert "content" not in document["paths"]["/fruit/{name}"]["delete"]["responses"]["204"]
    picture = document["paths"]["/picture"]["get"]
    assert set(picture["responses"]) == {"200", "206", "304", "307", "404", "412", "416", "421", "500", "503"}
    assert "Content-Range" in picture["responses"]["206"]["headers"]
    assert [parameter["name"] for parameter in picture["parameters"]] == [
        "Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("accepted", "security", "refused"),
    [
        (Access.PUBLIC, [], {"404": ["NOT_FOUND"]}),
        (
            Access.ACCOUNT,
            [{"bearer": []}, {"session": []}],
            {"401": ["UNAUTHORIZED"], "403": ["ACCOUNT_SUSPENDED"], "404": ["NOT_FOUND"]},
        ),
        (
            Access.OPEN,
            [{"bearer": []}, {"session": []}, {}],
            {"401": ["UNAUTHORIZED"], "403": ["ACCOUNT_SUSPENDED", "ORIGIN_NOT_ALLOWED"], "404": ["NOT_FOUND"]},
        ),
        (Access.BROWSER, [{"session": []}, {}], {"403": ["ACCOUNT_SUSPENDED"], "404": ["NOT_FOUND"]}),
    ],
)
def test_security_follows_from_the_declared_access(
    accepted: Access, security: list[Any], refused: dict[str, list[str]]
) -> None:
    document = own_site(accepted)
    assert document["paths"]["/fruit/{name}"]["get"]["security"] == security
    always = {"400": ["PATH_INVALID"], "421": ["HOST_NOT_ALLOWED"], "500": ["INTERNAL"], "503": ["SERVICE_UNAVAILABLE"]}
    assert reasons(document, "get", "/fruit/{name}") == refused | always
    writes = document["paths"]["/fruit/{name}"]["delete"]["security"]
    assert all("csrf" in way for way in writes if "session" in way)
    forgeable = reasons(document, "delete", "/fruit/{name}").get("403", [])
    assert ("CSRF_INVALID" in forgeable) is accepted.sessions


def test_rate_limits_follow_from_the_declaration() -> None:
    uncounted, counted = own_site(Access.PUBLIC), own_site(Access.PUBLIC, rate_class=RateClass.NORMAL)
    assert reasons(counted, "get", "/fruit/{name}")["429"] == ["RATE_LIMITED"]
    assert (
        "Retry-After"
        in counted["components"]["responses"][
            counted["paths"]["/fruit/{name}"]["get"]["responses"]["429"]["$ref"].rpartition("/")[2]
        ]["headers"]
    )
    assert "429" not in uncounted["paths"]["/fruit/{name}"]["get"]["responses"]
    for document, counts in ((counted, True), (uncounted, False)):
        headers = document["paths"]["/fruit/{name}"]["get"]["responses"]["200"]["headers"]
        assert ("X-RateLimit-Remaining" in headers) is counts


def test_two_shapes_do_not_share_a_name() -> None:
    def foreign() -> Any:
        class Fruit(TypedDict):
            colour: str

        return Fruit

    schemas = Schemas()
    schemas.of(Fruit)
    assert schemas.of(Fruit) == {"$ref": "#/components/schemas/Fruit"}
    with pytest.raises(ValueError, match="Two schemas have the name Fruit"):
        schemas.of(foreign())


# ------------------------------------------------------------------------------------------------------------ all routes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentedApp]:
    """All that the gateway serves on its own port, in front of nothing."""
    listeners = Listeners(tmp_path_factory.mktemp("site"))
    gateway = listeners.gateway
    views = {job_pb2.JOB_KIND_PIPELINE: pipeline_job_view(gateway), job_pb2.JOB_KIND_GENERATION: job_view}
    built = DocumentedApp([FORGE, PIPELINE, SOUNDBOX, PAGES], {}, title="Soundwright")
    for routes in (
        forge_routes(gateway),
        pipeline_routes(gateway, views),
        soundbox_routes(gateway),
        page_routes(gateway),
    ):
        built.include_router(routes)
    yield built
    gateway.reencoder.slots.close()


def test_what_is_served_is_published_and_the_other_way_round(site: DocumentedApp) -> None:
    served = {
        f"{method} {route.path_format}"
        for route in iter_route_contexts(site.routes)
        for method in (route.methods or set()) - {"HEAD"}
    }
    published = {f"{method.upper()} {path}" for path, methods in site.openapi()["paths"].items() for method in methods}
    assert served - published == {"GET /openapi.json"}
    assert published <= served
    assert len(published) > 120


def test_each_route_lists_the_errors_that_the_gateway_raises(site: DocumentedApp) -> None:
    document = site.openapi()
    missing = []
    for route in iter_route_contexts(site.routes):
        for method in (route.methods or set()) - {"HEAD"}:
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is None:
                continue
            listed, described = listed_errors(document, operation)
            for call in (route.endpoint, *(each.call for each in route.original_route.dependant.dependencies)):  # type: ignore[union-attr]
                missing += [
                    f"{method} {route.path_format}: {error.reason} of {calls}"
                    for error, calls in raised_errors(call)
                    if error is not errors.CANCELLED  # whose caller is gone
                    and error.reason not in listed
                    and error.code.value.http_status not in described
                ]
    assert not missing, "\n".join(sorted(missing))


def listed_errors(document: dict[str, Any], operation: dict[str, Any]) -> tuple[set[str], set[int]]:
    """Return the errors that an operation lists, and the statuses whose responses it describes in another way."""
    names = {int(status): said.get("$ref", "").rpartition("/")[2] for status, said in operation["responses"].items()}
    shared = [document["components"]["responses"][name] for name in names.values() if name]
    listed = {reason for response in shared for reason in re.findall(r"`(\w+)`", response["description"])}
    return listed, {status for status, name in names.items() if not name}
