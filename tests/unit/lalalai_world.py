"""Jobs for lalal.ai between a real library behind gRPC and a simulator of lalal.ai, without a broker."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
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

from kit import rpc
from kit.adapters.blobs_file import FileBlobs
from kit.adapters.clock import SystemClock
from kit.adapters.docs_sqlite import SqliteDocs
from kit.audio import AudioLimits
from kit.compute import EngineProcesses
from kit.identity import Principal, Signer, principal_scope
from kit.jobs import JobContext, command_subject
from kit.outbound.guard import Guard
from services.library.catalog_store import CatalogStore
from services.library.connection_rpc import ConnectionRpc
from services.library.ledger import JobLedger
from services.library.people import gather
from services.library.queue import JobQueue
from services.library.rpc import JobRpc, TrackRpc
from services.library.service import Account
from services.library.settings import LibrarySettings
from services.library.store import LibraryStore
from services.library.track_deletions import TrackDeletions
from services.library.tracks import Tracks
from services.separation.lalalai.client import LalalaiClient
from services.separation.lalalai.keys import Keys
from services.separation.lalalai.tasks import LalalaiTasks
from services.separation.lalalai.worker import LalalaiWorker
from services.separation.service import LalalaiSpec
from services.separation.settings import SeparationSettings
from tests.simulators.lalalai import KEY, LalalaiSimulator

ANN = Principal(str(uuid.UUID(int=1)), "user")
BOB = Principal(str(uuid.UUID(int=2)), "user")
SEPARATION = Principal("service:separation", "service")
RATE_HZ = 22_050


class Watched(JobContext):
    """Keeps what was reported."""

    def __init__(self, job: job_pb2.Job) -> None:
        super().__init__(job)
        self.ratios: list[float] = []
        self.messages: list[str] = []

    def report(self, ratio: float, message: str | None = None) -> None:
        self.ratios.append(round(ratio, 3))
        if message is not None:
            self.messages.append(message)
        super().report(ratio, message)


class World:
    """
    Attributes:
        samples: of the recording that jobs are about, float32 [frames, channels].
        worker, tasks: made with the platform's key; :meth:`configure` makes others.
    """

    def __init__(
        self, simulator: LalalaiSimulator, folder: Path, channel: Any, processes: EngineProcesses[None]
    ) -> None:
        self.simulator = simulator
        self.folder = folder
        self.jobs = library_service_pb2_grpc.JobServiceStub(channel)
        self.tracks = library_service_pb2_grpc.TrackServiceStub(channel)
        self.connections = connection_service_pb2_grpc.ConnectionServiceStub(channel)
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
            Guard([self.simulator.address]),
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
        self.tasks = LalalaiTasks(client, self.keys, self.jobs, self.worker.tidy)

    async def put_key(self, key: str, owner: Principal = ANN) -> None:
        with principal_scope(owner):
            asked = connection_service_pb2.PutConnectionRequest(provider="lalalai", secret=key)
            await self.connections.PutConnection(asked)

    async def created(
        self, owner: Principal = ANN, model: str = "newest", encoding: Any = "wav24", queue: str = "lalalai"
    ) -> job_pb2.Job:
        """A queued job of the owner's, for a track of its own."""
        track_id = str(uuid.uuid4())
        buffer = io.BytesIO()
        soundfile.write(buffer, self.samples, RATE_HZ, format="WAV", subtype="PCM_16")
        track = track_pb2.Track(
            id=track_id, title="Tune", blob_key=f"tracks/{track_id}/original.wav", container="wav", filename='a";b.wav',
            sample_rate_hz=RATE_HZ, channel_count=2, frame_count=len(self.samples), duration_seconds=0.5,
        )  # fmt: skip
        async with self.blobs.write(track.blob_key) as writer:
            await writer.write(buffer.getvalue())
        spec = LalalaiSpec(model=model, format=encoding)
        with principal_scope(owner):
            await self.tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))
            request = library_service_pb2.CreateJobRequest(
                kind=job_pb2.JOB_KIND_SEPARATION, track_id=track_id, spec_json=json.dumps(asdict(spec)), attempt_limit=3,
                job_id=str(uuid.uuid4()), command_subject=command_subject(queue),
            )  # fmt: skip
            job: job_pb2.Job = (await self.jobs.CreateJob(request)).job
        return job

    async def claimed(self, job: job_pb2.Job) -> Watched:
        request = library_service_pb2.ClaimJobRequest(job_id=job.id, worker_id="w", lease_seconds=20)
        claim = await self.jobs.ClaimJob(request)
        assert claim.claimed
        return Watched(claim.job)

    async def released(self, context: JobContext) -> None:
        """Given back as by a worker that stops, due at once."""
        request = library_service_pb2.ReleaseJobRequest(
            job_id=context.job.id, attempt=context.job.attempt, refund_attempt=True
        )
        await self.jobs.ReleaseJob(request)

    async def succeeded(self, owner: Principal = ANN) -> job_pb2.Job:
        """A job that was done to its end."""
        context = await self.claimed(await self.created(owner))
        result = await self.worker.handle(context)
        request = library_service_pb2.SucceedJobRequest(job_id=context.job.id, attempt=1, result=result)
        job: job_pb2.Job = (await self.jobs.SucceedJob(request)).job
        return job

    @contextlib.asynccontextmanager
    async def at_work(self, context: JobContext) -> AsyncIterator[asyncio.Task[job_pb2.JobResult]]:
        """A job being worked on; how it ends is the test's to see."""
        task = asyncio.create_task(self.worker.handle(context))
        try:
            yield task
        finally:
            context.stop("stopping")
            async with asyncio.timeout(DEADLINE_SECONDS):
                await asyncio.wait({task})

    async def job(self, job_id: str) -> job_pb2.Job:
        job: job_pb2.Job = (await self.jobs.GetJob(library_service_pb2.GetJobRequest(job_id=job_id))).job
        return job

    async def has_task(self, job_id: str) -> str:
        """The task of a job, once it is in the ledger."""

        async def known() -> bool:
            return bool((await self.job(job_id)).outside_work.task_ids)

        await eventually(known)
        return str((await self.job(job_id)).outside_work.task_ids[0])


