"""The server side of gRPC: listening, health and reflection. :mod:`soundwright.kit.rpc.interceptor` treats each call."""

import asyncio
import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from soundwright.kit.rpc.access import CallerAuthenticator
from soundwright.kit.rpc.budgets import RateLimits
from soundwright.kit.rpc.interceptor import Admit, CallInterceptor
from soundwright.kit.rpc.options import ACCEPTING, SERVER_OPTIONS
from soundwright.kit.rpc.tokens import AuthenticateToken
from soundwright.kit.rpc.transport import listen
from soundwright.kit.security.certificates import NO_CERTIFICATES, Certificates
from soundwright.kit.security.identity import Signer

_DEFAULT_LIMITS = RateLimits()
_NOTICE_SECONDS = 0.5  # until clients have noticed that they should send calls elsewhere


class RpcServer:
    """A gRPC server with health checking and reflection."""

    def __init__(
        self,
        address: str,
        signer: Signer,
        authenticate_token: AuthenticateToken | None = None,
        certificates: Certificates = NO_CERTIFICATES,
        token_address: str = "",
        limits: RateLimits = _DEFAULT_LIMITS,
        admit: Admit | None = None,
    ) -> None:
        """Prepare a server.

        Args:
            address: ``unix:<path>`` or ``host:port``. With ``certificates``, a TCP address requires the certificate of a
                component.
            authenticate_token: resolves API tokens. Without it, the server accepts signed principals only.
            token_address: ``host:port`` of a listener for callers with an API token, who need no certificate; empty: none.
            limits: of calls with an API token.
            admit: raises an error for callers that the component refuses.
        """
        self._address = address
        self._certificates = certificates
        self._token_address = token_address
        callers = CallerAuthenticator(signer, authenticate_token)
        self._edge = CallInterceptor(callers, limits, admit)
        self._server = grpc.aio.server(interceptors=[self._edge], options=SERVER_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._services: list[str] = []

    @property
    def server(self) -> grpc.aio.Server:
        """The server that generated ``add_...Servicer_to_server`` functions take."""
        return self._server

    def add(self, *servicers: object) -> None:
        """Serve instances of generated ``...Servicer`` classes. Reflection and health checks name their services."""
        for servicer in servicers:
            generated = next(kind for kind in type(servicer).__mro__ if kind.__module__.endswith("_pb2_grpc"))
            module = generated.__module__
            getattr(sys.modules[module], f"add_{generated.__name__}_to_server")(servicer, self._server)
            services = sys.modules[module.removesuffix("_grpc")].DESCRIPTOR.services_by_name
            self._services.append(services[generated.__name__.removesuffix("Servicer")].full_name)

    async def start(self) -> None:
        """Listen on the address and answer calls."""
        names = [health.SERVICE_NAME, reflection.SERVICE_NAME, *self._services]
        reflection.enable_server_reflection(names, self._server)
        await self.set_ready(False)
        await self._set_health(ACCEPTING, True)
        listen(self._server, self._address, self._certificates)
        if self._token_address:
            listen(self._server, self._token_address, self._certificates, any_client=True)
        await self._server.start()

    async def set_serving(self, serving: bool) -> None:
        """Set all statuses that health checks return. Clients of the platform avoid a server that does not serve."""
        await self._set_health(ACCEPTING, serving)
        await self.set_ready(serving)

    async def set_ready(self, ready: bool) -> None:
        """Set the status of the server (the empty name) and of each of its services."""
        for name in ("", *self._services):
            await self._set_health(name, ready)

    async def _set_health(self, name: str, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(name, status)

    async def stop(self, grace_seconds: float) -> None:
        """Report ``NOT_SERVING``, wait until clients have noticed, end streams, refuse new calls, and cancel running calls
        after ``grace_seconds``. With 0, stop at once.
        """
        await self._health.enter_graceful_shutdown()
        if grace_seconds:
            await asyncio.sleep(_NOTICE_SECONDS)
        self._edge.stopping.set()
        await self._server.stop(grace_seconds)
