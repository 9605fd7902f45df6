"""Calls to a component with several replicas: they are spread, they avoid replicas that do not serve, and a broken
connection repeats only calls that may be repeated, a bounded number of times."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import dns.message
import dns.rdatatype
import dns.rrset
import grpc
import pytest

import soundwright.kit.rpc.server
from soundwright.ingest.v1 import ingest_service_pb2 as ingest_pb
from soundwright.kit import errors, rpc
from soundwright.kit.errors import AppError
from soundwright.kit.rpc.client import _CallingChannel, removes, repeatable
from soundwright.kit.rpc.transport import DelegatingChannel
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.library.v1 import webhook_service_pb2 as pb
from soundwright.library.v1 import webhook_service_pb2_grpc as pb_grpc
from soundwright.separation.v1 import separation_service_pb2
from tests.servers import free_ports
from tests.servers.fault_proxy import FaultProxy, Proxy, fault_proxy
from tests.signers import plain_signer, signer_of
from tests.waiting import until

ANN = Principal("ann", "user")


class Replica(pb_grpc.WebhookServiceServicer):
    """One server, which counts its calls and answers them when ``open`` is set, after their effect on ``webhooks``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.call_count = 0
        self.clients: set[str] = set()
        self.webhooks: set[str] = set()
        self.called = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.server = rpc.RpcServer(address, plain_signer("library"))
        pb_grpc.add_WebhookServiceServicer_to_server(self, self.server.server)

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: rpc.Context) -> pb.ListWebhooksResponse:
        self.clients.add(context.peer())
        await self._arrive()
        return pb.ListWebhooksResponse()

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: rpc.Context) -> pb.CreateWebhookResponse:
        await self._arrive()
        return pb.CreateWebhookResponse()

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: rpc.Context) -> pb.GetWebhookResponse:
        self._require(request.webhook_id)
        await self._arrive()
        return pb.GetWebhookResponse()

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: rpc.Context) -> pb.DeleteWebhookResponse:
        self._require(request.webhook_id)
        self.webhooks.remove(request.webhook_id)
        await self._arrive()
        return pb.DeleteWebhookResponse()

    def _require(self, webhook_id: str) -> None:
        if webhook_id not in self.webhooks:
            raise errors.WEBHOOK_NOT_FOUND()

    async def _arrive(self) -> None:
        self.call_count += 1
        self.called.set()
        await self.open.wait()


@contextlib.asynccontextmanager
async def replicas(*addresses: str) -> AsyncIterator[list[Replica]]:
    started = [Replica(address) for address in addresses]
    for replica in started:
        await replica.server.start()
    try:
        yield started
    finally:
        for replica in started:
            replica.open.set()
            await replica.server.stop(0)


@contextlib.asynccontextmanager
async def calling(target: str) -> AsyncIterator[pb_grpc.WebhookServiceStub]:
    channel = rpc.connect("library", target, plain_signer("gateway"), timeout_seconds=30.0)
    try:
        with principal_scope(ANN):
            yield pb_grpc.WebhookServiceStub(channel)
    finally:
        await channel.close()


def local_addresses(count: int) -> list[str]:
    return [f"127.0.0.1:{port}" for port in free_ports(count)]


async def until_used(stub: pb_grpc.WebhookServiceStub, used: list[Replica]) -> None:
    before = [replica.call_count for replica in used]

    async def are_used() -> bool:
        await stub.ListWebhooks(pb.ListWebhooksRequest())
        return all(replica.call_count > count for replica, count in zip(used, before, strict=True))

    await until(are_used)


async def until_alone(stub: pb_grpc.WebhookServiceStub, alone: Replica, others: list[Replica]) -> None:
    """Call until ``alone`` has answered ten calls in a row."""

    async def is_alone() -> bool:
        before = [replica.call_count for replica in others]
        for _ in range(10):
            await stub.ListWebhooks(pb.ListWebhooksRequest())
        return [replica.call_count for replica in others] == before

    await until(is_alone)


async def test_channels_share_no_connection() -> None:
    """gRPC can crash if channels share one: both may begin to watch the health of its server at the same moment."""
    async with (
        replicas(*local_addresses(1)) as [replica],
        calling(replica.address) as one,
        calling(replica.address) as two,
    ):
        await one.ListWebhooks(pb.ListWebhooksRequest())
        await one.ListWebhooks(pb.ListWebhooksRequest())
        assert len(replica.clients) == 1
        await two.ListWebhooks(pb.ListWebhooksRequest())
        assert len(replica.clients) == 2


