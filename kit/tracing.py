"""Traces: spans of HTTP requests, gRPC calls, commands and jobs, exported with OpenTelemetry by OTLP over gRPC.

Tracing is off until :func:`start` is called, and OpenTelemetry is not loaded before. Spans then cost nothing but a comparison.
A trace begins at the edge of the platform: with an HTTP request, or a gRPC call with an API token. Everything else is a span
only inside a trace, so that health checks and polling make none.

Attributes of spans contain no text of users: no names of files, no paths, no addresses. Errors are named by their reason.
"""

import contextlib
import functools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
"""Name of the HTTP header, gRPC metadata and NATS header with the W3C trace context."""

Attribute = str | int | float | bool
SpanKind = Literal["server", "client", "producer", "consumer"]
_EXPORT_SECONDS = 4.0
_CLOSE_SECONDS = 5.0  # the supervisor waits ten seconds for a component that stops


class Span:
    """One unit of work in a trace, or of work that is not traced."""

    def __init__(self, recorded: "trace.Span | None" = None) -> None:
        self._recorded = recorded

    def rename(self, name: str) -> None:
        """Replace the name. Names have few values."""
        if self._recorded is not None:
            self._recorded.update_name(name)

    def set(self, name: str, value: Attribute) -> None:
        if self._recorded is not None:
            self._recorded.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        if self._recorded is not None:
            from opentelemetry.trace import StatusCode

            self._recorded.set_status(StatusCode.ERROR, reason)


_NO_SPAN = Span()
_NO_BLOCK = contextlib.nullcontext(_NO_SPAN)
_provider: "TracerProvider | None" = None


def start(component: str, endpoint: str, ratio: float) -> None:
    """Record all following spans of this process.

    Args:
        endpoint: ``http://host:port`` or ``https://host:port`` of an OTLP receiver for gRPC.
        ratio: share of the traces that are recorded. Trace ids decide, so that all components record the same traces,
            whatever a client says.
    """
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

    global _provider
    resource = Resource.create(
        {"service.namespace": "soundwright", "service.name": component, "service.instance.id": socket.gethostname()}
    )
    _provider = TracerProvider(resource=resource, sampler=TraceIdRatioBased(ratio), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)))


def stop() -> Callable[[], None]:
    """Record no further spans. Return the function that exports the recorded ones, which takes a few seconds at most."""
    global _provider
    provider, _provider = _provider, None

    def close() -> None:
        if provider is not None:
            # The receiver may be away. Then the process ends without its last spans.
            closing = threading.Thread(target=provider.shutdown, daemon=True)
            closing.start()
            closing.join(_CLOSE_SECONDS)

    return close


def span(
    name: str, kind: SpanKind, *, parent: str | None = None, link: str = "", begin: bool = False
) -> AbstractContextManager[Span]:
    """Make the block a span.

    Args:
        name: one of few values.
        parent: the trace context that the span continues; None: that of the block around it.
        link: the trace context of another span that led to this one; empty: none.
        begin: begin a trace if there is none to continue. Otherwise, the block is no span then.
    """
    return _NO_BLOCK if _provider is None else _recorded_span(_provider, name, kind, parent, link, begin)


@contextlib.contextmanager
def _recorded_span(
    provider: "TracerProvider", name: str, kind: SpanKind, parent: str | None, link: str, begin: bool
) -> Iterator[Span]:
    from opentelemetry import trace

    around = None if parent is None else _context(parent)
    if not begin and not trace.get_current_span(around).get_span_context().is_valid:
        yield _NO_SPAN
        return
    linked = trace.get_current_span(_context(link)).get_span_context()
    with provider.get_tracer("soundwright").start_as_current_span(
        name,
        around,
        trace.SpanKind[kind.upper()],
        links=[trace.Link(linked)] if linked.is_valid else [],
        # The text of an exception may contain names of files and addresses.
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        yield Span(made)


def traceparent() -> str:
    """Return the W3C trace context of the current span; empty: there is none."""
    if _provider is None:
        return ""
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return carrier.get(TRACEPARENT, "")


def headers() -> dict[str, str]:
    """Return the header that makes another process continue the current span; none if there is no span."""
    value = traceparent()
    return {TRACEPARENT: value} if value else {}


def _context(traceparent: str) -> "Context":
    """Return the context of a W3C trace context; an empty one if it is invalid."""
    from opentelemetry.context import Context

    return _propagator().extract({TRACEPARENT: traceparent}, Context())


@functools.cache
def _propagator() -> "TraceContextTextMapPropagator":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()
