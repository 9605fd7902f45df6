"""What the gRPC server does for every call, over a real socket: streams, time limits, health and stopping."""

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from soundwright.analysis.v1 import agent_service_pb2
from soundwright.kit import rpc
from soundwright.kit.errors import AppError, Code
from soundwright.kit.rpc import interceptor
from soundwright.kit.rpc.errors import error_from_rpc
from soundwright.kit.security.identity import Principal, principal_scope, require_principal
from soundwright.library.v1 import job_pb2, library_service_pb2_grpc, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.separation.v1 import separation_service_pb2
from tests.signers import signer_of
from tests.waiting import until

ANN = Principal("ann", "user")
BY_TOKEN = (("authorization", "Bearer ann-token"),)
STATUS = health_pb2.HealthCheckResponse
DEADLINE = 60.0


class Jobs(library_service_pb2_grpc.JobServiceServicer):
    """WatchJob sends numbered states of one size, as fast as the client takes them. GetJob never answers."""

    def __init__(self) -> None:
        self.sent = 0
        self.open = 0
        self.callers: list[Principal] = []
        self.released = asyncio.Event()
        self.closed = asyncio.Event()

    async def WatchJob(self, request: pb.WatchJobRequest, context: rpc.Context) -> AsyncIterator[pb.WatchJobResponse]:
        self.callers.append(require_principal())
        self.open += 1
        try:
            if request.job_id == "refused":
                raise AppError(Code.NOT_FOUND, "JOB_NOT_FOUND", "There is no such job.")
            while True:
                self.sent += 1
                yield pb.WatchJobResponse(position=self.sent, job=job_pb2.Job(progress_message="x" * 10_000))
                if request.job_id == "one":
                    await self.released.wait()
                    return
        finally:
            self.open -= 1
            self.closed.set()

    async def GetJob(self, request: pb.GetJobRequest, context: rpc.Context) -> pb.GetJobResponse:
        try:
            await asyncio.Event().wait()
        finally:
            self.closed.set()
        raise AssertionError


class Served:
    def __init__(self, server: rpc.RpcServer, channel: grpc.aio.Channel, jobs: Jobs, tokens: set[str]) -> None:
        self.server = server
        self.channel = channel
        self.jobs = jobs
        self.tokens = tokens
        self.stub = library_service_pb2_grpc.JobServiceStub(channel)

    def watch(self, job_id: str, token: str = "ann-token", **options: Any) -> Any:
        metadata = (("authorization", f"Bearer {token}"),)
        return self.stub.WatchJob(pb.WatchJobRequest(job_id=job_id), metadata=metadata, **options)

    def health_watch(self, service: str = "") -> Any:
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        return stub.Watch(health_pb2.HealthCheckRequest(service=service))


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    folder = Path(tempfile.mkdtemp())
    tokens = {"ann-token"}

    async def authenticate(token: str) -> Principal:
        if token not in tokens:
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        return Principal(token.removesuffix("-token"), "user")

    server = rpc.RpcServer(f"unix:{folder / 'rpc.sock'}", signer_of("library"), authenticate)
    jobs = Jobs()
    server.add(jobs, library_service_pb2_grpc.TrackServiceServicer())
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{folder / 'rpc.sock'}") as channel:
        yield Served(server, channel, jobs, tokens)
    await server.stop(0)
    shutil.rmtree(folder)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """Read a stream to its end, and return the status and the reason."""

    async def read_all() -> None:
        async with asyncio.timeout(DEADLINE):
            while await call.read() is not grpc.aio.EOF:
                pass

    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await read_all()
    error = error_from_rpc(failure.value)
    return failure.value.code(), error.reason if error else ""


async def test_a_stream_runs_for_its_caller_until_it_is_complete(served: Served) -> None:
    call = served.watch("one")
    assert (await call.read()).position == 1
    served.jobs.released.set()
    assert await call.read() is grpc.aio.EOF
    assert (served.jobs.callers, served.jobs.open) == ([ANN], 0)


async def test_a_refused_stream_has_a_typed_error(served: Served) -> None:
    assert await refusal(served.watch("refused")) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
    request = pb.WatchJobRequest(job_id="one")
    for metadata in ((), (("authorization", "Bearer wrong"),)):
        call = served.stub.WatchJob(request, metadata=metadata)
        assert await refusal(call) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHORIZED")
    assert served.jobs.callers == [ANN]


async def test_an_unknown_method_has_a_typed_error(served: Served) -> None:
    unknown = served.channel.unary_stream("/soundwright.library.v1.JobService/Nothing", lambda _: b"")
    assert await refusal(unknown(None)) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND")


