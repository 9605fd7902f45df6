"""A stack that is stopped or hit while it starts, and its first job."""

import functools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

import httpx
import psutil
from processes import gone
from work import SETTINGS, Work

from soundwright_client.local import free_ports, running
from tests.api.stories import RATE_HZ, encoded, song
from tests.stacks import component_of
from tests.waiting import DEADLINE_SECONDS, eventually


@dataclass(frozen=True)
class Start:
    """A stack that starts."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    base_url: str

    def components(self) -> dict[str, psutil.Process]:
        found = {component_of(each): each for each in psutil.Process(self.process.pid).children()}
        return {name: process for name, process in found.items() if name}

    def component(self, name: str, other_than: psutil.Process | None = None) -> psutil.Process | None:
        process = self.components().get(name)
        return process if process != other_than else None

    def has_logged(self, event: str) -> bool:
        return event in (self.data_dir / "stack.log").read_text()

    def health(self) -> int:
        """Return the status of ``GET /health``; 0 while nothing answers."""
        try:
            return httpx.get(f"{self.base_url}/health", timeout=DEADLINE_SECONDS).status_code
        except httpx.TransportError:
            return 0


@contextmanager
def starting(data_dir: Path) -> Iterator[Start]:
    gateway, soundbox, pipeline = free_ports(3)
    settings = {
        **{name: value for name, value in environ.items() if not name.startswith("SOUNDWRIGHT_")},
        **SETTINGS,
        "SOUNDWRIGHT_DATA_DIR": str(data_dir),
        "SOUNDWRIGHT_GATEWAY_PORT": str(gateway),
        "SOUNDWRIGHT_SOUNDBOX_PORT": str(soundbox),
        "SOUNDWRIGHT_PIPELINE_PORT": str(pipeline),
        "SOUNDWRIGHT_FALLBACK": "true",
    }
    with (data_dir / "stack.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "soundwright.services", "all"], env=settings, stdout=log, stderr=log
        )
    try:
        yield Start(process, data_dir, f"http://127.0.0.1:{gateway}")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_SECONDS)


def test_after_interrupted_starts_a_job_can_be_created_as_soon_as_the_stack_is_healthy(tmp_path: Path) -> None:
    moments: tuple[Callable[[Start], object], ...] = (
        lambda start: "broker" in start.components(),
        lambda start: len(start.components()) == 7,
        lambda start: start.health(),
    )
    for moment in moments:
        with starting(tmp_path) as start:
            eventually(functools.partial(moment, start), "the moment")
            below = psutil.Process(start.process.pid).children(recursive=True)
            start.process.send_signal(signal.SIGINT)
            assert start.process.wait(DEADLINE_SECONDS) == 0
            gone(below)
            assert not start.has_logged("Traceback")
    with running(tmp_path, SETTINGS) as stack, closing(Work(stack)) as work, stack.client() as client:
        # Without repeated calls: nothing is refused, although no engine process runs yet.
        track = client.post("/api/tracks", files={"file": ("song.wav", encoded(song(1.0)))})
        assert track.status_code == 201, track.text
        body = {"track_id": track.json()["data"]["id"], "model": "dsp"}
        answer = client.post("/api/processing/separate", json=body)
        assert answer.status_code in (200, 201), answer.text
        work.assert_completed_once(answer.json()["data"]["job_id"], attempt=1, frame_count=RATE_HZ)


def test_components_that_are_killed_during_the_start_come_back(tmp_path: Path) -> None:
    with starting(tmp_path) as start:
        killed = {}
        for name in ("broker", "library", "separation", "gateway"):
            killed[name] = eventually(functools.partial(start.component, name), f"{name} starts")
            killed[name].kill()
        for name, dead in killed.items():
            eventually(functools.partial(start.component, name, other_than=dead), f"{name} starts again")
        eventually(lambda: start.health() == 200, "GET /health says 200")
