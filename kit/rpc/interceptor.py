"""What the server does for every call: identity, correlation, time limits, metrics and errors, in one interceptor."""

import asyncio
import contextlib
import functools
import inspect
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeAlias, cast
from urllib.parse import unquote
from weakref import WeakValueDictionary

import grpc
from google.protobuf.message import DecodeError, Message

from soundwright.access.v1 import access_pb2
from soundwright.kit import errors, tracing
from soundwright.kit.errors import AppError
from soundwright.kit.log import correlation_scope, get_logger
from soundwright.kit.metrics import RPC_SERVER_DURATION
from soundwright.kit.rpc.access import AUTHORIZATION_METADATA, CallerAuthenticator
from soundwright.kit.rpc.budgets import Budgets, RateLimits
from soundwright.kit.rpc.descriptors import descriptor_of
from soundwright.kit.rpc.errors import status_from_error
from soundwright.kit.rpc.options import ADDRESS_METADATA, CORRELATION_METADATA, PRINCIPAL_METADATA
from soundwright.kit.rpc.transport import peer_names
from soundwright.kit.security.identity import (
    Principal,
    address_scope,
    principal_scope,
    require_principal,
    usual_address,
)

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
"""The context of a call, as servicers get it. Its type parameters matter to streaming calls only."""

