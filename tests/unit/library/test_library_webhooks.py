"""Webhooks over a real document store and real connections, with a clock that tests set."""

import asyncio
import base64
import contextlib
import dataclasses
import hmac
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from library_fixture import ANN, BOB, RETRY_SECONDS, Library, ids, opened, reason, result

from soundwright.kit.errors import AppError
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import Principal
from soundwright.kit.security.sealing import Sealer
from soundwright.kit.security.secrets import Secrets
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.records import AccountDeletion
from soundwright.services.library.jobs.service import Job, JobError
from soundwright.services.library.webhooks.messages import new_signing_secret, signature
from soundwright.services.library.webhooks.records import Delivery, DeliveryStatus, Webhook
from tests.certificates import Authority
from tests.simulators.webhook_receiver import Received, WebhookReceiver
from tests.waiting import until

P, D, F = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED
NOW = "2024-10-04T00:00:00Z"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as simulator:
        yield simulator


@pytest.fixture
def policy(receiver: WebhookReceiver) -> EgressPolicy:
    return EgressPolicy([receiver.address])


@pytest.fixture
async def library(tmp_path: Path, policy: EgressPolicy) -> AsyncIterator[Library]:
    async with opened(tmp_path, None, policy) as library:
        yield library


@contextlib.asynccontextmanager
async def running(library: Library) -> AsyncIterator[None]:
    """Let the dispatcher of a library work during the block."""
    task = asyncio.create_task(library.dispatcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def holding(receiver: WebhookReceiver) -> Iterator[threading.Event]:
    """Let answers of the endpoint wait until the event, which ends with the block, is set."""
    receiver.held = threading.Event()
    try:
        yield receiver.held
    finally:
        receiver.held.set()


def advance(library: Library, seconds: float) -> None:
    library.clock.advance(seconds)
    library.dispatcher.wake_up()


async def finished(library: Library, who: Principal = ANN, *, error: JobError | None = None, **fields: object) -> Job:
    """Return an ended job, one second ago."""
    job = await library.running(who, **fields)
    if error is not None:
        ended = await library.ledger.fail(job.id, 1, error, False, [])
    else:
        ended = await library.ledger.succeed(job.id, 1, result("vocals", "drums"), [])
    advance(library, 1)
    return ended


async def logged(library: Library, webhook: Webhook) -> list[Delivery]:
    return (await library.deliveries.list_deliveries(ANN, webhook.id, 0, 100))[0]


async def settled(library: Library, webhook: Webhook, *statuses: DeliveryStatus) -> list[Delivery]:
    """Wait until the deliveries have these statuses and none is underway. Return them, newest first."""

    async def matching() -> list[Delivery]:
        log = await logged(library, webhook)
        fits = [entry.status for entry in log] == list(statuses) and not any(entry.underway for entry in log)
        return log if fits else []

    return await until(matching)


async def sent(library: Library, webhook: Webhook, *statuses: DeliveryStatus) -> list[Delivery]:
    """Let the dispatcher work until the deliveries have these statuses."""
    async with running(library):
        return await settled(library, webhook, *statuses)


async def failed_attempt(library: Library, webhook: Webhook) -> Delivery:
    """Let the dispatcher work until an attempt of the only delivery failed, and return the delivery."""

    async def failed() -> Delivery | None:
        (entry,) = await logged(library, webhook)
        return entry if entry.error else None

    await library.deliveries.send_test(ANN, webhook.id)
    async with running(library):
        entry = await until(failed)
    assert entry is not None
    return entry


async def polled(library: Library) -> None:
    """Let the dispatcher look for due deliveries once, and wait for the attempts that it starts."""
    await library.dispatcher._start_due_attempts()
    await asyncio.gather(*library.dispatcher._attempts.values())


async def created(library: Library, receiver: WebhookReceiver, path: str = "/hook", *events: str) -> Webhook:
    return (await library.webhooks.create(ANN, receiver.url + path, events, "mine"))[0]


# ------------------------------------------------------------------------------------------------------------ messages


async def test_a_finished_job_sends_a_signed_manifest(library: Library, receiver: WebhookReceiver) -> None:
    webhook, secret = await library.webhooks.create(ANN, f"{receiver.url}/hook?key=1", (), "mine")
    job = await finished(library, track_id="")
    assert job.result is not None
    (entry,) = await sent(library, webhook, D)
    (received,) = receiver.received
    assert received.path == "/hook?key=1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-id"] == f"msg_{job.id.replace('-', '')}" == entry.message_id
    assert received.headers["webhook-timestamp"] == str(int(library.clock.time))
    assert received.signed_by(secret) == [True]
    outputs = [
        {"name": output.name, "content_type": "audio/flac", "download_path": f"/export/stem/{output.id}"}
        for output in job.result.outputs
    ]
    data = {
        "id": job.id, "job_type": "processing", "status": "completed", "track_id": None, "error": None, "error_code": None,
        "outputs": outputs, "engine": "dsp", "model": "m", "degraded": False, "degraded_reason": None, "created_at": NOW,
        "started_at": NOW, "finished_at": NOW,
    }  # fmt: skip
    assert received.message == {"type": "job.completed", "timestamp": NOW, "data": data}
    assert (entry.response_status, entry.error, entry.attempt_count, entry.due_time) == (204, "", 1, None)


