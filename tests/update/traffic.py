"""Clients that use the platform without pause, do not repeat requests, and note everything that goes wrong."""

from __future__ import annotations

import io
import sys
import threading
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api.browser import PASSWORD, Browser, registered
from tests.api.stories import encoded, eventually, song
from tests.stacks import Stack

__all__ = ["STEMS", "Traffic", "traffic"]

STEMS = ["bass", "drums", "other", "vocals"]
RECORDINGS = [*STEMS, "mix"]
"""What a separation stores."""
_JOB_SECONDS = 240.0
_JOINED_SECONDS = 300.0
_PAUSE_SECONDS = 0.5  # leaves most of a small machine to the processes that start


@dataclass
class Traffic:
    """What the clients did.

    Attributes:
        phase: what happens to the platform now. Failures name it.
        rounds: how often each story was completed.
        jobs: the jobs that were created, by kind.
        failures: for each failed request or story, the phase, the story and the end of its traceback.
    """

    stack: Stack
    phase: str = "before the update"
    rounds: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, list[str]] = field(default_factory=lambda: {"separation": [], "analysis": [], "generation": []})
    failures: list[str] = field(default_factory=list)

    def fail(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        self.failures.append(text)

    def look(self, client: httpx.Client, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = _ok(client.get(f"/api/jobs/{job_id}")).json()["data"]
        return job

    def completed(self, client: httpx.Client, kind: str, job_id: str) -> dict[str, Any]:
        """Record a job, and return it once it is completed."""
        self.jobs[kind].append(job_id)
        eventually(lambda: self.look(client, job_id)["status"] in ("completed", "failed"), _JOB_SECONDS)
        job = self.look(client, job_id)
        assert job["status"] == "completed", job
        return job


Story = Callable[[Traffic, httpx.Client], None]
_SONG = encoded(song(6.0))


def _ok(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code < 400, (
        f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
    )
    return answer


def _upload(client: httpx.Client) -> str:
    return str(_ok(client.post("/api/tracks", files={"file": ("song.wav", _SONG)})).json()["data"]["id"])


def separate_a_song(traffic: Traffic, client: httpx.Client) -> None:
    track_id = _upload(client)
    answer = _ok(client.post("/api/processing/separate", json={"track_id": track_id, "model": "dsp"}))
    job = traffic.completed(client, "separation", str(answer.json()["data"]["job_id"]))
    assert sorted(stem["stem_type"] for stem in job["result"]["stems"]) == STEMS
    archive = zipfile.ZipFile(io.BytesIO(_ok(client.get(f"/export/stems/{track_id}")).content))
    assert len(archive.namelist()) == len(STEMS)
    assert archive.testzip() is None


def analyse_a_song(traffic: Traffic, client: httpx.Client) -> None:
    track_id = _upload(client)
    answer = _ok(client.post("/api/analysis/analyze", json={"track_id": track_id}))
    traffic.completed(client, "analysis", str(answer.json()["data"]["job_id"]))
    _ok(client.patch(f"/api/tracks/{track_id}", json={"title": "Renamed"}))
    assert _ok(client.get(f"/api/tracks/{track_id}")).json()["data"]["title"] == "Renamed"
    _ok(client.delete(f"/api/tracks/{track_id}"))


def make_a_clip(traffic: Traffic, client: httpx.Client) -> None:
    accepted = _ok(client.post("/generate", json={"prompt": "calm piano", "duration": 2})).json()
    traffic.completed(client, "generation", str(accepted["job_id"]))
    assert _ok(client.get(f"/audio/{accepted['job_id']}.wav")).content.startswith(b"RIFF")


def read_lists(traffic: Traffic, client: httpx.Client) -> None:
    for path in ("/api/tracks", "/api/jobs", "/api/library", "/api/queue", "/api/radio/shuffle"):
        _ok(client.get(path))


class Visitor:
    """A browser that stays logged in with the session that it had before the update."""

    def __init__(self, stack: Stack) -> None:
        self._browser = Browser(stack.base_url)
        registered(self._browser)

    def close(self) -> None:
        self._browser.close()

    def __call__(self, traffic: Traffic, client: httpx.Client) -> None:
        page = _ok(self._browser.get("/"))
        assert self._browser.email in page.text, "the session has ended"
        answer = self._browser.post("/api/tokens", json={"email": self._browser.email, "password": PASSWORD})
        token = _ok(answer).json()["data"]
        own = {"Authorization": f"Bearer {token['token']}"}
        _ok(client.get("/api/jobs", headers=own))
        _ok(client.delete(f"/api/tokens/{token['id']}", headers=own))


@contextmanager
def traffic(stack: Stack) -> Iterator[Traffic]:
    """Run the stories without pause during the block. At its end, each finishes its current round."""
    seen = Traffic(stack)
    stories: dict[str, Story] = {
        story.__name__: story for story in (separate_a_song, analyse_a_song, make_a_clip, read_lists)
    }
    stories["use_a_session"] = visitor = Visitor(stack)
    over = threading.Event()

    def repeat(name: str, story: Story) -> None:
        with stack.client() as client:
            while not over.wait(_PAUSE_SECONDS):
                phase = seen.phase
                try:
                    story(seen, client)
                    seen.rounds[name] += 1
                except (AssertionError, httpx.HTTPError):
                    seen.fail(f"{phase}, then {seen.phase}: {name}\n{traceback.format_exc(limit=-3)}")

    threads = [threading.Thread(target=repeat, args=story, daemon=True) for story in stories.items()]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(_JOINED_SECONDS)
        visitor.close()
