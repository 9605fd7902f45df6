"""Folders of the writers, and whether their system calls can be recorded."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _traces() -> bool:
    strace = shutil.which("strace")
    return strace is not None and subprocess.run([strace, "-o", os.devnull, "true"], check=False).returncode == 0


# There is nothing to test without a record. Continuous integration must be able to make one.
collect_ignore = [] if os.environ.get("CI") or _traces() else ["test_power_loss.py", "test_backup_power_loss.py"]


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system than the stores, if the machine has one: a file from there cannot be renamed."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
