"""Clients that use the platform without pause, do not repeat requests, and note everything that goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import threading
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.api.browser import PASSWORD, Browser, registered, token_of
from tests.api.phoenix_client import socket_url
from tests.api.stories import encoded, eventually, song
from tests.cluster import Cluster
from tests.stacks import Stack

__all__ = ["RECORDINGS", "Traffic", "traffic"]

STEMS = ["bass", "drums", "other", "vocals"]
RECORDINGS = [*STEMS, "mix"]
"""What a separation stores."""
# Limits for a machine that is busy with other work.
_JOB_SECONDS = 600.0
_ROUND_SECONDS = 1200.0
_PAUSE_SECONDS = 0.5  # leaves most of a small machine to the processes that start
_SERVICE_RESTART = 1012
_UNAVAILABLE = {"status": "error", "response": {"reason": "unavailable"}}


@dataclass
class Traffic:
    """What the clients did.

    Attributes:
        phase: what happens to the platform now. Failures name it.
        rounds: how often each story was completed.
        jobs: the jobs that were created, by kind.
        reconnections: how often a client opened another socket because its gateway restarted.
        failures: for each failed request or story, the phase, the story and the end of its traceback.
    """

    phase: str = "before the update"
    rounds: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, list[str]] = field(default_factory=lambda: {"separation": [], "analysis": [], "generation": []})
    reconnections: int = 0
    failures: list[str] = field(default_factory=list)

    def fail(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        self.failures.append(text)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, or a client has noticed something, which fails the test."""
        eventually(lambda: bool(self.failures) or condition(), _ROUND_SECONDS)
        assert not self.failures, "\n".join(self.failures[:8])

    def until_each_story_was_completed(self) -> None:
        """Wait until each story has been completed once more."""
        before = dict(self.rounds)
        self.until(lambda: all(self.rounds[name] > count for name, count in before.items()))

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


def make_and_collect_a_clip(traffic: Traffic, client: httpx.Client) -> None:
    clip_id = str(_ok(client.post("/generate", json={"prompt": "calm piano", "duration": 2})).json()["job_id"])
    traffic.completed(client, "generation", clip_id)
    assert _ok(client.get(f"/audio/{clip_id}.wav")).content.startswith(b"RIFF")
    assert _ok(client.post(f"/api/favorites/{clip_id}", json={})).json()["was_new"]
    playlist = f"/api/playlists/{_ok(client.post('/api/playlists', json={'name': 'Calm'})).json()['id']}"
    _ok(client.post(f"{playlist}/tracks", json={"generation_id": clip_id}))
    assert [track["id"] for track in _ok(client.get(playlist)).json()["tracks"]] == [clip_id]
    _ok(client.delete(playlist))


def open_an_account(traffic: Traffic, client: httpx.Client) -> None:
    with Browser(str(client.base_url)) as browser:
        browser.timeout = client.timeout
        registered(browser)
        own = {"Authorization": f"Bearer {token_of(browser)}"}
        assert _ok(client.get("/api/tracks", headers=own)).json()["data"] == []
        assert browser.submit("POST", "/users/log-out", {"_method": "delete"}).status_code == 302
        assert browser.email not in _ok(browser.get("/tracks")).text


def read_lists(traffic: Traffic, client: httpx.Client) -> None:
    for path in ("/api/tracks", "/api/jobs", "/api/library", "/api/queue", "/api/radio/shuffle"):
        _ok(client.get(path))


class Visitor:
    """A browser that stays logged in with the session that it had before the update."""

    def __init__(self, stack: Stack) -> None:
        self._browser = Browser(stack.base_url)
        self._browser.timeout = httpx.Timeout(_JOB_SECONDS)
        registered(self._browser)

    def close(self) -> None:
        self._browser.close()

    def __call__(self, traffic: Traffic, client: httpx.Client) -> None:
        page = _ok(self._browser.get("/tracks"))
        assert self._browser.email in page.text, "the session has ended"
        answer = self._browser.post("/api/tokens", json={"email": self._browser.email, "password": PASSWORD})
        token = _ok(answer).json()["data"]
        own = {"Authorization": f"Bearer {token['token']}"}
        _ok(client.get("/api/jobs", headers=own))
        _ok(client.delete(f"/api/tokens/{token['id']}", headers=own))


