"""An earlier version of the project, from the history of the repository."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cluster import THIS_CHECKOUT

__all__ = ["earlier_version"]

UPDATE_FROM = os.environ.get("SOUNDWRIGHT_TEST_UPDATE_FROM", "")
"""Read when the tests are collected: they run without the variables of a stack."""


def earlier_version(folder: Path) -> str:
    """Write the version that is updated to ``folder``, and return its revision.

    It is the revision in ``SOUNDWRIGHT_TEST_UPDATE_FROM``. By default, it is the last tag before this commit. Without a tag, it
    is this commit: the test then rolls between the commit and the files in this checkout.
    """
    revision = UPDATE_FROM or _git("describe", "--tags", "--abbrev=0", "HEAD~1").decode().strip() or "HEAD"
    archive = _git("archive", "--format=tar", revision)
    if not archive:
        pytest.fail(
            f"There is no version to update from: this clone has no revision {revision}. Fetch the history (git fetch "
            "--unshallow --tags), or name another revision in SOUNDWRIGHT_TEST_UPDATE_FROM.",
            pytrace=False,
        )
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return f"{revision} ({_git('rev-parse', '--short', f'{revision}^{{commit}}').decode().strip()})"


def _git(*command: str) -> bytes:
    """Return the output of a command, which is empty if the command fails."""
    done = subprocess.run(["git", *command], cwd=THIS_CHECKOUT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""
