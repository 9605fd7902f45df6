"""The rights of deploy/nats/accounts.conf in a real server: each component can do its work, and nothing else."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import SecretStr

from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.adapters.nats.client import BrokerAccess
from soundwright.kit.errors import AppError
from soundwright.kit.settings import QUEUES, Settings
from soundwright.kit.worker.commands import queue_consumer
from soundwright.services import broker
from tests.certificates import Authority
from tests.servers import free_ports
from tests.servers.nats import ACCOUNTS, NatsServer, nats_user, nats_with_users
from tests.waiting import DEADLINE_SECONDS

USERS = ("gateway", "library", *dict.fromkeys(QUEUES.values()), "init")


def password(user: str) -> str:
    return nats_user(user)["SOUNDWRIGHT_NATS_PASSWORD"]


PASSWORDS = {f"NATS_{user.upper()}_PASSWORD": password(user) for user in (*USERS, "system")}


@pytest_asyncio.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    server = nats_with_users(tmp_path_factory.mktemp("nats"))
    await server.start()
    settings = Settings(nats_url=SecretStr(server.url), nats_user="init", nats_password=SecretStr(password("init")))
    await broker.init(settings)
    yield server
    server.kill()


@contextlib.asynccontextmanager
async def bus_of(server: NatsServer, user: str) -> AsyncIterator[NatsBus]:
    access = BrokerAccess(user=user, password=password(user))
    bus = await NatsBus.connect(server.url, name=user, access=access, manages_streams=user == "library")
    try:
        await bus.check()
        yield bus
    finally:
        await bus.close()


class Outsider:
    """A client that ignores what it may do."""

    def __init__(self) -> None:
        self.denied: list[str] = []
        self.client = Client()

    async def connect(self, server: NatsServer, user: str) -> None:
        async def on_error(error: Exception) -> None:
            self.denied.append(str(error).lower())

        await self.client.connect(server.url, user=user, password=password(user), error_cb=on_error)

    async def publishes(self, subject: str) -> bool:
        before = len(self.denied)
        await self.client.publish(subject, b"")
        await self.client.flush()
        await self.client.flush()
        return len(self.denied) == before

    async def subscribes(self, subject: str) -> bool:
        before = len(self.denied)
        await self.client.subscribe(subject)
        await self.client.flush()
        await self.client.flush()
        return len(self.denied) == before


def forbidden(user: str) -> Iterator[str]:
    """Yield subjects that no component, or only another one, may publish to."""
    yield from ("anything", "soundwright.other", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "$JS.API.STREAM.LIST")
    for stream in ("SOUNDWRIGHT_CMD", "SOUNDWRIGHT_EVT", "SOUNDWRIGHT_COUNT"):
        for verb in ("DELETE", "PURGE", "MSG.GET", "MSG.DELETE", "SNAPSHOT"):
            yield f"$JS.API.STREAM.{verb}.{stream}"
        if user not in ("library", "init"):
            yield f"$JS.API.STREAM.UPDATE.{stream}"
            yield f"$JS.API.STREAM.CREATE.{stream}"
        if (user, stream) != ("library", "SOUNDWRIGHT_CMD"):
            yield f"$JS.API.CONSUMER.LIST.{stream}"
    yield "$JS.API.CONSUMER.CREATE.SOUNDWRIGHT_EVT.spy"
    if user != "gateway":
        yield "soundwright.count.x"
    for queue, component in QUEUES.items():
        durable, subject = queue_consumer(queue)
        yield f"$JS.API.CONSUMER.DELETE.SOUNDWRIGHT_CMD.{durable}"
        if user == component:
            continue
        yield f"soundwright.evt.{queue}.v1.job.succeeded"
        yield from ([subject] if user != "library" else ())
        yield f"$JS.API.CONSUMER.MSG.NEXT.SOUNDWRIGHT_CMD.{durable}"
        yield f"$JS.ACK.SOUNDWRIGHT_CMD.{durable}.1.1.1.1.0"
        if user != "init":
            yield f"$JS.API.CONSUMER.CREATE.SOUNDWRIGHT_CMD.{durable}.{subject}"


@pytest.mark.parametrize("user", USERS)
async def test_a_component_is_denied_what_it_does_not_need(server: NatsServer, user: str) -> None:
    outsider = Outsider()
    await outsider.connect(server, user)
    try:
        assert [subject for subject in forbidden(user) if await outsider.publishes(subject)] == []
        assert all("permissions violation" in reason for reason in outsider.denied)
        others = [f"_INBOX.{other}.>" for other in USERS if other != user]
        commands = [queue_consumer(queue)[1] for queue in QUEUES]
        for subject in (">", "$JS.>", "$JS.ACK.>", "_INBOX.>", "soundwright.>", *others, *commands):
            assert not await outsider.subscribes(subject), subject
        if user not in ("gateway", "library"):
            assert not await outsider.subscribes("soundwright.evt.*.v1.job.*")
    finally:
        await outsider.client.close()


@pytest.mark.parametrize(("queue", "user"), QUEUES.items())
async def test_a_job_runs_with_the_rights_of_its_component(server: NatsServer, queue: str, user: str) -> None:
    events: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    durable, subject = queue_consumer(queue)
    async with (
        bus_of(server, user) as worker,
        bus_of(server, "library") as library,
        bus_of(server, "gateway") as gateway,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        for bus in (library, gateway):
            await bus.subscribe("soundwright.evt.*.v1.job.*", lambda *event: events.put_nowait(event))
        assert await gateway.increment("requests") >= 1
        consumer = await worker.consumer(durable, subject, ack_wait_seconds=20)
        for publisher in (library, worker):
            await publisher.publish(subject, subject.encode(), message_id=f"{subject} {publisher is worker}")
            delivery = await consumer.next()
            assert delivery.payload == subject.encode()
            await delivery.in_progress()
            await delivery.nak(0.0)
            delivery = await consumer.next()
            await (delivery.term() if publisher is worker else delivery.ack())
            assert await library.backlog(subject) == 0
        progress, success = (f"soundwright.evt.{queue}.v1.job.{name}" for name in ("progressed", "succeeded"))
        await worker.publish_transient(progress, b"half")
        await worker.publish(success, b"done", message_id=f"{queue}.done")
        heard = [await events.get() for _ in range(4)]
        assert sorted(heard) == sorted([(progress, b"half"), (success, b"done")] * 2)


async def test_a_client_without_credentials_gets_nothing(server: NatsServer) -> None:
    for options in ({}, {"user": "library", "password": "wrong"}, {"user": "nobody", "password": "x"}):
        client = Client()
        with pytest.raises(NatsError, match="Authorization Violation"):
            await client.connect(server.url, allow_reconnect=False, **options)
        await client.close()
    bus = await NatsBus.connect(server.url, name="library", timeout_seconds=0.5)
    with pytest.raises(AppError, match="rejects this component"):
        await bus.check()
    await bus.close()


async def test_the_configuration_of_a_server_forms_a_cluster_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    routes, monitors = free_ports(3), free_ports(3)
    servers: list[NatsServer] = []
    for number, (route, monitor) in enumerate(zip(routes, monitors, strict=True)):
        home = tmp_path / f"nats-{number}"
        home.mkdir()
        for included in ("accounts.conf", "server.conf"):
            shutil.copy(ACCOUNTS.parent / included, home)
        files = authority.certificates(f"nats-{number}")
        environment = PASSWORDS | {
            "NATS_SERVER_NAME": f"nats-{number}",
            "NATS_LISTEN": "127.0.0.1:4222",  # replaced by an option
            "NATS_MONITORING_LISTEN": f"127.0.0.1:{monitor}",
            "NATS_CLUSTER_LISTEN": f"127.0.0.1:{route}",
            "NATS_ROUTES": f"[{', '.join(f'nats://127.0.0.1:{port}' for port in routes)}]",
            "NATS_STORE_DIR": str(home / "jetstream"),
            "NATS_TLS_CERT_FILE": files.cert_file,
            "NATS_TLS_KEY_FILE": files.key_file,
            "NATS_TLS_CA_FILE": files.ca_file,
        }
        servers.append(NatsServer(home, (ACCOUNTS.parent / "cluster.conf").read_text(), environment))
    try:
        await asyncio.gather(*(server.start() for server in servers))
        url = ",".join(server.url.replace("nats://", "tls://") for server in servers)
        files = authority.certificates("init")
        settings = Settings(
            nats_url=SecretStr(url), nats_user="init", nats_password=SecretStr(password("init")), nats_replica_count=3,
            tls_ca_file=files.ca_file, tls_cert_file=files.cert_file, tls_key_file=files.key_file,
        )  # fmt: skip
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:  # on a busy machine, the servers take longer to elect a leader than one call waits
                outcomes = await asyncio.gather(*(broker.init(settings) for _ in range(3)), return_exceptions=True)
                reasons = {one.reason for one in outcomes if isinstance(one, AppError)}
                assert reasons <= {"BROKER_UNAVAILABLE"}
                if outcomes == [None] * 3:
                    break
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{monitors[0]}/jsz?accounts=true&consumers=true&config=true")
        (account,) = (one for one in answer.json()["account_details"] if one["name"] == "SOUNDWRIGHT")
        streams = {stream["name"]: stream for stream in account["stream_detail"]}
        assert {stream["config"]["num_replicas"] for stream in streams.values()} == {3}
        names = {f"{queue}_job_run" for queue in QUEUES}
        assert {consumer["name"] for consumer in streams["SOUNDWRIGHT_CMD"]["consumer_detail"]} == names
    finally:
        for server in servers:
            server.kill()


async def test_a_certificate_can_replace_the_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.certificates("nats")
    accounts = re.sub(r"password: \S+, ", "", ACCOUNTS.read_text()).replace(", password: $NATS_SYSTEM_PASSWORD", "")
    (tmp_path / "accounts.conf").write_text(accounts)
    tls = f'cert_file: "{files.cert_file}", key_file: "{files.key_file}", ca_file: "{files.ca_file}"'
    server = NatsServer(
        tmp_path,
        f'jetstream {{ store_dir: "{{store}}" }}\ninclude "./accounts.conf"\ntls {{ {tls}, verify_and_map: true }}',
    )
    await server.start()
    try:
        for name, usable in (("library", True), ("stranger", False)):
            access = BrokerAccess(tls=authority.certificates(name).client_context())
            url = server.url.replace("nats://", "tls://")
            wait_seconds = DEADLINE_SECONDS if usable else 0.5
            bus = await NatsBus.connect(url, name=name, access=access, timeout_seconds=wait_seconds)
            with contextlib.nullcontext() if usable else pytest.raises(AppError, match="rejects this component"):
                await bus.check()
            await bus.close()
    finally:
        server.kill()
