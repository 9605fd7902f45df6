"""Jobs for lalal.ai with a real library over gRPC and a simulator of lalal.ai, without a broker."""

import asyncio
import contextlib
import io
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import soundfile
from jobs_platform import served
from library_fixture import Library
from pydantic import SecretStr

from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.audio import AudioLimits
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import pack
from soundwright.library.v1 import (
    connection_service_pb2,
    connection_service_pb2_grpc,
    job_pb2,
    library_service_pb2,
    library_service_pb2_grpc,
    track_pb2,
)
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.library.identity.account import Account
from soundwright.services.separation.lalalai.client import LalalaiClient
from soundwright.services.separation.lalalai.keys import Keys
from soundwright.services.separation.lalalai.tasks import LalalaiTasks
from soundwright.services.separation.lalalai.worker import LalalaiWorker
from soundwright.services.separation.settings import SeparationSettings
from tests.simulators.lalalai import KEY, LalalaiSimulator
from tests.waiting import DEADLINE_SECONDS, until

ANN = Principal(str(uuid.UUID(int=1)), "user")
BOB = Principal(str(uuid.UUID(int=2)), "user")
RATE_HZ = 22_050


class RecordingContext(JobContext):
    """Records the reported progress."""

    def __init__(self, job: job_pb2.Job) -> None:
        super().__init__(job)
        self.ratios: list[float] = []
        self.messages: list[str] = []

    def report(self, ratio: float, message: str | None = None) -> None:
        self.ratios.append(round(ratio, 3))
        if message is not None:
            self.messages.append(message)
        super().report(ratio, message)


class WithTask(NamedTuple):
    """A running job, and the ID of its task at lalal.ai."""

    context: RecordingContext
    running: asyncio.Task[job_pb2.JobResult]
    task_id: str