async def test_a_client_that_does_not_read_stops_the_stream(served: Served) -> None:
    call = served.watch("endless")
    assert (await call.read()).position == 1
    seen = -1
    while seen != served.jobs.sent:  # until the windows of the connection are full
        seen = served.jobs.sent
        await asyncio.sleep(0.2)
    assert served.jobs.sent * 10_000 < 32 * 1024**2
    assert (await call.read()).position == 2
    call.cancel()
    await until(served.jobs.closed.is_set)
    assert served.jobs.open == 0


async def test_a_cancelled_stream_and_one_past_its_deadline_are_closed(served: Served) -> None:
    call = served.watch("one")
    await call.read()
    call.cancel()
    await until(served.jobs.closed.is_set)
    served.jobs.closed.clear()
    assert await refusal(served.watch("one", timeout=0.3)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "")
    await until(served.jobs.closed.is_set)
    assert served.jobs.open == 0


async def test_the_deadline_of_the_client_stops_a_call(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await served.stub.GetJob(pb.GetJobRequest(), metadata=BY_TOKEN, timeout=0.3)
    assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(served.jobs.closed.is_set)


async def test_the_server_ends_calls_at_their_time_limit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert interceptor._limits("/soundwright.library.v1.JobService/GetJob") == (60, False)
    assert interceptor._limits("/soundwright.library.v1.JobService/WatchJob") == (3600, True)
    monkeypatch.setattr(interceptor, "_limits", lambda method: (0.2, method.endswith("WatchJob")))
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await served.stub.GetJob(pb.GetJobRequest(), metadata=BY_TOKEN, timeout=DEADLINE)
    error = error_from_rpc(failure.value)
    assert error is not None
    assert (error.code, error.reason) == (Code.TIMEOUT, "DEADLINE_EXCEEDED")
    assert await refusal(served.watch("one")) == (grpc.StatusCode.UNAVAILABLE, "STREAM_ENDED")
    assert served.jobs.open == 0


async def test_a_revoked_token_ends_a_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptor, "_STREAM_CHECK_SECONDS", 0.1)
    slow = served.watch("endless")
    await slow.read()
    call = served.watch("one")
    await call.read()
    served.tokens.clear()
    assert await refusal(call) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHORIZED")
    await until(lambda: not served.jobs.open)  # also if the client reads nothing


async def test_streams_are_limited(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptor, "_STREAM_LIMIT", 2)
    first, second = served.watch("one"), served.watch("one")
    await first.read()
    await second.read()
    assert await refusal(served.watch("one")) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    assert (await served.health_watch().read()).status == STATUS.NOT_SERVING  # not limited
    second.cancel()
    async with asyncio.timeout(DEADLINE):
        while len(served.jobs.callers) < 3:
            third = served.watch("one")
            with contextlib.suppress(grpc.aio.AioRpcError):
                await third.read()


async def test_one_account_leaves_streams_for_others(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptor, "_CALLER_STREAM_LIMIT", 2)
    served.tokens.add("bob-token")
    for call in (served.watch("one"), served.watch("one"), served.watch("one", "bob-token")):
        await call.read()
    assert await refusal(served.watch("one")) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    assert (await served.watch("one", "bob-token").read()).position


