"""Acknowledged writes survive ``kill -9`` at any moment, and the next process continues with what is there."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.stored import Acknowledged, losses


def start(stack: contextlib.ExitStack, folder: Path, elsewhere: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a writer, which ``stack`` waits for."""
    command = [sys.executable, "-m", "tests.durability.writer", str(folder), str(elsewhere), name]
    writer = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
    stack.callback(writer.kill)
    return writer


def reports(writer: subprocess.Popen[bytes], count: int | None = None) -> list[bytes]:
    """Return the next ``count`` reports of a writer, or all until its end. A report that was cut off does not count."""
    assert writer.stdout
    lines = writer.stdout.readlines() if count is None else [writer.stdout.readline() for _ in range(count)]
    return [line for line in lines if line.endswith(b"\n")]


@pytest.mark.parametrize(("kill_count", "writer_count"), [(3, 1), pytest.param(200, 2, marks=pytest.mark.campaign)])
async def test_no_acknowledged_write_is_lost(
    tmp_path: Path, elsewhere: Path, kill_count: int, writer_count: int
) -> None:
    moments = random.Random(kill_count)
    acknowledged = Acknowledged()
    for number in range(kill_count):
        with contextlib.ExitStack() as stack:
            writers = [start(stack, tmp_path, elsewhere, f"w{each}") for each in range(writer_count)]
            for writer in writers:
                acknowledged.add(reports(writer, moments.randrange(1, 200)))  # the writers continue meanwhile
            for writer in writers:
                writer.kill()
            for writer in writers:
                acknowledged.add(reports(writer))
        found = await losses(tmp_path, acknowledged)
        assert not found, f"kill {number}:\n" + "\n".join(found[:20])
    assert acknowledged.blobs
    assert acknowledged.docs["shared"] > kill_count