async def test_calls_take_turns_among_all_replicas() -> None:
    addresses = local_addresses(2)
    async with replicas(*addresses) as both, calling(f"ipv4:{','.join(addresses)}") as stub:
        await until_used(stub, both)
        before = Counter({replica.address: replica.call_count for replica in both})
        for _ in range(20):
            await stub.ListWebhooks(pb.ListWebhooksRequest())
        after = Counter({replica.address: replica.call_count for replica in both})
        assert after - before == dict.fromkeys(addresses, 10)


async def test_a_replica_that_is_not_serving_gets_no_calls_until_it_serves_again() -> None:
    addresses = local_addresses(2)
    async with replicas(*addresses) as (drained, other), calling(f"ipv4:{','.join(addresses)}") as stub:
        await until_used(stub, [drained, other])
        await drained.server.set_serving(False)
        await until_alone(stub, other, [drained])
        await drained.server.set_serving(True)
        await until_used(stub, [drained])


async def test_calls_go_to_the_other_replica_after_one_has_stopped() -> None:
    addresses = local_addresses(2)
    async with replicas(*addresses) as (stopped, other), calling(f"ipv4:{','.join(addresses)}") as stub:
        await until_used(stub, [stopped, other])
        await stopped.server.stop(0)
        for _ in range(10):
            await stub.ListWebhooks(pb.ListWebhooksRequest())
        async with replicas(stopped.address) as (successor,):
            await until_used(stub, [successor, other])