async def test_streams_without_credentials_leave_those_of_callers_alone(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interceptor, "_STREAM_LIMIT", 1)
    monkeypatch.setattr(interceptor, "_OPEN_STREAM_LIMIT", 2)
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(served.channel)

    async def reflect() -> Any:
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        return call

    for call in (await reflect(), await reflect(), served.health_watch(), served.health_watch()):
        assert await call.read()
    assert await refusal(await reflect()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    # To the platform's own clients, this means that the server tells no health, and calls go on.
    assert await refusal(served.health_watch()) == (grpc.StatusCode.UNIMPLEMENTED, "TOO_MANY_STREAMS")
    assert (await served.watch("one").read()).position == 1


async def test_calls_have_the_budgets_of_http(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.jobs.released.set()
    limited = (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    budgets = served.server._edge._budgets
    monkeypatch.setattr(budgets, "_limits", rpc.RateLimits(heavy=1, calls=3, refused=5))
    monkeypatch.setattr(budgets, "_now", lambda: 0.0)
    assert (await served.watch("one").read()).position == 1
    guesses = [
        served.stub.WatchJob(pb.WatchJobRequest(job_id="one"), metadata=(("authorization", f"Bearer {number}"),))
        for number in range(20)
    ]
    refusals = Counter([reason for _, reason in await asyncio.gather(*map(refusal, guesses))])
    assert refusals == {"UNAUTHORIZED": 5, "RATE_LIMITED": 15}
    for _ in range(2):  # a token that was valid lately is not locked out with the guesses behind its address
        assert await served.watch("one").read()
    assert await refusal(served.watch("one")) == limited
    assert agent_service_pb2.DESCRIPTOR  # loaded, as is the next
    assert separation_service_pb2.DESCRIPTOR
    chat, batch = (
        "/soundwright.analysis.v1.AgentService/Chat",
        "/soundwright.separation.v1.SeparationService/CreateBatch",
    )
    budgets.take("ann", chat, pb.WatchJobRequest())
    for heavy in (chat, batch):
        with pytest.raises(AppError, match=r"1 are allowed per minute\. Try again in 61 seconds"):
            budgets.take("ann", heavy, pb.WatchJobRequest())


LISTS = (
    pb.UpdateTrackRequest(track=track_pb2.Track(corrections={"chords": [track_pb2.ChordCorrection()] * 2001})),
    pb.ListJobsRequest(states=[0] * 1001, kinds=[0] * 1000),
)


async def test_requests_with_a_token_are_small_and_have_short_lists(served: Served) -> None:
    path = "/soundwright.library.v1.JobService/WatchJob"
    watch = served.channel.unary_stream(path, request_serializer=lambda content: content)
    for size, code, reason in (
        (17 * 1024**2, grpc.StatusCode.RESOURCE_EXHAUSTED, ""),
        (1024**2, grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE"),
    ):
        content = pb.WatchJobRequest(job_id="x" * size).SerializeToString()
        assert await refusal(watch(content, metadata=BY_TOKEN)) == (code, reason)
    assert served.jobs.callers == []
    edge, caller = served.server._edge, {"authorization": "Bearer ann-token"}
    for request in LISTS:
        handler = grpc.unary_unary_rpc_method_handler(served.jobs.GetJob, type(request).FromString)
        with pytest.raises(AppError, match="lists of a message can have 2000 values"), principal_scope(ANN):
            await edge._request(path, caller, handler, sent(request))
        component = {"soundwright-principal": ""}
        assert await edge._request(path, component, handler, sent(request)) == request


async def sent(request: Message) -> AsyncIterator[bytes]:
    yield request.SerializeToString()


async def test_strangers_are_refused_before_their_messages_are_read(served: Served) -> None:
    async def message() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    for method in ("GetJob", "WatchJob"):
        call = served.channel.stream_stream(f"/soundwright.library.v1.JobService/{method}")
        assert await refusal(call(message(), timeout=30)) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHORIZED")


async def refused(sends: asyncio.Event) -> AsyncIterator[bytes]:
    await sends.wait()
    yield pb.WatchJobRequest(job_id="refused").SerializeToString()


async def test_few_messages_of_an_account_are_read_at_once(served: Served) -> None:
    watch = served.channel.stream_stream("/soundwright.library.v1.JobService/WatchJob")
    sends, turns = asyncio.Event(), served.server._edge._turns
    slow = [asyncio.create_task(refusal(watch(refused(sends), metadata=BY_TOKEN))) for _ in range(4)]
    await until(lambda: "ann" in turns and turns["ann"].locked())
    sent_at_once = asyncio.Event()
    sent_at_once.set()
    watched = watch(refused(sent_at_once), metadata=BY_TOKEN, timeout=0.5)
    assert (await refusal(watched))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    sends.set()
    assert await asyncio.gather(*slow) == [(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")] * 4
    assert dict(turns) == {}


async def test_a_call_without_a_message_is_refused(served: Served) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        for content in ():
            yield content

    call = served.channel.stream_stream("/soundwright.library.v1.JobService/WatchJob")
    refused = await refusal(call(nothing(), metadata=BY_TOKEN, timeout=30))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_INVALID")
    assert served.jobs.callers == []


async def test_health_names_each_service_and_follows_the_server(served: Served) -> None:
    names = ("", "soundwright.library.v1.JobService", "soundwright.library.v1.TrackService")
    stub: Any = health_pb2_grpc.HealthStub(served.channel)

    async def checked() -> set[int]:
        return {(await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in names}

    assert await checked() == {STATUS.NOT_SERVING}  # it has started, but it is not ready
    watched = served.health_watch(names[1])
    assert (await watched.read()).status == STATUS.NOT_SERVING
    await served.server.set_serving(True)
    assert (await watched.read()).status == STATUS.SERVING
    assert await checked() == {STATUS.SERVING}
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_stopping_reports_not_serving_and_ends_streams_with_unavailable(served: Served) -> None:
    await served.server.set_serving(True)
    health, call = served.health_watch(), served.watch("one")
    assert (await health.read()).status == STATUS.SERVING
    await call.read()
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    reflection: Any = stub.ServerReflectionInfo()
    await reflection.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await reflection.read()
    stopping = asyncio.create_task(served.server.stop(grace_seconds=600))
    assert (await health.read()).status == STATUS.NOT_SERVING
    for stream in (health, call, reflection):
        assert await refusal(stream) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_STOPPING")
    async with asyncio.timeout(DEADLINE):  # far below the grace
        await stopping
