"""One component is killed or hangs in the middle of its work; the others go on and say so, and nothing that was accepted is lost."""

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from processes import components, kill, restarted
from work import FRAME_COUNT, Work

from soundwright.kit.settings import Settings
from soundwright.library.v1 import job_pb2, library_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright_client.local import Stack
from tests.waiting import eventually


def test_watches_go_on_after_the_library_restarts(stack: Stack, work: Work, song: Path) -> None:
    job_id = work.separate(work.upload(song))
    work.until_in_mid_job(job_id)
    states: list[int] = []
    breaks: list[tuple[grpc.StatusCode, str]] = []

    def watch() -> bool:
        """Watch the job as a client does: again when the stream breaks with UNAVAILABLE. Return whether it has ended."""
        address = f"unix:{Settings(data_dir=stack.data_dir).run_dir / 'library.sock'}"
        with grpc.insecure_channel(address) as channel:
            jobs: Any = library_service_pb2_grpc.JobServiceStub(channel)
            call = jobs.WatchJob(
                pb.WatchJobRequest(job_id=job_id), metadata=(("authorization", f"Bearer {stack.token}"),), timeout=300
            )
            try:
                for state in call:
                    states.append(state.job.state)
                    if len(states) == 1:
                        components(stack)["library"].terminate()
            except grpc.RpcError as error:
                breaks.append((error.code(), error.details()))
                return False
        return True

    eventually(watch, "the watch ends")
    assert {code for code, _ in breaks} == {grpc.StatusCode.UNAVAILABLE}
    assert breaks[0][1] == "The service restarts. Repeat the call to continue."
    assert states == sorted(states)
    assert states[-1] == job_pb2.JOB_STATE_SUCCEEDED
    work.assert_completed_once(job_id, frame_count=FRAME_COUNT)


def test_a_killed_gateway_leaves_no_half_upload(stack: Stack, work: Work, song: Path) -> None:
    track_id = work.upload(song)
    track_count = work.call("GET", "/api/tracks").json()["meta"]["total_count"]
    with half_uploaded(stack, song) as connection:
        eventually(lambda: work.stored(".partial"), "the upload arrives")
        job_id = work.separate(track_id)
        dead = kill(stack, "gateway")
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    restarted(stack, dead, "gateway")
    work.until_healthy()
    assert work.call("GET", "/api/tracks").json()["meta"]["total_count"] == track_count
    work.assert_completed_once(job_id, attempt=1, frame_count=FRAME_COUNT)
    # What a dead gateway could not remove goes when it is old enough that nobody can be writing it.
    eventually(lambda: len(work.stored(".partial")) == 1, "the job leaves nothing")
    [leftover] = work.stored(".partial")
    os.utime(stack.data_dir / "blobs" / ".partial" / leftover, (0, 0))
    restarted(stack, kill(stack, "ingest"), "ingest")
    eventually(lambda: not work.stored(".partial"), "ingest removes the leftover")


@contextmanager
def half_uploaded(stack: Stack, song: Path) -> Iterator[socket.socket]:
    """A connection over which half of an upload has gone."""
    content = song.read_bytes()
    head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="half.wav"\r\n\r\n'
    host, port = stack.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            b"POST /api/tracks HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer %b\r\n"
            b"content-type: multipart/form-data; boundary=x\r\ncontent-length: %d\r\n\r\n"
            % (stack.token.encode(), len(head) + len(content))
        )
        connection.sendall(head + content[: len(content) // 2])
        yield connection


# ---------------------------------------------------------------------------------------------- dependencies that are away

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
    assert sorted(report["checks"]) == CHECKS[component]
    return report


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    process = components(stack)[name]
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def renamed(stack: Stack, name: str) -> Iterator[None]:
    path = (stack.data_dir / name).rename(stack.data_dir / "elsewhere")
    try:
        yield
    finally:
        path.rename(stack.data_dir / name)


@contextmanager
def locked(stack: Stack, name: str) -> Iterator[None]:
    with closing(sqlite3.connect(stack.data_dir / name, timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@pytest.mark.parametrize(
    ("dependency", "away", "name", "reason"),
    [
        ("broker", frozen, "broker", "It did not answer within 2 seconds."),
        ("library", frozen, "library", "The component does not answer. Check that it is running."),
        ("blobs", renamed, "blobs", "The folder of the file store is missing, or the platform may not write to it."),
        ("documents", locked, "library.db", ""),
        ("documents", renamed, "library.db", "The file of the document store was removed or replaced. Put it back, or restart the library."),
    ],
    ids=["broker-hangs", "library-hangs", "files-gone", "database-locked", "database-removed"],
)  # fmt: skip
def test_exactly_the_dependency_that_is_away_is_reported(
    stack: Stack, work: Work, dependency: str, away: Any, name: str, reason: str
) -> None:
    before = {component: process.pid for component, process in components(stack).items()}
    asked = [component for component in CHECKS if component != name]  # one that is frozen does not answer
    expected = {component: [dependency] if dependency in CHECKS[component] else [] for component in asked}

    def failing() -> dict[str, list[str]]:
        return {component: readyz(stack, component)["failing"] for component in asked}

    eventually(lambda: not any(failing().values()), "all components are ready")
    with away(stack, name):
        eventually(lambda: failing() == expected, f"{dependency} is reported")
        reporting = next(component for component in asked if expected[component])
        if reason:
            assert readyz(stack, reporting)["checks"][dependency]["reason"] == reason
        if dependency in ("library", "documents"):
            eventually(lambda: work.unwell_for_want_of("library"), "GET /health names the library")
    eventually(lambda: not any(failing().values()), "all components are ready again")
    assert {component: process.pid for component, process in components(stack).items()} == before
