"""Components as processes that share what they import: one process imports it, and forks them, as a supervisor does."""

import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from soundwright.services import __main__ as services
from soundwright.services import supervisor


def start(component: str, environment: Mapping[str, str], log: Path) -> psutil.Process:
    """Start a component, as ``python -m soundwright.services`` does."""
    forking = _forking()
    assert forking.stdin and forking.stdout  # noqa: PT018
    print(json.dumps([component, dict(environment), str(log)]), file=forking.stdin, flush=True)
    return psutil.Process(int(forking.stdout.readline()))


@functools.cache
def _forking() -> subprocess.Popen[str]:
    command, root, pipe = [sys.executable, "-m", "tests.forks"], Path(__file__).parents[1], subprocess.PIPE
    forking = subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True)
    atexit.register(forking.communicate)
    return forking


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    import tests.quick.sitecustomize  # noqa: F401

    services._import_shared_modules()
    signal.signal(signal.SIGCHLD, _reap)
    for line in iter(sys.stdin.readline, ""):
        component, environment, log = json.loads(line)
        if process_id := os.fork():
            os.write(1, f"{process_id}\n".encode())
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        supervisor._name_and_bind(component)
        os.environ.clear()
        os.environ.update(environment)
        for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)):
            os.dup2(os.open(path, flags, 0o600), descriptor)
        os.dup2(1, 2)
        sys.exit(services.main([component]))
