"""Changes of the configuration of streams and consumers, applied in place to a real server."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from pydantic import SecretStr

from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.settings import QUEUES, Settings
from soundwright.kit.worker.commands import queue_consumer
from soundwright.services import broker
from tests.servers.nats import NatsServer
from tests.waiting import until

SUBJECT = "soundwright.cmd.separation.v1.job.run"


@pytest_asyncio.fixture
async def server(own_nats: NatsServer) -> NatsServer:
    await own_nats.start()
    return own_nats


@pytest_asyncio.fixture
async def operator(server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(server.url)
    yield client
    await client.close()


@contextlib.asynccontextmanager
async def connected(server: NatsServer, manages_streams: bool = False) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(server.url, name="test", manages_streams=manages_streams)
    await bus.check()
    yield bus
    await bus.close()


@pytest.fixture
def command(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of ``python -m soundwright.services.broker``, without its configuration of logs."""
    monkeypatch.setattr(broker.log, "configure", lambda *_args, **_options: None)
    monkeypatch.setenv("SOUNDWRIGHT_NATS_URL", server.url)
    return monkeypatch


async def settled(bus: NatsBus, count: int) -> bool:
    return await bus.backlog(SUBJECT) == count


def settings(server: NatsServer, **changes: Any) -> Settings:
    return Settings(nats_url=SecretStr(server.url), **changes)


async def test_init_creates_the_consumers_that_autoscalers_read(server: NatsServer, operator: Client) -> None:
    await asyncio.gather(*(broker.init(settings(server)) for _ in range(5)))
    found = {info.name: info.config for info in await operator.jetstream().consumers_info("SOUNDWRIGHT_CMD")}
    assert set(found) == {f"{queue}_job_run" for queue in QUEUES}
    assert found["separation_job_run"].filter_subject == SUBJECT
    assert found["separation_job_run"].ack_wait == 20


async def test_init_applies_a_changed_setting_to_existing_consumers(server: NatsServer, operator: Client) -> None:
    await broker.init(settings(server))
    await broker.init(settings(server, lease_seconds=60))
    info = await operator.jetstream().consumer_info("SOUNDWRIGHT_CMD", "separation_job_run")
    assert info.config.ack_wait == 60


async def test_the_lag_of_a_consumer_is_the_number_of_unfinished_jobs(server: NatsServer, operator: Client) -> None:
    await broker.init(settings(server))

    async def lag_is(count: int) -> bool:
        info = await operator.jetstream().consumer_info("SOUNDWRIGHT_CMD", "separation_job_run")
        return (info.num_pending or 0) + (info.num_ack_pending or 0) == count

    async with connected(server) as bus:
        for number in range(3):
            await bus.publish(SUBJECT, b"", message_id=str(number))
        await until(lambda: lag_is(3))  # the server counts a moment after it stores
        consumer = await bus.consumer(*queue_consumer("separation"), ack_wait_seconds=20)
        running, retried = await consumer.next(), await consumer.next()
        await retried.nak(3600.0)  # it waits for its next attempt
        await until(lambda: lag_is(3))
        await running.ack()
        await until(lambda: lag_is(2))


async def test_finished_commands_that_a_crash_brought_back_do_not_count(server: NatsServer, tmp_path: Path) -> None:
    await broker.init(settings(server))
    async with connected(server) as bus:
        for number in range(3):
            await bus.publish(SUBJECT, b"", message_id=str(number))
    server.stop()
    messages = tmp_path / "jetstream" / "jetstream" / "$G" / "streams" / "SOUNDWRIGHT_CMD" / "msgs"
    before = shutil.copytree(messages, tmp_path / "before")
    await server.start()
    async with connected(server) as bus:
        consumer = await bus.consumer(*queue_consumer("separation"), ack_wait_seconds=20)
        for _ in range(2):
            await (await consumer.next()).ack()
        await until(lambda: settled(bus, 1))
    server.stop()
    # The consumer is on the disk, but not the removal of the messages that it has finished.
    shutil.rmtree(messages)
    shutil.copytree(before, messages)
    await server.start()
    async with connected(server) as bus:
        assert await bus.backlog(SUBJECT) == 1


async def test_a_consumer_that_is_being_created_hides_no_messages(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(server, manages_streams=True) as bus:
        await bus.publish(SUBJECT, b"", message_id="waiting")
        await bus.consumer(*queue_consumer("separation"), ack_wait_seconds=20)
        (info,) = await bus._js.consumers_info("SOUNDWRIGHT_CMD")
        assert info.num_pending == 1
        early = AsyncMock(return_value=[info.evolve(num_pending=0)])  # for some milliseconds, in 1 of 300 creations
        monkeypatch.setattr(bus._js, "consumers_info", early)
        assert await bus.backlog(SUBJECT) == 1


async def test_a_changed_configuration_is_applied_in_place_and_only_by_its_owner(
    server: NatsServer, operator: Client
) -> None:
    js = operator.jetstream()
    async with connected(server, manages_streams=True) as bus:
        await bus.publish(SUBJECT, b"kept", message_id="kept")
        await bus.publish("soundwright.evt.x.v1.job.succeeded", b"kept", message_id="event")
    old = (await js.stream_info("SOUNDWRIGHT_EVT")).config
    await js.update_stream(old.evolve(max_age=600, max_bytes=1_000_000, description="of the operator"))
    async with connected(server):
        assert (await js.stream_info("SOUNDWRIGHT_EVT")).config.max_age == 600
    async with connected(server, manages_streams=True) as bus:
        info = await js.stream_info("SOUNDWRIGHT_EVT")
        assert (info.config.max_age, info.config.max_bytes) == (old.max_age, old.max_bytes)
        assert info.config.description == "of the operator"
        assert info.state.messages == 1
        assert await bus.backlog(SUBJECT) == 1


async def test_a_change_that_is_impossible_is_reported_and_changes_nothing(
    server: NatsServer, operator: Client, command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await operator.jetstream().add_stream(name="SOUNDWRIGHT_EVT", subjects=["soundwright.evt.>"], storage="memory")
    assert await asyncio.to_thread(broker.main, ["init"]) == 1
    problem = capsys.readouterr().err
    assert "STREAM_INCOMPATIBLE" in problem
    assert "storage" in problem
    assert "SOUNDWRIGHT_EVT" in problem
    async with connected(server, manages_streams=True) as bus:  # the library works nevertheless
        await bus.publish("soundwright.evt.x.v1.job.succeeded", b"", message_id="event")


async def test_init_names_the_reason_why_it_fails(
    command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command.setattr(broker, "_INIT_SECONDS", 4.0)
    command.setenv("SOUNDWRIGHT_NATS_REPLICA_COUNT", "3")
    assert await asyncio.to_thread(broker.main, ["init"]) == 1
    assert "SOUNDWRIGHT_NATS_REPLICA_COUNT" in capsys.readouterr().err
