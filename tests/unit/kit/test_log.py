"""Logging of a process, and recording of spans."""

import contextlib
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from soundwright.kit import log, tracing
from tests.servers.otlp import Receiver, otlp

_PROGRAM = """
from soundwright.kit.log import configure, get_logger
configure("library")
for number in range(3):
    get_logger().info("counted", number=number)
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_one_write(unbuffered: str) -> None:
    """Components share standard error, so two writes per line could interleave."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # preserves the boundaries of writes
    with ours, theirs:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        subprocess.run([sys.executable, "-c", _PROGRAM], stderr=theirs, env=environment, check=True, timeout=60)
        ours.settimeout(10)
        written = [ours.recv(65536) for _ in range(3)]
    assert all(line.endswith(b"}\n") for line in written)
    assert [json.loads(line)["number"] for line in written] == [0, 1, 2]


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    with Path("/dev/full").open("w") as full_disk:
        program = _PROGRAM + "import logging; logging.error('from a library'); print('survived')"
        command = [sys.executable, "-c", program]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=full_disk, check=False, timeout=60)
    assert ended.stdout == b"survived\n"


def test_a_failure_that_repeats_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(log.time, "monotonic", lambda: now)
    failures = log.FailureLog()
    with structlog.testing.capture_logs() as lines:
        for second in range(150):
            now = 1000.0 + second
            failures.error("docs.unavailable", kind="AutoReconnect", detail=str(second))
        failures.error("docs.refused", kind="OperationFailure")
    logged = [(line["event"], line.get("detail"), line["repeats"]) for line in lines]
    assert logged == [
        ("docs.unavailable", "0", 0),
        ("docs.unavailable", "60", 59),
        ("docs.unavailable", "120", 59),
        ("docs.refused", None, 0),
    ]


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\nforged line\u202e\u2028\x00"


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    target = io.StringIO()
    monkeypatch.setattr(sys, "stderr", target)
    handlers, level = logging.root.handlers[:], logging.root.level
    log.configure("gateway", fmt="console")
    yield target
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = handlers, level


def test_escape_sequences_do_not_reach_the_terminal(console: io.StringIO) -> None:
    logger = log.get_logger()
    logger.info("request.completed", path=HOSTILE, values=[HOSTILE], named={HOSTILE: HOSTILE}, **{HOSTILE: "x"})
    logger.info(HOSTILE)
    logging.getLogger("uvicorn.error").warning("Refused %s", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("request.failed")
        logging.getLogger("asyncio").exception("failed")
    text = console.getvalue()
    assert re.findall(r"[^\x20-\x7e\n]", text) == []
    assert text.count("\\x1b[2J") >= 6
    assert not any(line.startswith("forged line") for line in text.splitlines())
    assert "Traceback (most recent call last)" in text


PARENT = "00f067aa0ba902b7"
# The sampler compares the last eight bytes with the ratio.
LOW, HIGH = f"{1:032x}", f"{1:016x}{'f' * 16}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp() as started:
        yield started
    tracing.stop()


def test_without_a_receiver_blocks_are_no_spans() -> None:
    with tracing.span("GET /", "server", begin=True) as span:
        span.set("a", 1)
        assert tracing.traceparent() == ""
        assert tracing.headers() == {}


def test_without_a_receiver_the_sdk_is_not_loaded() -> None:
    program = "import sys, soundwright.services.gateway.app, soundwright.services.library.app; print('opentelemetry.sdk' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize("flags", ["00", "01"])
def test_all_components_record_the_same_traces_whatever_a_client_says(receiver: Receiver, flags: str) -> None:
    for component in ("gateway", "library"):
        tracing.start(component, receiver.url, 0.5)
        for trace_id in (LOW, HIGH):
            with tracing.span("work", "server", parent=f"00-{trace_id}-{PARENT}-{flags}"):
                assert tracing.traceparent().split("-")[1] == trace_id  # the next component decides by the same id
        tracing.stop()()
    assert {(span.component, span.trace_id) for span in receiver.spans()} == {("gateway", LOW), ("library", LOW)}


def test_spans_inside_a_span_continue_it_and_others_need_a_beginning(receiver: Receiver) -> None:
    tracing.start("gateway", receiver.url, 1.0)
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
