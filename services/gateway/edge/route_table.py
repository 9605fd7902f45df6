"""Finds the route of a request once: for the access control, and for the application, which then runs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Receive, Scope, Send

from soundwright.services.gateway.callers.access import Access, RouteAccess, declared_access
from soundwright.services.gateway.callers.dialect import Dialect, dialect_for

_PUBLIC = RouteAccess(Access.PUBLIC)
_SCOPE = "soundwright.route"


@dataclass(frozen=True)
class FoundRoute:
    """The route that serves a request.

    Attributes:
        access: the declaration of the route, or the default for a path without one.
        route: None if no route serves the method and the path.
    """

    access: RouteAccess
    route: RouteContext | None = None

    def select(self, scope: Scope) -> None:
        """Make :class:`Dispatch` run this route, and the request log name it."""
        scope[_SCOPE] = self
        if self.route is not None:
            scope["route"] = self.route


class RouteTable:
    """Finds the route of a request, and the declaration that applies to it, before the router sees it.

    Args:
        routes: of the listener, in the order in which they are matched.
        dialects: of the listener.

    Raises:
        RuntimeError: a route has no declaration. The message names the route.
    """

    def __init__(self, routes: Iterable[BaseRoute], dialects: Sequence[Dialect]) -> None:
        self._dialects = tuple(dialects)
        self._known = [
            (route.path_regex, FoundRoute(_declared(route), route)) for route in iter_route_contexts(list(routes))
        ]
        methods = {method for _, found in self._known for method in _methods(found)}
        # Mounts accept every method.
        self._mounts = [(pattern, found) for pattern, found in self._known if not _methods(found)]
        self._by_method = {
            method: [
                (pattern, found) for pattern, found in self._known if not _methods(found) or method in _methods(found)
            ]
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
        """Return the methods that routes of ``path`` serve."""
        methods = {method for pattern, found in self._known if pattern.match(path) for method in _methods(found)}
        return sorted(methods | ({"HEAD"} if "GET" in methods else set()))  # the edge turns HEAD into GET


class Dispatch(BaseRoute):
    """Runs the route that the access control found. It is the first route of the application and serves every request.

    FastAPI would match each path once more, at every level of its routers.
    """

    def __init__(self, table: RouteTable) -> None:
        self._table = table

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Raises:
            HTTPException: 404, or 405 if the path has routes of other methods.
            RuntimeError: the access control checked another declaration than that of the route.
        """
        found: FoundRoute = scope[_SCOPE]
        if found.route is None:
            if methods := self._table.methods_of(scope["path"]):
                raise HTTPException(405, headers={"Allow": ", ".join(methods)})
            raise HTTPException(404)
        if scope["soundwright.access"] != _declared(found.route):
            raise RuntimeError(f"the access of another route was checked for {found.route.path}")
        if isinstance(found.route.original_route, Mount):
            _, child_scope = found.route.matches(scope)
            scope.update(child_scope)
            await found.route.handle(scope, receive, send)
            return
        params = found.route.path_regex.match(scope["path"]).groupdict()
        scope["path_params"] = {
            name: found.route.param_convertors[name].convert(value) for name, value in params.items()
        }
        scope["endpoint"], scope["route"] = found.route.endpoint, found.route
        await found.route.app(scope, receive, send)


def _methods(found: FoundRoute) -> frozenset[str]:
    return frozenset(found.route.methods or ()) if found.route is not None else frozenset()


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
