"""Jobs on a cluster of three brokers, whose servers die and restart: no job is lost, and each ends once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jobs_platform import Platform, opened, result
from nats.errors import Error as NatsError

from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.errors import AppError
from soundwright.kit.worker.context import JobContext
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.library.jobs.service import JobState
from tests.servers.nats import NatsCluster
from tests.waiting import until

pytestmark = pytest.mark.campaign

LOST_SECONDS = 3.0
STREAM = "SOUNDWRIGHT_CMD"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[NatsCluster]:
    cluster = NatsCluster(tmp_path)
    await cluster.start()
    yield cluster
    cluster.kill()


class Campaign:
    """Jobs that are created and run all the time, by two workers with connections of their own."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.created: list[str] = []
        self.ran: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    async def handle(self, context: JobContext, _spec: jobs_pb2.SeparationSpec) -> job_pb2.JobResult:
        self.ran[context.job.id] += 1
        await asyncio.sleep(0.1)
        return result()

    async def create(self) -> str:
        self.created.append((await self.platform.create()).id)
        return self.created[-1]

    async def keep_creating(self) -> None:
        while not self._stopping.is_set():
            await self.create()
            await asyncio.sleep(0.1)

    async def sweep(self) -> None:
        while True:
            with contextlib.suppress(AppError):
                await self.platform.sweeper.sweep()
            await asyncio.sleep(0.5)

    async def several_succeed(self, count: int = 5) -> None:
        """Wait until further jobs, created from now on, have succeeded."""
        first = len(self.created)
        await until(lambda: len(self.created) >= first + count)
        for job_id in self.created[first : first + count]:
            await self.succeeds(job_id)

    async def succeeds(self, job_id: str) -> None:
        async def succeeded() -> bool:
            return (await self.platform.job(job_id)).state is JobState.SUCCEEDED

        await until(succeeded)

    async def end(self, creating: asyncio.Task[None]) -> None:
        """Stop creating jobs, and check that all of them succeeded, each with one result and one event."""
        self._stopping.set()
        await creating
        for job_id in self.created:
            await self.succeeds(job_id)
        assert set(self.ran) == set(self.created)
        await self.platform.emptied()
        events = await self.platform.client.jetstream().stream_info(
            "SOUNDWRIGHT_EVT", subjects_filter=f"soundwright.evt.{self.platform.service}.>"
        )
        stored = sum((events.state.subjects or {}).values())
        progress = sum(1 for message in self.platform.heard if message.subject.endswith(".progressed"))
        assert stored - progress <= len(self.created)  # no event is stored twice


@contextlib.asynccontextmanager
async def campaign(cluster: NatsCluster, replica_count: int = 3) -> AsyncIterator[Campaign]:
    async with opened(cluster, lost_seconds=LOST_SECONDS, replica_count=replica_count) as platform:
        work = Campaign(platform)
        kind = platform.kind(work.handle)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(2):
                bus = await NatsBus.connect(
                    cluster.url, name="worker", replica_count=replica_count, manages_streams=False
                )
                stack.push_async_callback(bus.close)
                await stack.enter_async_context(platform.worker_of(kind, bus=bus))
            tasks = [asyncio.create_task(part) for part in (work.keep_creating(), work.sweep())]
            try:
                yield work
                await work.end(tasks[0])
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def leader_of_stream(platform: Platform) -> str:
    info = await platform.client.jetstream().stream_info(STREAM)
    assert info.config.num_replicas == 3
    return str(info.cluster.leader)


async def leader_of_consumer(platform: Platform) -> str:
    info = await platform.client.jetstream().consumer_info(STREAM, f"{platform.service}_job_run")
    return str(info.cluster.leader)


async def refused(bus: NatsBus) -> bool:
    """Return whether the bus reports that the broker cannot be used."""
    try:
        await bus.check()
    except AppError:
        return True
    return False


async def complete(platform: Platform) -> None:
    """Wait until all replicas of the stream and of its consumers are current."""
    js = platform.client.jetstream()

    async def current() -> bool:
        try:
            clusters = [info.cluster for info in await js.consumers_info(STREAM)]
            clusters.append((await js.stream_info(STREAM)).cluster)
        except NatsError:
            return False
        return all(
            one.leader and len(one.replicas or []) == 2 and all(peer.current for peer in one.replicas)
            for one in clusters
        )

    await until(current)


async def test_more_replicas_and_killed_leaders_cost_no_job(cluster: NatsCluster) -> None:
    async with campaign(cluster, replica_count=1) as work:
        await work.several_succeed()
        library = await NatsBus.connect(cluster.url, name="library", replica_count=3)
        await library.close()
        for find_leader in (leader_of_stream, leader_of_consumer):
            await complete(work.platform)
            leader = await find_leader(work.platform)
            cluster.kill(leader)
            await work.several_succeed()
            await cluster.start(leader)


async def test_a_rolling_restart_goes_unnoticed(cluster: NatsCluster) -> None:
    async with campaign(cluster) as work:
        await work.several_succeed()
        for name, server in cluster.servers.items():
            await complete(work.platform)
            server.leave()
            await until(lambda server=server: not server.running)
            await cluster.start(name)
        await work.several_succeed()
    assert max(work.ran.values()) == 1


async def test_a_cluster_with_one_server_away_works_and_one_without_a_majority_only_delays(
    cluster: NatsCluster,
) -> None:
    library = await NatsBus.connect(cluster.url, name="library", replica_count=3)
    await library.check()
    await library.close()
    cluster.kill()
    first, second, third = cluster.servers
    await cluster.start(first, second)
    async with campaign(cluster) as work:
        await work.several_succeed()
        cluster.kill(second)
        accepted_id = await work.create()
        await until(lambda: refused(work.platform.bus))
        await cluster.start(second, third)
        await work.succeeds(accepted_id)
