"""Jobs for lalal.ai with a real library over gRPC and a simulator of lalal.ai, without a broker."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jobs_platform import DEADLINE_SECONDS, eventually
from pydantic import SecretStr
from soundwright.library.v1 import (
    connection_service_pb2,
    connection_service_pb2_grpc,
    job_pb2,
    library_service_pb2,
    library_service_pb2_grpc,
    track_pb2,
)
from soundwright.separation.v1 import jobs_pb2

from kit import rpc
from kit.adapters.filesystem.blobs import FileBlobs
from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.sqlite.search import SqliteSearch
from kit.adapters.system.clock import SystemClock
from kit.audio import AudioLimits
from kit.compute import EngineProcesses
from kit.security.egress_policy import EgressPolicy
from kit.security.identity import Principal, principal_scope
from kit.worker.commands import command_subject
from kit.worker.context import JobContext
from kit.worker.kind import pack
from services.library.catalog.store import CatalogStore
from services.library.identity.account import Account
from services.library.identity.app import build_identity
from services.library.identity.connection_rpc import ConnectionRpc
from services.library.job_results import JobResults
from services.library.jobs.ledger import JobLedger
from services.library.jobs.queue import JobQueue
from services.library.jobs.rpc import JobRpc
from services.library.jobs.store import JobDocs
from services.library.jobs.watches import JobWatches
from services.library.settings import LibrarySettings
from services.library.tracks.deletions import TrackDeletions
from services.library.tracks.downloads import TrackDownloads
from services.library.tracks.results import TrackResults
from services.library.tracks.rpc import TrackRpc
from services.library.tracks.service import Tracks
from services.library.tracks.store import TrackDocs
from services.separation.lalalai.client import LalalaiClient
from services.separation.lalalai.keys import Keys
from services.separation.lalalai.tasks import LalalaiTasks
from services.separation.lalalai.worker import LalalaiWorker
from services.separation.settings import SeparationSettings
from tests.signers import signer_of
from tests.simulators.lalalai import KEY, LalalaiSimulator

ANN = Principal(str(uuid.UUID(int=1)), "user")
BOB = Principal(str(uuid.UUID(int=2)), "user")
SEPARATION = Principal("service:separation", "service")
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


class LalalaiFixture:
    """
    Attributes:
        samples: the recording of all jobs, float32 [frames, channels].
        worker, tasks: built with the key of the platform. :meth:`configure` builds new ones.
    """

    def __init__(
        self, simulator: LalalaiSimulator, folder: Path, channels: Mapping[str, Any], processes: EngineProcesses[None]
    ) -> None:
        self.simulator = simulator
        self.folder = folder
        self.jobs = library_service_pb2_grpc.JobServiceStub(channels["separation"])
        self.tracks = library_service_pb2_grpc.TrackServiceStub(channels["separation"])
        self.connections = connection_service_pb2_grpc.ConnectionServiceStub(channels["separation"])
        self.ingest_tracks = library_service_pb2_grpc.TrackServiceStub(channels["ingest"])
        self.gateway_connections = connection_service_pb2_grpc.ConnectionServiceStub(channels["gateway"])
        self.blobs = FileBlobs(folder / "blobs")
        self.scratch = folder / "scratch"
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
        client = LalalaiClient(
            settings.lalalai_url,
            EgressPolicy([self.simulator.address]),
            timeout_seconds=settings.lalalai_timeout_seconds,
            transfer_seconds=settings.lalalai_transfer_seconds,
            limit_bytes=4 << 20,
        )
        self.clients.append(client)
        self.client = client
        self.keys = Keys(self.connections, settings.lalalai_key)
        self.worker = LalalaiWorker(
            client=client,
            keys=self.keys,
            processes=self.processes,
            blobs=self.blobs,
            jobs=self.jobs,
            tracks=self.tracks,
            scratch=self.scratch,
            limits=AudioLimits(),
            settings=settings,
        )
        self.tasks = LalalaiTasks(client, self.keys, self.jobs, self.worker.clean_up)

    async def put_key(self, key: str, owner: Principal = ANN) -> None:
        with principal_scope(owner):
            request = connection_service_pb2.PutConnectionRequest(provider="lalalai", secret=key)
            await self.gateway_connections.PutConnection(request)

    async def create_job(
        self, owner: Principal = ANN, model: str = "newest", encoding: Any = "wav24", queue: str = "lalalai"
    ) -> job_pb2.Job:
        """Create a queued job with a new track."""
        track_id = str(uuid.uuid4())
        buffer = io.BytesIO()
        soundfile.write(buffer, self.samples, RATE_HZ, format="WAV", subtype="PCM_16")
        track = track_pb2.Track(
            id=track_id, title="Tune", blob_key=f"tracks/{track_id}/original.wav", container="wav", filename='a";b.wav',
            sample_rate_hz=RATE_HZ, channel_count=2, frame_count=len(self.samples), duration_seconds=0.5,
        )  # fmt: skip
        async with self.blobs.write(track.blob_key) as writer:
            await writer.write(buffer.getvalue())
        spec = jobs_pb2.SeparationSpec(model=model, format=encoding, engine="lalalai")
        with principal_scope(owner):
            await self.ingest_tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))
            request = library_service_pb2.CreateJobRequest(
                kind=job_pb2.JOB_KIND_SEPARATION, track_id=track_id, spec=pack(spec), attempt_limit=3,
                job_id=str(uuid.uuid4()), command_subject=command_subject(queue), output_folder="stems",
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

    async def finished_job(self, owner: Principal = ANN) -> job_pb2.Job:
        """Run a job to its end."""
        context = await self.claim(await self.create_job(owner))
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
        """Wait until the ledger has the task of a job, and return its ID."""

        async def known() -> bool:
            return bool((await self.job(job_id, owner)).external_task.task_ids)

        await eventually(known)
        return str((await self.job(job_id, owner)).external_task.task_ids[0])


@contextlib.asynccontextmanager
async def lalalai_fixture(
    simulator: LalalaiSimulator, processes: EngineProcesses[None]
) -> AsyncIterator[LalalaiFixture]:
    folder = Path(tempfile.mkdtemp())  # socket paths are limited to about 100 characters
    docs, clock = SqliteDocs(folder / "library.db"), SystemClock()
    docs.database.writer.execute("PRAGMA synchronous = OFF")  # tests do not simulate power failures
    store, track_docs, catalog = JobDocs(docs), TrackDocs(docs), CatalogStore(docs, SqliteSearch(docs.database))
    identity = build_identity(docs, LibrarySettings(data_dir=folder), clock)
    for each in (store, track_docs, catalog, identity):
        await each.prepare()
    for principal in (ANN, BOB):
        account = Account(principal.id, f"{principal.id}@example.org", "user", "active", "", clock.now())
        assert await identity.store.insert_account(account)
    ledger, blobs = (
        JobLedger(store, JobResults(track_docs, TrackResults(track_docs), catalog), clock),
        FileBlobs(folder / "blobs"),
    )
    server = rpc.RpcServer(f"unix:{folder}/s", signer_of("library", clock))
    queue = JobQueue(store, clock)
    jobs_rpc = JobRpc(ledger, queue, JobWatches(ledger, queue))
    library_service_pb2_grpc.add_JobServiceServicer_to_server(jobs_rpc, server.server)
    track_rpc = TrackRpc(
        Tracks(track_docs, clock),
        TrackDownloads(track_docs, store, clock),
        TrackDeletions(track_docs, store, ledger, blobs, clock),
    )
    library_service_pb2_grpc.add_TrackServiceServicer_to_server(track_rpc, server.server)
    connection_rpc = ConnectionRpc(identity.connections)
    connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(connection_rpc, server.server)
    await server.start()
    channels = {
        name: rpc.connect("library", f"unix:{folder}/s", signer_of(name, clock), 5.0)
        for name in ("separation", "ingest", "gateway")
    }
    fixture = LalalaiFixture(simulator, folder, channels, processes)
    yield fixture
    for client in fixture.clients:
        await client.close()
    for channel in channels.values():
        await channel.close()
    await server.stop(0)
    await docs.close()
    await blobs.close()
    await fixture.blobs.close()
    shutil.rmtree(folder)
