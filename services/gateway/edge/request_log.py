"""The outermost middleware: request IDs, access logs, metrics, common headers, CORS and unhandled exceptions."""

import asyncio
import functools
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundwright.kit import errors, tracing
from soundwright.kit.errors import AppError
from soundwright.kit.log import correlation_scope, get_logger
from soundwright.kit.metrics import HTTP_DURATION
from soundwright.services.gateway.callers.dialect import Dialect, dialect_for
from soundwright.services.gateway.callers.host_policy import HostPolicy
from soundwright.services.gateway.edge.route_table import ROUTE_KEY, FoundRoute
from soundwright.services.gateway.wire.decoding import plain_cookies
from soundwright.services.gateway.wire.logged import without_secrets
from soundwright.services.gateway.wire.problems import problem_of

_PROBE = "/health"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
_EXPOSED = (
    "Content-Disposition, Content-Range, Link, Retry-After, X-Request-Id, "
    "X-Soundwright-Creator, X-Soundwright-Degraded, X-Soundwright-Engine, X-Soundwright-Model"
)
_duration = functools.cache(HTTP_DURATION.labels)
log = get_logger()


class RequestLog:
    """ASGI middleware around the application. It adds ``dialect`` to the scope, for the path of the request."""

    def __init__(self, app: ASGIApp, dialects: Sequence[Dialect], hosts: HostPolicy) -> None:
        self._app = app
        self._hosts = hosts
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
                "HTTP", "server", parent=headers.get(tracing.TRACEPARENT, ""), begin=scope["path"] != _PROBE
            ) as span,
        ):
            span.set("soundwright.correlation_id", request_id)
            await self._handle(_Exchange(dict(scope), headers, request_id, self._dialects, span), receive, send)

    async def _handle(self, exchange: "_Exchange", receive: Receive, send: Send) -> None:
        async def send_and_record(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._all_headers(exchange, message.get("headers", ()))
            exchange.record(message)
            await send(message)

        async def refuse(error: AppError) -> None:
            if not exchange.status:
                await exchange.dialect.render(problem_of(error))(exchange.scope, receive, send_and_record)

        try:
            await self._answer(exchange, receive, send_and_record, refuse)
            if exchange.status and not exchange.complete:
                exchange.outcome = "truncated"
        except ClientDisconnect:
            exchange.outcome, exchange.status = "client_disconnected", 499
        except asyncio.CancelledError:
            exchange.outcome = (
                "cancelled"  # the server is stopping; no caller awaits this task, so the error can end here
            )
            await refuse(errors.STOPPING(retry_after=5))
        except Exception:
            exchange.outcome = "failed"
            # If the response has begun, the server closes the connection, so that the client detects the truncated body.
            log.exception("request.failed", method=exchange.method, path=exchange.logged_path)
            await refuse(errors.INTERNAL())
        finally:
            exchange.report()

    async def _answer(
        self, exchange: "_Exchange", receive: Receive, send: Send, refuse: Callable[[AppError], Awaitable[None]]
    ) -> None:
        headers = exchange.headers
        if not self._hosts.serves(headers):
            await refuse(errors.HOST_NOT_ALLOWED())
        elif (
            exchange.method == "OPTIONS"
            and "access-control-request-method" in headers
            and self._shares(exchange.dialect, headers)
        ):
            await _preflight(headers)(exchange.scope, receive, send)
        else:
            await self._app(exchange.scope, receive, send)

    def _all_headers(self, exchange: "_Exchange", given: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers of a response with those that every response has, and CORS headers if the dialect allows other origins."""
        by_name = dict(given)
        headers = [*given, (b"x-request-id", exchange.request_id.encode())]
        headers += [header for header in _HEADERS if header[0] not in by_name]
        if by_name.get(b"content-type", b"").startswith(b"application/json") and b"cache-control" not in by_name:
            headers.append((b"cache-control", b"no-store"))
        if "origin" in exchange.headers:
            self._add_cors(MutableHeaders(raw=headers), exchange.dialect, exchange.headers)
        return headers

    def _add_cors(self, response: MutableHeaders, dialect: Dialect, request: Headers) -> None:
        if not dialect.cors:
            response.add_vary_header("Origin")
        if self._shares(dialect, request):
            response["access-control-allow-origin"] = "*" if dialect.cors else request["origin"]
            response["access-control-expose-headers"] = _EXPOSED

    def _shares(self, dialect: Dialect, request: Headers) -> bool:
        """Return whether pages of the request's origin may read the responses. Browsers send no cookies with these requests."""
        return dialect.cors or self._hosts.may_read(request)


class _Exchange:
    """A request and its response, as far as the log, the metrics and the trace show them."""

    def __init__(
        self, scope: Scope, headers: Headers, request_id: str, dialects: Sequence[Dialect], span: tracing.Span
    ) -> None:
        self._started = time.perf_counter()
        self._span = span
        self.headers, self.request_id, self.method = headers, request_id, scope["method"]
        if "cookie" in headers:
            scope["headers"] = [
                (name, plain_cookies(value.decode("latin-1")).encode("latin-1") if name == b"cookie" else value)
                for name, value in scope["headers"]
            ]
        if len(scope["path"]) > 1:
            # Accept a trailing slash instead of redirecting: a redirected client sends its upload twice.
            scope["path"] = scope["path"].removesuffix("/")
        self.dialect = scope["dialect"] = dialect_for(scope["path"], dialects)
        if self.method == "HEAD":
            scope["method"] = "GET"
            scope["soundwright.head"] = True
        self.scope = scope
        self.status = 0
        self.complete = False
        self.outcome = "completed"
        self._sent_bytes = 0

    @property
    def logged_path(self) -> str:
        return without_secrets(self.scope["path"])

    def record(self, message: Message) -> None:
        """Note what the response sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self._sent_bytes += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)

    def report(self) -> None:
        """Log, measure and trace the request, which has ended."""
        seconds, status = time.perf_counter() - self._started, self.status or 499
        found: FoundRoute | None = self.scope.get(ROUTE_KEY)
        route = (found and found.path) or "unmatched"
        label = self.method if self.method in _METHODS else "other"
        self._span.rename(f"{label} {route}")
        self._span.set("http.request.method", label)
        self._span.set("http.route", route)
        self._span.set("http.response.status_code", status)
        if status >= 500:
            self._span.fail(str(status))
        _duration(self.dialect.name, label, route, status).observe(seconds)
        # Health probes are frequent, so they are logged at debug level only.
        (log.debug if route == _PROBE else log.info)(
            "request.completed",
            method=self.method,
            path=self.logged_path,
            route=route,
            status=status,
            outcome=self.outcome,
            seconds=round(seconds, 4),
            sent_bytes=self._sent_bytes,
            principal=self.scope.get("principal_id", ""),
        )


def _preflight(headers: Headers) -> Response:
    allowed: dict[str, Any] = {
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "access-control-allow-headers": headers.get("access-control-request-headers", "*"),
        "access-control-max-age": "600",
    }
    return Response(status_code=200, headers=allowed)
