"""The gRPC service of storage."""

from soundwright.kit.messages import to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import storage_service_pb2 as pb
from soundwright.library.v1 import storage_service_pb2_grpc
from soundwright.services.library.storage.service import Storage, Usage


class StorageRpc(storage_service_pb2_grpc.StorageServiceServicer):
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        usage = await self._storage.usage(require_principal().id)
        return pb.GetUsageResponse(usage=_usage(usage))

    async def Reserve(self, request: pb.ReserveRequest, context: Context) -> pb.ReserveResponse:
        caller = require_principal()
        size_bytes = max(0, request.size_bytes)
        expire_time = request.expire_time.ToNanoseconds() / 1e9 if request.HasField("expire_time") else None
        await self._storage.reserve(caller.id, request.reservation_id, size_bytes, caller.network or None, expire_time)
        return pb.ReserveResponse(usage=_usage(await self._storage.usage(caller.id)))

    async def Release(self, request: pb.ReleaseRequest, context: Context) -> pb.ReleaseResponse:
        caller = require_principal()
        await self._storage.release(caller.id, request.reservation_id, caller.network or None)
        return pb.ReleaseResponse()


def _usage(usage: Usage) -> pb.Usage:
    return to_wire(usage, pb.Usage)
