"""Spans with the OpenTelemetry SDK, exported by OTLP over gRPC. Only this module imports OpenTelemetry."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kit import tracing

__all__ = ["OtlpTracer"]

_EXPORT_SECONDS = 4.0
_CLOSE_SECONDS = 5.0  # the supervisor waits ten seconds for a component that stops
_KINDS = {
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
}
_propagator = TraceContextTextMapPropagator()


class OtlpTracer:
    """A :class:`kit.tracing.Tracer`.

    Args:
        component: name of the component.
        endpoint: ``http://host:port`` or ``https://host:port`` of an OTLP receiver for gRPC.
        ratio: share of the traces that are recorded. Trace ids decide, so that all components record the same traces,
            whatever a client says.
    """

    def __init__(self, component: str, endpoint: str, ratio: float) -> None:
        resource = Resource.create(
            {
                "service.namespace": "soundwright",
                "service.name": component,
                "service.instance.id": socket.gethostname(),
            }
        )
        self._provider = TracerProvider(resource=resource, sampler=TraceIdRatioBased(ratio), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("soundwright")

    @contextlib.contextmanager
    def span(
        self, name: str, kind: tracing.SpanKind, parent: str | None, link: str, begin: bool
    ) -> Iterator[tracing.Span]:
        around = None if parent is None else _context(parent)
        if not begin and not trace.get_current_span(around).get_span_context().is_valid:
            yield _Span(trace.INVALID_SPAN)
            return
        linked = trace.get_current_span(_context(link)).get_span_context()
        with self._tracer.start_as_current_span(
            name,
            around,
            _KINDS[kind],
            links=[trace.Link(linked)] if linked.is_valid else [],
            # The text of an exception may contain names of files and addresses.
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            yield _Span(made)

    def traceparent(self) -> str:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get(tracing.TRACEPARENT, "")

    def close(self) -> None:
        # The receiver may be away. Then the process ends without its last spans.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _context(traceparent: str) -> Context:
    """Return the context of a W3C trace context; an empty one if it is invalid."""
    return _propagator.extract({tracing.TRACEPARENT: traceparent}, Context())


class _Span:
    """A :class:`kit.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, name: str, value: tracing.Attribute) -> None:
        self._span.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        self._span.set_status(trace.StatusCode.ERROR, reason)
