"""Components as processes that share what they import: one process imports it, and forks them, as a supervisor does."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil


def start(component: str, environment: Mapping[str, str], log: Path) -> psutil.Process:
    """Start a component, as ``python -m soundwright.services`` does."""
    forking = _forking()
    assert forking.stdin is not None
    assert forking.stdout is not None
    print(json.dumps([component, dict(environment), str(log)]), file=forking.stdin, flush=True)
    return psutil.Process(int(forking.stdout.readline()))


@functools.cache
def _forking() -> subprocess.Popen[str]:
    """Return a process that runs :func:`_fork` until this one ends."""
    command = [sys.executable, "-m", "tests.forks"]
    forking = subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(forking.communicate)
    return forking


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _fork() -> None:
    services, supervisor = (
        importlib.import_module(f"soundwright.services.{name}") for name in ("__main__", "supervisor")
    )
    services._import_shared_modules()
    signal.signal(signal.SIGCHLD, _reap)
    for line in iter(sys.stdin.readline, ""):
        component, environment, log = json.loads(line)
        if process_id := os.fork():
            os.write(1, f"{process_id}\n".encode())
            continue
        supervisor._name_and_bind(component)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.exit(services.main([component]))


if __name__ == "__main__":
    _fork()
