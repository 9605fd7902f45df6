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
needs_browser = pytest.mark.skipif(
    not (NODE.exists() and (FOLDER / "node_modules").exists() and BUILD.exists()),
    reason="`make test` builds the studio and installs a browser",
)


def run_script(name: str, *arguments: str, timeout_seconds: float = 600.0) -> Any:
    """Run ``name`` and return the JSON value that it prints last."""
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
