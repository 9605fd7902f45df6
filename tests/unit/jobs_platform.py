"""A library behind gRPC, a broker and workers, for tests of jobs; only the handlers are made for the test."""

import asyncio
import contextlib
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import nats
from google.protobuf.message import Message
from library_fixture import Library
from library_fixture import opened as opened_library

from soundwright.kit import rpc
from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.worker.commands import command_subject, create_job, publish_run
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import FinishCallback, Handler, JobKind, JobLimits, WorkQueue
from soundwright.kit.worker.worker import JobWorker
from soundwright.library.v1 import connection_service_pb2_grpc, job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.library.identity.connection_rpc import ConnectionRpc
from soundwright.services.library.jobs.rpc import JobRpc, job_to_wire
from soundwright.services.library.jobs.service import Job, JobState
from soundwright.services.library.jobs.sweeper import Sweeper
from soundwright.services.library.jobs.watches import JobWatches
from soundwright.services.library.tracks.rpc import TrackRpc
from tests.servers.nats import NatsServer
from tests.signers import signer_of
from tests.waiting import DEADLINE_SECONDS, until

LEASE_SECONDS = 2.0
LOST_SECONDS = 15.0
ANN = Principal("ann", "user")
WORKER = Principal("service:test", "service")


SeparationKind = JobKind[jobs_pb2.SeparationSpec]
PlainHandler = Callable[[JobContext], Awaitable[job_pb2.JobResult]]
"""A handler that does not care about the specification."""


async def _unhandled(context: JobContext, spec: jobs_pb2.SeparationSpec) -> job_pb2.JobResult:
    raise AssertionError("this descriptor only creates jobs")


class Broker(Protocol):
    """One or several NATS servers."""

    @property
    def url(self) -> str: ...


class ShiftedClock:
    """The machine's clock, which the test may put forward."""

    shift_seconds = 0.0

    def now(self) -> float:
        return time.time() + self.shift_seconds


class Platform:
    """A library behind gRPC, a broker, and what was heard on the bus; ``service`` is a name no other test uses."""

    def __init__(
        self, library: Library, clock: ShiftedClock, bus: NatsBus, stub: Any, client: Any, lost_seconds: float
    ) -> None:
        self.ledger, self.blobs, self.clock = library.ledger, library.blobs, clock
        self.bus, self.jobs, self.client = bus, stub, client
        self.service = f"test{uuid.uuid4().hex[:12]}"
        self.subject = command_subject(self.service)
        self.heard: list[Any] = []
        self.sweeper = Sweeper(library.jobs, library.ledger, bus, clock, self._publish, lost_seconds)

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

        await until(lambda: len(ends()) >= wanted)
        await self.client.flush()
        return ends()

    async def _publish(self, job: Job) -> None:
        await publish_run(self.bus, job_to_wire(job), job.publication)

    async def create(self, principal: Principal = ANN, **fields: Any) -> job_pb2.Job:
        affinity, work_seconds = fields.pop("affinity", ""), fields.pop("work_seconds", 0.0)
        kind = self.kind(
            _unhandled, attempt_limit=fields.pop("attempt_limit", 3), affinity=lambda spec: affinity,
            work_seconds=lambda spec: work_seconds,
        )  # fmt: skip
        return await self.create_of(kind, jobs_pb2.SeparationSpec(), principal, **fields)

    async def create_of(
        self, kind: JobKind[Any], spec: Message, principal: Principal = ANN, **fields: Any
    ) -> job_pb2.Job:
        with principal_scope(principal):
            request = library_service_pb2.CreateJobRequest(**fields)
            return (await create_job(self.bus, self.jobs, kind, spec, request))[0]

    def kind(self, handler: Handler[jobs_pb2.SeparationSpec], slot_count: int = 1, **fields: Any) -> SeparationKind:
        return JobKind(
            kind=job_pb2.JOB_KIND_SEPARATION, spec=jobs_pb2.SeparationSpec, queue=WorkQueue(self.service, slot_count),
            handler=handler, **{"attempt_limit": 3, "limits": JobLimits(1000, 10, 5000), "output_folder": "stems", "has_track": False,
               **fields},
        )  # fmt: skip

    async def job(self, job_id: str) -> Job:
        return await self.ledger.get(WORKER, job_id)

    async def reaches(self, job_id: str, state: JobState) -> Job:
        async def reached() -> Job | None:
            job = await self.job(job_id)
            return job if job.state is state else None

        job = await until(reached, f"job {job_id} has the state {state}")
        assert job is not None
        return job

    async def emptied(self) -> None:
        async def empty() -> bool:
            return await self.bus.backlog(self.subject) == 0

        await until(empty)

    @contextlib.asynccontextmanager
    async def worker(
        self, handler: PlainHandler, slot_count: int = 1, on_finish: FinishCallback | None = None
    ) -> AsyncIterator[asyncio.Event]:
        """A worker for the length of the block; setting the event stops it earlier."""

        async def handle(context: JobContext, _spec: jobs_pb2.SeparationSpec) -> job_pb2.JobResult:
            return await handler(context)

        async with self.worker_of(self.kind(handle, slot_count, on_finish=on_finish)) as stopping:
            yield stopping

    @contextlib.asynccontextmanager
    async def worker_of(
        self, *kinds: JobKind[Any], bus: NatsBus | None = None, drain_seconds: float = 0.1
    ) -> AsyncIterator[asyncio.Event]:
        """A worker for these kinds, all of which are in the queue of this service."""
        worker = JobWorker(
            kinds,
            bus=bus or self.bus,
            jobs=self.jobs,
            blobs=self.blobs,
            lease_seconds=LEASE_SECONDS,
            drain_seconds=drain_seconds,
        )
        stopping = asyncio.Event()
        task = asyncio.create_task(worker.run(stopping))
        try:
            yield stopping
        finally:
            stopping.set()
            async with asyncio.timeout(DEADLINE_SECONDS):
                await task


