"""Logging of a process."""

from __future__ import annotations

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

from kit import log

_PROGRAM = """
from kit.log import configure, get_logger
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
