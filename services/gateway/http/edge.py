"""The outermost middleware: request IDs, access logs, metrics, common headers, CORS and unhandled exceptions."""

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

from kit import tracing
from kit.log import correlation_scope, get_logger
from kit.metrics import HTTP_DURATION
from services.gateway.auth.sites import Sites
from services.gateway.http.decoding import plain_cookies
from services.gateway.http.dialect import Dialect, dialect_for
from services.gateway.http.problems import HOST_NOT_ALLOWED, INTERNAL, STOPPING

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
    "Content-Disposition, Content-Range, Link, Retry-After, X-Request-Id, "
    "X-Soundwright-Creator, X-Soundwright-Degraded, X-Soundwright-Engine, X-Soundwright-Model"
)
log = get_logger()


def is_head(scope: Scope) -> bool:
    """Return whether the client sent HEAD. The router sees such a request as GET."""
    return bool(scope.get("soundwright.head"))


class Edge:
    """ASGI middleware around the application. It adds ``dialect`` to the scope, for the path of the request."""

    def __init__(self, app: ASGIApp, dialects: Sequence[Dialect], sites: Sites) -> None:
        self._app = app
        self._sites = sites
        self._dialects = tuple(dialects)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id_header = headers.get("x-request-id", "")
        with (
            correlation_scope(request_id_header if _REQUEST_ID.fullmatch(request_id_header) else "") as request_id,
            tracing.span(
                "HTTP", "server", parent=headers.get(tracing.TRACEPARENT, ""), begin=scope["path"] not in _PROBES
            ) as span,
        ):
            span.set("soundwright.correlation_id", request_id)
            await self._handle(dict(scope), receive, send, headers, request_id, span)

    async def _handle(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, request_id: str, span: tracing.Span
    ) -> None:
        started = time.perf_counter()
        scope["headers"] = [
            (name, plain_cookies(value.decode("latin-1")).encode("latin-1") if name == b"cookie" else value)
            for name, value in scope["headers"]
        ]
        method = scope["method"]
        if len(scope["path"]) > 1:
            # Accept a trailing slash instead of redirecting: a redirected client sends its upload twice.
            scope["path"] = scope["path"].removesuffix("/")
        dialect = dialect_for(scope["path"], self._dialects)
        scope["dialect"] = dialect
        if method == "HEAD":
            scope["method"] = "GET"
            scope["soundwright.head"] = True
        status = 0
        size_bytes = 0
        complete = False

        async def send_and_record(message: Message) -> None:
            nonlocal status, size_bytes, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), request_id, dialect, headers)
            elif message["type"] == "http.response.body":
                size_bytes += len(message.get("body", b""))
                complete = not message.get("more_body", False)
            await send(message)

        outcome = "completed"
        try:
            if not self._sites.serves(headers):
                await dialect.render(HOST_NOT_ALLOWED)(scope, receive, send_and_record)
            elif method == "OPTIONS" and "access-control-request-method" in headers and self._shares(dialect, headers):
                await _preflight(headers)(scope, receive, send_and_record)
            else:
                await self._app(scope, receive, send_and_record)
            if status and not complete:
                outcome = "truncated"
        except ClientDisconnect:
            outcome, status = "client_disconnected", 499
        except asyncio.CancelledError:
            outcome = "cancelled"  # the server is stopping; no caller awaits this task, so the error can end here
            if not status:
                await dialect.render(STOPPING)(scope, receive, send_and_record)
        except Exception:
            outcome = "failed"
            # If the response has begun, the server closes the connection, so that the client detects the truncated body.
            log.exception("request.failed", method=method, path=dialect.logged_path(scope["path"]))
            if not status:
                await dialect.render(INTERNAL)(scope, receive, send_and_record)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            label = method if method in _METHODS else "other"
            span.rename(f"{label} {route}")
            span.set("http.request.method", label)
            span.set("http.route", route)
            span.set("http.response.status_code", status or 499)
            if status >= 500:
                span.fail(str(status))
            HTTP_DURATION.labels(dialect.name, label, route, str(status or 499)).observe(seconds)
            # Health probes are frequent, so they are logged at debug level only.
            (log.debug if route in _PROBES else log.info)(
                "request.completed",
                method=method,
                path=dialect.logged_path(scope["path"]),
                route=route,
                status=status or 499,
                outcome=outcome,
                seconds=round(seconds, 4),
                sent_bytes=size_bytes,
                principal=scope.get("principal_id", ""),
            )

    def _add_headers(self, response: MutableHeaders, request_id: str, dialect: Dialect, request: Headers) -> None:
        """Add the headers that every response has, and CORS headers if the dialect allows other origins."""
        response["x-request-id"] = request_id
        for name, value in _HEADERS.items():
            response.setdefault(name, value)
        if response.get("content-type", "").startswith("application/json"):
            response.setdefault("cache-control", "no-store")
        if "origin" not in request:
            return
        if not dialect.cors:
            response.add_vary_header("Origin")
        if self._shares(dialect, request):
            response["access-control-allow-origin"] = "*" if dialect.cors else request["origin"]
            response["access-control-expose-headers"] = _EXPOSED

    def _shares(self, dialect: Dialect, request: Headers) -> bool:
        """Return whether pages of the request's origin may read the responses. Browsers send no cookies with these requests."""
        return dialect.cors or self._sites.may_read(request)


def _preflight(headers: Headers) -> Response:
    """Return the response to a CORS preflight request."""
    allowed: dict[str, Any] = {
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "access-control-allow-headers": headers.get("access-control-request-headers", "*"),
        "access-control-max-age": "600",
    }
    return Response(status_code=200, headers=allowed)
