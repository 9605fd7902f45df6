"""gRPC between hosts: mutual TLS, names in certificates, callers without a certificate, and reloading."""

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from soundwright.kit import rpc
from soundwright.kit.errors import AppError, Code
from soundwright.kit.rpc.errors import error_from_rpc
from soundwright.kit.run import Runtime
from soundwright.kit.security.certificates import NO_CERTIFICATES, Certificates
from soundwright.kit.security.identity import Principal, Signer, current_principal, principal_scope
from soundwright.kit.settings import Settings, SettingsError
from soundwright.library.v1 import webhook_service_pb2 as pb
from soundwright.library.v1 import webhook_service_pb2_grpc as pb_grpc
from tests.certificates import Authority, replace
from tests.servers import free_ports
from tests.signers import plain_signer

ANN = Principal("ann", "user")
TOKEN = (("authorization", "Bearer ann-token"),)
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


class Webhooks(pb_grpc.WebhookServiceServicer):
    """Notes its callers. ``TestWebhook`` takes until ``open`` is set."""

    def __init__(self) -> None:
        self.callers: list[Principal | None] = []
        self.waiting, self.open = asyncio.Event(), asyncio.Event()

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Any) -> pb.ListWebhooksResponse:
        self.callers.append(current_principal())
        return pb.ListWebhooksResponse()

    async def TestWebhook(self, request: pb.TestWebhookRequest, context: Any) -> pb.TestWebhookResponse:
        self.waiting.set()
        await self.open.wait()
        return pb.TestWebhookResponse()


@dataclasses.dataclass
class Site:
    """A library that listens on TCP with TLS."""

    authority: Authority
    library: Certificates
    servicer: Webhooks
    address: str
    token_address: str

    def connect(
        self, certificates: Certificates, signer: Signer | None = None, component: str = "library", address: str = ""
    ) -> grpc.aio.Channel:
        signer = signer or plain_signer("gateway")
        return rpc.connect(component, address or self.address, signer, 2.0, certificates)


async def outcome(channel: grpc.aio.Channel) -> str:
    """Call for Ann. Return OK or the reason of the failure."""
    async with channel:
        with principal_scope(ANN):
            try:
                await pb_grpc.WebhookServiceStub(channel).ListWebhooks(pb.ListWebhooksRequest())
            except AppError as error:
                return error.reason
    return "OK"


async def tokens(token: str) -> Principal:
    if token != "ann-token":
        raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
    return ANN


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    authority = Authority(tmp_path / "ca")
    address, token_address = (f"127.0.0.1:{port}" for port in free_ports(2))
    library = authority.certificates("library")
    server = rpc.RpcServer(address, plain_signer("library"), tokens, library, token_address=token_address)
    servicer = Webhooks()
    pb_grpc.add_WebhookServiceServicer_to_server(servicer, server.server)
    await server.start()
    await server.set_serving(True)
    yield Site(authority, library, servicer, address, token_address)
    servicer.open.set()
    await server.stop(0)


async def test_components_of_the_platform_reach_each_other(site: Site) -> None:
    assert await outcome(site.connect(site.authority.certificates("gateway"))) == "OK"
    assert site.servicer.callers == [ANN]


