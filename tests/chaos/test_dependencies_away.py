"""Each dependency is taken away from a running stack. Exactly that one is reported, and its return is noticed."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from processes import components, eventually
from work import Work

from demo.stack import Stack

pytestmark = pytest.mark.campaign

CHECKS = {
    "library": ["blobs", "broker", "documents"],
    "ingest": ["blobs", "broker", "library"],
    "separation": ["blobs", "broker", "library"],
    "analysis": ["blobs", "broker", "library"],
    "generation": ["blobs", "broker", "library"],
    "gateway": ["blobs", "library"],
}


def readyz(stack: Stack, component: str) -> dict[str, Any]:
    """The answer of a component's operations address. It must come at once, whatever is missing."""
    transport = httpx.HTTPTransport(uds=str(stack.data_dir / "run" / f"{component}.ops.sock"))
    with httpx.Client(transport=transport, base_url="http://component", timeout=20) as client:
        answer = client.get("/readyz")
    report: dict[str, Any] = answer.json()
    assert answer.status_code == (200 if report["ready"] else 503)
    return report


def failing(stack: Stack, without: str = "") -> dict[str, list[str]]:
    return {name: readyz(stack, name)["failing"] for name in CHECKS if name != without}


@contextlib.contextmanager
def without(stack: Stack, name: str) -> Iterator[None]:
    """Freeze a process for the length of the block."""
    process = components(stack)[name]
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def expected(dependency: str) -> dict[str, list[str]]:
    return {name: [dependency] if dependency in checks else [] for name, checks in CHECKS.items()}


@pytest.fixture(autouse=True)
def recovers(stack: Stack, work: Work) -> Iterator[None]:
    """No process restarts, and everything is ready again."""
    before = {name: process.pid for name, process in components(stack).items()}
    eventually(lambda: not any(failing(stack).values()), "all components are ready")
    yield
    eventually(lambda: not any(failing(stack).values()), "all components are ready again")
    assert {name: process.pid for name, process in components(stack).items()} == before


def test_every_component_names_its_dependencies(stack: Stack) -> None:
    for name, checks in CHECKS.items():
        report = readyz(stack, name)
        assert sorted(report["checks"]) == checks
        assert all(check["ok"] and check["reason"] == "" for check in report["checks"].values())


def test_a_broker_that_hangs(stack: Stack) -> None:
    with without(stack, "broker"):
        eventually(lambda: failing(stack) == expected("broker"), "the broker is reported")
        assert readyz(stack, "library")["checks"]["broker"]["reason"] == "It did not answer within 2 seconds."


def test_a_library_that_hangs(stack: Stack, work: Work) -> None:
    with without(stack, "library"):
        others = {name: reported for name, reported in expected("library").items() if name != "library"}
        eventually(lambda: failing(stack, without="library") == others, "the library is reported")
        eventually(lambda: work.unwell_for_want_of("library"), "GET /health names the library")


def test_a_folder_of_files_that_is_gone(stack: Stack) -> None:
    blobs = stack.data_dir / "blobs"
    blobs.rename(stack.data_dir / "elsewhere")
    try:
        eventually(lambda: failing(stack) == expected("blobs"), "the file store is reported")
        assert readyz(stack, "gateway")["checks"]["blobs"]["reason"] == (
            "The folder of the file store is missing, or the platform may not write to it."
        )
    finally:
        (stack.data_dir / "elsewhere").rename(blobs)


def test_a_database_that_is_locked(stack: Stack, work: Work) -> None:
    with contextlib.closing(sqlite3.connect(stack.data_dir / "library.db", timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        eventually(lambda: failing(stack) == expected("documents"), "the document store is reported")
        eventually(lambda: work.unwell_for_want_of("library"), "GET /health names the library")


def test_a_database_that_was_removed(stack: Stack) -> None:
    database = stack.data_dir / "library.db"
    database.rename(stack.data_dir / "elsewhere.db")
    try:
        eventually(lambda: failing(stack) == expected("documents"), "the document store is reported")
        assert readyz(stack, "library")["checks"]["documents"]["reason"] == (
            "The file of the document store was removed or replaced. Put it back, or restart the library."
        )
    finally:
        (stack.data_dir / "elsewhere.db").rename(database)
