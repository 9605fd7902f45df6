"""Jobs for the workers, and what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import numpy as np
import soundfile
from nats.aio.client import Client
from nats.aio.msg import Msg

from kit.security.certificates import Certificates
from tests.control_plane.local_services import Broker, LocalServices

__all__ = ["Jobs", "events", "lag"]

RATE_HZ = 22_050
SONG_SECONDS = 15
FRAME_COUNT = SONG_SECONDS * RATE_HZ + 123
STEMS = ("bass", "drums", "other", "vocals")
RECORDINGS = (*STEMS, "mix")
_PRIORITIES = ("admin", "premium", "standard", "free")


class Jobs:
    """Separations of one song, by a client of the gateway."""

    def __init__(self, services: LocalServices, client: httpx.Client) -> None:
        self._services = services
        self._client = client
        buffer = io.BytesIO()
        samples = np.random.default_rng(1).normal(0.0, 0.1, FRAME_COUNT)
        soundfile.write(buffer, samples, RATE_HZ, "PCM_16", format="WAV")
        answer = self._client.post("/api/tracks", files={"file": ("song.wav", buffer.getvalue())})
        assert answer.status_code == 201, answer.text
        self._track_id = answer.json()["data"]["id"]
        self.ids: list[str] = []

    def create(self, count: int) -> None:
        for _ in range(count):
            answer = self._client.post("/api/processing/separate", json={"track_id": self._track_id, "model": "dsp"})
            assert answer.status_code in (200, 201), answer.text
            self.ids.append(str(answer.json()["data"]["job_id"]))

    def look(self) -> list[dict[str, Any]]:
        """Return the jobs as the ledger records them."""
        return [self._client.get(f"/api/jobs/{job_id}").json()["data"] for job_id in self.ids]

    def assert_completed_once(self) -> list[dict[str, Any]]:
        """Each job has one result, of the attempt that it names, and it is whole. Return the jobs."""
        jobs = self.look()
        assert {(job["status"], job["error"]) for job in jobs} == {("completed", None)}
        expected = {f"stems/{job['attempt']}/{job['id']}/{name}.flac" for job in jobs for name in RECORDINGS}
        ours = [key for key in self._services.stack.recordings("stems/") if key.split("/")[2] in set(self.ids)]
        assert sorted(ours) == sorted(expected), "each job has its stems, and nothing of another attempt"
        for job in jobs:
            assert sorted(stem["stem_type"] for stem in job["result"]["stems"]) == sorted(STEMS)
            assert {stem["frame_count"] for stem in job["result"]["stems"]} == {FRAME_COUNT}
        for key in ours:
            assert soundfile.info(io.BytesIO(self._services.stack.read(key))).frames == FRAME_COUNT
        return jobs


def lag(nats: Broker, queue: str = "separation") -> int:
    """Return the number of queued and running jobs, as KEDA reads it."""
    answer = httpx.get(f"http://{nats.monitoring}/jsz", params={"accounts": "true", "consumers": "true"})
    (account,) = (one for one in answer.json()["account_details"] if one["name"] == "SOUNDWRIGHT")
    names = {f"{queue}_job_run_{priority}" for priority in _PRIORITIES}
    return sum(
        int(consumer["num_pending"]) + int(consumer["num_ack_pending"])
        for stream in account["stream_detail"]
        for consumer in stream.get("consumer_detail", ())
        if consumer["name"] in names
    )


@contextlib.contextmanager
def events(services: LocalServices) -> Iterator[Mapping[str, set[str]]]:
    """Record the events of ended jobs during the block: job to the identifiers of its messages."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    listening, over = threading.Event(), threading.Event()
    environment = services.environment["gateway"]

    async def record(message: Msg) -> None:
        identifier = (message.headers or {}).get("Nats-Msg-Id", "")
        if identifier:  # progress has none
            found[identifier.partition(".")[0]].add(identifier)

    async def listen() -> None:
        files = (environment[f"SOUNDWRIGHT_TLS_{part}_FILE"] for part in ("CA", "CERT", "KEY"))
        client = Client()
        await client.connect(
            environment["SOUNDWRIGHT_NATS_URL"],
            user=environment["SOUNDWRIGHT_NATS_USER"],
            password=environment["SOUNDWRIGHT_NATS_PASSWORD"],
            tls=Certificates(*files).client_context(),
            inbox_prefix=b"_INBOX.gateway",
        )
        await client.subscribe("soundwright.evt.*.v1.job.*", cb=record)
        await client.flush()
        listening.set()
        await asyncio.to_thread(over.wait)
        await client.drain()

    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    assert listening.wait(60), "the broker accepts the listener"
    try:
        yield found
    finally:
        over.set()
        thread.join()