class Analyst:
    """A client that is told of the ends of its jobs by one socket. It opens another socket when its gateway restarts."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._opened = contextlib.ExitStack()
        self._socket = self._connect()

    def _connect(self) -> ClientConnection:
        self.close()
        stack = self._cluster.stack
        with self._cluster.balancer.request(urlsplit(stack.base_url).port or 0) as port:
            url = socket_url(f"http://127.0.0.1:{port}", vsn="2.0.0", token=stack.token)
            return self._opened.enter_context(connect(url, open_timeout=_JOB_SECONDS, ping_timeout=None))

    def close(self) -> None:
        self._opened.close()

    def __call__(self, traffic: Traffic, client: httpx.Client) -> None:
        track_id = _upload(client)
        answer = _ok(client.post("/api/analysis/analyze", json={"track_id": track_id}))
        job_id = str(answer.json()["data"]["job_id"])
        while True:
            try:
                event, payload = self._told_of(f"jobs:{job_id}")
                break
            except ConnectionClosed as end:
                if end.rcvd is None or end.rcvd.code != _SERVICE_RESTART:
                    raise
                traffic.reconnections += 1
                self._socket = self._connect()
        assert (event, payload["track_id"]) == ("job:completed", track_id)
        traffic.completed(client, "analysis", job_id)
        _ok(client.patch(f"/api/tracks/{track_id}", json={"title": "Renamed"}))
        assert _ok(client.get(f"/api/tracks/{track_id}")).json()["data"]["title"] == "Renamed"
        _ok(client.delete(f"/api/tracks/{track_id}"))

    def _told_of(self, topic: str) -> tuple[str, dict[str, Any]]:
        """Join a topic and return what is told of the end of its job."""
        join = json.dumps(["1", "1", topic, "phx_join", {}])
        self._socket.send(join)
        while True:
            _, _, name, event, payload = json.loads(self._socket.recv(timeout=_JOB_SECONDS))
            if name == topic and event == "phx_reply":
                if payload == _UNAVAILABLE:  # the gateway was too slow; clients of Phoenix join again
                    self._socket.send(join)
                else:
                    assert payload["status"] == "ok", payload
            elif name == topic and event != "job:progress":
                self._socket.send(json.dumps(["1", "2", topic, "phx_leave", {}]))
                return event, payload


@contextlib.contextmanager
def traffic(cluster: Cluster) -> Iterator[Traffic]:
    """Run the stories without pause during the block. At its end, each finishes its current round."""
    stack = cluster.stack
    stories: dict[str, Story] = {
        story.__name__: story for story in (separate_a_song, make_and_collect_a_clip, open_an_account, read_lists)
    }
    stories["use_a_session"] = visitor = Visitor(stack)
    stories["analyse_a_song"] = analyst = Analyst(cluster)
    seen = Traffic(rounds=Counter(dict.fromkeys(stories, 0)))
    over = threading.Event()

    def repeat(name: str, story: Story) -> None:
        with stack.client() as client:
            while not over.wait(_PAUSE_SECONDS):
                phase = seen.phase
                try:
                    story(seen, client)
                    seen.rounds[name] += 1
                except Exception:
                    seen.fail(f"{phase}, then {seen.phase}: {name}\n{traceback.format_exc(limit=-3)}")

    threads = [threading.Thread(target=repeat, args=story, daemon=True, name=story[0]) for story in stories.items()]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(_ROUND_SECONDS)
            if thread.is_alive():
                seen.fail(f"{seen.phase}: {thread.name} does not end")
        visitor.close()
        analyst.close()
