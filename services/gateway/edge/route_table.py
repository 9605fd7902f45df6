"""Finds the route of a request once: for the access control, and for :class:`Dispatch`, which then runs it."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundwright.kit.errors import AppError
from soundwright.services.gateway.callers.access import Access, RouteAccess, declared_access
from soundwright.services.gateway.callers.dialect import Dialect, dialect_for
from soundwright.services.gateway.wire.problems import problem_of

_PUBLIC = RouteAccess(Access.PUBLIC)
ROUTE_KEY = "soundwright.route"  # of the scope of a request
_REFUSALS = (AppError, HTTPException, RequestValidationError)


@dataclass(frozen=True)
class FoundRoute:
    """The route that serves a request.

    Attributes:
        access: the declaration of the route, or the default for a path without one.
        route: None if no route serves the method and the path.
        path: of the route, with the names of its parameters; empty if there is none.
        methods: that the route serves. Mounts accept every method and have none.
    """

    access: RouteAccess
    route: RouteContext | None = None
    path: str = ""
    methods: frozenset[str] = frozenset()
    app: ASGIApp | None = None

    @staticmethod
    def of(route: RouteContext) -> "FoundRoute":
        """Read what every request needs of a route once."""
        methods = frozenset(route.methods or ())
        return FoundRoute(_declared(route), route, route.path or "", methods, _app_of(route))

    def select(self, scope: Scope) -> None:
        """Make :class:`Dispatch` run this route, and the request log name it."""
        scope[ROUTE_KEY] = self
        if self.route is not None:
            scope["route"] = self.route


class RouteTable:
    """Finds the route of a request, and the declaration that applies to it, before the router sees it.

    Args:
        routes: of the listener, in the order in which they are matched.

    Raises ``RuntimeError``: a route has no declaration. The message names the route.
    """

    def __init__(self, routes: Iterable[BaseRoute], dialects: Sequence[Dialect]) -> None:
        self._dialects = tuple(dialects)
        self._known = [(route.path_regex, FoundRoute.of(route)) for route in iter_route_contexts(list(routes))]
        methods = {method for _, found in self._known for method in found.methods}
        self._mounts = [(pattern, found) for pattern, found in self._known if not found.methods]
        self._by_method = {
            method: [(pattern, found) for pattern, found in self._known if not found.methods or method in found.methods]
            for method in methods
        }

    def find(self, method: str, path: str) -> FoundRoute:
        """Return the route that serves ``method`` and ``path``.

        Without such a route (404 and 405), the default of the dialect that owns the path applies. Paths that no dialect owns
        are public. The only dialect of a listener owns all paths.
        """
        for pattern, found in self._by_method.get(method, self._mounts):
            if pattern.match(path):
                return found
        dialect = dialect_for(path, self._dialects)
        owned = len(self._dialects) == 1 or dialect.paths.match(path)
        return FoundRoute(dialect.default_access if owned else _PUBLIC)

    def methods_of(self, path: str) -> list[str]:
        methods = {method for pattern, found in self._known if pattern.match(path) for method in found.methods}
        return sorted(methods | ({"HEAD"} if "GET" in methods else set()))  # the edge turns HEAD into GET


class Dispatch:
    """The ASGI application behind the access control: it runs the route that was found.

    FastAPI would match each path once more, at every level of its routers. An error becomes the response of the dialect.
    """

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self._run = AsyncExitStackMiddleware(self._run_route)  # FastAPI's routes need its stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Raises ``Exception``: it is no refusal, or the response has begun.
        """
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._run(scope, receive, send_and_note)
        except ClientDisconnect:
            raise
        except Exception as error:
            if not started:
                await scope["dialect"].render(problem_of(error))(scope, receive, send)
            if started or not isinstance(error, _REFUSALS):
                raise

    async def _run_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Raises:
            HTTPException: 404, or 405 if the path has routes of other methods.
            RuntimeError: the access control checked another declaration than that of the route.
        """
        found: FoundRoute = scope[ROUTE_KEY]
        if found.app is None:
            if methods := self._table.methods_of(scope["path"]):
                raise HTTPException(405, headers={"Allow": ", ".join(methods)})
            raise HTTPException(404)
        if scope["soundwright.access"] != found.access:
            raise RuntimeError(f"the access of another route was checked for {found.path}")
        await found.app(scope, receive, send)


def _app_of(route: RouteContext) -> ASGIApp:
    if isinstance(route.original_route, Mount):
        return _mounted(route)
    if inspect.iscoroutinefunction(route.endpoint) and not inspect.signature(route.endpoint).parameters:
        return _without_parameters(route.endpoint)
    return _with_parameters(route)


def _without_parameters(endpoint: Callable[[], Awaitable[Response]]) -> ASGIApp:
    """FastAPI would look for parameters in each request."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint()
        await response(scope, receive, send)

    return run


def _mounted(route: RouteContext) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        _, child_scope = route.matches(scope)
        scope.update(child_scope)
        await route.handle(scope, receive, send)

    return run


def _with_parameters(route: RouteContext) -> ASGIApp:
    match, convertors, endpoint, app = route.path_regex.match, route.param_convertors, route.endpoint, route.app

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        texts = match(scope["path"]).groupdict()
        scope["path_params"] = {name: convertors[name].convert(text) for name, text in texts.items()}
        scope["endpoint"] = endpoint
        await app(scope, receive, send)

    return run


def _declared(route: RouteContext) -> RouteAccess:
    endpoint = route.original_route.app if isinstance(route.original_route, Mount) else route.endpoint
    declared = declared_access(endpoint)
    if declared is None:
        methods = "|".join(sorted(route.methods or ())) or "mount"
        raise RuntimeError(
            f"{methods} {route.path} ({route.name or type(endpoint).__name__}) declares no access. "
            "Put @access(...) below the router's decorator."
        )
    return declared
