"""Runs the scripts beside this file, which drive a real browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

__all__ = ["BUILD", "needs_browser", "run_script"]

FOLDER = Path(__file__).parent
NODE = Path(sys.executable).with_name("node")
BUILD = FOLDER.parents[1] / "services" / "gateway" / "web" / "studio"
_IS_READY = NODE.exists() and (FOLDER / "node_modules").exists() and BUILD.exists()
# With CI set, a missing build or browser fails the test; elsewhere it skips the test.
needs_browser = pytest.mark.skipif(
    not (_IS_READY or os.environ.get("CI")), reason="`make test` builds the studio and installs a browser"
)


def run_script(name: str, *arguments: str, timeout_seconds: float = 600.0) -> Any:
    """Run ``name`` and return the JSON value that it prints last."""
    assert _IS_READY, (
        "the studio is not built, or the packages of tests/studio are not installed: `make test` does both"
    )
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        [str(NODE), str(FOLDER / name), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        env={**os.environ, "PATH": path},
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return json.loads(finished.stdout.splitlines()[-1])
