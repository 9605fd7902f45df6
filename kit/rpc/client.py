"""The client side of gRPC: channels that carry identity, correlation ids and deadlines, and that repeat calls."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc

from soundwright.access.v1 import access_pb2
from soundwright.kit import errors, tracing
from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import correlation_id
from soundwright.kit.metrics import RPC_CLIENT_DURATION
from soundwright.kit.rpc.descriptors import descriptor_of
from soundwright.kit.rpc.errors import error_from_rpc
from soundwright.kit.rpc.options import ACCEPTING, ADDRESS_METADATA, CORRELATION_METADATA, PRINCIPAL_METADATA
from soundwright.kit.rpc.transport import DelegatingChannel, open_channel
from soundwright.kit.security.certificates import NO_CERTIFICATES, Certificates
from soundwright.kit.security.identity import Signer, client_address, current_principal

_SERVING_SECONDS = 1.5
_KEY_FIELD = "idempotency_key"
_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_UNANSWERED = (*_BROKEN, grpc.StatusCode.DEADLINE_EXCEEDED)
_ATTEMPT_LIMIT = 10  # a call that kills each server that it reaches must end before its deadline

_duration = functools.cache(RPC_CLIENT_DURATION.labels)
_Send: TypeAlias = Callable[..., Awaitable[Message]]


def connect(
    component: str, address: str, signer: Signer, timeout_seconds: float, certificates: Certificates = NO_CERTIFICATES
) -> grpc.aio.Channel:
    """Return a channel to all replicas of ``component`` at ``address``. Calls are made for the current principal, or else for
    the service of ``signer``.

    A TCP address uses mutual TLS if there are ``certificates``. The server must then present a certificate with the name
    ``component``.

    Calls take turns among the replicas that report that they are serving, and wait while there is none. If a connection
    breaks during a call, the call is repeated until its deadline, provided that it is :func:`repeatable`
    (docs/decisions/0033). Errors are raised as :class:`~soundwright.kit.errors.AppError`.

    Args:
        address: a gRPC target: ``unix:<path>``, ``host:port``, where a DNS name stands for all its addresses, or
            ``ipv4:<address>:<port>,<address>:<port>``.
    """
    channel = open_channel(component, address, certificates)
    return _CallingChannel(channel, component, signer, timeout_seconds)


class _CallingChannel(DelegatingChannel):
    """Adds the principal, the correlation id and a deadline to each call; repeats calls and decodes errors.

    gRPC has interceptors for this purpose. Each of them costs a call another task.
    """

    def __init__(self, channel: grpc.aio.Channel, component: str, signer: Signer, timeout_seconds: float) -> None:
        self._channel = channel
        self._component = component
        self._signer = signer
        self._timeout_seconds = timeout_seconds

    @property
    def current(self) -> grpc.aio.Channel:
        return self._channel

    def unary_unary(self, method: str, *arguments: Any, **options: Any) -> Any:
        return functools.partial(self._call, method, self._channel.unary_unary(method, *arguments, **options))

    async def _call(self, method: str, send: _Send, request: Message, *, timeout: float | None = None) -> Message:
        timeout = timeout if timeout is not None else self._timeout_seconds
        deadline = time.monotonic() + timeout
        principal = current_principal() or self._signer.service
        started, outcome = time.perf_counter(), "CANCELLED"
        with tracing.span(method.removeprefix("/"), "client") as span:
            metadata = (
                (PRINCIPAL_METADATA, self._signer.sign(principal, self._component, timeout)),
                (CORRELATION_METADATA, correlation_id()),
                (ADDRESS_METADATA, client_address()),
                *tracing.headers().items(),
            )
            try:
                answer = await self._repeated(method, send, request, metadata, deadline)
                outcome = "OK"
                return answer
            except AppError as error:
                outcome = error.code.value.grpc_status
                span.fail(error.reason)
                raise
            finally:
                span.set("rpc.system", "grpc")
                span.set("rpc.grpc.status_code", grpc.StatusCode[outcome].value[0])
                _duration(method, outcome).observe(time.perf_counter() - started)

    async def _repeated(
        self, method: str, send: _Send, request: Message, metadata: tuple[tuple[str, str], ...], deadline: float
    ) -> Message:
        """Call until there is an answer, the deadline has passed, or the call may not be repeated."""
        pause = 0.05
        repeated = False
        for attempts_left in reversed(range(_ATTEMPT_LIMIT)):
            remaining = max(0.001, deadline - time.monotonic())
            try:
                return await send(request, timeout=remaining, metadata=metadata, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                raised = error_from_rpc(error)
                if raised is not None and repeated and raised.code is Code.NOT_FOUND and removes(method):
                    return _empty_response(method)  # the call that was repeated may have removed it
                if raised is not None:
                    raise raised from None
                # The status comes from the transport: the connection broke, or the peer stopped, which cancels its calls. It
                # may have received the call.
                broken = error.code() in _BROKEN and attempts_left > 0
                if broken and repeatable(method, request) and deadline - time.monotonic() > pause:
                    repeated = True
                    await asyncio.sleep(pause)
                    pause = min(1.0, pause * 2)
                    continue
                raise _transport_error(error, self._component) from None
        raise AssertionError("the last attempt raises")


def repeatable(method: str, request: Message) -> bool:
    """Return whether repeating a call of ``method``, ``/package.Service/Method``, has no further effect.

    ``proto/`` declares it. A request that can have an idempotency key must have one.
    """
    if method.startswith("/grpc.health."):
        return True
    if descriptor_of(method).GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN:
        return False
    return _KEY_FIELD not in request.DESCRIPTOR.fields_by_name or bool(getattr(request, _KEY_FIELD))


def removes(method: str) -> bool:
    """Return whether ``proto/`` declares that ``method`` removes something."""
    return bool(descriptor_of(method).GetOptions().Extensions[access_pb2.removes])


def _empty_response(method: str) -> Message:
    return GetMessageClass(descriptor_of(method).output_type)()


def _transport_error(error: grpc.aio.AioRpcError, component: str) -> AppError:
    """Return the error for a call that no service of the platform answered."""
    if error.code() in _UNANSWERED:
        return errors.SERVICE_UNAVAILABLE(component=component)
    return errors.RPC_FAILED()


async def healthy(channel: grpc.aio.Channel, timeout_seconds: float, service: str = "") -> bool:
    """Return whether the server at the other end of ``channel`` reports that it, or ``service``, is serving."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        # types-grpcio-health-checking leaves the stub's methods out.
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_seconds)  # type: ignore[attr-defined]
    except (AppError, grpc.aio.AioRpcError):
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def require_serving(channel: grpc.aio.Channel) -> None:
    """Return if the server at the other end of ``channel`` accepts calls, whether or not its own dependencies work.

    Raises ``SERVICE_UNAVAILABLE``.
    """
    if not await healthy(channel, _SERVING_SECONDS, ACCEPTING):
        raise errors.SERVICE_UNAVAILABLE("The component does not answer. Check that it is running.")