async def test_a_connection_without_a_valid_certificate_reaches_nothing(site: Site, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    assert await outcome(site.connect(NO_CERTIFICATES)) == "SERVICE_UNAVAILABLE"  # plain text
    assert await outcome(site.connect(other.certificates("gateway"))) == "SERVICE_UNAVAILABLE"
    stranger = other.certificates("gateway").read()
    assert await raw_code(site, stranger.key, stranger.cert) is grpc.StatusCode.UNAVAILABLE
    assert await raw_code(site, None, None) is grpc.StatusCode.UNAVAILABLE
    expired = site.authority.certificates("gateway", expires=YESTERDAY)
    key, cert = Path(expired.key_file).read_bytes(), Path(expired.cert_file).read_bytes()
    assert await raw_code(site, key, cert) is grpc.StatusCode.UNAVAILABLE
    assert site.servicer.callers == []


async def raw_code(site: Site, key: bytes | None, cert: bytes | None) -> grpc.StatusCode:
    """Call with any client certificate, or none, and a valid principal. Return the status."""
    ca = Path(site.library.ca_file).read_bytes()
    credentials = grpc.ssl_channel_credentials(ca, key, cert)
    metadata = (("soundwright-principal", plain_signer("gateway").sign(ANN, "library")), *TOKEN)
    async with grpc.aio.secure_channel(site.address, credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await pb_grpc.WebhookServiceStub(channel).ListWebhooks(
                pb.ListWebhooksRequest(), metadata=metadata, timeout=5
            )
    return failure.value.code()


async def test_a_client_refuses_a_server_with_the_certificate_of_another_component(site: Site) -> None:
    gateway = site.authority.certificates("gateway")
    assert await outcome(site.connect(gateway, component="separation")) == "SERVICE_UNAVAILABLE"
    assert site.servicer.callers == []


async def test_a_certificate_is_only_good_for_its_own_component(site: Site) -> None:
    analysis = site.authority.certificates("analysis", "analysis.soundwright.svc")
    assert await outcome(site.connect(analysis)) == "CERTIFICATE_MISMATCH"  # the gateway's key leaked to a worker
    proof = plain_signer("gateway").sign(ANN, "analysis")
    caller = plain_signer("analysis").verify(proof)
    channel = site.connect(analysis, plain_signer("analysis"))
    with principal_scope(caller):
        await pb_grpc.WebhookServiceStub(channel).ListWebhooks(pb.ListWebhooksRequest())
    await channel.close()
    assert site.servicer.callers == [ANN]


async def test_the_listener_for_api_tokens_needs_no_client_certificate_and_takes_no_principal(site: Site) -> None:
    ca = Path(site.library.ca_file).read_bytes()
    principal = ("soundwright-principal", plain_signer("gateway").sign(ANN, "library"))
    async with grpc.aio.secure_channel(site.token_address, grpc.ssl_channel_credentials(ca)) as channel:
        stub = pb_grpc.WebhookServiceStub(channel)
        await stub.ListWebhooks(pb.ListWebhooksRequest(), metadata=TOKEN, timeout=5)
        for metadata, reason, code in (
            ((), "UNAUTHORIZED", grpc.StatusCode.UNAUTHENTICATED),
            ((("authorization", "Bearer x"),), "UNAUTHORIZED", grpc.StatusCode.UNAUTHENTICATED),
            ((principal,), "CERTIFICATE_MISMATCH", grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stub.ListWebhooks(pb.ListWebhooksRequest(), metadata=metadata, timeout=5)
            error = error_from_rpc(failure.value)
            assert error is not None
            assert (error.reason, failure.value.code()) == (reason, code)
    assert site.servicer.callers == [ANN]


async def test_changed_certificates_apply_without_a_restart_and_without_ending_calls(
    site: Site, tmp_path: Path
) -> None:
    """The platform gets a new CA. Files change one after another, as on a disk, while a call runs."""
    gateway = site.authority.certificates("gateway")
    channel = site.connect(gateway)
    stub = pb_grpc.WebhookServiceStub(channel)
    with principal_scope(ANN):
        running = asyncio.ensure_future(stub.TestWebhook(pb.TestWebhookRequest(), timeout=60))
        await site.servicer.waiting.wait()
        successor = Authority(tmp_path / "new")
        old_client = {name: Path(getattr(gateway, name)).read_bytes() for name in ("cert_file", "key_file")}
        replace(site.library, successor.certificates("library"))
        assert await raw_code(site, old_client["key_file"], old_client["cert_file"]) is grpc.StatusCode.UNAVAILABLE
        replace(gateway, successor.certificates("gateway"))
        await stub.ListWebhooks(pb.ListWebhooksRequest())  # over a new connection
        assert not running.done()
        site.servicer.open.set()
        await running
    await channel.close()
    assert await outcome(site.connect(gateway)) == "OK"


async def test_unusable_files_leave_the_certificates_as_they_were(site: Site) -> None:
    gateway = site.authority.certificates("gateway")
    Path(site.library.key_file).write_text("half written")
    channel = site.connect(gateway)
    Path(gateway.key_file).write_text("half written")
    assert await outcome(channel) == "OK"


# ------------------------------------------------------------------------------------------------ what must be encrypted


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("unix:/run/library.sock", True), ("127.0.0.1:50051", True), ("localhost:50051", True), ("[::1]:50051", True),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", True), ("", True), ("0.0.0.0:50051", False), ("[::]:50051", False),
        ("library:50051", False), ("10.0.0.1:50051", False), ("dns:///library.soundwright.svc:50051", False),
        ("ipv4:127.0.0.1:1,10.0.0.1:2", False),
    ],
)  # fmt: skip
async def test_only_addresses_of_this_host_need_no_certificates(tmp_path: Path, address: str, local: bool) -> None:
    async with component(Settings(data_dir=tmp_path, library_addr=address, grpc_bind=address)) as runtime:
        with contextlib.nullcontext() if local else pytest.raises(SettingsError) as problem:
            await runtime.channel("library")
        if problem is not None:
            assert str(problem.value).startswith("SOUNDWRIGHT_LIBRARY_ADDR: ")
            assert "Set SOUNDWRIGHT_TLS_CA_FILE" in str(problem.value)
        with contextlib.nullcontext() if local else pytest.raises(SettingsError, match="SOUNDWRIGHT_GRPC_BIND"):
            runtime.rpc_server(tokens)


async def test_a_listener_for_api_tokens_needs_certificates(tmp_path: Path) -> None:
    async with component(Settings(data_dir=tmp_path, grpc_token_bind="0.0.0.0:50052")) as runtime:
        with pytest.raises(SettingsError, match="SOUNDWRIGHT_GRPC_TOKEN_BIND"):
            runtime.rpc_server(tokens)


async def test_a_service_mesh_may_encrypt_instead(tmp_path: Path) -> None:
    async with component(Settings(data_dir=tmp_path, library_addr="library:50051", service_mesh=True)) as runtime:
        await runtime.channel("library")


@contextlib.asynccontextmanager
async def component(settings: Settings) -> AsyncIterator[Runtime[Settings]]:
    runtime = Runtime("analysis", settings)
    try:
        yield runtime
    finally:
        await runtime.close()
