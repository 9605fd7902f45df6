"""Two library processes on one store: each limit holds, and each effect happens once."""

import asyncio
import contextlib
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from soundwright.kit import rpc
from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.worker.commands import command_subject
from soundwright.library.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    job_pb2,
    library_service_pb2,
    library_service_pb2_grpc,
    webhook_service_pb2,
    webhook_service_pb2_grpc,
)
from tests.servers import free_ports
from tests.servers.mongodb import database_url, mongodb
from tests.servers.nats import NatsServer
from tests.signers import SECRET, signer_of
from tests.simulators.smtp import SmtpSink
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.waiting import eventually, until

ROOT = Path(__file__).parents[2]
ADMIN = "boss@localhost"
LAST_EMAIL = "last@example.org"
ROUNDS = 2


class Libraries:
    """The two processes, and connections to each of them."""

    def __init__(self, folder: Path, addresses: list[str], outputs: list[Path], sink: SmtpSink) -> None:
        self.folder = folder
        self.outputs = outputs
        self.sink = sink
        self._addresses = addresses
        self.channels: list[grpc.aio.Channel] = []
        self.worker_channels: list[grpc.aio.Channel] = []

    async def __aenter__(self) -> "Libraries":
        def connect(component: str) -> list[grpc.aio.Channel]:
            return [rpc.connect("library", address, signer_of(component), 60.0) for address in self._addresses]

        self.channels, self.worker_channels = connect("gateway"), connect("separation")
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in (*self.channels, *self.worker_channels):
            await channel.close()

    def stubs(self, kind: Callable[[Any], Any]) -> list[Any]:
        return [kind(channel) for channel in self.channels]

    @property
    def jobs(self) -> list[Any]:
        """The stubs of a worker, which creates jobs for accounts and runs them."""
        return [library_service_pb2_grpc.JobServiceStub(channel) for channel in self.worker_channels]


def _environment(
    folder: Path, number: int, address: str, docs_url: str, nats_url: str, smtp_url: str
) -> dict[str, str]:
    own = {
        "DATA_DIR": str(folder / f"host{number}"),
        "DOCS_URL": docs_url,
        "BLOBS_URL": f"file://{folder / 'blobs'}",
        "NATS_URL": nats_url,
        "SECRET": SECRET,
        "LIBRARY_ADDR": address,
        "GRPC_BIND": address,
        "ADMIN_EMAIL": ADMIN,
        "SWEEP_SECONDS": "0.2",
        "LOST_COMMAND_SECONDS": "1",
        "SMTP_URL": smtp_url,
        "ATTEMPTS_PER_ADDRESS": "10000",
        "FETCH_ALLOW_HOSTS": "127.0.0.1",
    }
    return os.environ | {f"SOUNDWRIGHT_{name}": value for name, value in own.items()}


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, nats_of_module: str
) -> Iterator[Libraries]:
    """Both processes of an empty platform, started at the same moment."""
    folder = tmp_path_factory.mktemp("libraries")
    docs_url = f"sqlite://{folder / 'library.db'}"
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    outputs = [folder / f"output{number}" for number in range(2)]
    with contextlib.ExitStack() as stack:
        if request.param == "mongodb":
            server = stack.enter_context(mongodb(folder / "mongodb"))
            docs_url = database_url(server, f"replicas{uuid.uuid4().hex[:12]}")
        sink = stack.enter_context(SmtpSink())
        processes = []
        for number, (address, output) in enumerate(zip(addresses, outputs, strict=True)):
            environment = _environment(folder, number, address, docs_url, nats_of_module, sink.url)
            file = stack.enter_context(output.open("wb"))
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "soundwright.services", "library"],
                    env=environment, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
                )
            )  # fmt: skip
        try:

            def ready() -> bool:
                texts = [output.read_text() for output in outputs]
                assert all(process.poll() is None for process in processes), texts
                return all("component.ready" in text for text in texts)

            eventually(ready, "both libraries are ready")
            yield Libraries(folder, addresses, outputs, sink)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(120)


@pytest.fixture(scope="module")
def nats_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of these libraries alone, because they publish lost commands."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    asyncio.run(server.start())
    yield server.url
    server.kill()


