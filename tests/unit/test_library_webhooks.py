"""Webhooks over a real store and real connections, with a clock set by hand: what is told, how often, to whom."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kit.adapters.docs_sqlite import SqliteDocs
from kit.errors import AppError
from kit.identity import Principal
from kit.outbound.guard import Guard
from kit.sealing import Sealer
from services.library.catalog_store import CatalogStore
from services.library.ledger import JobLedger
from services.library.service import Job, JobError
from services.library.store import LibraryStore
from services.library.webhook_delivery import Courier
from services.library.webhook_store import WebhookDocs
from services.library.webhooks import Delivery, DeliveryStatus, Webhook, Webhooks
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.unit.ledger_world import ANN, BOB, HandClock, new, reason, result

T = TypeVar("T")
KEY = b"k" * 32
PAUSES = (5.0, 30.0, 120.0)


class Library:
    """One process of a library; several may share a folder and a clock."""

    def __init__(self, docs: SqliteDocs, clock: HandClock, guard: Guard, key: bytes = KEY) -> None:
        self.clock = clock
        self.jobs = LibraryStore(docs)
        self.catalog = CatalogStore(docs)
        self.store = WebhookDocs(docs)
        self.ledger = JobLedger(self.jobs, self.jobs, self.catalog, clock)
        self.sealer = Sealer(key)
        self.webhooks = Webhooks(self.store, self.jobs, guard, self.sealer, clock)
        self.courier = Courier(self.webhooks, self.store, guard, self.sealer, clock, PAUSES)

    async def prepare(self) -> None:
        for store in (self.jobs, self.catalog, self.store):
            await store.prepare()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.courier.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def job(self, principal: Principal = ANN, **fields: object) -> Job:
        job, _ = await self.ledger.create(principal, new(**fields))
        return job

    async def ended(self, principal: Principal = ANN, *, error: JobError | None = None, **fields: object) -> Job:
        job, claimed, _ = await self.ledger.claim((await self.job(principal, **fields)).id, "w", 20.0)
        assert claimed
        if error is not None:
            return await self.ledger.fail(job.id, 1, error, False, [])
        return await self.ledger.succeed(job.id, 1, result("vocals", "drums"), [])

    async def log(self, webhook: Webhook) -> list[Delivery]:
        return (await self.webhooks.list_deliveries(ANN, webhook.id, 0, 100))[0]

    def later(self, seconds: float) -> None:
        self.clock.time += seconds
        self.courier.wake()


@contextlib.asynccontextmanager
async def library(folder: Path, clock: HandClock, guard: Guard, key: bytes = KEY) -> AsyncIterator[Library]:
    docs = SqliteDocs(folder / "library.db")
    docs._writer.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
    opened = Library(docs, clock, guard, key)
    await opened.prepare()
    yield opened
    await docs.close()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as simulator:
        yield simulator


@pytest.fixture
def guard(receiver: WebhookReceiver) -> Guard:
    return Guard([receiver.address])


@pytest.fixture
async def world(tmp_path: Path, guard: Guard) -> AsyncIterator[Library]:
    async with library(tmp_path, HandClock(), guard) as opened:
        yield opened


async def eventually(condition: Callable[[], object]) -> None:
    async def holds() -> object:
        return condition()

    await until(holds)


async def until(answer: Callable[[], Awaitable[T]]) -> T:
    """What ``answer`` gives once that is something."""
    deadline = time.monotonic() + 20
    while not (given := await answer()):
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.01)
    return given


async def settled(world: Library, webhook: Webhook, *statuses: DeliveryStatus) -> list[Delivery]:
    """The log once it says this, newest first, and nothing is being sent."""

    async def as_told() -> list[Delivery]:
        log = await world.log(webhook)
        fits = [entry.status for entry in log] == list(statuses) and not any(entry.underway for entry in log)
        return log if fits else []

    return await until(as_told)


async def refused(world: Library, webhook: Webhook) -> Delivery:
    """The one delivery once an attempt went wrong."""

    async def wrong() -> Delivery | None:
        (entry,) = await world.log(webhook)
        return entry if entry.error else None

    entry = await until(wrong)
    assert entry is not None
    return entry


async def endpoint(world: Library, receiver: WebhookReceiver, path: str = "/hook", **fields: Sequence[str]) -> Webhook:
    return (await world.webhooks.create(ANN, receiver.url + path, fields.get("events", ()), "mine"))[0]


P, D, F = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED


# ------------------------------------------------------------------------------------------------------------ messages


async def test_a_finished_job_is_told_with_its_manifest_signed(world: Library, receiver: WebhookReceiver) -> None:
    webhook, secret = await world.webhooks.create(ANN, f"{receiver.url}/hook?key=1", (), "mine")
    job = await world.ended(track_id="")
    assert job.result is not None
    world.later(1)
    async with world.running():
        (entry,) = await settled(world, webhook, D)
    (received,) = receiver.received
    assert received.path == "/hook?key=1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-id"] == f"msg_{job.id.replace('-', '')}" == entry.message_id
    assert received.headers["webhook-timestamp"] == str(int(world.clock.time))
    assert received.signed_by(secret) == [True]
    assert received.message == {
        "type": "job.completed",
        "timestamp": "1970-01-12T13:46:40Z",
        "data": {
            "id": job.id,
            "job_type": "processing",
            "status": "completed",
            "track_id": None,
            "error": None,
            "error_code": None,
            "outputs": [
                {
                    "name": output.name,
                    "content_type": "audio/flac",
                    "download_path": f"/export/stem/{output.id}",
                }
                for output in job.result.outputs
            ],
            "engine": "dsp",
            "model": "m",
            "degraded": False,
            "degraded_reason": None,
            "created_at": "1970-01-12T13:46:40Z",
            "started_at": "1970-01-12T13:46:40Z",
            "finished_at": "1970-01-12T13:46:40Z",
        },
    }
    assert (entry.response_status, entry.error, entry.attempt_count, entry.due_time) == (204, "", 1, None)


async def test_failed_and_cancelled_jobs_fail(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    failed = await world.ended(error=JobError("AUDIO_EMPTY", "There is no sound in it."))
    cancelled = await world.ledger.cancel(ANN, (await world.job()).id)
    world.later(1)
    async with world.running():
        await settled(world, webhook, D, D)
    told = {message["data"]["id"]: message for message in (received.message for received in receiver.received)}
    assert {message["type"] for message in told.values()} == {"job.failed"}
    shape = [
        {name: told[job.id]["data"][name] for name in ("status", "error", "error_code", "outputs", "engine")}
        for job in (failed, cancelled)
    ]
    assert shape == [
        {"status": "failed", "error": "There is no sound in it.", "error_code": "AUDIO_EMPTY", "outputs": [], "engine": None},
        {"status": "failed", "error": "cancelled", "error_code": "CANCELLED", "outputs": [], "engine": None},
    ]  # fmt: skip
    assert told[cancelled.id]["data"]["started_at"] is None


async def test_a_message_stays_small(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    job, _, _ = await world.ledger.claim((await world.job()).id, "w", 20.0)
    await world.ledger.succeed(job.id, 1, result(*(f"part {n} {'ü' * 100}" for n in range(300))), [])
    world.later(1)
    async with world.running():
        await settled(world, webhook, D)
    (received,) = receiver.received
    assert len(received.body) < 64 * 1024
    assert received.message["data"]["outputs"] == []
    assert received.message["data"]["outputs_truncated"] is True


async def test_an_endpoint_gets_what_it_asked_for_and_only_its_owners(
    world: Library, receiver: WebhookReceiver
) -> None:
    everything = await endpoint(world, receiver, "/all")
    failures = await endpoint(world, receiver, "/failures", events=["job.failed"])
    silent = await endpoint(world, receiver, "/silent")
    await world.webhooks.update(ANN, silent.id, enabled=False)
    await world.ended()
    await world.ended(BOB)
    world.later(1)
    async with world.running():
        await settled(world, everything, D)
        assert await world.webhooks.tell_ended() == 0  # all of them are told
    assert (len(await world.log(failures)), len(await world.log(silent)), len(receiver.received)) == (0, 0, 1)


async def test_telling_again_sends_nothing_twice(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    job = await world.ended()
    assert await world.webhooks.tell_ended() == 1
    told = await world.jobs.job(job.id)
    assert told is not None
    # As after a crash between the recording and the mark.
    assert await world.jobs.replace_job(dataclasses.replace(told, untold=True))
    assert await world.webhooks.tell_ended() == 1
    world.later(1)
    async with world.running():
        await settled(world, webhook, D)
    assert len(receiver.received) == 1


# ------------------------------------------------------------------------------------------------------------- secrets


async def test_for_a_day_after_a_rotation_both_secrets_sign(world: Library, receiver: WebhookReceiver) -> None:
    webhook, old = await world.webhooks.create(ANN, f"{receiver.url}/hook", (), "")
    _, young = await world.webhooks.rotate_secret(ANN, webhook.id)
    assert len(base64.b64decode(young.removeprefix("whsec_"))) == 32
    assert young != old
    async with world.running():
        await world.webhooks.test(ANN, webhook.id)
        world.later(86399)
        await settled(world, webhook, D)
        await world.webhooks.test(ANN, webhook.id)
        world.later(2)
        await settled(world, webhook, D, D)
    first, second = receiver.received
    assert (first.signed_by(young), first.signed_by(old)) == ([True, False], [False, True])
    assert (second.signed_by(young), second.signed_by(old)) == ([True], [False])


async def test_secrets_are_stored_sealed(world: Library, receiver: WebhookReceiver, tmp_path: Path) -> None:
    webhook, secret = await world.webhooks.create(ANN, f"{receiver.url}/hook", (), "")
    _, young = await world.webhooks.rotate_secret(ANN, webhook.id)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert webhook.id.encode() in stored
    for text in (secret, young):
        assert text.removeprefix("whsec_").encode() not in stored


async def test_under_another_signing_key_the_owner_hears_what_to_do(
    world: Library, receiver: WebhookReceiver, tmp_path: Path, guard: Guard
) -> None:
    webhook = await endpoint(world, receiver)
    await world.ended()
    async with library(tmp_path, world.clock, guard, b"x" * 32) as other:
        other.later(1)
        async with other.running():
            (entry,) = await settled(other, webhook, F)
        assert "Set it anew" in entry.error
        assert receiver.received == []
        _, secret = await other.webhooks.rotate_secret(ANN, webhook.id)
        await other.webhooks.update(ANN, webhook.id, enabled=True)
        other.clock.time += 86400  # the secret before, which nobody can read, signs no more
        await other.webhooks.test(ANN, webhook.id)
        other.later(1)
        async with other.running():
            await settled(other, webhook, D, F)
    assert receiver.received[0].signed_by(secret) == [True]


# ------------------------------------------------------------------------------------------------------------ delivery


async def test_a_failure_is_tried_again_until_it_succeeds(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    receiver.answer_with([500, 302], Location=f"{receiver.url}/elsewhere")
    receiver.body = b"x" * 10_000
    await world.ended()
    world.later(1)
    async with world.running():
        for attempt, (status, pause) in enumerate(((500, 5.0), (302, 30.0)), 1):
            await eventually(lambda attempt=attempt: len(receiver.received) == attempt)
            (entry,) = await settled(world, webhook, P)
            assert (entry.attempt_count, entry.response_status, len(entry.response_body)) == (attempt, status, 4096)
            assert str(status) in entry.error
            assert entry.due_time is not None
            assert 0.9 * pause <= entry.due_time - world.clock.time <= 1.1 * pause
            failing = await world.webhooks.get(ANN, webhook.id)
            assert (failing.fail_time, failing.enabled) == (1_000_001.0, True)
            world.later(1.2 * pause)
        (entry,) = await settled(world, webhook, D)
    assert (entry.attempt_count, entry.error) == (3, "")
    assert (await world.webhooks.get(ANN, webhook.id)).fail_time is None
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert len({received.body for received in receiver.received}) == 1
    assert len({received.headers["webhook-timestamp"] for received in receiver.received}) == 3
    assert receiver.to("/elsewhere") == []  # no redirect is followed


async def test_an_endpoint_that_never_succeeds_is_disabled(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    receiver.answer_with([503] * 4)
    await world.ended()
    world.later(1)
    async with world.running():
        for attempt, pause in enumerate(PAUSES, 1):
            await eventually(lambda attempt=attempt: len(receiver.received) == attempt)
            await settled(world, webhook, P)
            world.later(1.2 * pause)
        (entry,) = await settled(world, webhook, F)
        disabled = await world.webhooks.get(ANN, webhook.id)
        assert (disabled.enabled, disabled.disabled_reason) == (
            False,
            "No delivery succeeded in 4 attempts. The endpoint answered 503.",
        )
        assert (entry.attempt_count, entry.due_time) == (4, None)
        await world.ended()
        assert await world.webhooks.tell_ended() == 1
        assert len(await world.log(webhook)) == 1
        assert await reason(world.webhooks.test(ANN, webhook.id)) == "WEBHOOK_DISABLED"
        assert await reason(world.webhooks.replay(ANN, entry.id)) == "WEBHOOK_DISABLED"
        enabled = await world.webhooks.update(ANN, webhook.id, enabled=True)
        assert (enabled.disabled_reason, enabled.fail_time) == ("", None)
        await world.webhooks.replay(ANN, entry.id)
        world.later(1)
        await settled(world, webhook, D)


async def test_one_success_meanwhile_saves_an_endpoint(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    receiver.answer_with([503, 204, 503, 503, 503])
    await world.ended()
    world.later(1)
    async with world.running():
        await eventually(lambda: len(receiver.received) == 1)
        await settled(world, webhook, P)
        world.clock.time += 1
        await world.webhooks.test(ANN, webhook.id)
        world.later(1)
        await settled(world, webhook, D, P)
        for count, pause in enumerate(PAUSES, 3):
            world.later(1.2 * pause)
            await eventually(lambda count=count: len(receiver.received) == count)
            await settled(world, webhook, D, P if count < 5 else F)
    assert (await world.webhooks.get(ANN, webhook.id)).enabled


async def test_an_endpoint_that_is_gone_is_disabled_at_once(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    receiver.answer_with([410])
    await world.ended()
    world.later(1)
    async with world.running():
        (entry,) = await settled(world, webhook, F)
    gone = await world.webhooks.get(ANN, webhook.id)
    assert (gone.enabled, gone.disabled_reason) == (False, "The endpoint answered 410: it is gone.")
    assert (entry.attempt_count, entry.response_status) == (1, 410)


async def test_what_is_on_its_way_is_not_sent_to_an_endpoint_that_was_disabled(
    world: Library, receiver: WebhookReceiver
) -> None:
    webhook = await endpoint(world, receiver)
    await world.webhooks.test(ANN, webhook.id)
    await world.webhooks.update(ANN, webhook.id, enabled=False)
    world.later(1)
    async with world.running():
        (entry,) = await settled(world, webhook, F)
    assert (entry.error, receiver.received) == ("The webhook is disabled.", [])


async def test_a_replay_has_the_same_id_and_body(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    await world.ended()
    world.later(1)
    async with world.running():
        (entry,) = await settled(world, webhook, D)
        assert await reason(world.webhooks.replay(BOB, entry.id)) == "DELIVERY_NOT_FOUND"
        assert (await world.webhooks.replay(ANN, entry.id)).status is P
        world.later(100)
        await eventually(lambda: len(receiver.received) == 2)
        await settled(world, webhook, D)
    first, second = receiver.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


async def test_what_is_being_sent_is_not_replayed(world: Library, receiver: WebhookReceiver) -> None:
    await endpoint(world, receiver)
    receiver.held = threading.Event()
    try:
        await world.ended()
        world.later(1)
        async with world.running():
            await eventually(receiver.waiting.is_set)
            (webhook,) = await world.webhooks.list_own(ANN)
            (entry,) = await world.log(webhook)
            assert await reason(world.webhooks.replay(ANN, entry.id)) == "DELIVERY_UNDERWAY"
    finally:
        receiver.held.set()


async def test_one_message_at_a_time_goes_to_an_endpoint_and_a_slow_one_holds_up_no_other(
    world: Library, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    with WebhookReceiver() as swift:
        slow = await endpoint(world, receiver)
        guard = Guard([receiver.address, swift.address])
        async with library(tmp_path, world.clock, guard) as both:
            other = await endpoint(both, swift)
            receiver.held = threading.Event()
            for _ in range(3):
                await both.ended()
            both.later(1)
            async with both.running():
                await eventually(lambda: receiver.waiting.is_set() and len(swift.received) == 3)
                receiver.held.set()
                await settled(both, slow, D, D, D)
                await settled(both, other, D, D, D)
    assert (receiver.most_at_once, len(receiver.received)) == (1, 3)


async def test_two_libraries_send_a_message_once(
    world: Library, receiver: WebhookReceiver, tmp_path: Path, guard: Guard
) -> None:
    webhook = await endpoint(world, receiver)
    async with library(tmp_path, world.clock, guard) as second:
        for _ in range(20):
            await world.ended()
        world.clock.time += 1
        async with world.running(), second.running():
            await settled(world, webhook, *[D] * 20)
    sent = [received.headers["webhook-id"] for received in receiver.received]
    assert (len(sent), len(set(sent))) == (20, 20)


async def test_what_is_due_survives_the_process_and_so_does_what_it_was_sending(
    world: Library, receiver: WebhookReceiver, tmp_path: Path, guard: Guard
) -> None:
    webhook = await endpoint(world, receiver)
    receiver.held = threading.Event()
    await world.ended()
    world.later(1)
    async with world.running():
        await eventually(receiver.waiting.is_set)
    receiver.held.set()  # whatever it answers, nobody hears it
    receiver.held = None
    async with library(tmp_path, world.clock, guard) as successor, successor.running():
        successor.later(61)
        (entry,) = await settled(successor, webhook, D)
    assert entry.attempt_count == 2
    first, second = receiver.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)


async def test_what_the_bus_says_is_heard_at_once_but_for_progress(
    world: Library, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.library.webhook_delivery._POLL_SECONDS", 3600.0)
    webhook = await endpoint(world, receiver)
    async with world.running():
        await eventually(lambda: not world.courier._woken.is_set())
        await world.ended()
        world.courier.hear("soundwright.evt.separation.v1.job.progressed", b"")
        assert not world.courier._woken.is_set()
        world.courier.hear("soundwright.evt.separation.v1.job.succeeded", b"")
        await settled(world, webhook, D)


async def test_an_event_that_the_bus_loses_costs_no_message(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    async with world.running():
        await world.ended()  # nobody says so
        await settled(world, webhook, D)
    assert len(receiver.received) == 1


async def test_a_long_backlog_hides_nobodys_messages(
    world: Library, receiver: WebhookReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.library.webhook_delivery._BATCH", 2)
    with WebhookReceiver() as swift:
        slow = await endpoint(world, receiver)
        async with library(tmp_path, world.clock, Guard([receiver.address, swift.address])) as both:
            receiver.held = threading.Event()
            for _ in range(7):
                await both.webhooks.test(ANN, slow.id)
            both.clock.time += 1
            other = await endpoint(both, swift)
            await both.webhooks.test(ANN, other.id)
            async with both.running():
                await settled(both, other, D)
                assert len(receiver.received) == 1
                receiver.held.set()
                await settled(both, slow, *[D] * 7)


# ----------------------------------------------------------------------------------------------------------- addresses


async def test_a_name_that_turns_private_is_refused_at_delivery(tmp_path: Path, receiver: WebhookReceiver) -> None:
    answers = ["93.184.215.14"]

    async def resolver(host: str, port: int) -> Sequence[str]:
        return answers

    async with library(tmp_path, HandClock(), Guard(resolver=resolver)) as world:
        webhook, _ = await world.webhooks.create(ANN, "https://hooks.example:8443/", (), "")
        answers[:] = ["127.0.0.1"]
        await world.webhooks.test(ANN, webhook.id)
        world.later(1)
        async with world.running():
            entry = await refused(world, webhook)
    assert (entry.status, entry.response_status) == (P, 0)
    assert entry.error.startswith("No public server answers")


async def test_an_unreachable_endpoint_is_tried_again_and_nothing_quotes_its_address(
    world: Library, receiver: WebhookReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    webhook, _ = await world.webhooks.create(ANN, f"{receiver.url}/hook?token=tellnobody", (), "")
    receiver._server.server_close()
    await world.webhooks.test(ANN, webhook.id)
    world.later(1)
    async with world.running():
        entry = await refused(world, webhook)
    assert entry.error == "The endpoint did not accept the connection, or broke it off."
    output = capsys.readouterr()
    assert "webhook.attempted" in output.out + output.err
    assert "tellnobody" not in output.out + output.err


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted(
    world: Library, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    pem = tmp_path / "key.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    receiver._server.socket = context.wrap_socket(receiver._server.socket, server_side=True)
    webhook, _ = await world.webhooks.create(ANN, receiver.url.replace("http:", "https:"), (), "")
    await world.webhooks.test(ANN, webhook.id)
    async with world.running():
        entry = await refused(world, webhook)
    assert entry.error == "The endpoint's TLS certificate was not accepted."
    assert receiver.received == []


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("https://127.0.0.1/hook", "ADDRESS_REFUSED"),
        ("https://[::1]/hook", "ADDRESS_REFUSED"),
        ("https://169.254.169.254/latest", "ADDRESS_REFUSED"),
        ("https://2130706433/", "ADDRESS_REFUSED"),
        ("https://93.184.215.14:25/", "ADDRESS_REFUSED"),
        ("http://93.184.215.14/hook", "VALIDATION_ERROR"),
        ("ftp://93.184.215.14/hook", "VALIDATION_ERROR"),
        ("https://user:secret@93.184.215.14/", "VALIDATION_ERROR"),
        ("https://93.184.215.14/#part", "VALIDATION_ERROR"),
        ("https://93.184.215.14/a b", "VALIDATION_ERROR"),
        ("https://93.184.215.14/\r\nX: y", "VALIDATION_ERROR"),
        ("https://häuser.example/", "VALIDATION_ERROR"),
        ("https://93.184.215.14:99999/", "VALIDATION_ERROR"),
        ("https:///hook", "VALIDATION_ERROR"),
        ("hook", "VALIDATION_ERROR"),
        ("", "VALIDATION_ERROR"),
        (f"https://93.184.215.14/{'x' * 2000}", "VALIDATION_ERROR"),
    ],
)
async def test_addresses_that_are_no_endpoints(world: Library, url: str, refusal: str) -> None:
    assert await reason(world.webhooks.create(ANN, url, (), "")) == refusal
    good, _ = await world.webhooks.create(ANN, "https://93.184.215.14/", (), "")
    assert await reason(world.webhooks.update(ANN, good.id, url=url)) == refusal
    assert (await world.webhooks.get(ANN, good.id)).url == "https://93.184.215.14/"


# -------------------------------------------------------------------------------------------------- endpoints, the log


async def test_what_is_somebody_elses_is_unknown(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    for call in (
        world.webhooks.get(BOB, webhook.id),
        world.webhooks.update(BOB, webhook.id, enabled=False),
        world.webhooks.delete(BOB, webhook.id),
        world.webhooks.rotate_secret(BOB, webhook.id),
        world.webhooks.test(BOB, webhook.id),
        world.webhooks.list_deliveries(BOB, webhook.id, 0, 10),
    ):
        assert await reason(call) == "WEBHOOK_NOT_FOUND"
    assert await world.webhooks.list_own(BOB) == []
    assert await world.webhooks.list_own(ANN) == [dataclasses.replace(webhook, revision=1)]
    assert await reason(world.webhooks.create(Principal("anon:1", "anonymous"), "x", (), "")) != ""


async def test_an_account_has_ten_endpoints_at_most(world: Library, receiver: WebhookReceiver) -> None:
    made = await asyncio.gather(
        *(world.webhooks.create(ANN, receiver.url, (), str(n)) for n in range(12)), return_exceptions=True
    )
    assert [error.reason for error in made if isinstance(error, AppError)] == ["WEBHOOK_LIMIT"] * 2
    assert len(await world.webhooks.list_own(ANN)) == 10
    assert (await world.webhooks.create(BOB, receiver.url, (), ""))[0].owner_id == "bob"


async def test_events_are_chosen_from_those_that_there_are(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    assert webhook.events == ["*"]
    changed = await world.webhooks.update(ANN, webhook.id, events=["ping", "job.completed", "ping"], description="new")
    assert (changed.events, changed.description, changed.url) == (["job.completed", "ping"], "new", webhook.url)
    assert (await world.webhooks.update(ANN, webhook.id, events=["*", "ping"])).events == ["*"]
    assert await reason(world.webhooks.update(ANN, webhook.id, events=["job.started"])) == "VALIDATION_ERROR"


async def test_the_log_is_bounded_and_forgets(world: Library, receiver: WebhookReceiver) -> None:
    webhook = await endpoint(world, receiver)
    for n in range(5):
        world.clock.time += 1
        await world.webhooks.test(ANN, webhook.id)
        (newest, *_) = await world.log(webhook)
        if n != 1:  # one of them is still to be sent
            await world.store.replace_delivery(dataclasses.replace(newest, status=D, due_time=None))
    await world.store.trim_deliveries(webhook.id, 2)
    assert [entry.status for entry in await world.log(webhook)] == [D, P]  # the pending one was not the newest
    world.clock.time += 30 * 86400 - 2
    assert await world.webhooks.expire() == 1
    assert [entry.status for entry in await world.log(webhook)] == [D]
    world.clock.time += 10
    assert await world.webhooks.expire() == 1
    await world.webhooks.test(ANN, webhook.id)
    await world.webhooks.delete(ANN, webhook.id)
    assert await reason(world.webhooks.get(ANN, webhook.id)) == "WEBHOOK_NOT_FOUND"
    assert (await world.store.list_deliveries(webhook.id, 0, 10)) == ([], 0)


def test_what_is_sealed_opens_for_its_purpose_alone() -> None:
    sealed = Sealer(KEY).seal("whsec_ü", "one")
    assert Sealer(KEY).open(sealed, "one") == "whsec_ü"
    assert sealed != Sealer(KEY).seal("whsec_ü", "one")
    for sealer, text, purpose in (
        (Sealer(b"x"), sealed, "one"),
        (Sealer(KEY), sealed, "two"),
        (Sealer(KEY), sealed[:-6] + "AAAA==", "one"),
        (Sealer(KEY), "v1.x", "one"),
        (Sealer(KEY), "whsec_", "one"),
        (Sealer(KEY), "", "one"),
    ):
        with pytest.raises(AppError) as refusal:
            sealer.open(text, purpose)
        assert refusal.value.reason == "SECRET_UNREADABLE"
