"""A library without wires, for tests of its jobs: a real store, a clock set by hand, a broker that is only counted."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kit.adapters.docs_sqlite import SqliteDocs
from kit.errors import AppError
from kit.identity import Principal
from services.library.admission import NewJob
from services.library.catalog_store import CatalogStore
from services.library.ledger import JobLedger
from services.library.queue import JobQueue
from services.library.service import AudioOutput, Job, JobResult, Track
from services.library.store import LibraryStore
from services.library.sweeper import Sweeper
from services.library.tracks import Tracks

__all__ = ["ANN", "BOB", "LEASE", "LOST", "WORKER", "HandClock", "World", "new", "opened", "reason", "result", "track"]

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


class World:
    def __init__(self, store: LibraryStore, catalog: CatalogStore) -> None:
        self.store = store
        self.catalog = catalog
        self.clock = HandClock()
        self.ledger = JobLedger(store, store, catalog, self.clock)
        self.queue = JobQueue(store, self.clock)
        self.tracks = Tracks(store, self.clock)
        self.broker = Backlog()
        self.published: list[Job] = []
        self.sweeper = Sweeper(store, self.ledger, self.broker, self.clock, self._publish, LOST)  # type: ignore[arg-type]

    async def _publish(self, job: Job) -> None:
        self.published.append(job)

    async def job(self, principal: Principal = ANN, **fields: Any) -> Job:
        return (await self.ledger.create(principal, new(**fields)))[0]

    async def running(self, **fields: Any) -> Job:
        job, claimed, _ = await self.ledger.claim((await self.job(**fields)).id, "w1", LEASE)
        assert claimed
        return job

    async def now(self, job: Job) -> Job:
        found = await self.store.job(job.id)
        assert found is not None
        return found


def new(**fields: Any) -> NewJob:
    return dataclasses.replace(
        NewJob(
            kind="separation",
            track_id="",
            spec_json='{"model": "x"}',
            attempt_limit=3,
            command_subject="soundwright.cmd.separation.v1.job.run",
            correlation_id="c1",
        ),
        **fields,
    )


def result(*names: str, values: str = "", **fields: Any) -> JobResult:
    outputs = [
        AudioOutput(
            id=str(uuid.uuid4()), name=name, blob_key=f"stems/{name}", content_type="audio/flac", size_bytes=1,
            sample_rate_hz=44100, channel_count=2, frame_count=10, peak=0.5, clipped_sample_count=0,
            job_id="", track_id="", owner_id="", path=f"{name}.flac", create_time=0.0,
        )
        for name in names
    ]  # fmt: skip
    plain: dict[str, Any] = {"engine": "dsp", "model": "m", "degraded": False, "requested_model": "m"}
    return JobResult(**plain, degraded_reason="", compute_seconds=1.0, outputs=outputs, values_json=values, **fields)


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
    docs._writer.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
    store, catalog = LibraryStore(docs), CatalogStore(docs)
    await store.prepare()
    await catalog.prepare()
    yield World(store, catalog)
    await docs.close()