@pytest_asyncio.fixture
async def libraries(running: Libraries) -> AsyncIterator[Libraries]:
    async with running:
        yield running


def _owner() -> Principal:
    return Principal(str(uuid.uuid4()), "user")


def _request(**fields: Any) -> library_service_pb2.CreateJobRequest:
    return library_service_pb2.CreateJobRequest(
        **{
            "kind": job_pb2.JOB_KIND_GENERATION,
            "attempt_limit": 3,
            "queue": "replicas",
            "job_id": str(uuid.uuid4()),
            **fields,
        }
    )


async def _at_once(
    principal: Principal | None, calls: list[Callable[[], Awaitable[Any]]]
) -> tuple[list[Any], Counter[str]]:
    """Make all calls at once, for an account or for the component itself. Return the answers, and the reasons of refusals with their number."""
    with principal_scope(principal):
        outcomes = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    unexpected = [each for each in outcomes if isinstance(each, BaseException) and not isinstance(each, AppError)]
    assert not unexpected
    refusals = Counter(each.reason for each in outcomes if isinstance(each, AppError))
    return [each for each in outcomes if not isinstance(each, AppError)], refusals


async def _claimed(libraries: Libraries, names: list[str]) -> list[str]:
    """Claim once for each command, all at once. Return the ids of the claimed jobs."""

    async def claim(number: int, name: str) -> str:
        request = library_service_pb2.ClaimJobRequest(job_id=name, worker_id=f"w{number}", lease_seconds=600.0)
        # On a busy machine, the sweeper publishes a job again in the meantime, and it is due a moment later.
        while not (answer := await libraries.jobs[number % 2].ClaimJob(request)).claimed:
            assert 0.0 < answer.retry_after_seconds < 60.0
        claimed: str = answer.job.id
        return claimed

    claimed, refusals = await _at_once(None, [lambda n=n, name=name: claim(n, name) for n, name in enumerate(names)])
    assert not refusals
    return claimed


async def test_the_first_start_creates_one_administrator(libraries: Libraries) -> None:
    printed = [output.read_text().count("First start: the administrator is") for output in libraries.outputs]
    assert sorted(printed) == [0, 1]
    tokens = [(libraries.folder / f"host{number}" / "admin-token").read_text().strip() for number in range(2)]
    found = set()
    for stub in libraries.stubs(library_service_pb2_grpc.AccountServiceStub):
        for token in tokens:
            answer = await stub.AuthenticateToken(library_service_pb2.AuthenticateTokenRequest(token=token))
            found.add((answer.account.email, answer.account.role))
    assert found == {(ADMIN, "super_admin")}


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("pending_limit", "TOO_MANY_PENDING"), ("hourly_limit", "HOURLY_LIMIT"), ("queue_limit", "QUEUE_FULL")],
)
async def test_job_limits_hold_however_the_requests_race(libraries: Libraries, limit: str, reason: str) -> None:
    # Other tests use another kind, since the queue is limited for all callers together.
    kind = {"queue_limit": job_pb2.JOB_KIND_PIPELINE}.get(limit, job_pb2.JOB_KIND_GENERATION)
    for _ in range(ROUNDS):
        owner = _owner()
        requests = [_request(kind=kind, **{limit: 3}) for _ in range(10)]
        calls = [lambda n=n, r=r: libraries.jobs[n % 2].CreateJob(r) for n, r in enumerate(requests)]
        made, refusals = await _at_once(owner, calls)
        assert (len(made), refusals) == (3, {reason: 7})
        with principal_scope(owner):
            for answer in made:
                await libraries.jobs[0].CancelJob(library_service_pb2.CancelJobRequest(job_id=answer.job.id))


async def test_a_repeated_request_creates_one_job(libraries: Libraries) -> None:
    for number in range(ROUNDS):
        requests = [_request(idempotency_key=f"key{number}", hourly_limit=50) for _ in range(6)]
        calls = [lambda n=n, r=r: libraries.jobs[n % 2].CreateJob(r) for n, r in enumerate(requests)]
        made, refusals = await _at_once(_owner(), calls)
        assert not refusals
        assert len({answer.job.id for answer in made}) == 1
        assert sorted(answer.existed for answer in made) == [False] + [True] * 5


