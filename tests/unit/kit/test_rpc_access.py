"""Who may call which RPC: all RPCs and all kinds of credentials, through real gRPC; and the cache of API tokens."""

import asyncio
import importlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from library_fixture import CLIENT_IP, Library, reason

from soundwright.kit import rpc
from soundwright.kit.errors import AppError, Code
from soundwright.kit.rpc.access import CallerAuthenticator, accepts_api_token
from soundwright.kit.rpc.errors import error_from_rpc
from soundwright.kit.rpc.tokens import TOKEN_CACHE_SECONDS
from soundwright.kit.security.identity import Principal, current_principal
from tests.api.grpc_calls import CONTRACTS, METHODS, path_of, short
from tests.api.grpc_matrix import RPC_MATRIX
from tests.signers import plain_signer, signer_of

# What an account may call with its API token: what the gateway calls for it, and no more. A new RPC is closed until
# proto/ opens it, and this table says the same.
OPEN = set(RPC_MATRIX)
COMPONENTS = ("gateway", "library", "ingest", "separation", "analysis", "generation")


def _by_rpc(table: dict[str, str]) -> dict[str, set[str]]:
    """Read a table of RPCs by component: services with the RPCs behind them, one after another."""
    components: dict[str, set[str]] = {}
    service = ""
    for names, text in table.items():
        for word in text.split():
            if word.endswith("Service"):
                service = word
            else:
                components.setdefault(f"{service}.{word}", set()).update(names.split())
    return components


# Which RPCs a component may call for itself. What is not here, none may.
SERVICES_OF = _by_rpc({
    "gateway": """
        AccountService AuthenticateToken AuthenticateSession Register CreateGuest CreateSession RequestLoginLink RedeemLoginLink
        ConfirmEmail DeleteSession ChangePassword RequestEmailChange CloseAccount ExchangePassword ConnectionService SignIn
        IngestService BeginSpotifyAuthorization FinishSpotifyAuthorization GetStatus TrackService GetTrack
        OpenTrackLink GetStem ListStems GetAnalysis
        JobService GetJob""",  # which it reads once for all WebSockets that follow the job
    "ingest separation analysis generation": """
        AccountService AuthenticateToken
        JobService ClaimJob HeartbeatJob ReserveJobStorage SucceedJob FailJob ReleaseJob""",
    "ingest": "TrackService GetTrack RecordDownload ConnectionService GetConnectionSecret ReplaceConnectionSecret",
    "separation": "TrackService GetTrack ListStems JobService GetJob ConnectionService GetConnectionSecret",
    "analysis": "TrackService GetTrack ListStems",
    "generation": "CatalogService GetGeneration SetSpectrogram",
    "separation generation": "AdminService ListAllowedModels",
})  # fmt: skip
# Which RPCs a component may call for an account that may not call them with a token.
SERVICES_FOR_ACCOUNTS = _by_rpc({
    "gateway": """
        AccountService CreateApiToken AdminService UpdateAccount CancelUserJob ConnectionService PutConnection
        StorageService Reserve Release SeparationService RenderMix
        IngestService CreateUpload FinishUpload SetCover AbortUpload BeginDirectUpload GetDirectUpload SignUploadParts FinishDirectUpload
        AbortDirectUpload BeginSpotifyAuthorization""",
    "ingest": "TrackService CreateTrack SetTrackCover",
    "ingest separation analysis generation": "JobService CreateJob",
    "separation": "JobService CreateBatch",
    "separation generation": "AdminService AllowModel",
    "analysis": "ConversationService AppendTurn",
})  # fmt: skip

LIBRARY = plain_signer("library")  # the server of this test
SIGNERS = {component: signer_of(component) for component in COMPONENTS}
ANN = Principal("ann", "pro")


def signed(component: str, principal: Principal | None = None) -> tuple[str, str]:
    """Return the metadata of a call that a component makes for itself or for an account."""
    signer = SIGNERS[component]
    return ("soundwright-principal", signer.sign(principal or signer.service, "library"))


async def tokens(token: str) -> Principal:
    """The platform's API tokens in this test."""
    if token == "ann-token":
        return ANN
    if token == "suspended-token":
        raise AppError(Code.PERMISSION_DENIED, "ACCOUNT_SUSPENDED", "The account is suspended.")
    raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")


