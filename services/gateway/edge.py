"""The outermost layer of every request: its id, its log line and metric, headers for all, and no stack trace ever."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.log import correlation_scope, get_logger
from kit.metrics import HTTP_DURATION
from services.gateway.dialect import Dialect, dialect_for
from services.gateway.problem import INTERNAL, STOPPING

__all__ = ["Edge", "is_head"]

_PROBES = frozenset({"/health", "/livez", "/readyz", "/metrics"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_EXPOSED = (
    "Content-Disposition, Content-Range, Retry-After, X-Request-Id, "
    "X-Soundwright-Degraded, X-Soundwright-Engine, X-Soundwright-Model"
)
log = get_logger()


def is_head(scope: Scope) -> bool:
    """Whether the client asked for the headers alone. Routes see such a request as GET."""
    return bool(scope.get("soundwright.head"))


class Edge:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, dialects: Sequence[Dialect]) -> None:
        self._app = app
        self._dialects = tuple(dialects)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        with correlation_scope(given if _REQUEST_ID.fullmatch(given) else "") as request_id:
            await self._answer(dict(scope), receive, send, headers, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: Headers, request_id: str) -> None:
        started = time.perf_counter()
        method = scope["method"]
        if len(scope["path"]) > 1:
            # A slash too many is no reason to send a client with its whole upload somewhere else.
            scope["path"] = scope["path"].removesuffix("/")
        dialect = dialect_for(scope["path"], self._dialects)
        scope["dialect"] = dialect
        if method == "HEAD":
            scope["method"] = "GET"
            scope["soundwright.head"] = True
        status = 0
        size_bytes = 0
        complete = False

        async def sending(message: Message) -> None:
            nonlocal status, size_bytes, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                self._decorate(MutableHeaders(scope=message), request_id, dialect, headers)
            elif message["type"] == "http.response.body":
                size_bytes += len(message.get("body", b""))
                complete = not message.get("more_body", False)
            await send(message)

        outcome = "done"
        try:
            if dialect.cors and method == "OPTIONS" and "access-control-request-method" in headers:
                await _preflight(headers)(scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
            if status and not complete:
                outcome = "cut"
        except ClientDisconnect:
            outcome, status = "gone", 499
        except asyncio.CancelledError:
            outcome = "stopped"  # this task is the request, so there is nobody else to tell about it
            if not status:
                await dialect.render(STOPPING)(scope, receive, sending)
        except Exception:
            outcome = "crashed"
            # The server cuts a connection whose answer had begun: the client must not take half a file for a whole one.
            log.exception("request.crashed", method=method, path=dialect.logged_path(scope["path"]))
            if not status:
                await dialect.render(INTERNAL)(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            label = method if method in _METHODS else "other"
            HTTP_DURATION.labels(dialect.name, label, route, str(status or 499)).observe(seconds)
            # Probes come every second; they are worth a line only to somebody who asks for all of them.
            (log.debug if route in _PROBES else log.info)(
                "request.done",
                method=method,
                path=dialect.logged_path(scope["path"]),
                route=route,
                status=status or 499,
                outcome=outcome,
                seconds=round(seconds, 4),
                sent_bytes=size_bytes,
                principal=scope.get("principal_id", ""),
            )

    def _decorate(self, answer: MutableHeaders, request_id: str, dialect: Dialect, asked: Headers) -> None:
        answer["x-request-id"] = request_id
        for name, value in _HEADERS.items():
            answer.setdefault(name, value)
        if answer.get("content-type", "").startswith("application/json"):
            answer.setdefault("cache-control", "no-store")
        if dialect.cors and "origin" in asked:
            answer["access-control-allow-origin"] = "*"
            answer["access-control-expose-headers"] = _EXPOSED


def _preflight(headers: Headers) -> Response:
    allowed: dict[str, Any] = {
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "access-control-allow-headers": headers.get("access-control-request-headers", "*"),
        "access-control-max-age": "600",
    }
    return Response(status_code=200, headers=allowed)