def result(engine: str = "test") -> job_pb2.JobResult:
    return job_pb2.JobResult(engine=engine, model="m")


class Recorder:
    """A handler that succeeds at once.

    Attributes:
        jobs: what it ran.
    """

    def __init__(self) -> None:
        self.jobs: list[job_pb2.Job] = []

    @property
    def ids(self) -> list[str]:
        return [job.id for job in self.jobs]

    async def __call__(self, context: JobContext) -> job_pb2.JobResult:
        self.jobs.append(context.job)
        return result()


@contextlib.asynccontextmanager
async def started_broker() -> AsyncIterator[NatsServer]:
    """A broker of its own, which may be broken."""
    with tempfile.TemporaryDirectory() as home:
        server = NatsServer(Path(home))
        await server.start()
        try:
            yield server
        finally:
            server.kill()


@contextlib.asynccontextmanager
async def served(
    clock: Any, *components: str, also: Callable[[Any, Library], None] | None = None, **settings: Any
) -> AsyncIterator[tuple[Library, dict[str, Any]]]:
    """An empty library behind gRPC, and channels of these components to it; ``also`` adds services to the server."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))  # short enough for a socket
        library = await stack.enter_async_context(opened_library(folder, clock, **settings))
        address = f"unix:{folder / 'library.sock'}"
        server = rpc.RpcServer(address, signer_of("library"))
        watches = JobWatches(library.ledger, library.queue)
        library_service_pb2_grpc.add_JobServiceServicer_to_server(
            JobRpc(library.ledger, library.ledger.creation, library.ledger.attempts, library.queue, watches),
            server.server,
        )
        library_service_pb2_grpc.add_TrackServiceServicer_to_server(
            TrackRpc(library.tracks, library.downloads, library.deletions, library.links), server.server
        )
        connections = ConnectionRpc(library.connections)
        connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(connections, server.server)
        if also is not None:
            also(server.server, library)
        await server.start()
        stack.push_async_callback(server.stop, 0)
        channels = {name: rpc.connect("library", address, signer_of(name), DEADLINE_SECONDS) for name in components}
        for channel in channels.values():
            stack.push_async_callback(channel.close)
        yield library, channels


@contextlib.asynccontextmanager
async def opened(broker: Broker, lost_seconds: float = LOST_SECONDS, **bus_options: Any) -> AsyncIterator[Platform]:
    """A platform with an empty library, whose service no other test uses."""
    clock = ShiftedClock()
    async with served(clock, "separation") as (library, channels), contextlib.AsyncExitStack() as stack:
        bus = await NatsBus.connect(broker.url, name="test", timeout_seconds=DEADLINE_SECONDS, **bus_options)
        stack.push_async_callback(bus.close)
        client = await nats.connect(broker.url.split(","))
        stack.push_async_callback(client.close)
        stub = library_service_pb2_grpc.JobServiceStub(channels["separation"])
        platform = Platform(library, clock, bus, stub, client, lost_seconds)
        await platform.listen()
        yield platform
