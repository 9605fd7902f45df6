"""A receiver of traces: OpenTelemetry's protocol (OTLP) over gRPC."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.waiting import eventually


@dataclass(frozen=True)
class ReceivedSpan:
    """A span, with its ids in hexadecimal digits.

    Attributes:
        kind: ``server``, ``client``, ``producer`` or ``consumer``.
        links: ids of the spans that it links to.
        error: the reason of its failure; empty: it did not fail.
    """

    component: str
    trace_id: str
    id: str
    parent_id: str
    name: str
    kind: str
    attributes: Mapping[str, Any]
    links: tuple[str, ...]
    error: str


class Receiver(pb_grpc.TraceServiceServicer):
    """Keeps all spans that it receives.

    Attributes:
        url: the address for exporters.
        raw: every request as it arrived.
    """

    def __init__(self) -> None:
        self.url = ""
        self.raw: list[bytes] = []
        self._spans: list[ReceivedSpan] = []
        self._lock = threading.Lock()

    def Export(self, request: pb.ExportTraceServiceRequest, context: Any) -> pb.ExportTraceServiceResponse:
        with self._lock:
            self.raw.append(request.SerializeToString())
            for resource in request.resource_spans:
                component = _attributes(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    self._spans += [_span(component, span) for span in scope.spans]
        return pb.ExportTraceServiceResponse()

    def spans(self) -> list[ReceivedSpan]:
        with self._lock:
            return list(self._spans)

    def trace(self, trace_id: str, complete: Callable[[list[ReceivedSpan]], bool]) -> list[ReceivedSpan]:
        def found() -> list[ReceivedSpan]:
            return [span for span in self.spans() if span.trace_id == trace_id]

        try:
            eventually(lambda: complete(found()), "the trace is complete")
        except AssertionError:
            raise AssertionError([(span.component, span.name) for span in found()]) from None
        return found()


@contextlib.contextmanager
def otlp() -> Iterator[Receiver]:
    """Run a receiver for the length of the block."""
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(4))
    pb_grpc.add_TraceServiceServicer_to_server(receiver, server)
    receiver.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


def _span(component: str, span: trace_pb2.Span) -> ReceivedSpan:
    failed = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    return ReceivedSpan(
        component=component,
        trace_id=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        attributes=_attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        error=span.status.message if failed else "",
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
