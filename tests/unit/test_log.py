"""How a process writes its log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

_PROGRAM = """
from kit.log import configure, get_logger
configure("library")
for number in range(3):
    get_logger().info("counted", number=number)
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_one_write(unbuffered: str) -> None:
    """Components share their standard error: between two writes there is room for the line of another."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # keeps writes apart
    with ours, theirs:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        subprocess.run([sys.executable, "-c", _PROGRAM], stderr=theirs, env=environment, check=True, timeout=60)
        ours.settimeout(10)
        written = [ours.recv(65536) for _ in range(3)]
    assert all(line.endswith(b"}\n") for line in written)
    assert [json.loads(line)["number"] for line in written] == [0, 1, 2]