@contextlib.asynccontextmanager
async def opened(simulator: LalalaiSimulator, processes: EngineProcesses[None]) -> AsyncIterator[World]:
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    docs, clock = SqliteDocs(folder / "library.db"), SystemClock()
    docs._writer.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
    store, catalog = LibraryStore(docs), CatalogStore(docs)
    people = gather(docs, LibrarySettings(data_dir=folder), clock)
    for each in (store, catalog, people.store):
        await each.prepare()
    for principal in (ANN, BOB):
        account = Account(principal.id, f"{principal.id}@example.org", "user", "active", "", clock.now())
        assert await people.store.insert_account(account)
    ledger, blobs = JobLedger(store, store, catalog, clock), FileBlobs(folder / "blobs")
    signer = Signer(b"k" * 32, clock)
    server = rpc.RpcServer(f"unix:{folder}/s", signer)
    library_service_pb2_grpc.add_JobServiceServicer_to_server(JobRpc(ledger, JobQueue(store, clock)), server.server)
    track_rpc = TrackRpc(Tracks(store, clock), TrackDeletions(store, ledger, blobs, clock))
    library_service_pb2_grpc.add_TrackServiceServicer_to_server(track_rpc, server.server)
    connection_rpc = ConnectionRpc(people.connections)
    connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(connection_rpc, server.server)
    await server.start()
    channel = rpc.connect(f"unix:{folder}/s", signer, SEPARATION, 5.0)
    world = World(simulator, folder, channel, processes)
    yield world
    for client in world.clients:
        await client.close()
    await channel.close()
    await server.stop(0)
    await docs.close()
    await blobs.close()
    await world.blobs.close()
    shutil.rmtree(folder)