@pytest.mark.parametrize(("repeatable", "notice_seconds"), [(False, 2.0), (True, 0.0)])
async def test_calls_succeed_while_a_replica_stops(
    repeatable: bool, notice_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without notice, a stopping server cancels calls that arrive: they must be repeated."""
    monkeypatch.setattr(soundwright.kit.rpc.server, "_NOTICE_SECONDS", notice_seconds)
    addresses = local_addresses(2)
    over = asyncio.Event()
    async with replicas(*addresses) as (stopped, other), calling(f"ipv4:{','.join(addresses)}") as stub:

        async def call_without_pause() -> None:
            while not over.is_set():
                if repeatable:
                    await stub.ListWebhooks(pb.ListWebhooksRequest())
                else:
                    await stub.CreateWebhook(pb.CreateWebhookRequest())

        callers = [asyncio.create_task(call_without_pause()) for _ in range(20)]
        await until_used(stub, [stopped, other])
        await stopped.server.stop(10)
        await until_used(stub, [other])
        over.set()
        await asyncio.gather(*callers)


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultProxy]:
    with fault_proxy() as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def behind_proxies(faults: FaultProxy) -> AsyncIterator[tuple[pb_grpc.WebhookServiceStub, dict[Proxy, Replica]]]:
    """Yield a stub of two replicas, each behind a proxy, that both hold their next calls."""
    addresses = local_addresses(2)
    proxies = [faults.proxy(address) for address in addresses]
    target = f"ipv4:{','.join(proxy.address for proxy in proxies)}"
    async with replicas(*addresses) as both, calling(target) as stub:
        await until_used(stub, both)
        for replica in both:
            replica.called.clear()
            replica.open.clear()
        yield stub, dict(zip(proxies, both, strict=True))


async def reached(behind: dict[Proxy, Replica]) -> tuple[Proxy, Replica]:
    called = await until(lambda: [pair for pair in behind.items() if pair[1].called.is_set()])
    return called[0]


def share_webhooks(behind: dict[Proxy, Replica], *webhook_ids: str) -> set[str]:
    """Give both replicas the same webhooks."""
    webhooks = set(webhook_ids)
    for replica in behind.values():
        replica.webhooks = webhooks
    return webhooks


async def test_a_call_that_may_be_repeated_is_answered_by_the_other_replica(faults: FaultProxy) -> None:
    async with behind_proxies(faults) as (stub, behind):
        call = asyncio.ensure_future(stub.ListWebhooks(pb.ListWebhooksRequest()))
        proxy, held = await reached(behind)
        (other,) = (replica for replica in behind.values() if replica is not held)
        other.open.set()
        proxy.cut()
        assert await call == pb.ListWebhooksResponse()
        assert other.called.is_set()


async def test_a_call_that_must_not_be_repeated_fails_with_a_sentence(faults: FaultProxy) -> None:
    async with behind_proxies(faults) as (stub, behind):
        call = asyncio.ensure_future(stub.CreateWebhook(pb.CreateWebhookRequest()))
        proxy, held = await reached(behind)
        (other,) = (replica for replica in behind.values() if replica is not held)
        other.open.set()
        proxy.cut()
        with pytest.raises(AppError) as error:
            await call
        assert error.value.reason == "SERVICE_UNAVAILABLE"
        assert not other.called.is_set()


async def test_a_removal_that_is_repeated_after_its_effect_succeeds(faults: FaultProxy) -> None:
    async with behind_proxies(faults) as (stub, behind):
        webhooks = share_webhooks(behind, "mine")
        call = asyncio.ensure_future(stub.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id="mine")))
        proxy, _ = await reached(behind)
        assert webhooks == set()
        proxy.cut()
        assert await call == pb.DeleteWebhookResponse()


async def test_a_removal_that_is_not_repeated_reports_what_does_not_exist() -> None:
    (address,) = local_addresses(1)
    async with replicas(address), calling(address) as stub:
        with pytest.raises(AppError) as error:
            await stub.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id="mine"))
        assert error.value.reason == "WEBHOOK_NOT_FOUND"


async def test_a_repeated_read_reports_what_does_not_exist(faults: FaultProxy) -> None:
    async with behind_proxies(faults) as (stub, behind):
        webhooks = share_webhooks(behind, "mine")
        call = asyncio.ensure_future(stub.GetWebhook(pb.GetWebhookRequest(webhook_id="mine")))
        proxy, _ = await reached(behind)
        webhooks.clear()
        proxy.cut()
        with pytest.raises(AppError) as error:
            await call
        assert error.value.reason == "WEBHOOK_NOT_FOUND"


def test_the_contracts_say_which_calls_may_be_repeated() -> None:
    service = "/soundwright.library.v1.WebhookService"
    assert repeatable(f"{service}/ListWebhooks", pb.ListWebhooksRequest())
    assert repeatable(f"{service}/DeleteWebhook", pb.DeleteWebhookRequest())
    assert not repeatable(f"{service}/CreateWebhook", pb.CreateWebhookRequest())
    assert removes(f"{service}/DeleteWebhook")
    assert not removes(f"{service}/UpdateWebhook")


def test_the_creation_of_a_job_is_repeated_only_with_an_idempotency_key() -> None:
    method = "/soundwright.separation.v1.SeparationService/CreateJob"
    assert not repeatable(method, separation_service_pb2.CreateJobRequest(track_id="t"))
    assert repeatable(method, separation_service_pb2.CreateJobRequest(track_id="t", idempotency_key="k"))


async def test_new_addresses_of_a_name_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    aged = {**dict(soundwright.kit.rpc.server.SERVER_OPTIONS), "grpc.max_connection_age_ms": 500}
    monkeypatch.setattr(soundwright.kit.rpc.server, "SERVER_OPTIONS", tuple(aged.items()))
    (port,) = free_ports(1)
    async with (
        names() as (name_server, addresses),
        replicas(f"127.0.0.2:{port}", f"127.0.0.3:{port}") as (first, second),
    ):
        addresses.append("127.0.0.2")
        async with calling(f"dns://{name_server}/library.test:{port}") as stub:
            await until_used(stub, [first])
            assert second.call_count == 0
            addresses.append("127.0.0.3")
            await until_used(stub, [second])
            await until_used(stub, [first])


class _NameServer(asyncio.DatagramProtocol):
    """Answers every query for an IPv4 address with the current list."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        question = query.question[0]
        if question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 1, "IN", "A", *self._addresses))
        self._transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def names() -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the address of a name server and the list of addresses that it answers."""
    addresses: list[str] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _NameServer(addresses), local_addr=("127.0.0.1", 0))
    try:
        host, port = transport.get_extra_info("sockname")
        yield f"{host}:{port}", addresses
    finally:
        transport.close()


SERVICE = "/soundwright.ingest.v1.IngestService"


@pytest.mark.parametrize(
    ("method", "request_message", "attempts"),
    [
        ("FinishUpload", ingest_pb.FinishUploadRequest(), 1),
        ("FinishDirectUpload", ingest_pb.FinishDirectUploadRequest(), 10),
        ("GetDirectUpload", ingest_pb.GetDirectUploadRequest(), 10),
    ],
)
async def test_a_call_that_kills_its_server_is_repeated_a_bounded_number_of_times(
    method: str, request_message: Any, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    async def die(_request: Any, **_details: Any) -> Any:
        seen.append(method)
        metadata = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, metadata, metadata, "Socket closed")

    async def at_once(_seconds: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", at_once)
    monkeypatch.setattr(DelegatingChannel, "unary_unary", lambda *_arguments, **_options: die)
    channel = _CallingChannel(DelegatingChannel(), "ingest", signer_of("gateway"), 10.0)
    with pytest.raises(AppError, match="SERVICE_UNAVAILABLE"):
        await channel.unary_unary(f"{SERVICE}/{method}")(request_message, timeout=600.0)
    assert len(seen) == attempts
