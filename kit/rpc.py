"""gRPC plumbing: one way to serve and one way to call, with identity, correlation, deadlines, metrics and errors.

Errors cross the wire as a status, the message, and the reason and values in trailing metadata, so that an
:class:`~kit.errors.AppError` raised in one service arrives as the same error in its caller.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from kit.errors import AppError, Code
from kit.identity import Principal, Signer, current_principal, principal_scope
from kit.log import correlation_id, correlation_scope, get_logger
from kit.metrics import RPC_DURATION

__all__ = ["RpcServer", "connect", "healthy"]

_PRINCIPAL = "soundwright-principal"
_CORRELATION = "soundwright-correlation-id"
_REASON = "soundwright-reason"
_CODE = "soundwright-code"
_META = "soundwright-meta-bin"
_OPTIONS = (
    ("grpc.max_receive_message_length", 16 * 1024**2),
    ("grpc.max_send_message_length", 16 * 1024**2),
    ("grpc.so_reuseport", 0),
    # A peer that restarted is found again within a second, not after the default minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A private socket or a cluster network: no proxy may come between.
    ("grpc.enable_http_proxy", 0),
)
_UNGUARDED = ("/grpc.health.", "/grpc.reflection.")
log = get_logger()


class RpcServer:
    """A gRPC server with health and reflection."""

    def __init__(self, address: str, signer: Signer) -> None:
        self._address = address
        self._server = grpc.aio.server(interceptors=[_Edge(signer)], options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = [health.SERVICE_NAME, reflection.SERVICE_NAME]

    @property
    def server(self) -> Any:
        """What generated ``add_...Servicer_to_server`` functions take."""
        return self._server

    def announce_all(self, module: Any) -> None:
        """List the services that a generated module describes, for reflection."""
        self._names.extend(service.full_name for service in module.DESCRIPTOR.services_by_name.values())

    async def start(self) -> None:
        reflection.enable_server_reflection(self._names, self._server)
        self._server.add_insecure_port(self._address)
        await self._server.start()

    async def set_serving(self, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse
        await self._health.set("", status.SERVING if serving else status.NOT_SERVING)

    async def stop(self, grace_seconds: float = 5.0) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)


class _Edge(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Verifies the principal, restores the correlation id, times the call and maps errors, once for all methods."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None or details.method.startswith(_UNGUARDED):
            return handler
        metadata = dict(details.invocation_metadata or ())
        method: str = details.method

        async def guarded(request: Any, context: Any) -> Any:
            started = time.perf_counter()
            outcome = "OK"
            with correlation_scope(str(metadata.get(_CORRELATION, ""))):
                try:
                    principal = self._signer.verify(str(metadata.get(_PRINCIPAL, "")))
                    with principal_scope(principal):
                        return await handler.unary_unary(request, context)
                except AppError as error:
                    outcome = error.code.value.grpc_status
                    if error.code.value.ours:
                        log.error("rpc.failed", method=method, reason=error.reason, error=error.message)
                    await _abort(context, error)
                except asyncio.CancelledError:
                    outcome = "CANCELLED"
                    raise
                except grpc.aio.AbortError:
                    raise
                except Exception:
                    outcome = "INTERNAL"
                    log.exception("rpc.crashed", method=method)
                    await _abort(
                        context,
                        AppError(Code.INTERNAL, "INTERNAL", "Something went wrong on our side. Please try again."),
                    )
                finally:
                    RPC_DURATION.labels(method, outcome).observe(time.perf_counter() - started)

        return grpc.unary_unary_rpc_method_handler(
            guarded, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


async def _abort(context: Any, error: AppError) -> None:
    metadata = [(_REASON, error.reason), (_CODE, error.code.name), (_META, json.dumps(error.meta).encode())]
    await context.abort(getattr(grpc.StatusCode, error.code.value.grpc_status), error.message, tuple(metadata))


def connect(address: str, signer: Signer, service: Principal, timeout_seconds: float) -> Any:
    """A channel to ``address``. Calls are made for the current principal, else for ``service``.

    A call waits for its peer to come up, and is repeated while the peer answers ``UNAVAILABLE``, until the deadline:
    every RPC of ours may be repeated. Errors arrive as :class:`~kit.errors.AppError`.
    """
    return grpc.aio.insecure_channel(
        address, options=_OPTIONS, interceptors=[_Caller(signer, service, timeout_seconds)]
    )


class _Caller(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    def __init__(self, signer: Signer, service: Principal, timeout_seconds: float) -> None:
        self._signer = signer
        self._service = service
        self._timeout_seconds = timeout_seconds

    async def intercept_unary_unary(
        self, continuation: Callable[..., Awaitable[Any]], details: Any, request: Any
    ) -> Any:
        timeout = details.timeout if details.timeout is not None else self._timeout_seconds
        deadline = time.monotonic() + timeout
        metadata = [
            *(details.metadata or ()),
            (_PRINCIPAL, self._signer.sign(current_principal() or self._service)),
            (_CORRELATION, correlation_id()),
        ]
        pause = 0.05
        while True:
            remaining = max(0.001, deadline - time.monotonic())
            attempt = grpc.aio.ClientCallDetails(details.method, remaining, metadata, details.credentials, True)
            try:
                call = await continuation(attempt, request)
                return await call
            except grpc.aio.AioRpcError as error:
                # A status without our reason comes from the transport: the peer is restarting.
                ours = _reason(error.trailing_metadata()) is not None
                if error.code() is grpc.StatusCode.UNAVAILABLE and not ours and deadline - time.monotonic() > pause:
                    await asyncio.sleep(pause)
                    pause = min(1.0, pause * 2)
                    continue
                raise _app_error(error, details.method) from None


def _reason(metadata: Any) -> str | None:
    return next((str(value) for key, value in metadata or () if key == _REASON), None)


def _app_error(error: grpc.aio.AioRpcError, method: Any) -> AppError:
    trailers = dict(error.trailing_metadata() or ())
    if _REASON in trailers:
        code = Code.__members__.get(str(trailers.get(_CODE)), Code.INTERNAL)
        return AppError(code, str(trailers[_REASON]), error.details() or "", json.loads(trailers.get(_META) or b"{}"))
    component = str(method.decode() if isinstance(method, bytes) else method).split(".")[1:2]
    code = AppError.code_for_grpc_status(error.code().name)
    if code in (Code.UNAVAILABLE, Code.TIMEOUT):
        message = f"The {''.join(component)} service does not answer at the moment. Please try again shortly."
        return AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", message)
    return AppError(code, "RPC_FAILED", "A call between services failed. Please try again.")


async def healthy(channel: Any, timeout_seconds: float) -> bool:
    """Whether the server at the other end says that it is serving."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_seconds)
    except (AppError, grpc.aio.AioRpcError):
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
