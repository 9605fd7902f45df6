"""Errors between services, through real gRPC: what a caller of the platform gets, and what a foreign client gets."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from soundwright.kit import rpc
from soundwright.kit.errors import AppError, Code
from soundwright.kit.rpc.errors import error_from_rpc, status_from_error
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.library.v1 import conversation_service_pb2 as pb
from soundwright.library.v1 import conversation_service_pb2_grpc as pb_grpc
from tests.signers import signer_of
from tests.waiting import until

CALLER = signer_of("gateway")
ANN = Principal("ann", "user")
METADATA_LIMIT_BYTES = 8192
METHOD = "/soundwright.library.v1.ConversationService/ListConversations"


class Failing(pb_grpc.ConversationServiceServicer):
    """Raises the error that the test sets."""

    error: Exception

    async def ListConversations(self, request: pb.ListConversationsRequest, context: Any) -> Any:
        raise self.error


class Remote:
    """A service that fails, its caller, and a foreign client with gRPC's default options."""

    def __init__(self, servicer: Failing, channel: Any, foreign: grpc.aio.Channel) -> None:
        self._servicer = servicer
        self._stub = pb_grpc.ConversationServiceStub(channel)
        self._foreign = pb_grpc.ConversationServiceStub(foreign)
        self._foreign_channel = foreign

    async def foreign(self, method: str) -> None:
        """Call any method as a foreign client."""
        await self._foreign_channel.unary_unary(method)(b"")

    async def refusal_of(self, content: bytes, *metadata: tuple[str, str]) -> str:
        """Return the reason of the refusal of any bytes."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self._foreign_channel.unary_unary(METHOD)(content, metadata=metadata)
        refusal = error_from_rpc(caught.value)
        assert refusal is not None
        return refusal.reason

    async def raised(self, error: Exception) -> AppError:
        """Return what a service of the platform catches when the called service raises ``error``."""
        self._servicer.error = error
        with principal_scope(ANN), pytest.raises(AppError) as caught:
            await self._stub.ListConversations(pb.ListConversationsRequest())
        return caught.value

    async def seen(self, error: Exception) -> grpc.aio.AioRpcError:
        """Return what a foreign client catches."""
        self._servicer.error = error
        metadata = (("soundwright-principal", CALLER.sign(ANN, "library")),)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self._foreign.ListConversations(pb.ListConversationsRequest(), metadata=metadata)
        return caught.value


@pytest_asyncio.fixture(scope="module")
async def remote() -> AsyncIterator[Remote]:
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    address = f"unix:{folder / 'library.sock'}"
    server = rpc.RpcServer(address, signer_of("library"))
    servicer = Failing()
    pb_grpc.add_ConversationServiceServicer_to_server(servicer, server.server)
    await server.start()
    channel = rpc.connect("library", address, CALLER, timeout_seconds=10.0)
    async with grpc.aio.insecure_channel(address) as foreign:
        yield Remote(servicer, channel, foreign)
    await channel.close()
    await server.stop(0)
    shutil.rmtree(folder)


@pytest.mark.parametrize("noise", [b"\xff" * 50, b"\x0a\xff", b"\x08"], ids=repr)
async def test_noise_is_refused_by_name_after_the_caller_is_known(remote: Remote, noise: bytes) -> None:
    assert await remote.refusal_of(noise) == "PRINCIPAL_INVALID"
    assert await remote.refusal_of(noise, ("soundwright-principal", CALLER.sign(ANN, "library"))) == "MESSAGE_INVALID"


def same(one: AppError, other: AppError) -> bool:
    return (one.code, one.reason, one.message, one.meta) == (other.code, other.reason, other.message, other.meta)


META: list[dict[str, Any]] = [
    {"details": {"model": ["is not known", "must be one of: a, b"], "größe 🎵": ["can't be blank"]}},
    {"retry_after": 42, "details": {"retry_after": 42}},
    {"details": {"name": ["bad"], "other": [1]}},
    {"path": "line\nbreak \x00 \x7f und größe", "flag": True, "big": 2**63, "nested": {"a": [1, {"b": None}]}},
]


@pytest.mark.parametrize("meta", META, ids=str)
async def test_meta_arrives_unchanged(remote: Remote, meta: dict[str, Any]) -> None:
    error = AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields are invalid.", meta)
    assert same(await remote.raised(error), error)


@pytest.mark.parametrize("code", Code, ids=lambda code: code.name)
async def test_every_code_arrives_as_itself(remote: Remote, code: Code) -> None:
    error = AppError(code, "SOME_REASON", "Something is wrong.", {"value": 1})
    assert same(await remote.raised(error), error)


@pytest.mark.parametrize(
    "message", ["", "größe 🎵 100 %41", " leading and trailing ", "tab\t, newline\n, bell\a, delete\x7f", "%"], ids=repr
)
async def test_messages_arrive_unchanged(remote: Remote, message: str) -> None:
    assert (await remote.raised(AppError(Code.INVALID_ARGUMENT, "SOME_REASON", message))).message == message


async def test_a_text_that_is_no_unicode_arrives_with_replacements(remote: Remote) -> None:
    error = AppError(
        Code.INVALID_ARGUMENT, "SOME_REASON", "no \udc80", {"details": {"\udc80": ["\udc80"]}, "raw": "\udc80"}
    )
    raised = await remote.raised(error)
    assert (raised.message, raised.meta) == ("no ?", {"details": {"?": ["?"]}, "raw": "\udc80"})


async def test_an_accident_shows_nothing_of_the_server(remote: Remote) -> None:
    raised = await remote.raised(RuntimeError("secret of the server"))
    expected = AppError(Code.INTERNAL, "INTERNAL", "Something went wrong on our side. Try again in a minute.")
    assert same(raised, expected)


def _calls(side: str) -> dict[tuple[str, str], float]:
    """Return how many calls a side has measured, by method and code."""
    name = f"soundwright_rpc_{side}_duration_seconds"
    return {
        (sample.labels["method"], sample.labels["code"]): sample.value
        for family in REGISTRY.collect() if family.name == name
        for sample in family.samples if sample.name == f"{name}_count"
    }  # fmt: skip


async def test_both_sides_measure_a_call_by_its_code(remote: Remote) -> None:
    key = (METHOD, "FAILED_PRECONDITION")
    before = {side: _calls(side).get(key, 0) for side in ("server", "client")}
    await remote.raised(AppError(Code.CONFLICT, "SOME_REASON", "Something is wrong."))
    # The server counts a call when its answer is on the way.
    await until(lambda: all(_calls(side).get(key, 0) == before[side] + 1 for side in before))


async def test_the_names_of_unknown_methods_do_not_become_labels(remote: Remote) -> None:
    for number in range(5):
        with pytest.raises(grpc.aio.AioRpcError):
            await remote.foreign(f"/soundwright.library.v1.Nobody/Call{number}")
    assert not [method for method, _ in _calls("server") if "Nobody" in method]


async def test_foreign_clients_read_standard_details(remote: Remote) -> None:
    meta = {
        "details": {"name": ["can't be blank", "is odd"], "age": ["is not a number"]},
        "retry_after": 7,
        "tier": "free",
    }
    failure = await remote.seen(AppError(Code.RATE_LIMITED, "HOURLY_LIMIT", "Try again in 7 seconds.", meta))
    assert (failure.code(), failure.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Try again in 7 seconds.")
    info, retry, request = (
        error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    )  # fmt: skip
    status = rpc_status.from_call(failure)
    assert [any(detail.Unpack(kind) for detail in status.details) for kind in (info, retry, request)] == [True] * 3
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "HOURLY_LIMIT", "soundwright", {"code": "RATE_LIMITED", "retry_after": "7", "tier": '"free"'}
    )  # fmt: skip
    assert retry.retry_delay.seconds == 7
    assert [(violation.field, violation.description) for violation in request.field_violations] == [
        ("name", "can't be blank"), ("name", "is odd"), ("age", "is not a number")
    ]  # fmt: skip


LONG: list[tuple[str, dict[str, Any]]] = [
    ("🎵" * 5000, {}),
    ("ü" * 5000, {"details": {f"field{number}": ["ü" * 500] for number in range(500)}}),
    ("ü" * 5000, {"details": {"🎵" * 5000: ["🎵" * 5000, "x" * 50_000]}, "retry_after": 1}),
    ("%" * 5000, {f"value{number}": "x" * 100 for number in range(500)}),
    ("x" * 50_000, {"huge": "x" * 50_000, "small": 1}),
    ("", {"details": {"": [""] * 5000}}),
]


@pytest.mark.parametrize(("message", "meta"), LONG, ids=range(len(LONG)))
async def test_long_errors_fit_into_the_metadata_of_any_client(
    remote: Remote, message: str, meta: dict[str, Any]
) -> None:
    error = AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", message, meta)
    failure = await remote.seen(error)
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    raised = error_from_rpc(failure)
    assert raised is not None
    assert (raised.code, raised.reason) == (Code.UNPROCESSABLE, "VALIDATION_ERROR")
    assert raised.meta.get("truncated", False) is bool(meta)
    assert set(raised.meta) <= {*meta, "truncated"}
    assert raised.message == message or raised.message.endswith("…")
    # The sizes that clients count: in HTTP/2, texts are percent-encoded, bytes are in base64, and an entry counts 32 more.
    shown, details = failure.details() or "", dict(failure.trailing_metadata() or ())["grpc-status-details-bin"]
    percent_encoded = sum(1 if 0x20 <= byte < 0x7F and byte != 0x25 else 3 for byte in shown.encode())
    entries = [len("grpc-message") + percent_encoded, len("grpc-status-details-bin") + len(details) * 4 // 3 + 4, 13]
    assert sum(entries) + 32 * len(entries) + 100 < METADATA_LIMIT_BYTES  # 100: ":status" and "content-type"
    assert await remote.raised(error) is not None


async def test_parts_that_fit_survive_a_part_that_does_not(remote: Remote) -> None:
    meta = {"huge": "x" * 50_000, "details": {"name": ["is odd"]}, "retry_after": 9}
    raised = await remote.raised(AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "No.", meta))
    assert raised.meta == {"details": {"name": ["is odd"]}, "retry_after": 9, "truncated": True}


async def test_a_status_of_another_platform_is_not_taken_for_ours(remote: Remote) -> None:
    status = status_from_error(AppError(Code.UNAVAILABLE, "SOME_REASON", "Down."))
    theirs = status.trailing_metadata[0][1].replace(b"soundwright", b"elsewhere..")
    metadata = grpc.aio.Metadata(("grpc-status-details-bin", theirs))
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), metadata, details="Down.")
    assert error_from_rpc(error) is None
    assert (
        error_from_rpc(grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata()))
        is None
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(["details", "retry_after", "limit"]), values, max_size=3))
def test_any_small_meta_survives_the_encoding(message: str, meta: dict[str, Any]) -> None:
    status = status_from_error(AppError(Code.CONFLICT, "SOME_REASON", message, meta))
    metadata = grpc.aio.Metadata(*status.trailing_metadata)
    error = grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), metadata, details=status.details)
    raised = error_from_rpc(error)
    assert raised is not None
    assert (raised.message, raised.meta) == (message, meta)