_Metadata: TypeAlias = Mapping[str, str | bytes]
_Answers: TypeAlias = Awaitable[None] | AsyncGenerator[Message, None]
_Serve: TypeAlias = Callable[[Any, Context], _Answers]
Admit: TypeAlias = Callable[[Principal], Awaitable[None]]
"""Raises an error for a caller that the component refuses."""
_OPEN_SERVICES = ("/grpc.health.", "/grpc.reflection.")
_TIME_LIMIT_SECONDS = 60
# Streams end this way although they are not complete. The client repeats the call to continue.
_REGULAR_ENDS = (errors.SERVICE_STOPPING.reason, errors.STREAM_ENDED.reason)
_STREAM_LIMIT = 1000
_CALLER_STREAM_LIMIT = 100
_OPEN_STREAM_LIMIT = 500
_OPEN_STREAMS_PER_CONNECTION = 10
_OPEN_STREAM_SECONDS = 3600
_STREAM_CHECK_SECONDS = 5.0
_TOKEN_MESSAGE_BYTES = 1 << 20
_TOKEN_MESSAGES_AT_ONCE = 4  # of an account, because gRPC holds up to 16 MiB of each
_TOKEN_MESSAGE_VALUES = 2000  # many small values cost much more time than their bytes
_duration = functools.cache(RPC_SERVER_DURATION.labels)
log = get_logger()


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Identifies the caller, limits the time of the call, restores the correlation ID, and measures and encodes errors.

    Streams also end when the server stops and, at most six seconds later, when the API token of the caller is revoked.
    """

    def __init__(self, callers: CallerAuthenticator, limits: RateLimits, admit: Admit | None = None) -> None:
        self.stopping = asyncio.Event()
        self._callers = callers
        self._admit = admit
        self._budgets = Budgets(limits)
        self._streams = Counter[str]()
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]]",
        details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        handler = await continuation(details)
        method: str = details.method
        metadata = dict(details.invocation_metadata or ())
        if handler is None:
            return grpc.stream_stream_rpc_method_handler(functools.partial(_unknown, method))
        serializer = handler.response_serializer
        if handler.unary_unary is not None:
            if method.startswith(_OPEN_SERVICES):
                return handler
            # The stubs say that handlers are synchronous.
            respond = cast(Callable[[Message, Context], Awaitable[Message]], handler.unary_unary)

            async def unary(contents: AsyncIterator[bytes], context: Context) -> Message:
                async with self._call(method, metadata, context):
                    return await respond(await self._request(method, metadata, handler, contents), context)

            return grpc.stream_unary_rpc_method_handler(unary, response_serializer=serializer)
        if handler.request_streaming and not method.startswith(_OPEN_SERVICES):
            raise NotImplementedError(f"{method}: no RPC of the platform streams requests")
        serve = cast(_Serve, handler.stream_stream if handler.request_streaming else handler.unary_stream)

        async def stream(requests: Any, context: Context) -> None:
            async with self._call(method, metadata, context):
                request = requests
                if not handler.request_streaming:
                    request = await self._request(method, metadata, handler, requests)
                await self._until_ended(method, metadata, context, _send(serve, request, context))

        deserializer = handler.request_deserializer if handler.request_streaming else None
        return grpc.stream_stream_rpc_method_handler(stream, deserializer, serializer)

    async def _request(
        self,
        method: str,
        metadata: _Metadata,
        handler: "grpc.RpcMethodHandler[Any, Any]",
        contents: AsyncIterator[bytes],
    ) -> Message:
        """Read the request of a call. A call with an API token has the limits of a request over HTTP.

        Handlers get messages as a stream, so that they are read here: gRPC would do it before the caller is known, hold the
        messages of unknown callers in memory, and report its own exception.

        Raises ``MESSAGE_INVALID``; ``TOO_LARGE``; ``RATE_LIMITED``.
        """
        if PRINCIPAL_METADATA in metadata or method.startswith(_OPEN_SERVICES):
            return _read(handler, await _received(contents))
        async with self._turns.setdefault(require_principal().id, asyncio.Semaphore(_TOKEN_MESSAGES_AT_ONCE)):
            content = await _received(contents)
            if len(content) > _TOKEN_MESSAGE_BYTES:
                raise errors.TOO_LARGE("The message is larger than 1 MiB. Shorten it.")
        request = _read(handler, content)
        if _list_size(request, _TOKEN_MESSAGE_VALUES) > _TOKEN_MESSAGE_VALUES:
            raise errors.MESSAGE_INVALID(
                f"The lists of a message can have {_TOKEN_MESSAGE_VALUES} values. Shorten them."
            )
        self._budgets.take(require_principal().id, method, request)
        return request

    async def _identified(self, method: str, metadata: _Metadata, context: Context, address: str) -> Principal:
        """Return the caller of a call.

        Raises ``RATE_LIMITED`` after too many refused calls of the address; see :meth:`CallerAuthenticator.identify`.
        """
        credential = str(metadata.get(AUTHORIZATION_METADATA, ""))
        guess: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if credential and PRINCIPAL_METADATA not in metadata:
            guess = self._budgets.guess(address, credential)
        with guess:
            return await self._callers.identify(method, metadata, context.auth_context())

    @contextlib.asynccontextmanager
    async def _call(self, method: str, metadata: _Metadata, context: Context) -> AsyncIterator[None]:
        """Make the block a call of its caller. An error in the block ends the call with its status."""
        started = time.perf_counter()
        outcome = "OK"
        is_open = method.startswith(_OPEN_SERVICES)
        parent = str(metadata.get(tracing.TRACEPARENT, ""))
        # A call with an API token begins a trace. Components continue the trace of a request, if there is one.
        begins = not is_open and PRINCIPAL_METADATA not in metadata
        address = _client_address(metadata, context)
        with (
            address_scope(address),
            correlation_scope(str(metadata.get(CORRELATION_METADATA, ""))),
            tracing.span(method.removeprefix("/"), "server", parent=parent, begin=begins) as span,
        ):
            try:
                principal = None if is_open else await self._identified(method, metadata, context, address)
                if self._admit is not None and principal is not None:
                    await self._admit(principal)
                with principal_scope(principal):
                    async with _time_limit(method):
                        yield
            except AppError as error:
                outcome = error.code.value.grpc_status
                span.fail(error.reason)
                if error.code.value.is_server_fault and error.reason not in _REGULAR_ENDS:
                    log.error("rpc.failed", method=method, reason=error.reason, error=error.message)
                await context.abort_with_status(status_from_error(error))
            except asyncio.CancelledError:
                outcome = "CANCELLED"
                raise
            except grpc.aio.AbortError:
                raise
            except Exception:
                outcome = "INTERNAL"
                span.fail(outcome)
                log.exception("rpc.crashed", method=method)
                await context.abort_with_status(status_from_error(errors.INTERNAL()))
            finally:
                span.set("rpc.system", "grpc")
                span.set("rpc.grpc.status_code", grpc.StatusCode[outcome].value[0])
                _duration(method, outcome).observe(time.perf_counter() - started)

    async def _until_ended(
        self, method: str, metadata: _Metadata, context: Context, sending: Coroutine[Any, Any, None]
    ) -> None:
        """Run a stream until it is complete, the server stops, or its API token is refused.

        Raises ``TOO_MANY_STREAMS``, ``SERVICE_STOPPING``, or the error of the refused token.
        """
        limits = _stream_limits(method, context)
        if any(self._streams[key] >= limit for key, limit in limits.items()):
            sending.close()
            is_health = method.startswith("/grpc.health.")
            raise errors.HEALTH_NOT_REPORTED() if is_health else errors.TOO_MANY_STREAMS()
        self._streams.update(limits.keys())
        work, guard = asyncio.create_task(sending), asyncio.create_task(self._guard(method, metadata, context))
        try:
            await asyncio.wait({work, guard}, return_when=asyncio.FIRST_COMPLETED)
            (work if work.done() else guard).result()
        finally:
            self._streams.subtract(limits.keys())
            self._streams += Counter()  # without zeros
            work.cancel()
            guard.cancel()
            await asyncio.gather(work, guard, return_exceptions=True)

    async def _guard(self, method: str, metadata: _Metadata, context: Context) -> NoReturn:
        """Wait until a stream must end, and raise the reason."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STREAM_CHECK_SECONDS):
                    await self.stopping.wait()
                    raise errors.SERVICE_STOPPING()
            if PRINCIPAL_METADATA not in metadata and not method.startswith(_OPEN_SERVICES):
                await self._callers.identify(method, metadata, context.auth_context())


