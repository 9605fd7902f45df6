"""A library without wires, for tests of its jobs: a real store, a clock set by hand, a broker that is only counted."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.sqlite.search import SqliteSearch
from kit.errors import AppError
from kit.security.identity import Principal
from services.library.catalog.store import CatalogStore
from services.library.job_results import JobResults
from services.library.jobs.admission import NewJob
from services.library.jobs.ledger import JobLedger
from services.library.jobs.queue import JobQueue
from services.library.jobs.service import AudioOutput, GeneratedClip, Job, JobResult, Measurement, PackedMessage
from services.library.jobs.store import JobDocs
from services.library.jobs.sweeper import Sweeper
from services.library.tracks.results import TrackResults
from services.library.tracks.service import Track, Tracks
from services.library.tracks.store import TrackDocs

__all__ = [
    "ANN", "BOB", "LEASE", "LOST", "SPEC", "WORKER", "HandClock", "World", "clip", "details", "ledger_of", "new", "opened",
    "reason", "result", "track",
]  # fmt: skip

ANN = Principal("ann", "user")
BOB = Principal("bob", "user")
WORKER = Principal("service:separation", "service")
LEASE = 20.0
LOST = 15.0


class HandClock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


class Backlog:
    """The one question that the sweeper asks the broker."""

    def __init__(self) -> None:
        self.count = 0
        self.counts: dict[str, int] = {}

    async def backlog(self, subject: str) -> int:
        return self.counts.get(subject, self.count)


def ledger_of(jobs: JobDocs, tracks: TrackDocs, catalog: Any, clock: Any) -> JobLedger:
    """A ledger that files results as the library does."""
    return JobLedger(jobs, JobResults(tracks, TrackResults(tracks), catalog), clock)


class World:
    def __init__(self, jobs: JobDocs, tracks: TrackDocs, catalog: CatalogStore) -> None:
        self.jobs = jobs
        self.track_docs = tracks
        self.catalog = catalog
        self.clock = HandClock()
        self.ledger = ledger_of(jobs, tracks, catalog, self.clock)
        self.queue = JobQueue(jobs, self.clock)
        self.tracks = Tracks(tracks, self.clock)
        self.broker = Backlog()
        self.published: list[Job] = []
        self.sweeper = Sweeper(jobs, self.ledger, self.broker, self.clock, self._publish, LOST)  # type: ignore[arg-type]

    async def _publish(self, job: Job) -> None:
        self.published.append(job)

    async def job(self, principal: Principal = ANN, **fields: Any) -> Job:
        return (await self.ledger.create(principal, new(**fields)))[0]

    async def running(self, **fields: Any) -> Job:
        job, claimed, _ = await self.ledger.claim((await self.job(**fields)).id, "w1", LEASE)
        assert claimed
        return job

    async def now(self, job: Job) -> Job:
        found = await self.jobs.job(job.id)
        assert found is not None
        return found


def new(**fields: Any) -> NewJob:
    return dataclasses.replace(
        NewJob(
            kind="separation",
            track_id="",
            spec=SPEC,
            attempt_limit=3,
            command_subject="soundwright.cmd.separation.v1.job.run",
            correlation_id="c1",
            output_folder="stems",
        ),
        **fields,
    )


def details(values: str) -> PackedMessage:
    """Details that no test unpacks."""
    return PackedMessage("type.googleapis.com/test.Details", base64.b64encode(values.encode()).decode())


SPEC = details("spec")


def audio_output(name: str) -> AudioOutput:
    """An output as its worker describes it."""
    return AudioOutput(
        id=str(uuid.uuid4()), name=name, blob_key=f"stems/{name}", content_type="audio/flac", size_bytes=1,
        sample_rate_hz=44100, channel_count=2, frame_count=10, peak=0.5, clipped_sample_count=0,
        job_id="", track_id="", owner_id="", path=f"{name}.flac", create_time=0.0,
    )  # fmt: skip


def result(*names: str, values: str = "", **fields: Any) -> JobResult:
    """The result of a separation with these stems, or of an analysis with these values."""
    outputs = [audio_output(name) for name in names]
    plain: dict[str, Any] = {"engine": "dsp", "model": "m", "degraded": False, "requested_model": "m"}
    given: dict[str, Any] = {"outputs_are_stems": bool(names)}
    if values:
        given |= {"details": details(values), "measurement": Measurement()}
    return JobResult(degraded_reason="", compute_seconds=1.0, outputs=outputs, **{**plain, **given, **fields})


def clip(prompt: str = "rain", **fields: Any) -> GeneratedClip:
    return GeneratedClip(prompt=prompt, **{"duration_seconds": 5.0, **fields})


def track(track_id: str) -> Track:
    return Track(
        id=track_id, owner_id="", title="t", artist="", album="", source="manual", filename="f", blob_key="k",
        content_type="audio/wav", content_sha256="0", size_bytes=1, container="wav", codec="pcm", sample_rate_hz=44100,
        channel_count=2, frame_count=1, duration_seconds=1.0, warnings=[], create_time=0.0, update_time=0.0,
    )  # fmt: skip


async def reason(call: Any) -> str:
    with pytest.raises(AppError) as refusal:
        await call
    return refusal.value.reason


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[World]:
    """A world over the library in this folder."""
    docs = SqliteDocs(folder / "library.db")
    docs.database.writer.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
    jobs, tracks, catalog = JobDocs(docs), TrackDocs(docs), CatalogStore(docs, SqliteSearch(docs.database))
    for store in (jobs, tracks, catalog):
        await store.prepare()
    yield World(jobs, tracks, catalog)
    await docs.close()