def _batch(size: int, key: str = "", **fields: Any) -> library_service_pb2.CreateBatchRequest:
    common = {
        "kind": job_pb2.JOB_KIND_ANALYSIS,
        "attempt_limit": 3,
        "queue": f"batches{uuid.uuid4().hex[:8]}",
        **fields,
    }
    jobs = [library_service_pb2.CreateJobRequest(job_id=str(uuid.uuid4()), **common) for _ in range(size)]
    return library_service_pb2.CreateBatchRequest(jobs=jobs, idempotency_key=key)


async def test_batches_fit_into_a_limit_as_a_whole_or_not_at_all(libraries: Libraries) -> None:
    for _ in range(ROUNDS):
        owner = _owner()
        requests = [_batch(3, pending_limit=7) for _ in range(6)]
        calls = [lambda n=n, r=r: libraries.jobs[n % 2].CreateBatch(r) for n, r in enumerate(requests)]
        made, refusals = await _at_once(owner, calls)
        assert (len(made), refusals) == (2, {"TOO_MANY_PENDING": 4})
        with principal_scope(owner):
            listed = await libraries.jobs[0].ListJobs(library_service_pb2.ListJobsRequest(page_size=100))
        assert Counter(job.kind for job in listed.jobs) == {job_pb2.JOB_KIND_BATCH: 2, job_pb2.JOB_KIND_ANALYSIS: 6}


async def test_a_batch_that_is_requested_repeatedly_has_each_job_once_and_ends_once(libraries: Libraries) -> None:
    for number in range(ROUNDS):
        owner, size = _owner(), 5
        queue = f"batches{uuid.uuid4().hex[:8]}"
        requests = [_batch(size, queue=queue, key=f"batch{number}") for _ in range(4)]
        calls = [lambda n=n, r=r: libraries.jobs[n % 2].CreateBatch(r) for n, r in enumerate(requests)]
        made, refusals = await _at_once(owner, calls)
        assert not refusals
        assert sorted(answer.existed for answer in made) == [False] + [True] * 3
        assert len({answer.batch.id for answer in made}) == 1
        names = [job.id for job in made[0].jobs]
        assert {tuple(job.id for job in answer.jobs) for answer in made} == {tuple(names)}
        assert sorted(await _claimed(libraries, names)) == sorted(names)
        failed = job_pb2.JobError(reason="TEST", message="It ends.")
        ends = [library_service_pb2.FailJobRequest(job_id=name, attempt=1, error=failed) for name in names[1:]]
        done = job_pb2.JobResult(engine="e", model="m")
        succeeded = library_service_pb2.SucceedJobRequest(job_id=names[0], attempt=1, result=done)
        outcomes = [lambda n=n, r=r: libraries.jobs[n % 2].FailJob(r) for n, r in enumerate(ends)]
        _, refusals = await _at_once(None, [lambda s=succeeded: libraries.jobs[0].SucceedJob(s), *outcomes])
        assert not refusals
        with principal_scope(owner):
            asked = library_service_pb2.GetJobRequest(job_id=made[0].batch.id)
            first, second = [(await stub.GetJob(asked)).job for stub in libraries.jobs]
        assert first == second
        assert first.state == job_pb2.JOB_STATE_SUCCEEDED
        counts = first.batch
        assert (counts.total_count, counts.completed_count, counts.failed_count) == (size, 1, size - 1)


async def test_an_account_has_ten_webhooks_and_a_hundred_playlists_at_most(libraries: Libraries) -> None:
    webhooks = libraries.stubs(webhook_service_pb2_grpc.WebhookServiceStub)
    wanted = webhook_service_pb2.CreateWebhookRequest(url="http://127.0.0.1:9/")
    made, refusals = await _at_once(_owner(), [lambda n=n: webhooks[n % 2].CreateWebhook(wanted) for n in range(16)])
    assert (len(made), refusals) == (10, {"WEBHOOK_LIMIT": 6})
    catalogs = libraries.stubs(catalog_service_pb2_grpc.CatalogServiceStub)
    playlist = catalog_service_pb2.CreatePlaylistRequest(name="mine")
    made, refusals = await _at_once(
        _owner(), [lambda n=n: catalogs[n % 2].CreatePlaylist(playlist) for n in range(106)]
    )
    assert (len(made), refusals) == (100, {"TOO_MANY_PLAYLISTS": 6})


