"""Webhooks over a real document store and real connections, with a clock that tests set."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hmac
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

from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.sqlite.search import SqliteSearch
from kit.errors import AppError
from kit.security.egress_policy import EgressPolicy
from kit.security.identity import Principal
from kit.security.sealing import Sealer
from kit.security.secrets import Secrets
from services.library.catalog.store import CatalogStore
from services.library.job_kinds import public_kinds
from services.library.jobs.service import Job, JobError
from services.library.jobs.store import JobDocs
from services.library.tracks.store import TrackDocs
from services.library.webhooks.deliveries import Deliveries, Delivery, DeliveryStatus
from services.library.webhooks.dispatcher import WebhookDispatcher
from services.library.webhooks.messages import new_signing_secret, signature
from services.library.webhooks.service import Webhook, Webhooks
from services.library.webhooks.store import WebhookDocs
from tests.simulators.webhook_receiver import Received, WebhookReceiver
from tests.unit.ledger_world import ANN, BOB, HandClock, ledger_of, new, reason, result

T = TypeVar("T")
KEY = "k" * 32
RETRY_SECONDS = (5.0, 30.0, 120.0)


class Library:
    """The webhooks of one library process. Several processes can share a folder and a clock."""

    def __init__(self, docs: SqliteDocs, clock: HandClock, egress_policy: EgressPolicy, key: str = KEY) -> None:
        self.clock = clock
        self.epochs: dict[str, int] = {}  # of the credentials of accounts
        self.jobs, self.tracks = JobDocs(docs), TrackDocs(docs)
        self.catalog = CatalogStore(docs, SqliteSearch(docs.database))
        self.store = WebhookDocs(docs, self._epoch_of)
        self.ledger = ledger_of(self.jobs, self.tracks, self.catalog, clock)
        self.sealer = Sealer(Secrets.of(key))
        self.webhooks = Webhooks(self.store, egress_policy, self.sealer, clock)
        self.deliveries = Deliveries(self.webhooks, self.store, self.jobs, public_kinds(), clock)
        self.dispatcher = WebhookDispatcher(
            self.deliveries, self.store, egress_policy, self.sealer, clock, RETRY_SECONDS
        )

    async def _epoch_of(self, account_id: str) -> int:
        return self.epochs.get(account_id, 0)

    async def prepare(self) -> None:
        for store in (self.jobs, self.tracks, self.catalog, self.store):
            await store.prepare()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def job(self, principal: Principal = ANN, **fields: object) -> Job:
        job, _ = await self.ledger.create(principal, new(**fields))
        return job

    async def finished_job(self, principal: Principal = ANN, *, error: JobError | None = None, **fields: object) -> Job:
        job, claimed, _ = await self.ledger.claim((await self.job(principal, **fields)).id, "w", 20.0)
        assert claimed
        if error is not None:
            return await self.ledger.fail(job.id, 1, error, False, [])
        return await self.ledger.succeed(job.id, 1, result("vocals", "drums"), [])

    async def log(self, webhook: Webhook) -> list[Delivery]:
        return (await self.deliveries.list_deliveries(ANN, webhook.id, 0, 100))[0]

    def advance(self, seconds: float) -> None:
        self.clock.time += seconds
        self.dispatcher.wake_up()


@contextlib.asynccontextmanager
async def library(
    folder: Path, clock: HandClock, egress_policy: EgressPolicy, key: str = KEY
) -> AsyncIterator[Library]:
    docs = SqliteDocs(folder / "library.db")
    docs.database.writer.execute("PRAGMA synchronous = OFF")  # tests do not simulate power failures
    opened = Library(docs, clock, egress_policy, key)
    await opened.prepare()
    yield opened
    await docs.close()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as simulator:
        yield simulator


@pytest.fixture
def egress_policy(receiver: WebhookReceiver) -> EgressPolicy:
    return EgressPolicy([receiver.address])


@pytest.fixture
async def fixture(tmp_path: Path, egress_policy: EgressPolicy) -> AsyncIterator[Library]:
    async with library(tmp_path, HandClock(), egress_policy) as opened:
        yield opened


async def eventually(condition: Callable[[], object]) -> None:
    async def holds() -> object:
        return condition()

    await until(holds)


async def until(answer: Callable[[], Awaitable[T]]) -> T:
    """Poll ``answer`` until it returns a true value, and return it."""
    deadline = time.monotonic() + 20
    while not (given := await answer()):
        assert time.monotonic() < deadline, "the condition did not become true within 20 seconds"
        await asyncio.sleep(0.01)
    return given


async def settled(fixture: Library, webhook: Webhook, *statuses: DeliveryStatus) -> list[Delivery]:
    """Wait until the deliveries have these statuses and none is underway. Return them, newest first."""

    async def matching_log() -> list[Delivery]:
        log = await fixture.log(webhook)
        fits = [entry.status for entry in log] == list(statuses) and not any(entry.underway for entry in log)
        return log if fits else []

    return await until(matching_log)


async def failed_attempt(fixture: Library, webhook: Webhook) -> Delivery:
    """Wait until an attempt of the only delivery failed, and return the delivery."""

    async def failed() -> Delivery | None:
        (entry,) = await fixture.log(webhook)
        return entry if entry.error else None

    entry = await until(failed)
    assert entry is not None
    return entry


async def create_webhook(
    fixture: Library, receiver: WebhookReceiver, path: str = "/hook", **fields: Sequence[str]
) -> Webhook:
    return (await fixture.webhooks.create(ANN, receiver.url + path, fields.get("events", ()), "mine"))[0]


P, D, F = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED


# ------------------------------------------------------------------------------------------------------------ messages


async def test_a_finished_job_sends_a_signed_manifest(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook, secret = await fixture.webhooks.create(ANN, f"{receiver.url}/hook?key=1", (), "mine")
    job = await fixture.finished_job(track_id="")
    assert job.result is not None
    fixture.advance(1)
    async with fixture.running():
        (entry,) = await settled(fixture, webhook, D)
    (received,) = receiver.received
    assert received.path == "/hook?key=1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-id"] == f"msg_{job.id.replace('-', '')}" == entry.message_id
    assert received.headers["webhook-timestamp"] == str(int(fixture.clock.time))
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


async def test_failed_and_cancelled_jobs_send_job_failed(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    failed = await fixture.finished_job(error=JobError("AUDIO_EMPTY", "There is no sound in it."))
    cancelled = await fixture.ledger.cancel(ANN, (await fixture.job()).id)
    fixture.advance(1)
    async with fixture.running():
        await settled(fixture, webhook, D, D)
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


async def test_large_messages_are_truncated(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    job, _, _ = await fixture.ledger.claim((await fixture.job()).id, "w", 20.0)
    await fixture.ledger.succeed(job.id, 1, result(*(f"part {n} {'ü' * 100}" for n in range(300))), [])
    fixture.advance(1)
    async with fixture.running():
        await settled(fixture, webhook, D)
    (received,) = receiver.received
    assert len(received.body) < 64 * 1024
    assert received.message["data"]["outputs"] == []
    assert received.message["data"]["outputs_truncated"] is True


async def test_a_webhook_receives_its_events_of_its_owner(fixture: Library, receiver: WebhookReceiver) -> None:
    everything = await create_webhook(fixture, receiver, "/all")
    failures = await create_webhook(fixture, receiver, "/failures", events=["job.failed"])
    silent = await create_webhook(fixture, receiver, "/silent")
    await fixture.webhooks.update(ANN, silent.id, enabled=False)
    await fixture.finished_job()
    await fixture.finished_job(BOB)
    fixture.advance(1)
    async with fixture.running():
        await settled(fixture, everything, D)
        assert await fixture.deliveries.enqueue_finished_jobs() == 0  # all were enqueued
    assert (len(await fixture.log(failures)), len(await fixture.log(silent)), len(receiver.received)) == (0, 0, 1)


async def test_webhooks_end_with_the_credentials_of_their_owner(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook, _ = await fixture.webhooks.create(ANN, receiver.url, (), "")
    kept, _ = await fixture.webhooks.create(BOB, receiver.url, (), "")
    await fixture.deliveries.send_test(ANN, webhook.id)
    fixture.epochs[ANN.id] = 1
    await fixture.deliveries.send_test(BOB, kept.id)
    async with fixture.running():
        await eventually(lambda: len(receiver.received) == 1)
    assert await fixture.webhooks.list_own(ANN) == []
    assert await reason(fixture.webhooks.get(ANN, webhook.id)) == "WEBHOOK_NOT_FOUND"
    assert [one.id for one in await fixture.webhooks.list_own(BOB)] == [kept.id]
    assert await fixture.store.list_deliveries(webhook.id, 0, 10) == ([], 0)


async def test_enqueueing_again_creates_no_duplicates(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    job = await fixture.finished_job()
    assert await fixture.deliveries.enqueue_finished_jobs() == 1
    told = await fixture.jobs.job(job.id)
    assert told is not None
    # As after a crash between storing the deliveries and clearing the flag.
    assert await fixture.jobs.replace_job(dataclasses.replace(told, webhooks_pending=True))
    assert await fixture.deliveries.enqueue_finished_jobs() == 1
    fixture.advance(1)
    async with fixture.running():
        await settled(fixture, webhook, D)
    assert len(receiver.received) == 1


# ------------------------------------------------------------------------------------------------------------- secrets


async def test_both_secrets_sign_for_a_day_after_a_rotation(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook, old = await fixture.webhooks.create(ANN, f"{receiver.url}/hook", (), "")
    _, young = await fixture.webhooks.rotate_secret(ANN, webhook.id)
    assert len(base64.b64decode(young.removeprefix("whsec_"))) == 32
    assert young != old
    async with fixture.running():
        await fixture.deliveries.send_test(ANN, webhook.id)
        fixture.advance(86399)
        await settled(fixture, webhook, D)
        await fixture.deliveries.send_test(ANN, webhook.id)
        fixture.advance(2)
        await settled(fixture, webhook, D, D)
    first, second = receiver.received
    assert (first.signed_by(young), first.signed_by(old)) == ([True, False], [False, True])
    assert (second.signed_by(young), second.signed_by(old)) == ([True], [False])


def test_signatures_follow_the_standard() -> None:
    secrets, body = [new_signing_secret(), new_signing_secret()], '{"type":"ping","text":"größe"}'
    now = int(time.time())
    given = signature(secrets, "msg_1", now, body)
    for secret, one in zip(secrets, given.split(" "), strict=True):
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        expected = hmac.digest(key, f"msg_1.{now}.{body}".encode(), "sha256")
        assert one == f"v1,{base64.b64encode(expected).decode()}"
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": given}
    received = Received("/hook", headers, body.encode())
    assert [received.verified(secret) for secret in (*secrets, new_signing_secret())] == [True, True, False]
    assert not Received("/hook", headers, body.encode() + b" ").verified(secrets[0])
    assert not Received("/hook", {**headers, "webhook-id": "msg_2"}, body.encode()).verified(secrets[0])
    assert not Received("/hook", {**headers, "webhook-timestamp": str(now + 1)}, body.encode()).verified(secrets[0])


async def test_secrets_are_stored_encrypted(fixture: Library, receiver: WebhookReceiver, tmp_path: Path) -> None:
    webhook, secret = await fixture.webhooks.create(ANN, f"{receiver.url}/hook", (), "")
    _, young = await fixture.webhooks.rotate_secret(ANN, webhook.id)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("library.db*"))
    assert webhook.id.encode() in stored
    for text in (secret, young):
        assert text.removeprefix("whsec_").encode() not in stored


async def test_an_unreadable_secret_fails_with_advice(
    fixture: Library, receiver: WebhookReceiver, tmp_path: Path, egress_policy: EgressPolicy
) -> None:
    webhook = await create_webhook(fixture, receiver)
    await fixture.finished_job()
    async with library(tmp_path, fixture.clock, egress_policy, "x" * 32) as other:
        other.advance(1)
        async with other.running():
            (entry,) = await settled(other, webhook, F)
        assert "Enter the secret again" in entry.error
        assert receiver.received == []
        _, secret = await other.webhooks.rotate_secret(ANN, webhook.id)
        await other.webhooks.update(ANN, webhook.id, enabled=True)
        other.clock.time += 86400  # the unreadable previous secret has expired
        await other.deliveries.send_test(ANN, webhook.id)
        other.advance(1)
        async with other.running():
            await settled(other, webhook, D, F)
    assert receiver.received[0].signed_by(secret) == [True]


# ------------------------------------------------------------------------------------------------------------ delivery


async def test_failures_are_retried(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    receiver.answer_with([500, 302], Location=f"{receiver.url}/elsewhere")
    receiver.body = b"x" * 10_000
    await fixture.finished_job()
    fixture.advance(1)
    async with fixture.running():
        for attempt, (status, pause) in enumerate(((500, 5.0), (302, 30.0)), 1):
            await eventually(lambda attempt=attempt: len(receiver.received) == attempt)
            (entry,) = await settled(fixture, webhook, P)
            assert (entry.attempt_count, entry.response_status, len(entry.response_body)) == (attempt, status, 4096)
            assert str(status) in entry.error
            assert entry.due_time is not None
            assert 0.9 * pause <= entry.due_time - fixture.clock.time <= 1.1 * pause
            failing = await fixture.webhooks.get(ANN, webhook.id)
            assert (failing.fail_time, failing.enabled) == (1_000_001.0, True)
            fixture.advance(1.2 * pause)
        (entry,) = await settled(fixture, webhook, D)
    assert (entry.attempt_count, entry.error) == (3, "")
    assert (await fixture.webhooks.get(ANN, webhook.id)).fail_time is None
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert len({received.body for received in receiver.received}) == 1
    assert len({received.headers["webhook-timestamp"] for received in receiver.received}) == 3
    assert receiver.to("/elsewhere") == []  # redirects are not followed


async def test_a_failing_webhook_is_disabled(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    receiver.answer_with([503] * 4)
    await fixture.finished_job()
    fixture.advance(1)
    async with fixture.running():
        for attempt, pause in enumerate(RETRY_SECONDS, 1):
            await eventually(lambda attempt=attempt: len(receiver.received) == attempt)
            await settled(fixture, webhook, P)
            fixture.advance(1.2 * pause)
        (entry,) = await settled(fixture, webhook, F)
        disabled = await fixture.webhooks.get(ANN, webhook.id)
        assert (disabled.enabled, disabled.disabled_reason) == (
            False,
            "No delivery succeeded in 4 attempts. The endpoint returned HTTP 503.",
        )
        assert (entry.attempt_count, entry.due_time) == (4, None)
        await fixture.finished_job()
        assert await fixture.deliveries.enqueue_finished_jobs() == 1
        assert len(await fixture.log(webhook)) == 1
        assert await reason(fixture.deliveries.send_test(ANN, webhook.id)) == "WEBHOOK_DISABLED"
        assert await reason(fixture.deliveries.replay(ANN, entry.id)) == "WEBHOOK_DISABLED"
        enabled = await fixture.webhooks.update(ANN, webhook.id, enabled=True)
        assert (enabled.disabled_reason, enabled.fail_time) == ("", None)
        await fixture.deliveries.replay(ANN, entry.id)
        fixture.advance(1)
        await settled(fixture, webhook, D)


async def test_a_success_in_between_keeps_the_webhook_enabled(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    receiver.answer_with([503, 204, 503, 503, 503])
    await fixture.finished_job()
    fixture.advance(1)
    async with fixture.running():
        await eventually(lambda: len(receiver.received) == 1)
        await settled(fixture, webhook, P)
        fixture.clock.time += 1
        await fixture.deliveries.send_test(ANN, webhook.id)
        fixture.advance(1)
        await settled(fixture, webhook, D, P)
        for count, pause in enumerate(RETRY_SECONDS, 3):
            fixture.advance(1.2 * pause)
            await eventually(lambda count=count: len(receiver.received) == count)
            await settled(fixture, webhook, D, P if count < 5 else F)
    assert (await fixture.webhooks.get(ANN, webhook.id)).enabled


async def test_http_410_disables_the_webhook(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    receiver.answer_with([410])
    await fixture.finished_job()
    fixture.advance(1)
    async with fixture.running():
        (entry,) = await settled(fixture, webhook, F)
    gone = await fixture.webhooks.get(ANN, webhook.id)
    assert (gone.enabled, gone.disabled_reason) == (False, "The endpoint returned HTTP 410 (Gone).")
    assert (entry.attempt_count, entry.response_status) == (1, 410)


async def test_a_disabled_webhook_receives_no_pending_deliveries(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    await fixture.deliveries.send_test(ANN, webhook.id)
    await fixture.webhooks.update(ANN, webhook.id, enabled=False)
    fixture.advance(1)
    async with fixture.running():
        (entry,) = await settled(fixture, webhook, F)
    assert (entry.error, receiver.received) == ("The webhook is disabled.", [])


async def test_a_replay_has_the_same_id_and_body(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    await fixture.finished_job()
    fixture.advance(1)
    async with fixture.running():
        (entry,) = await settled(fixture, webhook, D)
        assert await reason(fixture.deliveries.replay(BOB, entry.id)) == "DELIVERY_NOT_FOUND"
        assert (await fixture.deliveries.replay(ANN, entry.id)).status is P
        fixture.advance(100)
        await eventually(lambda: len(receiver.received) == 2)
        await settled(fixture, webhook, D)
    first, second = receiver.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


async def test_a_delivery_underway_cannot_be_replayed(fixture: Library, receiver: WebhookReceiver) -> None:
    await create_webhook(fixture, receiver)
    receiver.held = threading.Event()
    try:
        await fixture.finished_job()
        fixture.advance(1)
        async with fixture.running():
            await eventually(receiver.waiting.is_set)
            (webhook,) = await fixture.webhooks.list_own(ANN)
            (entry,) = await fixture.log(webhook)
            assert await reason(fixture.deliveries.replay(ANN, entry.id)) == "DELIVERY_UNDERWAY"
    finally:
        receiver.held.set()


async def polled(library: Library) -> None:
    """Let the dispatcher of a library look for due deliveries once, and wait for the attempts that it starts."""
    await library.dispatcher._start_due_attempts()
    async with asyncio.timeout(5):
        await asyncio.gather(*library.dispatcher._attempts.values())


async def test_two_libraries_send_one_message_at_a_time_and_in_order(
    fixture: Library, receiver: WebhookReceiver, egress_policy: EgressPolicy, tmp_path: Path
) -> None:
    webhook = await create_webhook(fixture, receiver)
    async with library(tmp_path, fixture.clock, egress_policy) as second:
        job_ids = []
        for _ in range(20):
            job_ids.append((await fixture.finished_job()).id)
            await fixture.deliveries.enqueue_finished_jobs()
            fixture.advance(1)
        receiver.held = threading.Event()
        try:
            async with fixture.running():
                await eventually(receiver.waiting.is_set)
                await polled(second)  # while the first message is being sent
                assert receiver.at_once == 1
                receiver.held.set()
                async with second.running():
                    await settled(fixture, webhook, *[D] * 20)
        finally:
            receiver.held.set()
    assert receiver.most_at_once == 1
    assert [received.message["data"]["id"] for received in receiver.received] == job_ids


async def test_the_lease_of_a_dead_dispatcher_expires(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    await fixture.finished_job()
    await fixture.deliveries.enqueue_finished_jobs()
    stored = await fixture.store.get_webhook(webhook.id)
    assert stored is not None
    await fixture.store.replace_webhook(dataclasses.replace(stored, lease_until=fixture.clock.now() + 60.0))
    fixture.advance(59)
    await polled(fixture)
    assert receiver.received == []
    fixture.advance(1)
    async with fixture.running():
        await settled(fixture, webhook, D)
    assert (await fixture.store.get_webhook(webhook.id)).lease_until is None  # type: ignore[union-attr]


async def test_a_slow_endpoint_delays_only_itself(fixture: Library, receiver: WebhookReceiver, tmp_path: Path) -> None:
    with WebhookReceiver() as swift:
        slow = await create_webhook(fixture, receiver)
        egress_policy = EgressPolicy([receiver.address, swift.address])
        async with library(tmp_path, fixture.clock, egress_policy) as both:
            other = await create_webhook(both, swift)
            receiver.held = threading.Event()
            for _ in range(3):
                await both.finished_job()
            both.advance(1)
            async with both.running():
                await eventually(lambda: receiver.waiting.is_set() and len(swift.received) == 3)
                receiver.held.set()
                await settled(both, slow, D, D, D)
                await settled(both, other, D, D, D)
    assert (receiver.most_at_once, len(receiver.received)) == (1, 3)


async def test_two_processes_send_each_message_once(
    fixture: Library, receiver: WebhookReceiver, tmp_path: Path, egress_policy: EgressPolicy
) -> None:
    webhook = await create_webhook(fixture, receiver)
    async with library(tmp_path, fixture.clock, egress_policy) as second:
        for _ in range(20):
            await fixture.finished_job()
        fixture.clock.time += 1
        async with fixture.running(), second.running():
            await settled(fixture, webhook, *[D] * 20)
    sent = [received.headers["webhook-id"] for received in receiver.received]
    assert (len(sent), len(set(sent))) == (20, 20)


async def test_deliveries_survive_a_restart(
    fixture: Library, receiver: WebhookReceiver, tmp_path: Path, egress_policy: EgressPolicy
) -> None:
    webhook = await create_webhook(fixture, receiver)
    receiver.held = threading.Event()
    await fixture.finished_job()
    fixture.advance(1)
    async with fixture.running():
        await eventually(receiver.waiting.is_set)
    receiver.held.set()  # the response is lost
    receiver.held = None
    async with library(tmp_path, fixture.clock, egress_policy) as successor, successor.running():
        successor.advance(61)
        (entry,) = await settled(successor, webhook, D)
    assert entry.attempt_count == 2
    first, second = receiver.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)


async def test_job_events_wake_the_dispatcher(
    fixture: Library, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.library.webhooks.dispatcher._POLL_SECONDS", 3600.0)
    webhook = await create_webhook(fixture, receiver)
    async with fixture.running():
        await eventually(lambda: not fixture.dispatcher._wake.is_set())
        await fixture.finished_job()
        fixture.dispatcher.on_event("soundwright.evt.separation.v1.job.progressed", b"")
        assert not fixture.dispatcher._wake.is_set()
        fixture.dispatcher.on_event("soundwright.evt.separation.v1.job.succeeded", b"")
        await settled(fixture, webhook, D)


async def test_a_lost_event_loses_no_message(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    async with fixture.running():
        await fixture.finished_job()  # no event is published
        await settled(fixture, webhook, D)
    assert len(receiver.received) == 1


async def test_a_long_backlog_does_not_block_other_webhooks(
    fixture: Library, receiver: WebhookReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.library.webhooks.dispatcher._BATCH_SIZE", 2)
    with WebhookReceiver() as swift:
        slow = await create_webhook(fixture, receiver)
        async with library(tmp_path, fixture.clock, EgressPolicy([receiver.address, swift.address])) as both:
            receiver.held = threading.Event()
            for _ in range(7):
                await both.deliveries.send_test(ANN, slow.id)
            both.clock.time += 1
            other = await create_webhook(both, swift)
            await both.deliveries.send_test(ANN, other.id)
            async with both.running():
                await settled(both, other, D)
                assert len(receiver.received) == 1
                receiver.held.set()
                await settled(both, slow, *[D] * 7)


# ----------------------------------------------------------------------------------------------------------- addresses


async def test_a_host_that_becomes_private_is_refused_at_delivery(tmp_path: Path, receiver: WebhookReceiver) -> None:
    answers = ["93.184.215.14"]

    async def resolver(host: str, port: int) -> Sequence[str]:
        return answers

    async with library(tmp_path, HandClock(), EgressPolicy(resolver=resolver)) as fixture:
        webhook, _ = await fixture.webhooks.create(ANN, "https://hooks.example:8443/", (), "")
        answers[:] = ["127.0.0.1"]
        await fixture.deliveries.send_test(ANN, webhook.id)
        fixture.advance(1)
        async with fixture.running():
            entry = await failed_attempt(fixture, webhook)
    assert (entry.status, entry.response_status) == (P, 0)
    assert entry.error.startswith("The address is not a public web server")


async def test_connection_errors_do_not_reveal_the_url(
    fixture: Library, receiver: WebhookReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    webhook, _ = await fixture.webhooks.create(ANN, f"{receiver.url}/hook?token=tellnobody", (), "")
    receiver._server.server_close()
    await fixture.deliveries.send_test(ANN, webhook.id)
    fixture.advance(1)
    async with fixture.running():
        entry = await failed_attempt(fixture, webhook)
    assert entry.error == "The endpoint refused or closed the connection."
    output = capsys.readouterr()
    assert "webhook.attempted" in output.out + output.err
    assert "tellnobody" not in output.out + output.err


async def test_an_untrusted_certificate_is_refused(fixture: Library, receiver: WebhookReceiver, tmp_path: Path) -> None:
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
    webhook, _ = await fixture.webhooks.create(ANN, receiver.url.replace("http:", "https:"), (), "")
    await fixture.deliveries.send_test(ANN, webhook.id)
    async with fixture.running():
        entry = await failed_attempt(fixture, webhook)
    assert entry.error == "The TLS certificate of the endpoint is not trusted."
    assert receiver.received == []


@pytest.mark.parametrize(
    ("url", "error"),
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
async def test_invalid_urls_are_refused(fixture: Library, url: str, error: str) -> None:
    assert await reason(fixture.webhooks.create(ANN, url, (), "")) == error
    good, _ = await fixture.webhooks.create(ANN, "https://93.184.215.14/", (), "")
    assert await reason(fixture.webhooks.update(ANN, good.id, url=url)) == error
    assert (await fixture.webhooks.get(ANN, good.id)).url == "https://93.184.215.14/"


# -------------------------------------------------------------------------------------------------- endpoints, the log


async def test_webhooks_of_other_accounts_are_not_found(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    for call in (
        fixture.webhooks.get(BOB, webhook.id),
        fixture.webhooks.update(BOB, webhook.id, enabled=False),
        fixture.webhooks.delete(BOB, webhook.id),
        fixture.webhooks.rotate_secret(BOB, webhook.id),
        fixture.deliveries.send_test(BOB, webhook.id),
        fixture.deliveries.list_deliveries(BOB, webhook.id, 0, 10),
    ):
        assert await reason(call) == "WEBHOOK_NOT_FOUND"
    assert await fixture.webhooks.list_own(BOB) == []
    (listed,) = await fixture.webhooks.list_own(ANN)
    assert listed == dataclasses.replace(webhook, slot=listed.slot, owner_epoch=0, revision=1)
    assert await reason(fixture.webhooks.create(Principal("anon:1", "anonymous"), "x", (), "")) != ""


async def test_an_account_can_have_ten_webhooks(fixture: Library, receiver: WebhookReceiver) -> None:
    made = await asyncio.gather(
        *(fixture.webhooks.create(ANN, receiver.url, (), str(n)) for n in range(12)), return_exceptions=True
    )
    assert [error.reason for error in made if isinstance(error, AppError)] == ["WEBHOOK_LIMIT"] * 2
    assert len(await fixture.webhooks.list_own(ANN)) == 10
    assert (await fixture.webhooks.create(BOB, receiver.url, (), ""))[0].owner_id == "bob"


async def test_events_are_validated(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    assert webhook.events == ["*"]
    changed = await fixture.webhooks.update(
        ANN, webhook.id, events=["ping", "job.completed", "ping"], description="new"
    )
    assert (changed.events, changed.description, changed.url) == (["job.completed", "ping"], "new", webhook.url)
    assert (await fixture.webhooks.update(ANN, webhook.id, events=["*", "ping"])).events == ["*"]
    assert await reason(fixture.webhooks.update(ANN, webhook.id, events=["job.started"])) == "VALIDATION_ERROR"


async def test_the_delivery_log_is_trimmed(fixture: Library, receiver: WebhookReceiver) -> None:
    webhook = await create_webhook(fixture, receiver)
    for n in range(5):
        fixture.clock.time += 1
        await fixture.deliveries.send_test(ANN, webhook.id)
        (newest, *_) = await fixture.log(webhook)
        if n != 1:  # one remains pending
            await fixture.store.replace_delivery(dataclasses.replace(newest, status=D, due_time=None))
    await fixture.store.trim_deliveries(webhook.id, 2)
    assert [entry.status for entry in await fixture.log(webhook)] == [D, P]  # the pending delivery was kept
    await fixture.deliveries.send_test(ANN, webhook.id)
    await fixture.webhooks.delete(ANN, webhook.id)
    assert await reason(fixture.webhooks.get(ANN, webhook.id)) == "WEBHOOK_NOT_FOUND"
    assert (await fixture.store.list_deliveries(webhook.id, 0, 10)) == ([], 0)


def test_a_sealed_text_opens_only_for_its_purpose() -> None:
    sealed = Sealer(Secrets.of(KEY)).seal("whsec_ü", "one")
    assert Sealer(Secrets.of(KEY)).open(sealed, "one") == "whsec_ü"
    assert sealed != Sealer(Secrets.of(KEY)).seal("whsec_ü", "one")
    for sealer, text, purpose in (
        (Sealer(Secrets.of("x" * 32)), sealed, "one"),
        (Sealer(Secrets.of(KEY)), sealed, "two"),
        (Sealer(Secrets.of(KEY)), sealed[:-6] + "AAAA==", "one"),
        (Sealer(Secrets.of(KEY)), "v1.x", "one"),
        (Sealer(Secrets.of(KEY)), "whsec_", "one"),
        (Sealer(Secrets.of(KEY)), "", "one"),
    ):
        with pytest.raises(AppError) as error:
            sealer.open(text, purpose)
        assert error.value.reason == "SECRET_UNREADABLE"
