"""Calls between components whose first answer is lost after its effect, as when a connection breaks."""

import contextlib
import importlib
import uuid
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dev.tools import stubs
from soundwright.kit import rpc
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.rpc.options import ACCEPTING
from soundwright.kit.security.identity import Principal, Signer, principal_scope
from soundwright.kit.settings import Settings
from soundwright.library.v1 import job_pb2, track_pb2

PROTO = stubs.ROOT / "proto"
PATHS = sorted(path.relative_to(PROTO).with_suffix("") for path in PROTO.rglob("*_service.proto"))
IDEMPOTENT: dict[str, MethodDescriptor] = {
    f"{service.name}.{method.name}": method
    for path in PATHS
    for service in importlib.import_module(".".join(path.parts) + "_pb2").DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENT
}
COMPONENTS = ("library", "ingest", "separation", "analysis", "generation")


class LossyProxy(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A gRPC server that forwards calls. It loses the first answer of each method, as a connection that breaks does."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.lost: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        method = str(details.method)
        if method.startswith("/grpc.health."):
            return None

        async def forward(request: bytes, context: rpc.Context) -> bytes:
            call: Any = self._channel.unary_unary(method)
            metadata = [pair for pair in context.invocation_metadata() or () if not pair[0].startswith(("grpc-", ":"))]
            try:
                answer: bytes = await call(request, metadata=metadata, timeout=60)
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))
            if method not in self.lost:
                self.lost.append(method)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            return answer

        return grpc.unary_unary_rpc_method_handler(forward)


class Calls:
    """Calls of the components for accounts, or for themselves, whose first answers are lost."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """
        Args:
            settings: those of the stack.
            folder: for sockets; its path must be short.
        """
        self.me = Principal("", "")
        self._settings = settings
        self._folder = folder
        self.proxies: dict[str, LossyProxy] = {}
        self._open = contextlib.AsyncExitStack()
        self._channels: dict[tuple[str, str, bool], grpc.aio.Channel] = {}

    def _signer(self, component: str) -> Signer:
        return Signer(component, self._settings.signing_keys(component), SystemClock())

    async def start(self, token: str) -> None:
        """Start the proxies. The calls are made for the account of an API token."""
        self.me = await self.account_of(token)
        for component in COMPONENTS:
            channel = await self._open.enter_async_context(grpc.aio.insecure_channel(self._address(component)))
            server = grpc.aio.server()
            self.proxies[component] = LossyProxy(channel)
            server.add_generic_rpc_handlers((self.proxies[component],))
            statuses = health.aio.HealthServicer()
            await statuses.set(ACCEPTING, health_pb2.HealthCheckResponse.SERVING)
            health_pb2_grpc.add_HealthServicer_to_server(statuses, server)
            server.add_insecure_port(f"unix:{self._folder}/{component}.sock")
            await server.start()
            self._open.push_async_callback(server.stop, 0)

    async def stop(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        await self._open.aclose()

    def _address(self, component: str) -> str:
        return self._settings.grpc_address(component)

    async def call(
        self,
        method: str,
        *,
        by: str = "gateway",
        principal: Principal | None = None,
        lossy: bool = False,
        **fields: Any,
    ) -> Any:
        """Call ``Service.Method`` as the component ``by``, for an account or for the component itself.

        Args:
            lossy: the first answer is lost.
        """
        service, name = method.split(".")
        module = next(
            module
            for module in (importlib.import_module(".".join(path.parts) + "_pb2_grpc") for path in PATHS)
            if hasattr(module, f"{service}Stub")
        )
        component = module.__name__.split(".")[1]
        messages = importlib.import_module(module.__name__.removesuffix("_grpc"))
        address = f"unix:{self._folder}/{component}.sock" if lossy else self._address(component)
        if (by, component, lossy) not in self._channels:
            self._channels[by, component, lossy] = rpc.connect(component, address, self._signer(by), 60.0)
        if principal is not None and by != "gateway":  # the account has called the component through the gateway
            proof = self._signer("gateway").sign(principal, by)
            principal = Principal(principal.id, principal.role, proof=proof)
        with principal_scope(principal):
            stub = getattr(module, f"{service}Stub")(self._channels[by, component, lossy])
            return await getattr(stub, name)(getattr(messages, f"{name}Request")(**fields))

    async def mine(self, method: str, **fields: Any) -> Any:
        return await self.call(method, principal=self.me, **fields)

    async def repeated(self, method: str, **fields: Any) -> Any:
        """Call a method for the account, lose its answer, and return the answer of the repetition."""
        return await self.repeated_by("gateway", self.me, method, **fields)

    async def repeated_by(self, by: str, principal: Principal | None, method: str, **fields: Any) -> Any:
        return await self.call(method, by=by, principal=principal, lossy=True, **fields)

    # what the calls need

    async def account_of(self, token: str) -> Principal:
        account = (await self.call("AccountService.AuthenticateToken", token=token)).account
        return Principal(account.id, account.role)

    async def job(self, **fields: Any) -> job_pb2.Job:
        """Create a job that no worker of the stack runs."""
        return (
            await self.call("JobService.CreateJob", by="separation", principal=self.me, **job_request(**fields))
        ).job

    async def running(self) -> job_pb2.Job:
        job = await self.job()
        return (await self.worker("JobService.ClaimJob", **claim_of(job))).job

    async def worker(self, method: str, **fields: Any) -> Any:
        return await self.call(method, by="separation", **fields)

    async def state(self, job: job_pb2.Job) -> job_pb2.Job:
        return (await self.mine("JobService.GetJob", job_id=job.id)).job

    async def playlist(self, *clip_ids: str) -> str:
        playlist_id: str = (await self.mine("CatalogService.CreatePlaylist", name="mine")).playlist.id
        for clip_id in clip_ids:
            await self.mine("CatalogService.AddToPlaylist", playlist_id=playlist_id, generation_id=clip_id)
        return playlist_id

    async def entries(self, playlist_id: str) -> list[str]:
        found = await self.mine("CatalogService.GetPlaylist", playlist_id=playlist_id)
        return [entry.generation.id for entry in found.entries]

    async def webhooks(self) -> list[Any]:
        return list((await self.mine("WebhookService.ListWebhooks")).webhooks)

    async def track(self) -> str:
        return str(
            (await self.call("TrackService.CreateTrack", by="ingest", principal=self.me, track=a_track())).track.id
        )

    async def job_count(self, kind: job_pb2.JobKind.ValueType) -> int:
        return int((await self.mine("JobService.ListJobs", page=1, page_size=1, kinds=[kind])).total_count)


def a_track() -> track_pb2.Track:
    track_id = str(uuid.uuid4())
    return track_pb2.Track(id=track_id, title="One", blob_key=f"tracks/{track_id}/original.wav", size_bytes=10)


def job_request(**fields: Any) -> dict[str, Any]:
    return {
        "kind": job_pb2.JOB_KIND_ANALYSIS,
        "attempt_limit": 3,
        "queue": f"repeats{uuid.uuid4().hex}",
        "job_id": str(uuid.uuid4()),
        **fields,
    }


def claim_of(job: job_pb2.Job) -> dict[str, Any]:
    return {"job_id": job.id, "worker_id": "w", "lease_seconds": 600.0}


def attempt_of(job: job_pb2.Job) -> dict[str, Any]:
    return {"job_id": job.id, "attempt": job.attempt}
