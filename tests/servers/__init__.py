"""Real servers for tests: where they are found, and how a missing one is reported.

A server is looked for in this order: an address in the environment, an executable on ``PATH``, an executable of a registry
package beside the interpreter. With ``CI`` set, a missing server fails the test; elsewhere it skips the test.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from soundwright_client.local import free_ports
from tests.waiting import eventually

__all__ = ["executable", "free_ports", "serving"]


def executable(name: str, hint: str, folder: Path | None = None) -> str:
    """Return the path of a server's executable. Skip the test, or fail it under CI, if there is none.

    Args:
        hint: what to install.
        folder: a further folder to look in.
    """
    search = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent), str(folder or "")))
    found = shutil.which(name, path=search)
    if found is not None:
        return found
    message = f"{name} is not installed: {hint}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def serving(
    command: Sequence[str], log: Path, ready: Callable[[], bool], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of the block, from the moment that ``ready`` returns true."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(environment or {})})
    try:
        eventually(lambda: process.poll() is not None or ready(), f"{command[0]} starts")
        assert process.poll() is None, f"{command[0]} ended:\n{log.read_text(errors='replace')[-3000:]}"
        yield process
    finally:
        process.kill()
        process.wait()