async def test_failed_and_cancelled_jobs_send_job_failed(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    failed = await finished(library, error=JobError("AUDIO_EMPTY", "There is no sound in it."))
    cancelled = await library.ledger.cancel(ANN, (await library.job()).id)
    advance(library, 1)
    await sent(library, webhook, D, D)
    told = {received.message["data"]["id"]: received.message for received in receiver.received}
    assert {message["type"] for message in told.values()} == {"job.failed"}
    shape = {"status": "failed", "outputs": [], "engine": None}
    for job, expected in (
        (failed, {"error": "There is no sound in it.", "error_code": "AUDIO_EMPTY"}),
        (cancelled, {"error": "cancelled", "error_code": "CANCELLED", "started_at": None}),
    ):
        assert (shape | expected).items() <= told[job.id]["data"].items()


async def test_large_messages_are_truncated(library: Library, receiver: WebhookReceiver) -> None:
    webhook, job = await created(library, receiver), await library.running()
    await library.ledger.succeed(job.id, 1, result(*(f"part {n} {'ü' * 100}" for n in range(300))), [])
    advance(library, 1)
    await sent(library, webhook, D)
    (received,) = receiver.received
    assert len(received.body) < 64 * 1024
    assert (received.message["data"]["outputs"], received.message["data"]["outputs_truncated"]) == ([], True)


async def test_a_webhook_receives_its_events_of_its_owner(library: Library, receiver: WebhookReceiver) -> None:
    everything = await created(library, receiver, "/all")
    failures = await created(library, receiver, "/failures", "job.failed")
    silent = await created(library, receiver, "/silent")
    await library.webhooks.update(ANN, silent.id, enabled=False)
    await finished(library)
    await finished(library, BOB)
    await sent(library, everything, D)
    assert await library.deliveries.enqueue_finished_jobs() == 0  # all were enqueued
    logs = [len(await logged(library, webhook)) for webhook in (failures, silent)]
    assert (logs, len(receiver.received)) == ([0, 0], 1)


async def has_no_delivery(library: Library, webhook_id: str) -> bool:
    return await library.stores.webhooks.deliveries.count({"webhook_id": webhook_id}) == 0


async def test_webhooks_end_with_the_credentials_of_their_owner(library: Library, receiver: WebhookReceiver) -> None:
    webhook, _ = await library.webhooks.create(ANN, receiver.url, (), "")
    kept, _ = await library.webhooks.create(BOB, receiver.url, (), "")
    await library.deliveries.send_test(ANN, webhook.id)
    revoked = Account(ANN.id, "ann@example.org", "user", "active", "", 0.0, token_epoch=1)
    await library.identity.store.accounts.add(revoked)
    await library.deliveries.send_test(BOB, kept.id)
    async with running(library):
        await until(lambda: len(receiver.received) == 1)
        await until(lambda: has_no_delivery(library, webhook.id))
    assert await library.webhooks.list_own(ANN) == []
    assert await reason(library.webhooks.get(ANN, webhook.id)) == "WEBHOOK_NOT_FOUND"
    assert ids(await library.webhooks.list_own(BOB)) == [kept.id]


async def test_deliveries_that_outlive_their_webhook_are_deleted(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    await library.deliveries.send_test(ANN, webhook.id)
    await library.stores.webhooks.webhooks.delete(webhook.id)  # and the process stops here
    async with running(library):
        await until(lambda: has_no_delivery(library, webhook.id))
    assert receiver.received == []


async def test_a_webhook_ends_with_the_api_token_that_created_it(library: Library, receiver: WebhookReceiver) -> None:
    account = await library.account()
    principals = []
    for lifetime_days in (0, 1, 0):
        secret, _ = await library.tokens.create(account, "program", lifetime_days)
        principals.append(await library.identity.principal_of_token(secret))
    revoked, expired, other = principals
    ended = [(await library.webhooks.create(each, receiver.url, (), ""))[0] for each in (revoked, expired)]
    kept, _ = await library.webhooks.create(revoked, receiver.url, (), "")
    await library.webhooks.update(other, kept.id, description="moved to another token")
    await library.tokens.revoke(account.id, revoked.api_token_id)
    library.clock.advance(2 * 86400)
    assert await library.identity.delete_expired() >= 1
    assert ids(await library.webhooks.list_own(Principal(account.id, "user"))) == [kept.id]
    assert [await library.stores.webhooks.get(each.id) for each in ended] == [None, None]


async def test_webhooks_of_deleted_accounts_end_at_once(library: Library, receiver: WebhookReceiver) -> None:
    account = await library.account()
    owner, store = Principal(account.id, "user"), library.identity.store
    webhook, _ = await library.webhooks.create(owner, receiver.url, (), "")
    await store.deletions.add(AccountDeletion(account.id, library.clock.now()))
    await store.accounts.delete(account.id)
    assert await library.stores.webhooks.get(webhook.id) is None


async def test_webhooks_of_suspended_accounts_are_not_delivered(library: Library, receiver: WebhookReceiver) -> None:
    account = await library.account()
    owner = Principal(account.id, "user")
    webhook, _ = await library.webhooks.create(owner, receiver.url, (), "")
    await library.deliveries.send_test(owner, webhook.id)
    for status in ("suspended", "active"):
        await library.identity.store.change_account(account.id, lambda a, to=status: dataclasses.replace(a, status=to))  # type: ignore[misc]
        await polled(library)
        assert receiver.received == []
    await library.deliveries.send_test(owner, webhook.id)
    await polled(library)
    assert len(receiver.received) == 1


async def test_enqueueing_again_creates_no_duplicates(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    job = await finished(library)
    assert await library.deliveries.enqueue_finished_jobs() == 1
    # As after a crash between storing the deliveries and clearing the flag.
    assert await library.jobs.replace(dataclasses.replace(await library.now(job), webhooks_pending=True))
    assert await library.deliveries.enqueue_finished_jobs() == 1
    await sent(library, webhook, D)
    assert len(receiver.received) == 1


# ------------------------------------------------------------------------------------------------------------- secrets


async def test_both_secrets_sign_for_a_day_after_a_rotation(library: Library, receiver: WebhookReceiver) -> None:
    webhook, old = await library.webhooks.create(ANN, f"{receiver.url}/hook", (), "")
    _, young = await library.webhooks.rotate_secret(ANN, webhook.id)
    assert len(base64.b64decode(young.removeprefix("whsec_"))) == 32
    assert young != old
    async with running(library):
        for seconds, statuses in ((86399, [D]), (2, [D, D])):
            await library.deliveries.send_test(ANN, webhook.id)
            advance(library, seconds)
            await settled(library, webhook, *statuses)
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
    for changed, data in (({}, b" "), ({"webhook-id": "msg_2"}, b""), ({"webhook-timestamp": str(now + 1)}, b"")):
        assert not Received("/hook", headers | changed, body.encode() + data).verified(secrets[0])


async def test_an_unreadable_secret_fails_with_advice(
    library: Library, receiver: WebhookReceiver, policy: EgressPolicy
) -> None:
    webhook = await created(library, receiver)
    await finished(library)
    async with opened(library.folder, library.clock, policy, secret="x" * 32) as other:
        (entry,) = await sent(other, webhook, F)
        assert "Enter the secret again" in entry.error
        assert receiver.received == []
        _, secret = await other.webhooks.rotate_secret(ANN, webhook.id)
        await other.webhooks.update(ANN, webhook.id, enabled=True)
        other.clock.advance(86400)  # the unreadable previous secret has expired
        await other.deliveries.send_test(ANN, webhook.id)
        advance(other, 1)
        await sent(other, webhook, D, F)
    assert receiver.received[0].signed_by(secret) == [True]


def test_a_sealed_text_opens_only_for_its_purpose() -> None:
    sealer, other = Sealer(Secrets.of("k" * 32)), Sealer(Secrets.of("x" * 32))
    sealed = sealer.seal("whsec_ü", "one")
    assert sealer.open(sealed, "one") == "whsec_ü"
    assert sealed != sealer.seal("whsec_ü", "one")
    wrong = [(other, sealed, "one"), (sealer, sealed, "two")]
    for opening, text, purpose in wrong + [(sealer, t, "one") for t in (sealed[:-6] + "AAAA==", "v1.x", "whsec_", "")]:
        with pytest.raises(AppError) as error:
            opening.open(text, purpose)
        assert error.value.reason == "SECRET_UNREADABLE"


# ------------------------------------------------------------------------------------------------------------ delivery


async def test_failures_are_retried(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    receiver.answer_with([500, 302], Location=f"{receiver.url}/elsewhere")
    receiver.body = b"x" * 10_000
    await finished(library)
    begin = library.clock.time
    async with running(library):
        for attempt, (status, pause) in enumerate(((500, 5.0), (302, 30.0)), 1):
            await until(lambda attempt=attempt: len(receiver.received) == attempt)
            (entry,) = await settled(library, webhook, P)
            assert (entry.attempt_count, entry.response_status, len(entry.response_body)) == (attempt, status, 4096)
            assert str(status) in entry.error
            assert entry.due_time is not None
            assert 0.9 * pause <= entry.due_time - library.clock.time <= 1.1 * pause
            failing = await library.webhooks.get(ANN, webhook.id)
            assert (failing.fail_time, failing.enabled) == (begin, True)
            advance(library, 1.2 * pause)
        (entry,) = await settled(library, webhook, D)
    assert (entry.attempt_count, entry.error) == (3, "")
    assert (await library.webhooks.get(ANN, webhook.id)).fail_time is None
    assert len({(received.headers["webhook-id"], received.body) for received in receiver.received}) == 1
    assert len({received.headers["webhook-timestamp"] for received in receiver.received}) == 3
    assert receiver.to("/elsewhere") == []  # redirects are not followed


async def test_a_failing_webhook_is_disabled(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    receiver.answer_with([503] * 4)
    await finished(library)
    async with running(library):
        for attempt, pause in enumerate(RETRY_SECONDS, 1):
            await until(lambda attempt=attempt: len(receiver.received) == attempt)
            await settled(library, webhook, P)
            advance(library, 1.2 * pause)
        (entry,) = await settled(library, webhook, F)
        disabled = await library.webhooks.get(ANN, webhook.id)
        told = "No delivery succeeded in 4 attempts. The endpoint returned HTTP 503."
        assert (disabled.enabled, disabled.disabled_reason) == (False, told)
        assert (entry.attempt_count, entry.due_time) == (4, None)
        await finished(library)
        assert await library.deliveries.enqueue_finished_jobs() == 1
        assert len(await logged(library, webhook)) == 1
        assert await reason(library.deliveries.send_test(ANN, webhook.id)) == "WEBHOOK_DISABLED"
        assert await reason(library.deliveries.replay(ANN, entry.id)) == "WEBHOOK_DISABLED"
        enabled = await library.webhooks.update(ANN, webhook.id, enabled=True)
        assert (enabled.disabled_reason, enabled.fail_time) == ("", None)
        await library.deliveries.replay(ANN, entry.id)
        advance(library, 1)
        await settled(library, webhook, D)


async def test_a_success_in_between_keeps_the_webhook_enabled(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    receiver.answer_with([503, 204, 503, 503, 503])
    await finished(library)
    async with running(library):
        await until(lambda: len(receiver.received) == 1)
        await settled(library, webhook, P)
        library.clock.advance(1)
        await library.deliveries.send_test(ANN, webhook.id)
        advance(library, 1)
        await settled(library, webhook, D, P)
        for count, pause in enumerate(RETRY_SECONDS, 3):
            advance(library, 1.2 * pause)
            await until(lambda count=count: len(receiver.received) == count)
            await settled(library, webhook, D, P if count < 5 else F)
    assert (await library.webhooks.get(ANN, webhook.id)).enabled


async def test_http_410_disables_the_webhook(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    receiver.answer_with([410])
    await finished(library)
    (entry,) = await sent(library, webhook, F)
    gone = await library.webhooks.get(ANN, webhook.id)
    assert (gone.enabled, gone.disabled_reason) == (False, "The endpoint returned HTTP 410 (Gone).")
    assert (entry.attempt_count, entry.response_status) == (1, 410)


async def test_a_disabled_webhook_receives_no_pending_deliveries(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    await library.deliveries.send_test(ANN, webhook.id)
    await library.webhooks.update(ANN, webhook.id, enabled=False)
    advance(library, 1)
    (entry,) = await sent(library, webhook, F)
    assert (entry.error, receiver.received) == ("The webhook is disabled.", [])


async def test_a_replay_has_the_same_id_and_body(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    await finished(library)
    with holding(receiver) as held:
        async with running(library):
            await until(receiver.waiting.is_set)
            (entry,) = await logged(library, webhook)
            assert await reason(library.deliveries.replay(ANN, entry.id)) == "DELIVERY_UNDERWAY"
            held.set()
            await settled(library, webhook, D)
            assert await reason(library.deliveries.replay(BOB, entry.id)) == "DELIVERY_NOT_FOUND"
            assert (await library.deliveries.replay(ANN, entry.id)).status is P
            advance(library, 100)
            await until(lambda: len(receiver.received) == 2)
            await settled(library, webhook, D)
    first, second = receiver.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


async def test_a_library_sends_one_message_at_a_time_and_in_order(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    job_ids = [(await finished(library)).id]
    await library.deliveries.enqueue_finished_jobs()
    with holding(receiver) as held:
        async with running(library):
            await until(receiver.waiting.is_set)
            for _ in range(5):
                job_ids.append((await finished(library)).id)
                await library.deliveries.enqueue_finished_jobs()
            await library.dispatcher._start_due_attempts()  # while the first message is being sent
            held.set()
            await settled(library, webhook, *[D] * 6)
    assert receiver.most_at_once == 1
    assert [received.message["data"]["id"] for received in receiver.received] == job_ids


async def test_the_claim_of_a_dead_dispatcher_expires(library: Library, receiver: WebhookReceiver) -> None:
    webhook, table = await created(library, receiver), library.stores.webhooks.deliveries
    await finished(library)
    await library.deliveries.enqueue_finished_jobs()
    (stored,) = await table.find({})
    await table.replace(dataclasses.replace(stored, underway=True, due_time=library.clock.now() + 60.0))
    advance(library, 59)
    await polled(library)
    assert receiver.received == []
    advance(library, 1)
    await sent(library, webhook, D)


async def test_job_events_wake_the_dispatcher(
    library: Library, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundwright.services.library.webhooks.dispatcher._POLL_SECONDS", 3600.0)
    webhook, job = await created(library, receiver), await library.running()
    async with running(library):
        await until(lambda: not library.dispatcher._wake.is_set())
        await library.ledger.succeed(job.id, 1, result("vocals"), [])
        library.dispatcher.on_event("soundwright.evt.separation.v1.job.progressed", b"")
        assert not library.dispatcher._wake.is_set()
        library.dispatcher.on_event("soundwright.evt.separation.v1.job.succeeded", b"")
        await settled(library, webhook, D)


async def test_a_slow_endpoint_with_a_long_backlog_delays_only_itself(
    library: Library, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundwright.services.library.webhooks.dispatcher._BATCH_SIZE", 2)
    slow = await created(library, receiver)
    with WebhookReceiver() as swift, holding(receiver) as held:
        async with opened(library.folder, library.clock, EgressPolicy([receiver.address, swift.address])) as both:
            for _ in range(7):
                await both.deliveries.send_test(ANN, slow.id)
            both.clock.advance(1)
            other = await created(both, swift)
            await both.deliveries.send_test(ANN, other.id)
            async with running(both):
                await settled(both, other, D)
                assert len(receiver.received) == 1
                held.set()
                await settled(both, slow, *[D] * 7)
    assert receiver.most_at_once == 1


# ----------------------------------------------------------------------------------------------------------- addresses


async def test_a_host_that_becomes_private_is_refused_at_delivery(tmp_path: Path) -> None:
    answers = ["93.184.215.14"]

    async def resolver(host: str, port: int) -> Sequence[str]:
        return answers

    async with opened(tmp_path, None, EgressPolicy(resolver=resolver)) as library:
        webhook, _ = await library.webhooks.create(ANN, "https://hooks.example:8443/", (), "")
        answers[:] = ["127.0.0.1"]
        entry = await failed_attempt(library, webhook)
    assert (entry.status, entry.response_status) == (P, 0)
    assert entry.error.startswith("The address is not a public web server")


async def test_connection_errors_do_not_reveal_the_url(
    library: Library, receiver: WebhookReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    webhook = await created(library, receiver, "/hook?token=tellnobody")
    receiver._server.server_close()
    assert (await failed_attempt(library, webhook)).error == "The endpoint refused or closed the connection."
    output = "".join(capsys.readouterr())
    assert "webhook.attempted" in output
    assert "tellnobody" not in output


async def test_an_untrusted_certificate_is_refused(library: Library, receiver: WebhookReceiver, tmp_path: Path) -> None:
    issued = Authority(tmp_path / "ca").certificates("receiver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert_file, issued.key_file)
    receiver._server.socket = context.wrap_socket(receiver._server.socket, server_side=True)
    webhook, _ = await library.webhooks.create(ANN, receiver.url.replace("http:", "https:"), (), "")
    assert (await failed_attempt(library, webhook)).error == "The TLS certificate of the endpoint is not trusted."
    assert receiver.received == []


HOST = "https://93.184.215.14"
REFUSED = (
    "https://127.0.0.1/hook", "https://[::1]/hook", "https://169.254.169.254/latest", "https://2130706433/",
    f"{HOST}:25/",
)  # fmt: skip
INVALID = (
    "http://93.184.215.14/hook", "ftp://93.184.215.14/hook", "https://user:secret@93.184.215.14/", f"{HOST}/#part",
    f"{HOST}/a b", f"{HOST}/\r\nX: y", "https://häuser.example/", f"{HOST}:99999/", "https:///hook", "hook", "",
    f"{HOST}/{'x' * 2000}",
)  # fmt: skip


async def test_invalid_urls_are_refused(library: Library) -> None:
    good, _ = await library.webhooks.create(ANN, f"{HOST}/", (), "")
    for urls, expected in ((REFUSED, "ADDRESS_REFUSED"), (INVALID, "VALIDATION_ERROR")):
        for url in urls:
            assert await reason(library.webhooks.create(ANN, url, (), "")) == expected, url
            assert await reason(library.webhooks.update(ANN, good.id, url=url)) == expected, url
    assert [webhook.url for webhook in await library.webhooks.list_own(ANN)] == [f"{HOST}/"]


# -------------------------------------------------------------------------------------------------- endpoints, the log


async def test_webhooks_of_other_accounts_are_not_found(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    for call in (
        library.webhooks.get(BOB, webhook.id),
        library.webhooks.update(BOB, webhook.id, enabled=False),
        library.webhooks.delete(BOB, webhook.id),
        library.webhooks.rotate_secret(BOB, webhook.id),
        library.deliveries.send_test(BOB, webhook.id),
        library.deliveries.list_deliveries(BOB, webhook.id, 0, 10),
    ):
        assert await reason(call) == "WEBHOOK_NOT_FOUND"
    assert await library.webhooks.list_own(BOB) == []
    (listed,) = await library.webhooks.list_own(ANN)
    assert listed == dataclasses.replace(webhook, slot=listed.slot, owner_epoch=0, revision=1)
    assert await reason(library.webhooks.create(Principal("anon:1", "anonymous"), "x", (), "")) != ""


async def test_events_are_validated(library: Library, receiver: WebhookReceiver) -> None:
    webhook = await created(library, receiver)
    assert webhook.events == ["*"]
    events = ["ping", "job.completed", "ping"]
    changed = await library.webhooks.update(ANN, webhook.id, events=events, description="new")
    assert (changed.events, changed.description, changed.url) == (["job.completed", "ping"], "new", webhook.url)
    assert (await library.webhooks.update(ANN, webhook.id, events=["*", "ping"])).events == ["*"]
    assert await reason(library.webhooks.update(ANN, webhook.id, events=["job.started"])) == "VALIDATION_ERROR"


async def test_the_delivery_log_is_trimmed(
    library: Library, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, table = await created(library, receiver), library.stores.webhooks.deliveries
    for n in range(5):
        library.clock.advance(1)
        await library.deliveries.send_test(ANN, webhook.id)
        (newest, *_) = await logged(library, webhook)
        if n != 1:  # one remains pending
            await table.replace(dataclasses.replace(newest, status=D, due_time=None))
    monkeypatch.setattr("soundwright.services.library.webhooks.deliveries._LOG_LIMIT", 3)
    library.clock.advance(1)
    await library.deliveries.send_test(ANN, webhook.id)
    assert [entry.status for entry in await logged(library, webhook)] == [P, D, P]  # the pending delivery was kept
    await library.webhooks.delete(ANN, webhook.id)
    assert await reason(library.webhooks.get(ANN, webhook.id)) == "WEBHOOK_NOT_FOUND"
    assert await table.count({}) == 0
