"""Dialects: the public APIs that the gateway serves."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from soundwright.services.gateway.callers.access import RouteAccess
from soundwright.services.gateway.wire.problems import Problem


@dataclass(frozen=True)
class Dialect:
    """A public API with its own contract.

    Attributes:
        name: identifies the dialect in metrics and logs.
        title: the name of the product, in the OpenAPI document.
        paths: the paths that this dialect owns on a listener that serves several dialects.
        render: returns the error response for a problem.
        default_access: applies to paths of this dialect without a route, and to unsupported methods.
        cors: whether browsers may call from pages of any origin (CORS). The others serve the pages of allowed origins.
        error: the type of the body that ``render`` returns, for pydantic; None: the body is not JSON.
    """

    name: str
    paths: re.Pattern[str]
    render: Callable[[Problem], Response]
    default_access: RouteAccess
    cors: bool = False
    title: str = ""
    error: Any = None


@dataclass(frozen=True)
class ServedDialect:
    """A dialect with its routes.

    Attributes:
        routes: the routes on the default listener, which serves all dialects.
        own_port: the port of a listener that serves only this dialect; 0: there is none.
        own_routes: the routes on that listener.
    """

    dialect: Dialect
    routes: APIRouter
    own_port: int = 0
    own_routes: APIRouter | None = None


def dialect_for(path: str, dialects: Sequence[Dialect]) -> Dialect:
    """Return the dialect that owns ``path``: the last one whose pattern matches, or the first one if none matches."""
    return next((dialect for dialect in reversed(dialects) if dialect.paths.match(path)), dialects[0])
