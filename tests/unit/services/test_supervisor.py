"""The supervisor, with targets that a test controls through files. Its processes are real ones."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from soundwright.kit.errors import DATA_DAMAGED_STATUS
from soundwright.services.__main__ import COMPONENTS
from tests.waiting import DEADLINE_SECONDS, eventually

# A target writes each of its starts to `started`. It ends with the status in `status`, or on SIGTERM once `drained` exists.
# Without its supervisor, it ends at once, unless `orphans` exists.
STACK = """
import os, signal, sys, time
from pathlib import Path
from soundwright.services import supervisor

supervisor._STOP_SECONDS = float(sys.argv[1])

def run_target(target):
    parent, stopping = os.getppid(), []
    signal.signal(signal.SIGTERM, lambda *_: (stopping.append(True), Path("stopping").touch()))
    with Path("started").open("a") as file:
        print(os.getpid(), file=file)
    while (os.getppid() == parent or Path("orphans").exists()) and not (stopping and Path("drained").exists()):
        time.sleep(0.01)
        if Path("status").exists():
            status = int(Path("status").read_text())
            Path("status").unlink()
            return status
    return 0

sys.exit(supervisor.run(["analysis"], run_target))
"""


class Supervised:
    """A supervisor and its only target."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self.process = process

    def write(self, name: str, content: object = "") -> None:
        partial = self._folder / f"{name}.partial"
        partial.write_text(str(content))
        partial.rename(self._folder / name)

    def target(self, start: int = 1) -> psutil.Process:
        path = self._folder / "started"
        begun = eventually(lambda: path.exists() and (lines := path.read_text().splitlines())[start - 1 :] and lines)
        return psutil.Process(int(begun[start - 1]))


@contextmanager
def supervised(folder: Path, *, drain_seconds: float = 600.0, stop_seconds: float = 0.0) -> Iterator[Supervised]:
    environment = {
        **os.environ,
        "SOUNDWRIGHT_DATA_DIR": str(folder / "data"),
        "SOUNDWRIGHT_DRAIN_SECONDS": str(drain_seconds),
    }
    with subprocess.Popen(
        [sys.executable, "-c", STACK, str(stop_seconds)], cwd=folder, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield Supervised(folder, process)
        finally:
            process.kill()  # its processes end with it


def test_a_process_has_the_name_of_its_component(tmp_path: Path) -> None:
    with supervised(tmp_path) as stack:
        assert stack.target().name() == "analysis"


def test_a_component_that_drains_is_not_cut_short(tmp_path: Path) -> None:
    with supervised(tmp_path) as stack:
        target = stack.target()
        stack.process.send_signal(signal.SIGINT)
        eventually((tmp_path / "stopping").exists)
        stack.write("drained")
        assert stack.process.wait(DEADLINE_SECONDS) == 0
        assert not target.is_running()


def test_a_component_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, drain_seconds=0.0) as stack:
        target = stack.target()
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(DEADLINE_SECONDS) == 0
        assert not target.is_running()


def test_a_component_that_ends_is_started_again(tmp_path: Path) -> None:
    with supervised(tmp_path) as stack:
        first = stack.target()
        stack.write("status", 0)
        second = stack.target(start=2)
        second.kill()
        third = stack.target(start=3)
        assert len({first.pid, second.pid, third.pid}) == 3
        assert not first.is_running()


def test_a_component_whose_data_is_damaged_stops_the_stack(tmp_path: Path) -> None:
    with supervised(tmp_path) as stack:
        stack.target()
        stack.write("status", DATA_DAMAGED_STATUS)
        assert stack.process.wait(DEADLINE_SECONDS) == DATA_DAMAGED_STATUS


def test_components_end_with_their_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path) as stack:
        target = stack.target()
        stack.write("drained")
        stack.process.kill()
        eventually(lambda: not target.is_running() or target.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_stack(number: signal.Signals, tmp_path: Path) -> None:
    with supervised(tmp_path) as stack:
        target = stack.target()
        stack.write("drained")
        stack.process.send_signal(number)
        assert stack.process.wait(DEADLINE_SECONDS) == 0
        assert not target.is_running()


def test_a_second_stack_over_the_same_data_does_not_start(tmp_path: Path) -> None:
    with supervised(tmp_path) as first:
        first.target()
        with supervised(tmp_path) as second:
            assert second.process.wait(DEADLINE_SECONDS) == os.EX_TEMPFAIL
        assert len((tmp_path / "started").read_text().splitlines()) == 1


def test_a_component_begins_when_that_of_a_killed_supervisor_has_ended(tmp_path: Path) -> None:
    with supervised(tmp_path) as first:
        first.write("orphans")
        first.target()
        first.process.kill()
        try:
            eventually((tmp_path / "stopping").exists)
            with supervised(tmp_path) as second:
                [new] = eventually(psutil.Process(second.process.pid).children)
                eventually(
                    lambda: any("->" in lock and str(new.pid) in lock for lock in _locks()) or _starts(tmp_path) > 1
                )
                assert _starts(tmp_path) == 1
                first.write("drained")
                assert second.target(start=2) == new
        finally:
            first.write("drained")  # the orphan ends


def _starts(folder: Path) -> int:
    return len((folder / "started").read_text().splitlines())


def _locks() -> list[str]:
    """Return the locks of files. An arrow marks those that a process waits for."""
    return Path("/proc/locks").read_text().splitlines()


# Jobs and configured connections need these. They take between 0.1 and several seconds.
_SLOW = (
    "demucs", "huggingface_hub", "librosa", "matplotlib", "motor", "numba", "openai", "openvino", "opentelemetry.sdk", "scipy.fft",
    "scipy.ndimage", "scipy.signal", "spotipy", "torch", "transformers", "yt_dlp",
)  # fmt: skip


def printed_by(code: str) -> Any:
    return json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def test_components_start_without_slow_libraries() -> None:
    """Each in a fork of a process with what all of them import."""
    found = printed_by(f"""
import importlib, json, os, sys, soundwright.kit.run
from soundwright.services.__main__ import COMPONENTS
reader, writer = os.pipe()
for name, component in COMPONENTS.items():
    if os.fork() == 0:
        for part in ("app", "settings"):
            importlib.import_module(f"{{component.module}}.{{part}}")
        os.write(writer, json.dumps([name, [each for each in {_SLOW} if each in sys.modules]]).encode() + b"\\n")
        os._exit(0)
    os.wait()
os.close(writer)
print(json.dumps(dict(map(json.loads, open(reader)))))
""")
    assert found == {component: [] for component in COMPONENTS}


def test_a_supervisor_forks_with_one_thread_and_without_variables_of_its_own() -> None:
    found = printed_by("""
import json, os
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.pop(variable, None)
os.environ["MKL_NUM_THREADS"] = "7"
import soundwright.services.__main__ as command
before = dict(os.environ)
command._import_shared_modules()
print(json.dumps([len(os.listdir("/proc/self/task")), os.environ == before]))
""")
    assert found == [1, True]