class LalalaiFixture:
    """
    Attributes:
        samples: the recording of all jobs, float32 [frames, channels].
        worker, tasks: built with the key of the platform. :meth:`configure` builds new ones.
    """

    def __init__(
        self,
        simulator: LalalaiSimulator,
        library: Library,
        channels: Mapping[str, Any],
        processes: EngineProcesses[None],
    ) -> None:
        self.simulator = simulator
        self.jobs = library_service_pb2_grpc.JobServiceStub(channels["separation"])
        self.tracks = library_service_pb2_grpc.TrackServiceStub(channels["separation"])
        self.connections = connection_service_pb2_grpc.ConnectionServiceStub(channels["separation"])
        self.ingest_tracks = library_service_pb2_grpc.TrackServiceStub(channels["ingest"])
        self.gateway_connections = connection_service_pb2_grpc.ConnectionServiceStub(channels["gateway"])
        self.blobs = library.blobs
        self.scratch = library.folder / "scratch"
        self.scratch.mkdir()
        self.processes = processes
        generator = np.random.default_rng(7)
        self.samples = (0.5 * generator.uniform(-1, 1, (RATE_HZ // 2, 2))).astype(np.float32)
        self.clients: list[LalalaiClient] = []
        self.configure()

    def configure(self, platform_key: str = KEY, **changes: Any) -> None:
        quick = {"lalalai_poll_seconds": 0.01, "lalalai_retry_seconds": 0.02, "lalalai_retry_limit_seconds": 0.04}
        given = {"lalalai_url": self.simulator.url, **quick, **changes}
        settings = SeparationSettings(lalalai_key=SecretStr(platform_key), **given)
        self.client = client = LalalaiClient(
            settings.lalalai_url, EgressPolicy([self.simulator.address]), timeout_seconds=settings.lalalai_timeout_seconds,
            transfer_seconds=settings.lalalai_transfer_seconds, limit_bytes=4 << 20,
        )  # fmt: skip
        self.clients.append(client)
        self.keys = Keys(self.connections, settings.lalalai_key)
        self.worker = LalalaiWorker(
            client=client, keys=self.keys, processes=self.processes, blobs=self.blobs, jobs=self.jobs, tracks=self.tracks,
            scratch=self.scratch, limits=AudioLimits(), settings=settings,
        )  # fmt: skip
        self.tasks = LalalaiTasks(client, self.keys, self.jobs, self.worker.clean_up)

    async def put_key(self, key: str, owner: Principal = ANN) -> None:
        with principal_scope(owner):
            request = connection_service_pb2.PutConnectionRequest(provider="lalalai", secret=key)
            await self.gateway_connections.PutConnection(request)

    async def create_job(
        self, owner: Principal = ANN, model: str = "newest", encoding: Any = "wav24", queue: str = "lalalai"
    ) -> job_pb2.Job:
        track_id = str(uuid.uuid4())
        buffer = io.BytesIO()
        soundfile.write(buffer, self.samples, RATE_HZ, format="WAV", subtype="PCM_16")
        track = track_pb2.Track(
            id=track_id, title="Tune", blob_key=f"tracks/{track_id}/original.wav", container="wav", filename='a";b.wav',
            sample_rate_hz=RATE_HZ, channel_count=2, frame_count=len(self.samples), duration_seconds=0.5,
        )  # fmt: skip
        async with self.blobs.write(track.blob_key) as writer:
            await writer.write(buffer.getvalue())
        spec = jobs_pb2.SeparationSpec(
            parameters=jobs_pb2.SeparationParameters(model=model, format=encoding, engine="lalalai"), model=model
        )
        with principal_scope(owner):
            await self.ingest_tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))
            request = library_service_pb2.CreateJobRequest(
                kind=job_pb2.JOB_KIND_SEPARATION, track_id=track_id, spec=pack(spec), attempt_limit=3,
                job_id=str(uuid.uuid4()), queue=queue, output_folder="stems",
            )  # fmt: skip
            job: job_pb2.Job = (await self.jobs.CreateJob(request)).job
        return job

    async def claim(self, job: job_pb2.Job) -> RecordingContext:
        request = library_service_pb2.ClaimJobRequest(job_id=job.id, worker_id="w", lease_seconds=20)
        claim = await self.jobs.ClaimJob(request)
        assert claim.claimed
        return RecordingContext(claim.job)

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Run the handler as a worker does."""
        kind = self.worker.job_kind()
        return await kind.handler(context, kind.parse(context.job))

    async def release(self, context: JobContext) -> None:
        """Release a job like a worker that stops."""
        request = library_service_pb2.ReleaseJobRequest(
            job_id=context.job.id, attempt=context.job.attempt, refund_attempt=True
        )
        await self.jobs.ReleaseJob(request)

    async def started(self, *arguments: Any, **options: Any) -> RecordingContext:
        """Create a job, and claim it."""
        return await self.claim(await self.create_job(*arguments, **options))

    async def run(self, *arguments: Any, **options: Any) -> job_pb2.JobResult:
        return await self.handle(await self.started(*arguments, **options))

    async def resume(self, context: JobContext) -> job_pb2.JobResult:
        """Run the handler of a later attempt."""
        return await self.handle(await self.claim(context.job))

    @contextlib.asynccontextmanager
    async def with_task(self, owner: Principal = ANN) -> AsyncIterator[WithTask]:
        """Run a job whose task at lalal.ai has no end during the block."""
        self.simulator.held = True
        context = await self.started(owner)
        async with self.running(context) as running:
            yield WithTask(context, running, await self.wait_for_task(context.job.id, owner))

    async def finished_job(self, owner: Principal = ANN) -> job_pb2.Job:
        context = await self.started(owner)
        result = await self.handle(context)
        request = library_service_pb2.SucceedJobRequest(job_id=context.job.id, attempt=1, result=result)
        job: job_pb2.Job = (await self.jobs.SucceedJob(request)).job
        return job

    @contextlib.asynccontextmanager
    async def running(self, context: JobContext) -> AsyncIterator[asyncio.Task[job_pb2.JobResult]]:
        """Run a job in the background during the block."""
        task = asyncio.create_task(self.handle(context))
        try:
            yield task
        finally:
            context.stop("stopping")
            async with asyncio.timeout(DEADLINE_SECONDS):
                await asyncio.wait({task})

    async def job(self, job_id: str, owner: Principal = ANN) -> job_pb2.Job:
        with principal_scope(owner):
            job: job_pb2.Job = (await self.jobs.GetJob(library_service_pb2.GetJobRequest(job_id=job_id))).job
        return job

    async def wait_for_task(self, job_id: str, owner: Principal = ANN) -> str:
        async def known() -> list[str]:
            return list((await self.job(job_id, owner)).external_task.task_ids)

        return (await until(known))[0]


@contextlib.asynccontextmanager
async def lalalai_fixture(
    simulator: LalalaiSimulator, processes: EngineProcesses[None]
) -> AsyncIterator[LalalaiFixture]:
    async with served(SystemClock(), "separation", "ingest", "gateway") as (library, channels):
        for principal in (ANN, BOB):
            account = Account(principal.id, f"{principal.id}@example.org", "user", "active", "", library.clock.now())
            assert await library.identity.store.accounts.add(account)
        fixture = LalalaiFixture(simulator, library, channels, processes)
        yield fixture
        for client in fixture.clients:
            await client.close()
