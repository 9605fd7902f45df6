"""Finds the access declaration of a route by method and path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Mount

from services.gateway.http.access import Access, RouteAccess, declared_access
from services.gateway.http.dialect import Dialect, dialect_for

__all__ = ["RouteTable"]

_PUBLIC = RouteAccess(Access.PUBLIC)


class RouteTable:
    """Finds the declaration that applies to a request, before the router sees it.

    Args:
        routes: of the listener, in the order in which its router matches them.
        dialects: of the listener.

    Raises:
        RuntimeError: a route has no declaration. The message names the route.
    """

    def __init__(self, routes: Iterable[BaseRoute], dialects: Sequence[Dialect]) -> None:
        self._dialects = tuple(dialects)
        known = [(route.methods, route.path_regex, _declared(route)) for route in iter_route_contexts(list(routes))]
        methods = {method for accepted, _, _ in known for method in accepted or ()}
        # Mounts accept every method.
        self._mounts = [(pattern, declared) for accepted, pattern, declared in known if accepted is None]
        self._by_method = {
            method: [
                (pattern, declared) for accepted, pattern, declared in known if accepted is None or method in accepted
            ]
            for method in methods
        }

    def find(self, method: str, path: str) -> RouteAccess:
        """Return the declaration of the route that serves ``method`` and ``path``.

        Without such a route (404 and 405), return the default of the dialect that owns the path. Paths that no dialect owns
        are public. The only dialect of a listener owns all paths.
        """
        for pattern, declared in self._by_method.get(method, self._mounts):
            if pattern.match(path):
                return declared
        dialect = dialect_for(path, self._dialects)
        owned = len(self._dialects) == 1 or dialect.paths.match(path)
        return dialect.default_access if owned else _PUBLIC


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
