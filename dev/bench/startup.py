"""Start-up time and memory of the whole stack, and of each component alone on the machine.

python -m dev.bench.startup [--rounds 3] [--against CHECKOUT]

The stack starts as ``python -m soundwright.services all``. It is ready when it prints its address, because ``GET /health`` gave 200.
Then each component starts by itself beside a broker and a library, as ``python -m soundwright.services <component>``, and is ready with
its ``component.ready`` log line. The time is from the start of the process, and CPU seconds are those of the process and its
children by then. The memory is the proportional set size (PSS) of both, ten seconds later, after the warm-ups. With
``--against``, the same is measured in another checkout of the project, in alternating rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from soundwright_client.local import free_ports

_HERE = Path(__file__).resolve().parents[2]
_STACK = "all"
_COMPONENTS = ("library", "ingest", "separation", "analysis", "generation", "gateway")
_READY_SECONDS = 120.0
_IDLE_SECONDS = 10.0
Figures = tuple[float, float, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="starts of each component (default: %(default)s)")
    parser.add_argument(
        "--against", type=Path, help="another checkout of the project, with its dependencies installed here"
    )
    options = parser.parse_args()
    checkouts = {"this checkout": _HERE} | ({"the other one": options.against.resolve()} if options.against else {})
    found: dict[tuple[str, str], list[Figures]] = {}
    for _ in range(options.rounds):
        for component in (_STACK, *_COMPONENTS):
            for name, checkout in checkouts.items():
                found.setdefault((component, name), []).append(_start(checkout, component))
    print("| component | | ready, s | CPU, s | memory (PSS), MiB |\n|---|---|---:|---:|---:|")
    for (component, name), rounds in found.items():
        seconds, cpu_seconds, memory_mib = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"| {component} | {name} | {seconds:.2f} | {cpu_seconds:.2f} | {memory_mib:.0f} |")
    return 0


def _start(checkout: Path, component: str) -> Figures:
    with tempfile.TemporaryDirectory(prefix="startup-bench-") as folder:
        data_dir = Path(folder) / "data"
        data_dir.mkdir()
        with contextlib.ExitStack() as stack:
            if component != _STACK:
                stack.enter_context(_process(checkout, data_dir, "broker"))
            if component not in (_STACK, "library"):
                library = stack.enter_context(_process(checkout, data_dir, "library"))
                _until_ready(library, data_dir, "library")
            started = time.perf_counter()
            process = stack.enter_context(_process(checkout, data_dir, component))
            _until_ready(process, data_dir, component)
            seconds = time.perf_counter() - started
            cpu_seconds = sum(sum(each.cpu_times()[:2]) for each in _family(process))
            time.sleep(_IDLE_SECONDS)
            memory_bytes = sum(each.memory_full_info().pss for each in _family(process))
            return seconds, cpu_seconds, memory_bytes / 2**20


@contextlib.contextmanager
def _process(checkout: Path, data_dir: Path, target: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDWRIGHT_")}
    gateway, soundbox, pipeline = free_ports(3)
    environment |= {
        "PYTHONPATH": os.pathsep.join((str(checkout / "src"), str(checkout / "gen"))),
        "SOUNDWRIGHT_DATA_DIR": str(data_dir),
        "SOUNDWRIGHT_GATEWAY_PORT": str(gateway),
        "SOUNDWRIGHT_SOUNDBOX_PORT": str(soundbox),
        "SOUNDWRIGHT_PIPELINE_PORT": str(pipeline),
        "SOUNDWRIGHT_OPEN_ACCESS": "true",
        "SOUNDWRIGHT_FALLBACK": "true",
        "HF_HUB_OFFLINE": "1",
    }
    with (data_dir / f"{target}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "soundwright.services", target],
            cwd=checkout,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _until_ready(process: subprocess.Popen[bytes], data_dir: Path, component: str) -> None:
    log = data_dir / f"{component}.log"
    line = b"Soundwright is ready" if component == _STACK else b"component.ready"
    deadline = time.monotonic() + _READY_SECONDS
    while line not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{component} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.005)


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


if __name__ == "__main__":
    sys.exit(main())
