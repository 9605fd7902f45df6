"""The broker of one machine after it could not write: JetStream refuses messages until it starts again."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.errors
import psutil
from nats.js import JetStreamContext

from soundwright.kit.settings import Settings
from tests.stacks import component_of
from tests.waiting import eventually, until

_STREAM = "TEST"
_FILE_BYTES = 1_000_000


async def test_the_broker_takes_messages_again_after_it_could_not_write(tmp_path: Path) -> None:
    with _supervised_broker(tmp_path / "data", tmp_path / "stack.log") as (address, broker):
        async with await nats.connect(address, max_reconnect_attempts=-1, reconnect_time_wait=0.1) as client:
            stream = client.jetstream(timeout=1.0)
            await stream.add_stream(name=_STREAM, subjects=["test"])
            assert await _accepts(stream)
            # Files that cannot grow fail like a full disk, and need no disk.
            broker.rlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, resource.RLIM_INFINITY))
            while await _accepts(stream):
                pass
            await until(lambda: _accepts(stream), "the broker takes messages again")
            assert (await stream.stream_info(_STREAM)).state.messages >= 2
    assert "broker.write_failed" in (tmp_path / "stack.log").read_text()


@contextlib.contextmanager
def _supervised_broker(data_dir: Path, log_file: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run a broker below a supervisor, which needs more than one target. Yield the address and the process of the broker."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDWRIGHT_")}
    with log_file.open("wb") as log:
        stack = subprocess.Popen(
            [sys.executable, "-m", "soundwright.services", "broker", "library"],
            env={**inherited, "SOUNDWRIGHT_DATA_DIR": str(data_dir)},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        address = Settings(data_dir=data_dir).run_dir / "nats.url"
        eventually(address.exists, "the broker has an address")

        def server() -> list[psutil.Process]:
            below = psutil.Process(stack.pid).children(recursive=True)
            return [process for process in below if component_of(process) == "broker"]

        (broker,) = eventually(server, "the broker runs")
        yield address.read_text(), broker
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait()


async def _accepts(stream: JetStreamContext) -> bool:
    try:
        await stream.publish("test", bytes(100_000))
    except (nats.errors.Error, OSError):
        return False
    return True
