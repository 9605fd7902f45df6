"""The connection to NATS under bad conditions, against real servers: each problem is logged once, and ends by itself."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from soundwright.kit import infra
from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.adapters.nats.client import BrokerAccess
from soundwright.kit.errors import AppError
from soundwright.kit.settings import Settings
from tests.certificates import Authority
from tests.contract.conftest import OpenBus
from tests.servers import free_ports
from tests.servers.fault_proxy import FaultProxy
from tests.servers.nats import NatsServer
from tests.waiting import DEADLINE_SECONDS, until

SUBJECT = "soundwright.cmd.test.v1.job.run"
PASSWORD = "correct-horse"
JETSTREAM = 'jetstream { store_dir: "{store}" }\n'


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries
    assert PASSWORD not in str(entries)


async def connected(bus: NatsBus) -> bool:
    try:
        await bus.check()
    except AppError:
        return False
    return True


def problems(log: list[Any], phrase: str) -> list[str]:
    return [entry["error"] for entry in log if entry["event"] == "broker.problem" and phrase in entry["error"]]


async def send(bus: NatsBus, text: str) -> None:
    await bus.publish(SUBJECT, text.encode(), message_id=text)


async def works(bus: NatsBus, text: str = "work") -> None:
    consumer = await bus.consumer("test", SUBJECT, ack_wait_seconds=60)
    await send(bus, text)
    async with asyncio.timeout(DEADLINE_SECONDS):
        delivery = await consumer.next()
        assert delivery.payload == text.encode()
        await delivery.ack()
    await consumer.close()


# ------------------------------------------------------------------------------------------------------ reachability


async def test_a_broker_that_starts_late_is_used_as_soon_as_it_runs(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any]
) -> None:
    bus = await open_bus(own_nats.url, 0.3, request_seconds=0.5)
    consumer = await bus.consumer("test", SUBJECT, ack_wait_seconds=60)
    heard = asyncio.Event()
    await bus.subscribe("soundwright.evt.>", lambda _subject, _payload: heard.set())
    waiting = asyncio.create_task(consumer.next())
    assert await connected(bus) is False
    with pytest.raises(AppError) as refusal:
        await send(bus, "early")
    assert refusal.value.reason == "BROKER_UNAVAILABLE"
    await until(lambda: len(problems(log, "does not answer")) == 1)
    await asyncio.sleep(2)  # several more attempts
    assert len(problems(log, "does not answer")) == 1
    await own_nats.start()
    await until(lambda: connected(bus))
    assert [entry["event"] for entry in log].count("broker.available") == 1
    await send(bus, "late")
    assert (await waiting).payload == b"late"
    await bus.publish("soundwright.evt.test.v1.job.succeeded", b"", message_id="event")
    async with asyncio.timeout(DEADLINE_SECONDS):
        await heard.wait()


async def test_the_broker_of_the_stack_may_start_after_the_components_and_move(
    own_nats: NatsServer, tmp_path: Path, log: list[Any]
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings.prepare_folders()
    async with asyncio.timeout(DEADLINE_SECONDS):
        bus = await infra.open_bus(settings, "test", manages_streams=True, wait_seconds=0.1)
    try:
        (settings.run_dir / "nats.url").write_text(
            f"nats://127.0.0.1:{free_ports(1)[0]}"
        )  # another program took this port
        await until(lambda: problems(log, "does not answer"))
        assert await connected(bus) is False
        await own_nats.start()
        (settings.run_dir / "nats.url").write_text(own_nats.url)
        await until(lambda: connected(bus))
    finally:
        await bus.close()


async def test_an_unknown_host_is_named_as_the_reason(open_bus: OpenBus, log: list[Any]) -> None:
    bus = await open_bus("nats://nats.invalid:4222", 0.1)
    await until(lambda: problems(log, "cannot be resolved"))
    assert await connected(bus) is False


async def test_a_server_that_is_not_nats_is_named_as_the_reason(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any]
) -> None:
    garbage = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 200_000, b"INFO {]\r\n", b'INFO ["x"]\r\n']

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(garbage[0])
            garbage.append(garbage.pop(0))
            await writer.drain()
        writer.close()

    impostor = await asyncio.start_server(answer, "127.0.0.1", own_nats.port)
    bus = await open_bus(own_nats.url, 0.1)
    await until(lambda: len(problems(log, "is not NATS")) >= 3)
    impostor.close()
    await impostor.wait_closed()
    await own_nats.start()
    await until(lambda: connected(bus))
    await works(bus)


async def test_a_message_whose_confirmation_was_cut_off_is_stored_once(
    own_nats: NatsServer, open_bus: OpenBus, faults: FaultProxy
) -> None:
    await own_nats.start()
    proxy = faults.proxy(f"127.0.0.1:{own_nats.port}")
    bus, observer = await open_bus(f"nats://{proxy.address}"), await open_bus(own_nats.url)

    async def stored(count: int) -> bool:
        return await observer.backlog(SUBJECT) == count

    for number in range(3):
        proxy.add("timeout")  # answers no longer arrive
        sending = asyncio.create_task(send(bus, f"message {number}"))
        await until(lambda count=number + 1: stored(count))
        assert not sending.done()
        proxy.cut()
        proxy.restore()
        await sending  # it was sent again over a new connection
    assert await stored(3)


async def test_requests_fail_with_their_connection_instead_of_waiting_for_an_answer(
    own_nats: NatsServer, open_bus: OpenBus, faults: FaultProxy
) -> None:
    await own_nats.start()
    proxy = faults.proxy(f"127.0.0.1:{own_nats.port}")
    bus = await open_bus(f"nats://{proxy.address}", request_seconds=3600)
    proxy.add("timeout")  # answers no longer arrive
    requests = [asyncio.create_task(bus.backlog(SUBJECT)) for _ in range(3)]
    await until(lambda: len(bus._client._resp_map) == len(requests))
    proxy.cut()
    async with asyncio.timeout(DEADLINE_SECONDS):
        errors = await asyncio.gather(*requests, return_exceptions=True)
    assert [error.reason for error in errors if isinstance(error, AppError)] == ["BROKER_UNAVAILABLE"] * 3
    proxy.restore()
    await until(lambda: connected(bus))


# ------------------------------------------------------------------------------------------------------- credentials


def users(*names: str) -> str:
    listed = ", ".join(f'{{ user: {name}, password: "{PASSWORD}" }}' for name in names)
    return f"{JETSTREAM} authorization {{ users: [ {listed} ] }}"


async def test_wrong_credentials_are_reported_once_and_work_once_they_are_right(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any]
) -> None:
    own_nats.configure(users("other"))
    await own_nats.start()
    bus = await open_bus(own_nats.url, 0.1, access=BrokerAccess(user="library", password=PASSWORD))
    await until(lambda: own_nats.log().count("authentication error") >= 3)
    assert len(problems(log, "rejects this component")) == 1
    assert await connected(bus) is False
    own_nats.configure(users("other", "library"))
    own_nats.reload()
    await until(lambda: connected(bus))
    await works(bus)


async def test_a_revoked_user_can_work_again_once_it_is_back(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any]
) -> None:
    own_nats.configure(users("library"))
    await own_nats.start()
    bus = await open_bus(own_nats.url.replace("nats://", f"nats://library:{PASSWORD}@"))
    await works(bus)
    own_nats.configure(users("other"))
    own_nats.reload()
    await until(lambda: problems(log, "rejects this component"))
    assert await connected(bus) is False
    own_nats.configure(users("library"))
    own_nats.reload()
    await until(lambda: connected(bus))
    await works(bus, "again")


async def test_a_token_in_the_url_authenticates(own_nats: NatsServer, open_bus: OpenBus, log: list[Any]) -> None:
    own_nats.configure(f'{JETSTREAM} authorization {{ token: "{PASSWORD}" }}')
    await own_nats.start()
    bus = await open_bus(own_nats.url.replace("nats://", f"nats://{PASSWORD}@"))
    await works(bus)


async def test_an_error_that_the_broker_reports_ends_a_connection_at_most(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any]
) -> None:
    await own_nats.start()
    clients: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", own_nats.port)
        clients.append(writer)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while content := await source.read(65536):
                    target.write(content)
                    await target.drain()
            target.close()

        await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))

    (port,) = free_ports(1)
    relaying = await asyncio.start_server(relay, "127.0.0.1", port)
    bus = await open_bus(f"nats://127.0.0.1:{port}")
    for number, error in enumerate(("user authentication expired", "maximum connections exceeded")):
        clients[-1].write(f"-ERR '{error}'\r\n".encode())
        await until(lambda error=error: bool(problems(log, error)))
        clients[-1].close()  # as a server does
        await until(lambda count=number + 2: len(clients) == count)
        await until(lambda: connected(bus))
    clients[-1].write(b"-ERR 'Invalid Subject'\r\n")
    await until(lambda: problems(log, "invalid subject"))
    await works(bus)
    assert len(clients) == 3  # this error does not end the connection
    await bus.close()
    relaying.close()


class Nkey:
    """A key of the kind that NATS uses for operators (``O``), accounts (``A``) and users (``U``)."""

    def __init__(self, kind: str) -> None:
        self._prefix = {"O": 14, "A": 0, "U": 20}[kind] << 3
        self._key = Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = _base32(bytes([self._prefix]) + public)
        private = 18 << 3  # S
        head = bytes([private | (self._prefix >> 5), (self._prefix & 31) << 3])
        self.seed = _base32(head + self._key.private_bytes_raw())

    def signs(self, subject: "Nkey", name: str, nats_claims: dict[str, Any], lifetime_seconds: int = 0) -> str:
        """Return a JWT about ``subject``. If it has a lifetime, it expires."""
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        claims: dict[str, Any] = {
            "jti": name,
            "iat": int(time.time()),
            "iss": self.public,
            "sub": subject.public,
            "name": name,
            "nats": {"version": 2, **nats_claims},
        }
        if lifetime_seconds:
            claims["exp"] = int(time.time()) + lifetime_seconds
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{_base64url(self._key.sign(text.encode()))}"


def _base32(content: bytes) -> str:
    checksum = 0
    for byte in content:
        checksum ^= byte << 8
        for _ in range(8):
            checksum = (checksum << 1) ^ (0x1021 if checksum & 0x8000 else 0)
        checksum &= 0xFFFF
    return base64.b32encode(content + checksum.to_bytes(2, "little")).decode().rstrip("=")


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def test_a_credentials_file_authenticates_and_is_read_for_each_connection(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any], tmp_path: Path
) -> None:
    operator, system, account, user = Nkey("O"), Nkey("A"), Nkey("A"), Nkey("U")
    limits = dict.fromkeys(("subs", "data", "payload", "conn", "leaf", "mem_storage", "disk_storage", "streams"), -1)
    limits |= {"imports": -1, "exports": -1, "consumer": -1, "wildcards": True}
    account_jwt = operator.signs(account, "account", {"type": "account", "limits": limits})
    system_jwt = operator.signs(system, "system", {"type": "account"})
    operator_jwt = operator.signs(operator, "operator", {"type": "operator"})
    own_nats.configure(
        f"{JETSTREAM} operator: {operator_jwt}\nresolver: MEMORY\nsystem_account: {system.public}\n"
        f"resolver_preload: {{ {account.public}: {account_jwt}, {system.public}: {system_jwt} }}"
    )
    await own_nats.start()
    file = tmp_path / "component.creds"

    def issue(lifetime_seconds: int = 0) -> None:
        claims = {"type": "user", "subs": -1, "data": -1, "payload": -1}
        jwt = account.signs(user, "user", claims, lifetime_seconds)
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
        )

    file.write_text("an empty file, which the operator will replace")
    bus = await open_bus(own_nats.url, 0.1, access=BrokerAccess(credentials_file=file))
    await until(lambda: problems(log, "has no USER NKEY SEED"))
    issue(lifetime_seconds=2)
    await until(lambda: problems(log, "user authentication expired") or problems(log, "Authorization Violation"))
    issue()
    await until(lambda: connected(bus))
    await works(bus)
    assert user.seed not in str(log)


# --------------------------------------------------------------------------------------------------------------- TLS


def tls_config(folder: Path, authority: Authority) -> str:
    files = authority.certificates("broker", folder=folder)
    return (
        f'{JETSTREAM} tls {{ cert_file: "{files.cert_file}", key_file: "{files.key_file}", '
        f'ca_file: "{files.ca_file}", verify: true }}'
    )


async def test_tls_authenticates_both_sides(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any], tmp_path: Path
) -> None:
    authority, stranger = Authority(tmp_path / "pki"), Authority(tmp_path / "other")
    own_nats.configure(tls_config(tmp_path, authority))
    await own_nats.start()
    url = own_nats.url.replace("nats://", "tls://")
    certificates = authority.certificates("library")
    await works(await open_bus(url, access=BrokerAccess(tls=certificates.client_context())))

    untrusted = await open_bus(url, 0.1, access=BrokerAccess(tls=stranger.certificates("library").client_context()))
    await until(lambda: problems(log, "certificate verify failed"))
    assert await connected(untrusted) is False

    # The server trusts its CA only, so it rejects a client with a certificate of another one.
    outsider = stranger.certificates("library")
    both = Path(outsider.ca_file).read_bytes() + Path(certificates.ca_file).read_bytes()
    Path(outsider.ca_file).write_bytes(both)
    rejected = await open_bus(url, 0.1, access=BrokerAccess(tls=outsider.client_context()))
    await until(lambda: problems(log, "unknown ca") or problems(log, "bad certificate") or problems(log, "alert"))
    assert await connected(rejected) is False

    # Another way to write the address, which the certificate does not name.
    elsewhere = url.replace("127.0.0.1", "127.1")
    wrong_name = await open_bus(elsewhere, 0.1, access=BrokerAccess(tls=certificates.client_context()))
    await until(lambda: problems(log, "not valid for '127.1'"))
    assert await connected(wrong_name) is False


async def test_a_broker_without_tls_gets_no_credentials_if_the_url_requires_tls(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any], faults: FaultProxy
) -> None:
    await own_nats.start()
    received: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","headers":true,"max_payload":1048576}\r\n')
        received.append(await reader.read(4096))
        writer.close()

    (port,) = free_ports(1)
    impostor = await asyncio.start_server(record, "127.0.0.1", port)
    bus = await open_bus(f"tls://127.0.0.1:{port}", 0.1, access=BrokerAccess(user="library", password=PASSWORD))
    await until(lambda: (problems(log, "offers no TLS")) and bool(received))
    impostor.close()
    assert set(received) == {b""}
    assert await connected(bus) is False


# --------------------------------------------------------------------------------------------------------- JetStream


async def test_a_broker_without_jetstream_is_not_ready_until_it_has_it(
    own_nats: NatsServer, open_bus: OpenBus, log: list[Any]
) -> None:
    own_nats.configure("")
    await own_nats.start()
    bus = await open_bus(own_nats.url, 0.1)
    await until(lambda: problems(log, "JetStream"))
    assert len(problems(log, "JetStream")) == 1
    assert await connected(bus) is False
    own_nats.kill()
    own_nats.configure(JETSTREAM)
    await own_nats.start()
    await until(lambda: connected(bus))
    await works(bus)


async def test_a_deleted_stream_is_created_again(own_nats: NatsServer, open_bus: OpenBus) -> None:
    await own_nats.start()
    bus = await open_bus(own_nats.url)
    consumer = await bus.consumer("test", SUBJECT, ack_wait_seconds=60)
    operator = await nats.connect(own_nats.url)
    waiting = asyncio.create_task(consumer.next())
    await operator.jetstream().delete_stream("SOUNDWRIGHT_CMD")
    await send(bus, "after deletion of the stream")
    delivery = await waiting
    assert delivery.payload == b"after deletion of the stream"
    await delivery.ack()
    await operator.jetstream().delete_consumer("SOUNDWRIGHT_CMD", "test")
    await send(bus, "after deletion of the consumer")
    assert (await consumer.next()).payload == b"after deletion of the consumer"
    await operator.close()


async def test_the_manager_of_the_streams_creates_a_deleted_one_that_others_use(
    own_nats: NatsServer, open_bus: OpenBus
) -> None:
    await own_nats.start()
    library = await open_bus(own_nats.url)
    worker = await open_bus(own_nats.url, manages_streams=False)
    operator = await nats.connect(own_nats.url)
    await operator.jetstream().delete_stream("SOUNDWRIGHT_EVT")
    await library.check()  # as its readiness does, again and again
    await worker.publish("soundwright.evt.test.v1.job.succeeded", b"", message_id="event")
    assert (await operator.jetstream().stream_info("SOUNDWRIGHT_EVT")).state.messages == 1
    await operator.close()


async def test_a_full_stream_is_reported_as_such_and_works_again_when_it_has_room(
    own_nats: NatsServer, open_bus: OpenBus
) -> None:
    await own_nats.start()
    bus = await open_bus(own_nats.url)
    operator = await nats.connect(own_nats.url)
    stream = (await operator.jetstream().stream_info("SOUNDWRIGHT_CMD")).config
    await operator.jetstream().update_stream(stream.evolve(max_bytes=1_000_000))
    consumer = await bus.consumer("test", SUBJECT, ack_wait_seconds=60)
    await bus.publish(SUBJECT, b"x" * 900_000, message_id="large")
    with pytest.raises(AppError) as refusal:
        await bus.publish(SUBJECT, b"x" * 900_000, message_id="too large")
    assert refusal.value.reason == "BROKER_FULL"
    assert "maximum bytes exceeded" in refusal.value.message
    delivery = await consumer.next()
    await delivery.ack()
    await until(lambda: _accepted(bus, "room again"))
    await operator.close()


async def _accepted(bus: NatsBus, text: str) -> bool:
    try:
        await send(bus, text)
    except AppError:
        return False
    return True
