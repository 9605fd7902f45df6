"""A library behind gRPC, a broker and workers, for tests of jobs; only the handlers are made for the test."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit import rpc
from kit.adapters.blobs_file import FileBlobs
from kit.adapters.bus_nats import NatsBus
from kit.adapters.clock import SystemClock
from kit.adapters.docs_sqlite import SqliteDocs
from kit.identity import Principal, Signer, principal_scope
from kit.jobs import Ended, Handler, JobWorker, command_subject, create_job, publish_run
from services.library.catalog_store import CatalogStore
from services.library.ledger import JobLedger
from services.library.queue import JobQueue
from services.library.rpc import JobRpc, job_to_wire
from services.library.service import Job, JobState
from services.library.store import LibraryStore
from services.library.sweeper import Sweeper
from tests.contract.nats_server import NatsServer

__all__ = [
    "ANN",
    "DEADLINE_SECONDS",
    "LEASE_SECONDS",
    "WORKER",
    "Platform",
    "eventually",
    "opened",
    "result",
    "started_broker",
]

DEADLINE_SECONDS = 30.0
LEASE_SECONDS = 2.0
LOST_SECONDS = 15.0
ANN = Principal("ann", "user")
WORKER = Principal("service:test", "service")


class ShiftedClock:
    """The machine's clock, which the test may put forward."""

    def __init__(self) -> None:
        self.shift_seconds = 0.0

    def now(self) -> float:
        return time.time() + self.shift_seconds


class Platform:
    """A library behind gRPC, a broker, and what was heard on the bus; ``service`` is a name no other test uses."""

    def __init__(
        self,
        store: LibraryStore,
        ledger: JobLedger,
        clock: ShiftedClock,
        bus: NatsBus,
        stub: Any,
        client: Any,
        blobs: FileBlobs,
    ) -> None:
        self.ledger = ledger
        self.clock = clock
        self.bus = bus
        self.jobs = stub
        self.client = client
        self.blobs = blobs
        self.service = f"test{uuid.uuid4().hex[:12]}"
        self.subject = f"{command_subject(self.service)}.standard"
        self.heard: list[Any] = []
        self.sweeper = Sweeper(store, ledger, bus, clock, self._publish, LOST_SECONDS)

    async def listen(self) -> None:
        async def hear(message: Any) -> None:
            self.heard.append(message)

        await self.client.subscribe(f"soundwright.evt.{self.service}.>", cb=hear)
        await self.client.flush()

    async def facts(self, *, wanted: int = 1) -> list[tuple[str, str]]:
        """The ends that were told of, as (fact, message id)."""

        def ends() -> list[tuple[str, str]]:
            named = [(message.subject.rsplit(".", 1)[-1], message.headers) for message in self.heard]
            return [(fact, headers["Nats-Msg-Id"]) for fact, headers in named if fact != "progressed"]

        await eventually(lambda: len(ends()) >= wanted)
        await self.client.flush()
        return ends()

    async def _publish(self, job: Job) -> None:
        await publish_run(self.bus, job_to_wire(job), job.publication)

    async def create(self, principal: Principal = ANN, **fields: Any) -> job_pb2.Job:
        fields = {"kind": job_pb2.JOB_KIND_SEPARATION, "attempt_limit": 3, "spec_json": "{}", **fields}
        with principal_scope(principal):
            request = library_service_pb2.CreateJobRequest(**fields)
            return (await create_job(self.bus, self.jobs, self.service, request))[0]

    async def job(self, job_id: str) -> Job:
        return await self.ledger.get(WORKER, job_id)

    async def reaches(self, job_id: str, state: JobState) -> Job:
        async def reached() -> bool:
            return (await self.job(job_id)).state is state

        await eventually(reached)
        return await self.job(job_id)

    async def emptied(self) -> None:
        async def empty() -> bool:
            return await self.bus.backlog(self.subject) == 0

        await eventually(empty)

    @contextlib.asynccontextmanager
    async def worker(
        self, handler: Handler, slot_count: int = 1, ended: Ended | None = None
    ) -> AsyncIterator[asyncio.Event]:
        """A worker for the length of the block; setting the event stops it earlier."""
        worker = JobWorker(
            service=self.service, bus=self.bus, jobs=self.jobs, blobs=self.blobs, handler=handler, slot_count=slot_count,
            lease_seconds=LEASE_SECONDS, drain_seconds=0.1, ended=ended,
        )  # fmt: skip
        stopping = asyncio.Event()
        task = asyncio.create_task(worker.run(stopping))
        try:
            yield stopping
        finally:
            stopping.set()
            async with asyncio.timeout(DEADLINE_SECONDS):
                await task


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.01)


def result(engine: str = "test") -> job_pb2.JobResult:
    return job_pb2.JobResult(engine=engine, model="m")


@contextlib.asynccontextmanager
async def started_broker() -> AsyncIterator[NatsServer]:
    """A broker of its own, which may be broken."""
    home = Path(tempfile.mkdtemp())
    server = NatsServer(home)
    await server.start()
    yield server
    server.kill()
    shutil.rmtree(home)


@contextlib.asynccontextmanager
async def opened(broker: NatsServer) -> AsyncIterator[Platform]:
    """A platform with an empty library, whose service no other test uses."""
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    docs = SqliteDocs(folder / "library.db")
    docs._writer.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
    store, catalog = LibraryStore(docs), CatalogStore(docs)
    await store.prepare()
    await catalog.prepare()
    clock = ShiftedClock()
    ledger = JobLedger(store, store, catalog, clock)
    signer = Signer(b"0" * 32, SystemClock())
    server = rpc.RpcServer(f"unix:{folder / 'library.sock'}", signer)
    library_service_pb2_grpc.add_JobServiceServicer_to_server(JobRpc(ledger, JobQueue(store, clock)), server.server)
    server.announce_all(library_service_pb2)
    await server.start()
    channel = rpc.connect(f"unix:{folder / 'library.sock'}", signer, WORKER, timeout_seconds=5.0)
    bus = await NatsBus.connect(broker.url, name="test", timeout_seconds=DEADLINE_SECONDS)
    client = await nats.connect(broker.url)
    stub = library_service_pb2_grpc.JobServiceStub(channel)
    platform = Platform(store, ledger, clock, bus, stub, client, FileBlobs(folder / "blobs"))
    await platform.listen()
    yield platform
    await client.close()
    await bus.close()
    await channel.close()
    await server.stop(0)
    await docs.close()
    shutil.rmtree(folder)
