"""Recording of spans: which traces, by whom, and not at all without a receiver."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import infra, tracing
from kit.adapters.opentelemetry.tracer import OtlpTracer
from kit.settings import Settings
from tests.servers.otlp import Receiver, otlp

PARENT = "00f067aa0ba902b7"
# The sampler compares the last eight bytes with the ratio.
LOW, HIGH = f"{1:032x}", f"{1:016x}{'f' * 16}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp() as started:
        yield started
    tracing.stop()


def test_without_a_receiver_blocks_are_no_spans(tmp_path: Path) -> None:
    assert infra.open_tracer(Settings(data_dir=tmp_path), "library") is None
    with tracing.span("GET /", "server", begin=True) as span:
        span.set("a", 1)
        assert tracing.traceparent() == ""
        assert tracing.headers() == {}


def test_without_a_receiver_the_sdk_is_not_loaded() -> None:
    program = "import sys, services.gateway.app, services.library.app; print('opentelemetry.sdk' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize("flags", ["00", "01"])
def test_all_components_record_the_same_traces_whatever_a_client_says(receiver: Receiver, flags: str) -> None:
    for component in ("gateway", "library"):
        tracer = OtlpTracer(component, receiver.url, 0.5)
        tracing.start(tracer)
        for trace_id in (LOW, HIGH):
            with tracing.span("work", "server", parent=f"00-{trace_id}-{PARENT}-{flags}"):
                assert tracing.traceparent().split("-")[1] == trace_id  # the next component decides by the same id
        tracing.stop()()
    assert {(span.component, span.trace_id) for span in receiver.spans()} == {("gateway", LOW), ("library", LOW)}


def test_spans_inside_a_span_continue_it_and_others_need_a_beginning(receiver: Receiver) -> None:
    tracing.start(OtlpTracer("gateway", receiver.url, 1.0))
    with tracing.span("polling", "client"):
        assert tracing.headers() == {}
    with tracing.span("no context", "server", parent="00-nonsense"):
        pass
    with tracing.span("request", "server", parent="00-nonsense", begin=True) as request:
        with contextlib.suppress(ValueError), tracing.span("call", "client") as call:
            call.fail("REFUSED")
            raise ValueError("the text of an exception")
        request.rename("GET /")
    tracing.stop()()
    spans = {span.name: span for span in receiver.spans()}
    assert spans.keys() == {"GET /", "call"}
    assert spans["call"].parent_id == spans["GET /"].id
    assert spans["call"].error == "REFUSED"
    assert spans["GET /"].parent_id == spans["GET /"].error == ""
    assert b"the text of an exception" not in b"".join(receiver.raw)
