"""One replica of each component is killed in turn while jobs run: the other replica answers, and every job ends once."""

import itertools
import signal
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from work import RATE_HZ, RECORDINGS, SETTINGS

from tests.cluster import COMPONENTS, Cluster, running_cluster
from tests.waiting import eventually

pytestmark = pytest.mark.campaign

SONG_SECONDS = 20
BEFORE = {"separation": 6, "analysis": 5, "generation": 6}
"""Jobs that are created before the first kill. One more of each kind is created while a replica is down."""


class Clients:
    """Clients of all gateways, used in turn, as by a load balancer that passes over a gateway that is down."""

    def __init__(self, cluster: Cluster) -> None:
        headers = {"Authorization": f"Bearer {cluster.stack.token}"}
        self._clients = [httpx.Client(base_url=url, headers=headers, timeout=60) for url in cluster.stack.gateway_urls]
        self._turns = itertools.cycle(self._clients)
        self.refusals: Counter[str] = Counter()

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """Return the answer of the next gateway that is up. None: the gateway was killed during the call."""
        for client in itertools.islice(self._turns, len(self._clients)):
            try:
                return client.request(method, path, **arguments)
            except httpx.ConnectError:
                continue
            except httpx.TransportError:
                return None
        raise AssertionError(f"no gateway answers {method} {path}")

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Call, and call again after an answer that asks for it. Repeated requests have no further effect."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}

        def answer() -> httpx.Response | None:
            response = self.request(method, path, headers=headers, **arguments)
            if response is None or response.status_code == 503:
                self.refusals[f"{method} {path}"] += 1
                return None
            return response

        response = eventually(answer, f"{method} {path}")
        assert response.status_code < 300, response.text
        return response

    def close(self) -> None:
        for client in self._clients:
            client.close()


class Jobs:
    """Creates jobs of several kinds and follows them to their ends."""

    def __init__(self, clients: Clients, song: Path) -> None:
        self._clients = clients
        self._song = song
        self.ids: dict[str, list[str]] = {kind: [] for kind in BEFORE}
        self.track_id = self.upload()

    def upload(self) -> str:
        files = {"file": (self._song.name, self._song.read_bytes())}
        return str(self._clients.call("POST", "/api/tracks", files=files).json()["data"]["id"])

    def create(self, kind: str) -> None:
        body = {
            "separation": {"track_id": self.track_id, "model": "dsp"},
            "analysis": {"track_id": self.track_id},
            "generation": {"prompt": f"calm piano {uuid.uuid4().hex}", "duration": 2},
        }[kind]
        path = {
            "separation": "/api/processing/separate",
            "analysis": "/api/analysis/analyze",
            "generation": "/generate",
        }
        answer = self._clients.call("POST", path[kind], json=body).json()
        self.ids[kind].append(str(answer["data"]["job_id"] if "data" in answer else answer["job_id"]))

    def look(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self._clients.call("GET", f"/api/jobs/{job_id}").json()["data"]
        return job

    def until_one_runs(self) -> None:
        """Wait until a job runs, so that the kill comes in the middle of work. At the end, none may be left."""

        def found() -> bool:
            states = {self.look(job_id)["status"] for ids in self.ids.values() for job_id in ids}
            return "processing" in states or states <= {"completed", "failed"}

        eventually(found, "a job runs")

    def ended(self, kind: str) -> list[dict[str, Any]]:
        def all_ended() -> list[dict[str, Any]] | None:
            jobs = [self.look(job_id) for job_id in self.ids[kind]]
            return jobs if {job["status"] for job in jobs} <= {"completed", "failed"} else None

        return eventually(all_ended, f"the {kind} jobs end", 240)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("replicas") / "cluster", SETTINGS) as started:
        yield started


@pytest.fixture
def clients(cluster: Cluster) -> Iterator[Clients]:
    opened = Clients(cluster)
    yield opened
    opened.close()


@pytest.fixture
def short_song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(1).normal(0.0, 0.1, SONG_SECONDS * RATE_HZ), RATE_HZ, "PCM_16")
    return path


@contextmanager
def constant_reading(cluster: Cluster) -> Iterator[Counter[int]]:
    """Read without pause during the block, and count the answers by status. 0: the gateway was killed during the call."""
    answers: Counter[int] = Counter()
    over = threading.Event()

    def read() -> None:
        clients = Clients(cluster)
        while not over.wait(0.05):
            response = clients.request("GET", "/api/tracks", params={"page_size": 1})
            answers[response.status_code if response is not None else 0] += 1
        clients.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield answers
    finally:
        over.set()
        reader.join()


def test_jobs_end_once_and_requests_are_answered_whichever_replica_dies(
    cluster: Cluster, clients: Clients, short_song: Path
) -> None:
    jobs = Jobs(clients, short_song)
    for kind, count in BEFORE.items():
        for _ in range(count):
            jobs.create(kind)
    with constant_reading(cluster) as answers:
        for number, component in enumerate(COMPONENTS):
            jobs.until_one_runs()
            killed = cluster.of(component)[number % 2]
            killed.signal(signal.SIGKILL)
            killed.wait()
            before = answers[200]
            if component in BEFORE:
                jobs.create(component)
            else:
                jobs.upload()
            eventually(lambda before=before: answers[200] >= before + 4, f"reads go on without a {component}")
            assert not killed.running, "the other replica has answered"
            killed.start()
            eventually(killed.ready, f"{component} is ready again", 180)
        ended = {kind: jobs.ended(kind) for kind in BEFORE}
    sys.stdout.write(f"answers to reads by status: {dict(answers)}; repeated calls: {dict(clients.refusals)}\n")
    assert set(answers) <= {200, 503, 0}
    assert sum(map(len, ended.values())) == 20
    assert {(job["status"], job["error"]) for found in ended.values() for job in found} == {("completed", None)}
    stems = [f"stems/{job['attempt']}/{job['id']}/{name}.flac" for job in ended["separation"] for name in RECORDINGS]
    assert cluster.stack.recordings("stems/") == sorted(stems), "each job has its stems, and nothing of another attempt"
    clips = clients.call("GET", "/api/library", params={"per_page": 100}).json()["items"]
    assert sorted(clip["id"] for clip in clips) == sorted(jobs.ids["generation"])
    assert "Traceback" not in cluster.stack.log()