class Called:
    """A server of every service in proto/ whose methods only note their caller."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.channel = channel
        self.callers: list[Principal | None] = []

    def servicer(self, service: ServiceDescriptor, base: type[Any]) -> Any:
        def answering(method: MethodDescriptor) -> Any:
            async def answer(_servicer: Any, _request: Any, _context: Any) -> Any:
                self.callers.append(current_principal())
                return method.output_type._concrete_class()

            async def stream(_servicer: Any, _request: Any, _context: Any) -> Any:
                self.callers.append(current_principal())
                yield method.output_type._concrete_class()

            return stream if method.server_streaming else answer

        return type(service.name, (base,), {method.name: answering(method) for method in service.methods})()

    async def call(self, method: MethodDescriptor, *metadata: tuple[str, str]) -> tuple[str, Principal | None]:
        """Return OK or the reason of the refusal, and the principal that the method saw."""
        self.callers.clear()
        kind = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        stub: Any = kind(path_of(method), request_serializer=lambda _: b"")
        try:
            call = stub(None, metadata=metadata)
            answers = [each async for each in call] if method.server_streaming else [await call]
            assert answers == [b""]
        except grpc.aio.AioRpcError as failure:
            refusal = error_from_rpc(failure)
            assert refusal is not None
            assert self.callers == []
            return refusal.reason, None
        return "OK", self.callers.pop()


@pytest_asyncio.fixture(scope="module")
async def called() -> AsyncIterator[Called]:
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    address = f"unix:{folder / 'rpc.sock'}"
    server = rpc.RpcServer(address, LIBRARY, tokens, limits=rpc.RateLimits(10**6, 10**6, 10**6))
    async with grpc.aio.insecure_channel(address) as channel:
        all_services = Called(address, channel)
        for path in CONTRACTS:
            messages = importlib.import_module(".".join(path.parts) + "_pb2")
            stubs_of = importlib.import_module(".".join(path.parts) + "_pb2_grpc")
            for service in messages.DESCRIPTOR.services_by_name.values():
                servicer = all_services.servicer(service, getattr(stubs_of, f"{service.name}Servicer"))
                server.add(servicer)
        await server.start()
        await server.set_serving(True)
        yield all_services
    await server.stop(0)
    shutil.rmtree(folder)


def test_the_tables_name_methods_of_the_contracts_and_every_rpc_is_for_somebody() -> None:
    assert {short(method) for method in METHODS} == OPEN | SERVICES_OF.keys() | SERVICES_FOR_ACCOUNTS.keys()
    assert {short(method) for method in METHODS if accepts_api_token(path_of(method))} == OPEN


def test_every_rpc_is_of_a_kind_that_the_server_guards() -> None:
    assert [short(m) for m in METHODS if m.client_streaming] == []


async def test_every_rpc_with_an_api_token(called: Called) -> None:
    for method in METHODS:
        assert await called.call(method) == ("UNAUTHORIZED", None), short(method)
        accepted = ("OK", ANN) if short(method) in OPEN else ("API_TOKEN_NOT_ACCEPTED", None)
        assert await called.call(method, ("authorization", "Bearer ann-token")) == accepted, short(method)


@pytest.mark.parametrize("is_open", [True, False])
async def test_forms_of_tokens(called: Called, is_open: bool) -> None:
    method = next(method for method in METHODS if (short(method) in OPEN) == is_open)
    for value in ("Bearer wrong", "Bearer", "Bearer ", "", "ann-token", "Basic ann-token", f"Bearer {'x' * 513}"):
        assert await called.call(method, ("authorization", value)) == ("UNAUTHORIZED", None), value
    assert await called.call(method, ("authorization", "Bearer suspended-token")) == ("ACCOUNT_SUSPENDED", None)
    accepted = ("OK", ANN) if is_open else ("API_TOKEN_NOT_ACCEPTED", None)
    assert await called.call(method, ("authorization", "bearer  ann-token ")) == accepted


@pytest.mark.parametrize("component", COMPONENTS)
async def test_every_rpc_with_every_component(called: Called, component: str) -> None:
    own, for_ann, refused = signed(component), signed(component, ANN), ("CALLER_NOT_ACCEPTED", None)
    for name, method in ((short(method), method) for method in METHODS):
        accepted = ("OK", SIGNERS[component].service) if component in SERVICES_OF.get(name, ()) else refused
        assert await called.call(method, own) == accepted, name
        for_accounts = name in OPEN or component in SERVICES_FOR_ACCOUNTS.get(name, ())
        assert await called.call(method, for_ann) == (("OK", ANN) if for_accounts else refused), name


async def test_a_principal_counts_before_a_token(called: Called) -> None:
    """Which principals are invalid: tests/unit/kit/test_identity.py and tests/api/test_grpc_matrix.py."""
    token = ("authorization", "Bearer ann-token")
    for forged in ("", "x", plain_signer("gateway", None, "1" * 32).sign(ANN, "library")):
        for metadata in ((), (token,)):
            answer = await called.call(METHODS[0], *metadata, ("soundwright-principal", forged))
            assert answer == ("PRINCIPAL_INVALID", None)


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer ann-token"),), (("authorization", "x"),)], ids=str)
async def test_health_and_reflection_are_open(called: Called, metadata: Any) -> None:
    health = health_pb2_grpc.HealthStub(called.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(), metadata=metadata)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(called.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = [each async for each in reflection.ServerReflectionInfo(iter([request]), metadata=metadata)]
    found = {service.name for service in answers[0].list_services_response.service}
    assert found >= {method.containing_service.full_name for method in METHODS}


async def test_a_server_without_a_lookup_accepts_no_token() -> None:
    callers = CallerAuthenticator(LIBRARY, None)
    with pytest.raises(AppError) as refusal:
        await callers.identify(path_of(METHODS[0]), {"authorization": "Bearer ann-token"})
    assert refusal.value.reason == "PRINCIPAL_INVALID"


# --------------------------------------------------------------------------------------------------------- the cache


class Lookup:
    """Counts lookups of tokens. ``valid`` holds the tokens that there are."""

    def __init__(self) -> None:
        self.valid = {"a"}
        self.count = 0
        self.seconds = 100.0
        self.callers = CallerAuthenticator(LIBRARY, self._authenticate, lambda: self.seconds)

    async def _authenticate(self, token: str) -> Principal:
        self.count += 1
        await asyncio.sleep(0)
        if token not in self.valid:
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        return Principal(token, "user")

    async def accepted(self, token: str) -> bool:
        method = "/soundwright.library.v1.TrackService/ListTracks"
        try:
            principal = await self.callers.identify(method, {"authorization": f"Bearer {token}"})
        except AppError:
            return False
        return principal == Principal(token, "user")


async def test_a_token_is_looked_up_once_in_half_a_second() -> None:
    lookup = Lookup()
    assert TOKEN_CACHE_SECONDS <= 0.5
    for seconds in (100.0, 100.2, 100.4, 100.49):
        lookup.seconds = seconds
        assert await lookup.accepted("a")
    assert lookup.count == 1
    lookup.seconds = 100.5
    assert await lookup.accepted("a")
    assert lookup.count == 2


async def test_a_revoked_token_is_refused_after_half_a_second_however_often_it_is_used() -> None:
    lookup = Lookup()
    assert await lookup.accepted("a")
    lookup.valid.clear()
    for seconds in (100.2, 100.4, 100.49):
        lookup.seconds = seconds
        assert await lookup.accepted("a")
    for seconds in (100.5, 100.1):
        lookup.seconds = seconds
        assert not await lookup.accepted("a")


async def test_parallel_calls_share_a_lookup_which_none_of_them_can_end() -> None:
    lookup = Lookup()
    calls = [asyncio.create_task(lookup.accepted("a")) for _ in range(10)]
    await asyncio.sleep(0)
    calls[0].cancel()
    assert await asyncio.gather(*calls[1:]) == [True] * 9
    assert lookup.count == 1
    assert await asyncio.gather(*(lookup.accepted("b") for _ in range(10))) == [False] * 10
    assert lookup.count == 2


async def test_a_refused_token_is_not_remembered() -> None:
    lookup = Lookup()
    assert not await lookup.accepted("b")
    lookup.valid.add("b")
    assert await lookup.accepted("b")


async def test_the_cache_is_bounded_and_holds_no_token() -> None:
    lookup = Lookup()
    lookup.valid |= {f"token-{number}" for number in range(1500)}
    assert await lookup.accepted("a")
    for number in range(1500):
        assert await lookup.accepted(f"token-{number}")
        if number == 800:
            assert await lookup.accepted("a")  # used recently, so it stays longer
    assert len(lookup.callers._tokens._lookups) == 1000
    assert lookup.count == 1501
    assert await lookup.accepted("a")
    assert await lookup.accepted("token-1499")
    assert lookup.count == 1501
    assert await lookup.accepted("token-0")
    assert lookup.count == 1502
    assert not any(b"token" in key for key in lookup.callers._tokens._lookups)


# ---------------------------------------------------------------------------------------- tokens of the real library


async def test_tokens_have_the_rights_of_their_account(library: Library) -> None:
    account = await library.account(role="pro")
    admin = await library.account("boss@example.org", role="super_admin")
    secret, token = await library.identity.tokens.create_for(account.id, "grpc")
    authenticate = library.identity.principal_of_token
    assert await authenticate(secret) == Principal(account.id, "pro", api_token_id=token.public_id)
    for status in ("suspended", "banned"):
        await set_status(library, admin.id, account.id, status)
        assert await reason(authenticate(secret)) == "ACCOUNT_SUSPENDED"
    await set_status(library, admin.id, account.id, "active")
    assert await authenticate(secret) == Principal(account.id, "pro", api_token_id=token.public_id)
    await library.identity.tokens.revoke(account.id, token.public_id)
    assert await reason(authenticate(secret)) == "UNAUTHORIZED"


async def set_status(library: Library, admin_id: str, account_id: str, status: str) -> None:
    principal = Principal(admin_id, "super_admin")
    await library.identity.administration.update_account(principal, account_id, "", status, CLIENT_IP)