async def test_each_job_is_claimed_once_and_each_end_is_delivered_once(libraries: Libraries) -> None:
    owner, queue = _owner(), f"claims{uuid.uuid4().hex[:8]}"
    with WebhookReceiver() as receiver:
        with principal_scope(owner):
            wanted = webhook_service_pb2.CreateWebhookRequest(url=f"{receiver.url}/hook")
            webhooks = libraries.stubs(webhook_service_pb2_grpc.WebhookServiceStub)[0]
            webhook_id = (await webhooks.CreateWebhook(wanted)).webhook.id
        requests = [_request(queue=queue) for _ in range(8)]
        made, _ = await _at_once(
            owner, [lambda n=n, r=r: libraries.jobs[n % 2].CreateJob(r) for n, r in enumerate(requests)]
        )
        names = [answer.job.id for answer in made]

        assert sorted(await _claimed(libraries, names)) == sorted(names)

        def fail(number: int, name: str) -> Awaitable[Any]:
            error = job_pb2.JobError(reason="TEST", message="It ends.")
            answer: Awaitable[Any] = libraries.jobs[number % 2].FailJob(
                library_service_pb2.FailJobRequest(job_id=name, attempt=1, error=error)
            )
            return answer

        _, refusals = await _at_once(None, [lambda n=n, name=name: fail(n, name) for n, name in enumerate(names)])
        assert not refusals
        listing = webhook_service_pb2.ListWebhookDeliveriesRequest(webhook_id=webhook_id, page=1, page_size=50)

        async def delivered() -> list[Any]:
            log = (await webhooks.ListWebhookDeliveries(listing)).deliveries
            done = webhook_service_pb2.WEBHOOK_DELIVERY_STATUS_DELIVERED
            found = [each for each in log if each.status == done]
            return found if len(found) >= len(names) else []

        with principal_scope(owner):
            entries = await until(delivered, "all ends are delivered")
        assert {each.attempt_count for each in entries} == {1}
        assert receiver.most_at_once == 1
        told = Counter(request.headers["webhook-id"] for request in receiver.received)
        assert set(told.values()) == {1}
        assert len(told) == len(names)


async def test_each_email_is_sent_once(libraries: Libraries) -> None:
    accounts = libraries.stubs(library_service_pb2_grpc.AccountServiceStub)
    emails = [f"user{number}.{uuid.uuid4().hex[:8]}@example.org" for number in range(2)]
    for email in [*emails, LAST_EMAIL]:
        wanted = library_service_pb2.RegisterRequest(email=email, password="a long enough one", ip_address="192.0.2.1")
        _, refusals = await _at_once(None, [lambda n=n, w=wanted: accounts[n].Register(w) for n in range(2)])
        assert not refusals
    # One of the two requests creates the account, and the other one sends the notice that it exists.
    await until(lambda: len(_mails(libraries, [*emails, LAST_EMAIL])) >= 2 * len(emails) + 2)
    assert set(_mails(libraries, emails).values()) == {1}


async def test_the_sweepers_publish_each_lost_command(libraries: Libraries, nats_of_module: str) -> None:
    queue = f"lost{uuid.uuid4().hex[:8]}"
    requests = [_request(queue=queue) for _ in range(10)]  # only the services that run jobs publish commands
    await _at_once(_owner(), [lambda n=n, r=r: libraries.jobs[n % 2].CreateJob(r) for n, r in enumerate(requests)])
    bus = await NatsBus.connect(nats_of_module, name="test")
    try:

        async def published() -> bool:
            return await bus.backlog(command_subject(queue)) >= 10

        await until(published, "all commands are published")
    finally:
        await bus.close()


def _mails(libraries: Libraries, emails: list[str]) -> Counter[tuple[str, str]]:
    return Counter(
        (mail.recipients[0], mail.message["subject"])
        for mail in list(libraries.sink.mails)
        if mail.recipients[0] in emails
    )
