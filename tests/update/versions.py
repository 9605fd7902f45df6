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


def earlier_version(folder: Path) -> tuple[str, Path]:
    """Write the version before this one to ``folder``. Returns its revision, and where it is.

    It is the revision in ``SOUNDWRIGHT_TEST_UPDATE_FROM``. By default, it is the commit where this branch left ``main``, or on
    ``main`` the parent of the latest commit.
    """
    revision = UPDATE_FROM or _default_revision()
    archive = _git("archive", "--format=tar", revision)
    if archive is None:
        _unavailable(f"the repository has no revision {revision}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return revision, folder


def _default_revision() -> str:
    head, fork = (_revision(*command) for command in (("rev-parse", "HEAD"), ("merge-base", "HEAD", "main")))
    revision = fork if fork not in ("", head) else _revision("rev-parse", "HEAD~1")
    if not revision:
        _unavailable("this clone has no earlier commit: it is shallow, or no clone at all")
    return revision


def _revision(*command: str) -> str:
    found = _git(*command)
    return found.decode().strip() if found else ""


def _git(*command: str) -> bytes | None:
    done = subprocess.run(["git", *command], cwd=THIS_CHECKOUT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _unavailable(reason: str) -> None:
    pytest.fail(
        f"There is no version to update from: {reason}. Fetch the history (git fetch --unshallow), or name a revision in "
        "SOUNDWRIGHT_TEST_UPDATE_FROM.",
        pytrace=False,
    )


UPDATE_FROM = os.environ.get("SOUNDWRIGHT_TEST_UPDATE_FROM", "")
"""Read when the tests are collected: they run without the variables of a stack."""
