"""Traces: spans of HTTP requests, gRPC calls, commands and jobs, for OpenTelemetry.

Tracing is off until :func:`start` is called with a tracer. Spans then cost nothing but a comparison. A trace begins at the edge
of the platform: with an HTTP request, or a gRPC call with an API token. Everything else is a span only inside a trace, so
that health checks and polling make none.

Attributes of spans contain no text of users: no names of files, no paths, no addresses. Errors are named by their reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Literal, Protocol

__all__ = ["TRACEPARENT", "Attribute", "Span", "SpanKind", "Tracer", "headers", "span", "start", "stop", "traceparent"]

TRACEPARENT = "traceparent"
"""Name of the HTTP header, gRPC metadata and NATS header with the W3C trace context."""

Attribute = str | int | float | bool
SpanKind = Literal["server", "client", "producer", "consumer"]


class Span(Protocol):
    """One unit of work in a trace."""

    def rename(self, name: str) -> None:
        """Replace the name. Names have few values."""
        ...

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute."""
        ...

    def fail(self, reason: str) -> None:
        """Mark the span as failed."""
        ...


class Tracer(Protocol):
    """What records spans."""

    def span(
        self, name: str, kind: SpanKind, parent: str | None, link: str, begin: bool
    ) -> AbstractContextManager[Span]:
        """See :func:`span`."""
        ...

    def traceparent(self) -> str:
        """See :func:`traceparent`."""
        ...

    def close(self) -> None:
        """Export what was recorded. Blocks for a few seconds at most."""
        ...


class _NoSpan:
    def rename(self, name: str) -> None:
        pass

    def set(self, name: str, value: Attribute) -> None:
        pass

    def fail(self, reason: str) -> None:
        pass


_NO_SPAN = _NoSpan()
_tracer: Tracer | None = None


def start(tracer: Tracer) -> None:
    """Record all following spans of this process."""
    global _tracer
    _tracer = tracer


def stop() -> Callable[[], None]:
    """Record no further spans. Return the function that exports the recorded ones."""
    global _tracer
    tracer, _tracer = _tracer, None
    return tracer.close if tracer is not None else lambda: None


@contextlib.contextmanager
def span(
    name: str, kind: SpanKind, *, parent: str | None = None, link: str = "", begin: bool = False
) -> Iterator[Span]:
    """Make the block a span.

    Args:
        name: one of few values.
        parent: the trace context that the span continues; None: that of the block around it.
        link: the trace context of another span that led to this one; empty: none.
        begin: begin a trace if there is none to continue. Otherwise, the block is no span then.
    """
    if _tracer is None:
        yield _NO_SPAN
        return
    with _tracer.span(name, kind, parent, link, begin) as made:
        yield made


def traceparent() -> str:
    """Return the W3C trace context of the current span; empty: there is none."""
    return _tracer.traceparent() if _tracer is not None else ""


def headers() -> dict[str, str]:
    """Return the header that makes another process continue the current span; none if there is no span."""
    value = traceparent()
    return {TRACEPARENT: value} if value else {}
