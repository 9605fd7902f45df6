"""The broker of one machine after its disk was full: JetStream refuses messages until it starts again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.errors
import pytest
from faults import fill
from machine import small_disk
from nats.js import JetStreamContext
from processes import eventually

_STREAM = "TEST"
_DISK_MIB = 96


async def test_the_broker_takes_messages_again_when_its_disk_has_space(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with small_disk(data_dir, _DISK_MIB) as problem:
        if problem:
            pytest.skip(f"a small disk needs the right to mount one: {problem}")
        with _supervised_broker(data_dir, tmp_path / "stack.log") as address:
            async with await nats.connect(address, max_reconnect_attempts=-1, reconnect_time_wait=0.1) as client:
                await _fill_and_free(client.jetstream(timeout=1.0), data_dir)
    assert "broker.write_failed" in (tmp_path / "stack.log").read_text()


@contextlib.contextmanager
def _supervised_broker(data_dir: Path, log_file: Path) -> Iterator[str]:
    """Run a broker below a supervisor, which needs more than one target. Yield the address of the broker."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDWRIGHT_")}
    with log_file.open("wb") as log:
        stack = subprocess.Popen(
            [sys.executable, "-m", "services", "broker", "library"],
            env={**inherited, "SOUNDWRIGHT_DATA_DIR": str(data_dir)},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        address = data_dir / "run" / "nats.url"
        eventually(address.exists, "the broker has an address")
        yield address.read_text()
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(60)


async def _fill_and_free(stream: JetStreamContext, data_dir: Path) -> None:
    await stream.add_stream(name=_STREAM, subjects=["test"])
    assert await _accepted(stream)
    fill(data_dir / "filling")
    while await _accepted(stream):  # the last block of the stream still has space
        pass
    (data_dir / "filling").unlink()
    async with asyncio.timeout(90):
        while not await _accepted(stream):
            pass  # a refused message has no answer, so each attempt takes a second
    assert (await stream.stream_info(_STREAM)).state.messages >= 2


async def _accepted(stream: JetStreamContext) -> bool:
    try:
        await stream.publish("test", bytes(100_000))
    except (nats.errors.Error, OSError):
        return False
    return True