def _stream_limits(method: str, context: Context) -> dict[str, int]:
    """Return the counters of streams in which a stream of ``method`` counts, and their limits.

    No caller, and none without credentials, can use up the streams of others. The platform's own clients watch the health of each
    connection; other clients of the same socket have only as much.
    """
    if not method.startswith(_OPEN_SERVICES):
        return {"calls": _STREAM_LIMIT, f"calls {require_principal().id}": _CALLER_STREAM_LIMIT}
    name, peer = method.split("/")[1], context.peer()
    if name.startswith("grpc.health.") and peer_names(context.auth_context()):
        return {}
    own = {} if peer.startswith("unix:") else {f"{name} {peer}": _OPEN_STREAMS_PER_CONNECTION}
    return {name: _OPEN_STREAM_LIMIT, **own}


def _client_address(metadata: _Metadata, context: Context) -> str:
    """Return the address of the client: of the request that a component serves, or of the connection of the call."""
    if PRINCIPAL_METADATA in metadata:
        return str(metadata.get(ADDRESS_METADATA, ""))
    family, _, rest = unquote(context.peer()).partition(":")
    return usual_address(rest.rpartition(":")[0].strip("[]")) if family in ("ipv4", "ipv6") else ""


async def _received(contents: AsyncIterator[bytes]) -> bytes:
    content = await anext(contents, None)
    if content is None:
        raise errors.MESSAGE_INVALID("The call ended before its request arrived. Send one message.")
    return content


def _read(handler: "grpc.RpcMethodHandler[Any, Any]", content: bytes) -> Message:
    try:
        return cast(Callable[[bytes], Message], handler.request_deserializer)(content)
    except DecodeError:
        raise errors.MESSAGE_INVALID(
            "The request is not a message of this method. Create a client from the contracts in proto/."
        ) from None


def _list_size(message: Message, limit: int) -> int:
    """Return the number of values in all lists of a message. Stop at the first list that exceeds the limit."""
    size = 0
    for field, value in message.ListFields():
        if field.is_repeated:
            size += len(value)
        if size > limit or field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else (value,):
            size += _list_size(each, limit)
    return size


async def _send(serve: _Serve, request: Any, context: Context) -> None:
    """Send what a handler yields. A handler that is no generator writes to the context."""
    answers = serve(request, context)
    if inspect.isawaitable(answers):
        await answers
        return
    async with contextlib.aclosing(answers):
        async for answer in answers:
            await context.write(answer)  # waits for a client that reads slowly


@contextlib.asynccontextmanager
async def _time_limit(method: str) -> AsyncIterator[None]:
    """End the block at the time limit of the RPC. gRPC cancels the call at the deadline of the client."""
    seconds, streams = _limits(method)
    try:
        async with asyncio.timeout(seconds) as scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        if streams:
            raise errors.STREAM_ENDED(limit_seconds=seconds) from None
        raise errors.DEADLINE_EXCEEDED(limit_seconds=seconds) from None


@functools.cache
def _limits(method: str) -> tuple[int, bool]:
    """Return the time limit of ``method`` in seconds, and whether it streams answers."""
    if method.startswith(_OPEN_SERVICES):
        return _OPEN_STREAM_SECONDS, True
    found = descriptor_of(method)
    return found.GetOptions().Extensions[access_pb2.time_limit_seconds] or _TIME_LIMIT_SECONDS, found.server_streaming


async def _unknown(method: str, _requests: Any, context: Context) -> None:
    await context.abort_with_status(status_from_error(errors.METHOD_NOT_FOUND(method=method[:200])))
